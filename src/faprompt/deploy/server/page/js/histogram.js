/** How the scores lie: bars by label, the thresholds, the station's marks. Drawn as SVG. */

import { el, svg } from "./dom.js";
import { plural, score } from "./format.js";
import { tickText } from "./scale.js";

const BINS = 40;
const WIDTH = 320;
const HEIGHT = 110;
const KINDS = ["ng", "none", "ok"]; // from the bottom up
const NAMES = { ng: "labelled NG", none: "no label", ok: "labelled OK" };

export class Histogram {
  constructor(box, scale) {
    this.scale = scale;
    this.bars = svg("g");
    this.lines = svg("g");
    this.picture = svg(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        class: "histogram",
        "aria-hidden": true,
      },
      patterns(),
      this.bars,
      this.lines,
    );
    this.frame = el("div", { class: "plot", role: "img" }, this.picture);
    this.axis = el("div", { class: "axis", "aria-hidden": true });
    this.legend = el(
      "ul",
      { class: "legend", "aria-hidden": true },
      KINDS.toReversed().map(legend),
    );
    box.append(this.frame, this.axis, this.legend);
  }

  /** Call `moved(score)` while a pointer drags in the plot. */
  onDrag(begin, moved) {
    const { frame } = this;
    const at = (event) => {
      const box = frame.getBoundingClientRect();
      return this.scale.value((event.clientX - box.left) / box.width);
    };
    frame.addEventListener("pointerdown", (event) => {
      if (!this.scale.known || event.button) return;
      frame.setPointerCapture(event.pointerId);
      begin(at(event));
    });
    frame.addEventListener("pointermove", (event) => {
      if (frame.hasPointerCapture(event.pointerId)) moved(at(event));
    });
  }

  /** @param items with a score. @param thresholds tried now. @param station or null. */
  draw(items, thresholds, station) {
    const bins = this.#count(items);
    const most = Math.max(1, ...bins.map((bin) => bin.ng + bin.none + bin.ok));
    const width = WIDTH / BINS;
    const rects = [];
    bins.forEach((bin, i) => {
      let y = HEIGHT;
      for (const kind of KINDS) {
        if (!bin[kind]) continue;
        const height = Math.max(1.5, ((HEIGHT - 6) * bin[kind]) / most);
        y -= height;
        rects.push(
          svg("rect", { x: i * width + 0.5, y, width: width - 1, height, class: `bar-${kind}` }),
        );
      }
    });
    this.bars.replaceChildren(...rects);
    this.#lines(thresholds, station);
    this.frame.setAttribute("aria-label", summary(items));
  }

  #count(items) {
    const bins = Array.from({ length: BINS }, () => ({ ok: 0, ng: 0, none: 0 }));
    for (const item of items) {
      const bin = Math.min(BINS - 1, Math.floor(this.scale.place(item.image_score) * BINS));
      bins[bin][item.label ?? "none"] += 1;
    }
    return bins;
  }

  #lines({ ng, unsure }, station) {
    const lines = [];
    const line = (value, name) => {
      if (value === null || value === undefined || !this.scale.known) return;
      const x = this.scale.place(value) * WIDTH;
      lines.push(svg("line", { x1: x, x2: x, y1: 0, y2: HEIGHT, class: name }));
    };
    line(station?.review_threshold, "mark");
    line(station?.threshold, "mark");
    line(unsure, "edge unsure");
    line(ng, "edge ng");
    this.lines.replaceChildren(...lines);
    if (!this.scale.known) return;
    this.axis.replaceChildren(
      ...this.scale.ticks().map((tick) => tickMark(this.scale.place(tick), tick)),
    );
  }
}

function tickMark(place, tick) {
  return el("span", { style: { left: `${100 * place}%` } }, tickText(tick));
}

function legend(kind) {
  const box = svg(
    "svg",
    { width: 12, height: 12, "aria-hidden": true },
    svg("rect", { width: 12, height: 12, class: `bar-${kind}` }),
  );
  return el("li", {}, box, NAMES[kind]);
}

/** Hatching, so that the kinds differ by more than colour. */
function patterns() {
  const hatch = (id, d, name) =>
    svg(
      "pattern",
      { id, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
      svg("rect", { width: 6, height: 6, class: `${name}-ground` }),
      svg("path", { d, class: `${name}-hatch` }),
    );
  return svg("defs", {}, hatch("hatch-ng", "M-1 7 7 -1M-1 1 1 -1M5 7 7 5", "ng"));
}

function summary(items) {
  if (!items.length) return "Histogram of image scores: none yet";
  const values = items.map((item) => item.image_score).sort((a, b) => a - b);
  const many = (label) => items.filter((item) => item.label === label).length;
  return (
    `Histogram of ${plural(items.length, "image score")} from ${score(values[0])} to ${score(values.at(-1))}, ` +
    `median ${score(values[Math.floor(values.length / 2)])}; ${many("ok")} labelled OK, ${many("ng")} labelled NG`
  );
}
