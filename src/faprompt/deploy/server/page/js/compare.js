/** The same images under two models: which batch, the scatter plot, the table. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { base, LABELS, plural, score } from "./format.js";
import { attempt } from "./messages.js";
import { auroc, ranks, spearman } from "./rank.js";
import { scatter } from "./scatter.js";
import { field, showSheet } from "./sheet.js";
import { store } from "./store.js";

const SHOWN = 200; // rows of the table at first

const modelName = (batch) => store.models.find((one) => one.id === batch.model)?.name ?? batch.model;

/** Choose the batch to compare with, or have the same images scored by another model. */
export function connectCompare({ begin }) {
  $("compare-open").addEventListener("click", () => attempt(() => choose(begin)));
}

async function choose(begin) {
  const { batch } = store;
  const others = (await api.batches()).filter((one) => one.id !== batch.id && one.counts.done);
  const models = store.models.filter((one) => one.id !== batch.model);
  const parts = [];
  const dialog = () => $("pair");
  if (models.length) {
    const model = el("select", {}, models.map((one) => el("option", { value: one.id }, one.name)));
    const go = el("button", { type: "button", class: "primary", onclick: () => attempt(async () => {
      const made = await api.makeBatch({ name: `${batch.name} (${model.selectedOptions[0].text})`, model: model.value, station: null, tile: batch.tile ?? null, images_of: batch.id });
      dialog().close();
      begin(made);
    }) }, "Score them");
    parts.push(el("h3", {}, "Score these images with another model"), field("Model", model, "A new batch of the same images; open “Compare” again when it is through."), el("p", { class: "buttons end" }, go));
  } else {
    parts.push(el("p", { class: "soft" }, "The desk has one model. Start it with --model twice to have a second one here."));
  }
  if (others.length) {
    const other = el("select", {}, others.map((one) => el("option", { value: one.id }, `${one.name} · ${modelName(one)}`)));
    const go = el("button", { type: "button", class: models.length ? "" : "primary", onclick: () => {
      dialog().close();
      location.hash = `#/batch/${batch.id}/compare/${other.value}`;
    } }, "Compare");
    parts.push(el("h3", {}, "Compare with a batch"), field("Batch", other, "Images are matched by their content, whatever they are called."), el("p", { class: "buttons end" }, go));
  }
  showSheet("pair", "Compare two models", parts);
}

/** Fill the comparison's view. */
export async function showComparison(id, otherId) {
  const box = $("compare");
  const back = el("a", { class: "button", href: `#/batch/${id}` }, "‹ Back to the batch");
  const title = el("h2", { id: "compare-title", tabindex: -1 }, "Compare");
  box.replaceChildren(el("header", { class: "compare-head" }, title, back), el("p", { class: "soft" }, "Loading…"));
  const { batch, other, rows: all } = await api.compare(id, otherId);
  const rows = all.filter((row) => row.image_score !== null && row.other_score !== null);
  const [a, b] = names(batch, other);
  title.textContent = `${a} and ${b}`;
  box.lastChild.remove();
  if (!rows.length) {
    box.append(el("p", { class: "empty" }, "The two batches have no scored image in common."));
    return;
  }
  box.append(...content(rows, a, b));
  title.focus();
}

function names(batch, other) {
  const [a, b] = [modelName(batch), modelName(other)];
  return a === b ? [batch.name, other.name] : [a, b];
}

function content(rows, a, b) {
  const [first, second] = [rows.map((row) => row.image_score), rows.map((row) => row.other_score)];
  const agreement = spearman(first, second);
  const facts = [[plural(rows.length, "image"), "in both batches"]];
  if (agreement !== null) facts.push([agreement.toFixed(2), "rank correlation"]);
  for (const [name, values] of [[a, first], [b, second]]) {
    const value = auroc(values, rows.map((row) => row.label));
    if (value !== null) facts.push([value.toFixed(3), `AUROC of ${name} on your labels`]);
  }
  const detail = el("p", { class: "soft detail", role: "status" }, "Point at a dot to see its image; click to find it in the table.");
  const { head, body, find } = table(rows, a, b);
  const chosen = (row, clicked) => {
    if (!row) return;
    detail.textContent = `${base(row.name)}: ${score(row.image_score)} and ${score(row.other_score)}`;
    if (clicked) find(row);
  };
  const description = `Scatter plot of ${plural(rows.length, "image")}: score of ${a} across, score of ${b} upwards; the table has the same figures`;
  const plot = scatter(rows, { across: `${a} →`, up: `${b} →`, description, chosen });
  return [
    el("dl", { class: "tiles" }, facts.map(([value, name]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    el("div", { class: "compare-body" }, el("div", { class: "panel" }, plot.node, detail, legend()),
      el("div", { class: "scrolled panel", tabindex: 0, role: "region", "aria-label": "Table of both scores" }, el("table", { class: "figures" }, head, body))),
  ];
}

function legend() {
  return el("p", { class: "soft" }, "● labelled OK   ✕ labelled NG   · without a label");
}

/** Sorted by how far the two ranks are apart: what the models disagree on comes first. */
function table(rows, a, b) {
  const [x, y] = [ranks(rows.map((row) => row.image_score)), ranks(rows.map((row) => row.other_score))];
  const order = rows.map((row, i) => ({ row, apart: y[i] - x[i] })).sort((p, q) => Math.abs(q.apart) - Math.abs(p.apart));
  const head = el("thead", {}, el("tr", {}, ["Image", a, b, "Ranks apart", "Label"].map((name) => el("th", { scope: "col" }, name))));
  const lines = new Map();
  const line = ({ row, apart }) => {
    const node = el("tr", { tabindex: -1 }, el("th", { scope: "row" }, el("img", { src: api.picture(row.item, "image", "thumb"), alt: "", width: 32, height: 32, loading: "lazy" }), base(row.name)),
      el("td", {}, score(row.image_score)), el("td", {}, score(row.other_score)), el("td", {}, Math.abs(apart).toFixed(0)), el("td", {}, LABELS[row.label] ?? "–"));
    lines.set(row, node);
    return node;
  };
  const body = el("tbody", {}, order.slice(0, SHOWN).map(line));
  const find = (row) => {
    if (!lines.has(row)) body.append(line(order.find((one) => one.row === row)));
    lines.get(row).scrollIntoView({ block: "center" });
    lines.get(row).focus();
  };
  if (order.length > SHOWN) {
    const more = el("button", { type: "button", class: "small", onclick: () => {
      more.closest("tr").remove();
      body.append(...order.slice(SHOWN).filter((one) => !lines.has(one.row)).map(line));
    } }, `Show the other ${order.length - SHOWN}`);
    body.append(el("tr", {}, el("td", { colspan: 5 }, more)));
  }
  return { head, body, find };
}
