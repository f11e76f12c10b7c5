/** Which images are shown, and in which order. */

import { apart } from "./scale.js";

export const SORTS = [
  ["high", "Highest score first"],
  ["low", "Lowest score first"],
  ["near", "Nearest to the threshold"],
  ["name", "By name"],
];

export const FILTERS = [
  ["all", "All images"],
  ["NG", "NG"],
  ["UNSURE", "UNSURE"],
  ["OK", "OK"],
  ["none", "Without a label"],
  ["ok", "Labelled OK"],
  ["ng", "Labelled NG"],
  ["wrong", "Label and decision differ"],
  ["failed", "Failed"],
];

const collator = new Intl.Collator("en", { numeric: true });

/** Does the decision contradict the label? UNSURE contradicts neither. */
export const differs = (verdict, label) =>
  (verdict === "NG" && label === "ok") || (verdict === "OK" && label === "ng");

const kept = {
  all: () => true,
  none: (item) => !item.label && item.image_score !== null,
  ok: (item) => item.label === "ok",
  ng: (item) => item.label === "ng",
  failed: (item) => item.status === "failed" || item.status === "cancelled",
  wrong: (item, verdict) => differs(verdict, item.label),
};

/** The ids to show. Images without a score come last, in the order of their names. */
export function shown(store) {
  const test = kept[store.filter] ?? ((_, verdict) => verdict === store.filter);
  const found = [...store.items.values()].filter((item) => test(item, store.verdict(item)));
  return found.sort(comparison(store)).map((item) => item.id);
}

function comparison({ sort, thresholds }) {
  const byName = (a, b) => collator.compare(a.name, b.name) || (a.id < b.id ? -1 : 1);
  if (sort === "name") return byName;
  const edges = [thresholds.ng, thresholds.unsure].filter((edge) => edge !== null);
  const keys = {
    high: (value) => -value,
    low: (value) => value,
    near: (value) =>
      edges.length ? Math.min(...edges.map((edge) => apart(value, edge))) : -value,
  };
  const key = (item) => (item.image_score === null ? Infinity : keys[sort](item.image_score));
  return (a, b) => {
    const [x, y] = [key(a), key(b)];
    return x === y ? byName(a, b) : x - y;
  };
}
