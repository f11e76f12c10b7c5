/** The table of a comparison: what the two models disagree on most comes first. */

import { picture } from "./api.js";
import { el } from "./dom.js";
import { base, LABELS, score } from "./format.js";
import { ranks } from "./rank.js";

const SHOWN = 200; // rows at first

/** Gives the table and `find(row)`, which brings a row into sight. */
export function compareTable(rows, a, b) {
  const order = byDistance(rows);
  const lines = new Map();
  const add = (one) => {
    if (!lines.has(one.row)) lines.set(one.row, line(one));
    return lines.get(one.row);
  };
  const body = el("tbody", {}, order.slice(0, SHOWN).map(add));
  const rest = order.slice(SHOWN);
  if (rest.length) body.append(moreRow(rest.length, () => body.append(...rest.map(add))));
  const find = (row) => {
    if (!lines.has(row)) body.prepend(add(order.find((one) => one.row === row)));
    lines.get(row).scrollIntoView({ block: "center" });
    lines.get(row).focus();
  };
  const heads = ["Image", a, b, "Ranks apart", "Label"];
  const head = el(
    "tr",
    {},
    heads.map((name) => el("th", { scope: "col" }, name)),
  );
  return { node: el("table", { class: "figures" }, el("thead", {}, head), body), find };
}

function byDistance(rows) {
  const first = ranks(rows.map((row) => row.image_score));
  const second = ranks(rows.map((row) => row.other_image_score));
  const all = rows.map((row, i) => ({ row, apart: Math.abs(second[i] - first[i]) }));
  return all.sort((p, q) => q.apart - p.apart);
}

function line({ row, apart }) {
  const image = {
    src: picture(row.item, "image", "thumb"),
    alt: "",
    width: 32,
    height: 32,
    loading: "lazy",
  };
  return el(
    "tr",
    { tabindex: -1 },
    el("th", { scope: "row" }, el("img", image), base(row.name)),
    [
      score(row.image_score),
      score(row.other_image_score),
      apart.toFixed(0),
      LABELS[row.label] ?? "–",
    ].map((text) => el("td", {}, text)),
  );
}

function moreRow(many, show) {
  const button = el("button", { type: "button", class: "small" }, `Show the other ${many}`);
  button.addEventListener("click", () => {
    button.closest("tr").remove();
    show();
  });
  return el("tr", {}, el("td", { colspan: 5 }, button));
}
