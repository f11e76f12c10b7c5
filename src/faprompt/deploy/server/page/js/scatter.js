/** Two scores of the same images as a scatter plot; the table beside it holds the same figures. */

import { el, svg } from "./dom.js";

const SIDE = 400;
const ROOM = 12;
const KINDS = ["none", "ok", "ng"];
const SHAPES = { none: (x, y) => `M${x} ${y}h0`, ok: (x, y) => `M${x} ${y}h0`, ng: (x, y) => `M${x - 4} ${y - 4}l8 8m0-8l-8 8` };

/** @param rows with `image_score`, `other_score`, `label`. @param chosen called with a row. */
export function scatter(rows, { across, up, description, chosen }) {
  const axes = { x: axis(rows.map((row) => row.image_score)), y: axis(rows.map((row) => row.other_score)) };
  const place = (row) => ({
    x: ROOM + axes.x.place(row.image_score) * (SIDE - 2 * ROOM),
    y: SIDE - ROOM - axes.y.place(row.other_score) * (SIDE - 2 * ROOM),
  });
  const path = (kind) => {
    const d = rows.filter((row) => (row.label ?? "none") === kind).map((row) => {
      const { x, y } = place(row);
      return SHAPES[kind](Number(x.toFixed(1)), Number(y.toFixed(1)));
    });
    return svg("path", { d: d.join(""), class: `dots dots-${kind}` });
  };
  const ring = svg("circle", { r: 7, class: "ring", visibility: "hidden" });
  const picture = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": description },
    svg("rect", { x: 0.5, y: 0.5, width: SIDE - 1, height: SIDE - 1, class: "frame" }), KINDS.map(path), ring);
  const nearest = (event) => {
    const box = picture.getBoundingClientRect();
    const at = { x: ((event.clientX - box.left) * SIDE) / box.width, y: ((event.clientY - box.top) * SIDE) / box.height };
    return closest(rows, place, at);
  };
  picture.addEventListener("pointermove", (event) => {
    const row = nearest(event);
    mark(ring, row && place(row));
    chosen(row, false);
  });
  picture.addEventListener("click", (event) => chosen(nearest(event), true));
  const node = el("figure", { class: "scatter" }, el("span", { class: "up" }, up), picture, el("span", { class: "across" }, across),
    el("div", { class: "axis-x" }, el("span", {}, axes.x.low.toFixed(2)), el("span", {}, axes.x.high.toFixed(2))),
    el("div", { class: "axis-y" }, el("span", {}, axes.y.high.toFixed(2)), el("span", {}, axes.y.low.toFixed(2))));
  return { node, mark: (row) => mark(ring, row && place(row)) };
}

function axis(values) {
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 0.1;
  return { low, high: low + span, place: (value) => (value - low) / span };
}

function closest(rows, place, at) {
  let best = null;
  let least = 20 ** 2;
  for (const row of rows) {
    const { x, y } = place(row);
    const distance = (x - at.x) ** 2 + (y - at.y) ** 2;
    if (distance < least) [best, least] = [row, distance];
  }
  return best;
}

function mark(ring, point) {
  ring.setAttribute("visibility", point ? "visible" : "hidden");
  if (!point) return;
  ring.setAttribute("cx", point.x);
  ring.setAttribute("cy", point.y);
}
