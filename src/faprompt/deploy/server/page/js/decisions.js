/** Thresholds tried on the page: sliders, counts that follow at once, the histogram. */

import { $, el, framed, throttled } from "./dom.js";
import { count, GLYPHS, percent, threshold, VERDICTS } from "./format.js";
import { Histogram } from "./histogram.js";
import { say } from "./messages.js";
import { apart, fromLogOdds, logOdds, Scale } from "./scale.js";
import { store } from "./store.js";

const STEP = 0.02; // of log-odds, per key; at 0.5 that is 0.005, at 0.99 it is 0.0002
const EDGES = [
  { key: "ng", name: "NG from", verdict: "NG" },
  { key: "unsure", name: "UNSURE from", verdict: "UNSURE" },
];

const scale = new Scale();
let histogram;
const counters = {};
const rows = {};

const scored = () => [...store.items.values()].filter((item) => item.image_score !== null);

/** How many images each verdict has; without a threshold there are none. */
export function tally(items, verdict) {
  const result = { OK: 0, UNSURE: 0, NG: 0 };
  for (const item of items) {
    const one = verdict(item);
    if (one) result[one] += 1;
  }
  return result;
}

export function connectDecisions() {
  histogram = new Histogram($("histogram"), scale);
  let held = "ng";
  histogram.onDrag(
    (value) => {
      held = nearest(value);
      move(held, value);
    },
    (value) => move(held, value),
  );
  $("counts").append(...VERDICTS.map(counter));
  $("sliders").append(...EDGES.map(slider));
  const draw = framed(redraw);
  store.on("items thresholds view", draw);
  store.on("batch", () => {
    if (!store.items.size) scale.reset();
    draw();
  });
  store.on("thresholds", spoken);
}

function nearest(value) {
  const { ng, unsure } = store.thresholds;
  if (ng === null || unsure === null) return "ng";
  return apart(value, unsure) < apart(value, ng) ? "unsure" : "ng";
}

/** Dragged values are those that the field shows, to all their digits. */
function move(key, value) {
  store.tryThresholds({ [key]: Number(threshold(value)) }, key);
}

/** A count is also a filter: pressed, the grid shows these images alone. */
function counter(verdict) {
  const number = el("span", { class: "number" }, "–");
  const share = el("span", { class: "share" });
  const name = el("span", { class: "name" }, `${GLYPHS[verdict]} ${verdict}`);
  const button = el(
    "button",
    {
      type: "button",
      class: "counter",
      "aria-pressed": "false",
      data: { verdict },
      onclick: () => store.setView({ filter: store.filter === verdict ? "all" : verdict }),
    },
    name,
    number,
    share,
  );
  counters[verdict] = { button, number, share };
  return button;
}

function slider({ key, name, verdict }) {
  const range = el("input", {
    type: "range",
    id: `${key}-range`,
    step: STEP,
    data: { verdict },
  });
  const field = el("input", {
    type: "number",
    step: "any",
    min: 0,
    max: 1,
    inputmode: "decimal",
    placeholder: "not set",
    "aria-label": `${name}, value`,
  });
  range.addEventListener("input", () => move(key, fromLogOdds(range.valueAsNumber)));
  field.addEventListener("change", () => {
    if (field.value === "") store.tryThresholds({ [key]: null }, key);
    else if (Number.isFinite(field.valueAsNumber))
      store.tryThresholds({ [key]: Math.min(1, Math.max(0, field.valueAsNumber)) }, key);
  });
  field.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!way || store.thresholds[key] === null) return;
    event.preventDefault(); // its own step is even in the score: too large near 0 and 1
    move(key, fromLogOdds(logOdds(store.thresholds[key]) + way * STEP));
    field.value = threshold(store.thresholds[key]);
  });
  rows[key] = { range, field };
  return el(
    "div",
    { class: "slider", data: { verdict } },
    el("label", { for: range.id }, `${GLYPHS[verdict]} ${name}`),
    field,
    range,
  );
}

function redraw() {
  const items = scored();
  const { station } = store;
  scale.include(items.map((item) => item.image_score));
  scale.include([station?.threshold ?? null, station?.review_threshold ?? null]);
  histogram.draw(items, store.thresholds, station);
  const counts = tally(items, (item) => store.verdict(item));
  const decided = counts.OK + counts.UNSURE + counts.NG;
  for (const verdict of VERDICTS) {
    const { button, number, share } = counters[verdict];
    number.textContent = decided ? count(counts[verdict]) : "–";
    share.textContent = decided ? percent(counts[verdict] / decided) : "";
    button.setAttribute("aria-pressed", store.filter === verdict);
    button.disabled = !decided && store.filter !== verdict;
  }
  for (const { key } of EDGES) set(rows[key], store.thresholds[key]);
  source(station);
}

function set({ range, field }, value) {
  if (scale.known) {
    range.min = scale.low;
    range.max = scale.high;
  }
  range.disabled = field.disabled = !scale.known;
  range.classList.toggle("unset", value === null);
  range.value = value === null ? (scale.high ?? 1) : logOdds(value);
  range.setAttribute("aria-valuetext", value === null ? "not set" : threshold(value));
  if (document.activeElement !== field) field.value = value === null ? "" : threshold(value);
}

/** Whose thresholds these are. */
function source(station) {
  const { ng, unsure } = store.thresholds;
  const node = $("source");
  const parts = [];
  if (station && ng === station.threshold && unsure === station.review_threshold) {
    parts.push(`Thresholds of station “${station.name}”.`);
  } else if (station) {
    parts.push(
      "Tried here only; the station's own are the dashed marks. ",
      el(
        "button",
        { type: "button", class: "link", onclick: () => store.useStation() },
        "Back to the station's",
      ),
    );
  } else if (ng === null && unsure === null) {
    parts.push("No threshold yet. Move a slider to try one, or label some images and calibrate.");
  } else {
    parts.push(
      "Tried here only: these thresholds belong to no station. ",
      el("button", { type: "button", class: "link", onclick: () => store.useStation() }, "Clear"),
    );
  }
  const text = parts.map((part) => part.textContent ?? part).join("");
  if (node.textContent !== text) node.replaceChildren(...parts);
}

const spoken = throttled(() => {
  const { ng, unsure } = store.thresholds;
  if (ng === null && unsure === null) return;
  const counts = tally(scored(), (item) => store.verdict(item));
  say(`${counts.NG} NG, ${counts.UNSURE} unsure, ${counts.OK} OK`);
}, 1500);
