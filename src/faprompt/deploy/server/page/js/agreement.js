/** Labels beside decisions: what people say of the images against what the thresholds say. */

import { $, el, framed } from "./dom.js";
import { percent, plural, VERDICTS } from "./format.js";
import { tally } from "./decisions.js";
import { store } from "./store.js";

const ROWS = [
  { label: "ok", name: "✓ Labelled OK", wrong: "NG", words: "called NG (false alarms)" },
  { label: "ng", name: "✕ Labelled NG", wrong: "OK", words: "called OK (missed)" },
];

export function connectAgreement() {
  const draw = framed(() => $("agreement").replaceChildren(...shown()));
  store.on("items thresholds batch", draw);
}

function shown() {
  const labelled = [...store.items.values()].filter(
    (item) => item.label && item.image_score !== null,
  );
  if (!labelled.length) {
    return [
      el(
        "p",
        { class: "soft" },
        "No image has a label. Press ",
        el("kbd", {}, "o"),
        " for OK and ",
        el("kbd", {}, "n"),
        " for NG on an image, or use “Select”.",
      ),
    ];
  }
  const verdict = (item) => store.verdict(item);
  const groups = ROWS.map((row) => {
    const items = labelled.filter((item) => item.label === row.label);
    return { ...row, items, counts: tally(items, verdict) };
  });
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "Labels"),
    el("th", { scope: "col" }, "all"),
    VERDICTS.map((one) => el("th", { scope: "col" }, one)),
  );
  const body = groups.map(({ name, items, counts }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", {}, items.length),
      VERDICTS.map((one) => el("td", {}, counts[one])),
    ),
  );
  const decided = labelled.some((item) => verdict(item));
  const notes = decided ? groups.filter(({ items }) => items.length).map(note) : [];
  return [
    el("table", { class: "figures" }, el("thead", {}, head), el("tbody", {}, body)),
    ...notes,
  ];
}

function note({ items, counts, wrong, words }) {
  return el(
    "p",
    { class: "soft" },
    `${counts[wrong]} of ${plural(items.length, "image")} ${words}: ${percent(counts[wrong] / items.length)}`,
  );
}
