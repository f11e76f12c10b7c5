/** Two scores of the same images as a scatter plot; the table beside it holds the same figures. */

import { el, svg } from "./dom.js";
import { Scale, tickText } from "./scale.js";

const SIDE = 400;
const ROOM = 12;
const REACH = 20; // how near a pointer must come to a dot
const dot = (x, y) => `M${x} ${y}h0`;
const cross = (x, y) => `M${x - 4} ${y - 4}l8 8m0-8l-8 8`;
const SHAPES = { none: dot, ok: dot, ng: cross };

/** @param rows with `image_score`, `other_image_score`, `label`. @param chosen called with a row and whether it was clicked. */
export function scatter(rows, { across, up, description, chosen }) {
  const axes = {
    x: axis(rows.map((row) => row.image_score)),
    y: axis(rows.map((row) => row.other_image_score)),
  };
  const points = rows.map((row) => ({
    row,
    x: ROOM + axes.x.place(row.image_score) * (SIDE - 2 * ROOM),
    y: SIDE - ROOM - axes.y.place(row.other_image_score) * (SIDE - 2 * ROOM),
  }));
  const ring = svg("circle", { r: 7, class: "ring", visibility: "hidden" });
  const frame = svg("rect", { x: 0.5, y: 0.5, width: SIDE - 1, height: SIDE - 1, class: "frame" });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": description },
    frame,
    Object.keys(SHAPES).map((kind) => path(points, kind)),
    ring,
  );
  const pointed = (clicked) => (event) => {
    const point = nearest(points, inside(picture, event));
    mark(ring, point);
    chosen(point?.row ?? null, clicked);
  };
  picture.addEventListener("pointermove", pointed(false));
  picture.addEventListener("click", pointed(true));
  return figure(picture, axes, { across, up });
}

function figure(picture, { x, y }, { across, up }) {
  const inset = ROOM / SIDE;
  const ticks = (axis, name, edge) =>
    el(
      "div",
      { class: name, "aria-hidden": true },
      axis.ticks().map((tick) => {
        const share = 100 * (inset + axis.place(tick) * (1 - 2 * inset));
        return el("span", { style: { [edge]: `${share}%` } }, tickText(tick));
      }),
    );
  return el(
    "figure",
    { class: "scatter" },
    el("span", { class: "up" }, up),
    picture,
    el("span", { class: "across" }, across),
    ticks(x, "axis-x", "left"),
    ticks(y, "axis-y", "bottom"),
  );
}

/** All dots of a kind as one path: thousands of them stay quick. */
function path(points, kind) {
  const own = points.filter(({ row }) => (row.label ?? "none") === kind);
  const d = own
    .map(({ x, y }) => SHAPES[kind](Number(x.toFixed(1)), Number(y.toFixed(1))))
    .join("");
  return svg("path", { d, class: `dots dots-${kind}` });
}

function axis(values) {
  const scale = new Scale();
  scale.include(values);
  return scale;
}

function inside(picture, event) {
  const box = picture.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * SIDE) / box.width,
    y: ((event.clientY - box.top) * SIDE) / box.height,
  };
}

function nearest(points, at) {
  let best = null;
  let least = REACH ** 2;
  for (const point of points) {
    const distance = (point.x - at.x) ** 2 + (point.y - at.y) ** 2;
    if (distance < least) [best, least] = [point, distance];
  }
  return best;
}

function mark(ring, point) {
  ring.setAttribute("visibility", point ? "visible" : "hidden");
  if (!point) return;
  ring.setAttribute("cx", point.x);
  ring.setAttribute("cy", point.y);
}
