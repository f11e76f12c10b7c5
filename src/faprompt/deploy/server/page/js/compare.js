/** The same images under two models: figures, scatter plot and table. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { compareTable } from "./comparetable.js";
import { base, plural, score } from "./format.js";
import { modelName } from "./lists.js";
import { auroc, spearman } from "./rank.js";
import { scatter } from "./scatter.js";

/** Fill the comparison's view. */
export async function showComparison(id, otherId) {
  const title = el("h2", { id: "compare-title", tabindex: -1 }, "Compare");
  const back = el("a", { class: "button", href: `#/batch/${id}` }, "‹ Back to the batch");
  const content = el("div", { class: "stack" }, el("p", { class: "soft" }, "Loading…"));
  $("compare").replaceChildren(el("header", { class: "compare-head" }, title, back), content);
  const { batch, other, rows: all } = await api.compare(id, otherId);
  const rows = all.filter((row) => row.image_score !== null && row.other_image_score !== null);
  const [a, b] = names(batch, other);
  title.textContent = `${a} and ${b}`;
  content.replaceChildren(
    ...(rows.length ? [figures(rows, a, b), plots(rows, a, b)] : [nothing()]),
  );
  title.focus();
}

const nothing = () =>
  el("p", { class: "empty" }, "The two batches have no scored image in common.");

/** Models by name; two batches of one model by the batches' names. */
function names(batch, other) {
  if (batch.model === other.model) return [batch.name, other.name];
  return [modelName(batch.model), modelName(other.model)];
}

function figures(rows, a, b) {
  const scores = [rows.map((row) => row.image_score), rows.map((row) => row.other_image_score)];
  const facts = [["images in both batches", String(rows.length)]];
  const correlation = spearman(...scores);
  if (correlation !== null) facts.push(["rank correlation", correlation.toFixed(2)]);
  const labels = rows.map((row) => row.label);
  [a, b].forEach((name, i) => {
    const value = auroc(scores[i], labels);
    if (value !== null) facts.push([`AUROC of ${name} on your labels`, value.toFixed(3)]);
  });
  const tiles = facts.map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value)),
  );
  return el("dl", { class: "tiles" }, tiles);
}

function plots(rows, a, b) {
  const hint = "Point at a dot to see its image; click to find it in the table.";
  const detail = el("p", { class: "soft detail", role: "status" }, hint);
  const table = compareTable(rows, a, b);
  const chosen = (row, clicked) => {
    if (!row) return;
    detail.textContent = `${base(row.name)}: ${score(row.image_score)} and ${score(row.other_image_score)}`;
    if (clicked) table.find(row);
  };
  const description =
    `Scatter plot of ${plural(rows.length, "image")}: score of ${a} across, score of ${b} upwards; ` +
    "the table has the same figures";
  const plot = scatter(rows, { across: `${a} →`, up: `${b} →`, description, chosen });
  const legend = el("p", { class: "soft" }, "● labelled OK   ✕ labelled NG   · without a label");
  const scrolled = {
    class: "scrolled panel",
    tabindex: 0,
    role: "region",
    "aria-label": "Table of both scores",
  };
  return el(
    "div",
    { class: "compare-body" },
    el("div", { class: "panel" }, plot, detail, legend),
    el("div", scrolled, table.node),
  );
}
