/** A station from what is labelled: a dialog that says what it needs and what came out. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { percent, plural, score } from "./format.js";
import { attempt, say } from "./messages.js";
import { field, showSheet } from "./sheet.js";
import { loadLists } from "./lists.js";
import { store } from "./store.js";

const CONFIDENCES = [
  ["", "on average (no confidence asked)"],
  ["0.9", "with 90 % confidence"],
  ["0.95", "with 95 % confidence"],
  ["0.99", "with 99 % confidence"],
];

const labelled = (label) =>
  [...store.items.values()].filter((item) => item.label === label && item.image_score !== null)
    .length;

const rate = (value) =>
  el("input", {
    type: "number",
    min: 0.01,
    max: 100,
    step: "any",
    required: true,
    value,
    inputmode: "decimal",
  });

export function connectCalibrate() {
  $("calibrate-open").addEventListener("click", open);
}

function open() {
  const name = el("input", {
    type: "text",
    required: true,
    maxlength: 120,
    autocomplete: "off",
    value: store.batch.name,
  });
  const alarms = rate(5);
  const review = rate(20);
  const confidence = el(
    "select",
    {},
    CONFIDENCES.map(([value, text]) => el("option", { value }, text)),
  );
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const go = el("button", { type: "submit", class: "primary" }, "Calibrate");
  const need = el("p", { class: "soft" });
  const form = el(
    "form",
    { novalidate: true },
    el(
      "p",
      {},
      `Labelled in this batch: ${plural(labelled("ok"), "image")} OK, ${labelled("ng")} NG. The thresholds come from the OK ones; NG ones only check them.`,
    ),
    field("Name of the station", name, "The product and place, as people call it."),
    el(
      "div",
      { class: "two" },
      field("False alarms, %", alarms, "Share of good parts that may be called NG."),
      field("Review, %", review, "Share of good parts that may be called NG or UNSURE."),
    ),
    field("Confidence", confidence, "How sure the false-alarm rate must be for this very station."),
    need,
    problem,
    el("p", { class: "buttons end" }, go),
  );
  const hint = () => {
    need.textContent = wants(alarms.valueAsNumber / 100, confidence.value);
  };
  for (const one of [alarms, confidence]) one.addEventListener("input", hint);
  hint();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    problem.hidden = true;
    try {
      done(
        await api.calibrate({
          name: name.value.trim(),
          batch: store.batch.id,
          model: store.batch.model,
          false_alarms: alarms.valueAsNumber / 100,
          review_rate: review.valueAsNumber / 100,
          confidence: confidence.value ? Number(confidence.value) : null,
        }),
      );
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      go.disabled = false;
    }
  });
  showSheet("calibrate", "Calibrate from labels", form, name);
}

/** The least number of good images with which such a promise can be made at all. */
export function needed(alarms, confidence) {
  if (!(alarms > 0 && alarms < 1)) return null;
  if (!confidence) return Math.ceil(1 / alarms - 1 - 1e-9);
  return Math.ceil(Math.log(1 - confidence) / Math.log(1 - alarms) - 1e-9);
}

function wants(alarms, confidence) {
  const least = needed(alarms, Number(confidence));
  return least === null
    ? ""
    : `${percent(alarms)} false alarms need at least ${plural(least, "image")} labelled OK; you have ${labelled("ok")}.`;
}

async function done(station) {
  await loadLists();
  const use = el("button", { type: "button", class: "primary" }, "Use it for this batch");
  const close = el("button", { type: "button" }, "Close");
  const rows = [
    ["NG from", score(station.threshold)],
    ["UNSURE from", score(station.review_threshold)],
    ["Regions from", score(station.pixel_threshold)],
    ["From", plural(station.images ?? labelled("ok"), "image")],
  ];
  const list = el(
    "dl",
    { class: "facts" },
    rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
  const file = el(
    "a",
    { class: "button", href: api.stationFile(station.id), download: "" },
    "Download station.json",
  );
  const dialog = showSheet(
    "calibrate",
    `Station “${station.name}”`,
    [
      el("p", {}, `Calibrated for at most ${percent(station.false_alarms)} false alarms.`),
      list,
      el("p", { class: "buttons end" }, file, close, use),
    ],
    use,
  );
  say(`Station ${station.name} is calibrated: NG from ${score(station.threshold)}`);
  close.addEventListener("click", () => dialog.close());
  use.addEventListener("click", () =>
    attempt(async () => {
      await chooseStation(station.id);
      dialog.close();
    }),
  );
}

/** Decide the open batch by a station (null: by none); the server decides its images anew. */
export async function chooseStation(id) {
  store.batch = await api.changeBatch(store.batch.id, { station: id });
  store.useStation();
  store.tell("batch");
}
