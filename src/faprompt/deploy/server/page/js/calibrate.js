/** A station from what is labelled: a dialog that says what it needs and what came out. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { percent, plural, threshold } from "./format.js";
import { loadLists } from "./lists.js";
import { attempt, say } from "./messages.js";
import { field, showSheet } from "./sheet.js";
import { store } from "./store.js";

const ALARMS = 2; // percent
const REVIEW_FACTOR = 10; // as `faprompt calibrate` has it
const LARGEST_REVIEW = 50; // percent
const CONFIDENCES = [
  ["", "on average"],
  ["0.9", "for this station, with 90 % confidence"],
  ["0.95", "for this station, with 95 % confidence"],
  ["0.99", "for this station, with 99 % confidence"],
];

const FAIR =
  "The shares hold for good parts like these: label them as they come, not just doubtful or clear ones.";

const labelled = (label) =>
  [...store.items.values()].filter((item) => item.label === label && item.image_score !== null)
    .length;

export function connectCalibrate() {
  $("calibrate-open").addEventListener("click", () => {
    const form = new Form();
    showSheet("calibrate", "Calibrate from labels", form.node, form.name);
  });
}

class Form {
  constructor() {
    this.name = el("input", {
      type: "text",
      required: true,
      maxlength: 120,
      autocomplete: "off",
      value: store.batch.name,
    });
    this.alarms = rate(ALARMS);
    this.review = rate(Math.min(LARGEST_REVIEW, REVIEW_FACTOR * ALARMS));
    this.confidence = el(
      "select",
      {},
      CONFIDENCES.map(([value, text]) => el("option", { value }, text)),
    );
    this.need = el("p", { class: "soft" });
    this.problem = el("p", { class: "problem", role: "alert", hidden: true });
    this.go = el("button", { type: "submit", class: "primary" }, "Calibrate");
    this.node = el("form", { novalidate: true }, this.#fields());
    this.#connect();
    this.#hint();
  }

  #fields() {
    const counts = `Labelled in this batch: ${plural(labelled("ok"), "image")} OK, ${labelled("ng")} NG.`;
    return [
      el("p", {}, `${counts} The thresholds come from the OK ones; NG ones only check them.`),
      el("p", { class: "soft" }, FAIR),
      field("Name of the station", this.name, "The product and place, as people call it."),
      el(
        "div",
        { class: "two" },
        field("False alarms, %", this.alarms, "Share of good parts that may be called NG."),
        field("Review, %", this.review, "Share of good parts that may be called NG or UNSURE."),
      ),
      field(
        "The shares hold",
        this.confidence,
        "A confidence needs more images and sets the thresholds higher.",
      ),
      this.need,
      this.problem,
      el("p", { class: "buttons end" }, this.go),
    ];
  }

  #connect() {
    let chosen = false; // the review rate follows the other until somebody sets it
    this.review.addEventListener("input", () => (chosen = true));
    this.alarms.addEventListener("input", () => {
      const share = this.alarms.valueAsNumber;
      if (!chosen && share > 0)
        this.review.value = Math.max(
          share,
          Math.min(LARGEST_REVIEW, Number((REVIEW_FACTOR * share).toPrecision(6))),
        );
    });
    for (const one of [this.alarms, this.confidence])
      one.addEventListener("input", () => this.#hint());
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  #hint() {
    const share = this.alarms.valueAsNumber / 100;
    const least = needed(share, Number(this.confidence.value));
    const need = least === null ? "" : plural(least, "image");
    this.need.textContent = need
      ? `${percent(share)} false alarms need at least ${need} labelled OK; you have ${labelled("ok")}.`
      : "";
  }

  async #send() {
    this.go.disabled = true;
    this.problem.hidden = true;
    try {
      const station = await api.calibrate({
        name: this.name.value.trim(),
        batch: store.batch.id,
        model: store.batch.model,
        false_alarms: this.alarms.valueAsNumber / 100,
        review_rate: this.review.valueAsNumber / 100,
        confidence: this.confidence.value ? Number(this.confidence.value) : null,
      });
      await done(station);
    } catch (error) {
      this.problem.textContent = error.message;
      this.problem.hidden = false;
      this.go.disabled = false;
    }
  }
}

const rate = (value) =>
  el("input", {
    type: "number",
    min: 0.01,
    max: 99,
    step: "any",
    required: true,
    value,
    inputmode: "decimal",
  });

/** The least number of good images with which such a promise can be made; null: no such promise. */
export function needed(alarms, confidence) {
  if (!(alarms > 0 && alarms < 1)) return null;
  const average = Math.ceil(1 / alarms - 1 - 1e-9);
  if (!confidence) return average;
  return Math.max(average, Math.ceil(Math.log1p(-confidence) / Math.log1p(-alarms) - 1e-9));
}

async function done(station) {
  await loadLists();
  const use = el("button", { type: "button", class: "primary" }, "Use it for this batch");
  const close = el("button", { type: "button" }, "Close");
  const file = { class: "button", href: api.stationFile(station.id), download: "" };
  const dialog = showSheet(
    "calibrate",
    `Station “${station.name}”`,
    [
      el("p", {}, `Calibrated for at most ${percent(station.false_alarms)} false alarms.`),
      outcome(station),
      el("p", { class: "buttons end" }, el("a", file, "Download station.json"), close, use),
    ],
    use,
  );
  say(`Station ${station.name} is calibrated: NG from ${threshold(station.threshold)}`);
  close.addEventListener("click", () => dialog.close());
  const take = async () => {
    await chooseStation(station.id);
    dialog.close();
  };
  use.addEventListener("click", () => attempt(take));
}

function outcome(station) {
  const rows = [
    ["NG from", threshold(station.threshold)],
    ["UNSURE from", threshold(station.review_threshold)],
    ["Regions from", threshold(station.pixel_threshold)],
    ["Calibrated on", plural(station.images, "good image")],
    ...Object.entries(station.miss_rates).map(missed),
  ];
  const pairs = rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  return el("dl", { class: "facts" }, pairs);
}

const MISSES = { not_ng: "Defects not called NG", ok: "Defects called OK" };

/** What the images labelled NG say of a threshold, with the interval that so few of them allow. */
const missed = ([kind, { images, missed: many, low, high }]) => [
  MISSES[kind] ?? kind,
  `${many} of ${images} (true rate ${percent(low)} to ${percent(high)}, 95\u00a0% sure)`,
];

/** Decide the open batch by a station (null: by none); the server decides its images anew. */
export async function chooseStation(id) {
  store.batch = await api.changeBatch(store.batch.id, { station: id });
  store.useStation();
  store.tell("batch");
}
