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
  const scored = [...store.items.values()].filter((item) => item.image_score !== null);
  const groups = ROWS.map((row) => {
    const items = scored.filter((item) => item.label === row.label);
    return { ...row, items, counts: tally(items, (item) => store.verdict(item)) };
  });
  const labelled = groups.filter(({ items }) => items.length);
  if (!labelled.length) return [invitation()];
  const decided = labelled.some(({ counts }) => counts.OK + counts.UNSURE + counts.NG);
  return [table(groups, decided), ...(decided ? labelled.map(note) : [])];
}

function invitation() {
  const keys = ["Press ", el("kbd", {}, "o"), " for OK and ", el("kbd", {}, "n"), " for NG on an image"];
  const how = matchMedia("(hover: none)").matches ? "Open an image" : keys;
  return el("p", { class: "soft" }, "No image has a label. ", how, ", or use “Select”.");
}

function table(groups, decided) {
  const heads = ["Labels", "all", ...VERDICTS].map((name) => el("th", { scope: "col" }, name));
  const row = ({ name, items, counts }) => {
    const cells = [items.length, ...VERDICTS.map((one) => (decided ? counts[one] : "–"))];
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      cells.map((cell) => el("td", {}, cell)),
    );
  };
  const body = el("tbody", {}, groups.map(row));
  return el("table", { class: "figures" }, el("thead", {}, el("tr", {}, heads)), body);
}

function note({ items, counts, wrong, words }) {
  const share = percent(counts[wrong] / items.length);
  const text = `${counts[wrong]} of ${plural(items.length, "image")} ${words}: ${share}`;
  return el("p", { class: "soft" }, text);
}
