/** Suspicious regions: outlines over the image and a table of their figures; one points at the other. */

import { el, svg } from "./dom.js";
import { area, percent, plural, score } from "./format.js";

const PROMPTS = 3; // of the K abnormality prompts, those with the largest share
const LETTERS = 13; // px of the numbers, at any zoom

export class Regions {
  constructor(box, { frame }) {
    this.box = box;
    this.frame = frame;
    this.layer = svg("svg", { class: "outlines", "aria-hidden": true });
    this.parts = [];
  }

  show(item) {
    this.layer.setAttribute("viewBox", `0 0 ${item.width} ${item.height}`);
    this.parts = item.regions.map((region, i) => ({
      region,
      ...outline(region, i),
      row: this.#row(region, i),
    }));
    this.layer.replaceChildren(...this.parts.map((part) => part.group));
    this.box.replaceChildren(...this.#table(item));
  }

  /** Keep lines and numbers as large as they are at any zoom. */
  scale(k) {
    this.layer.style.setProperty("--k", k);
    for (const { text, region } of this.parts) {
      const inside = region.box[1] * k < LETTERS + 6; // no room above: the number goes into the box
      text.setAttribute("font-size", LETTERS / k);
      text.setAttribute("dy", (inside ? LETTERS + 5 : -5) / k);
      text.setAttribute("dx", (inside ? 5 : 0) / k);
      text.setAttribute("stroke-width", 3 / k);
    }
  }

  #table(item) {
    const title = el("h3", {}, "Regions");
    if (item.status !== "done")
      return [title, el("p", { class: "soft" }, "None before the image is scored.")];
    if (!this.parts.length) return [title, el("p", { class: "soft" }, `None${from(item)}.`)];
    const heads = ["Region", "Area", "Peak", "Mean", "Prompts"].map((name) =>
      el("th", { scope: "col" }, name),
    );
    return [
      title,
      el("p", { class: "soft" }, `Connected pixels${from(item)}`),
      el(
        "table",
        { class: "figures regions", "aria-label": plural(this.parts.length, "region") },
        el("thead", {}, el("tr", {}, heads)),
        el(
          "tbody",
          {},
          this.parts.map((part) => part.row),
        ),
      ),
    ];
  }

  #row(region, i) {
    const button = el(
      "button",
      {
        type: "button",
        class: "small",
        "aria-label": `Show region ${i + 1}`,
        onclick: () => this.frame(region),
      },
      i + 1,
    );
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, button),
      el("td", {}, area(region)),
      el("td", {}, score(region.peak)),
      el("td", {}, score(region.mean)),
      el("td", { class: "prompts" }, shares(region.prompts)),
    );
    for (const name of ["mouseenter", "focusin"]) row.addEventListener(name, () => this.#mark(i));
    for (const name of ["mouseleave", "focusout"]) row.addEventListener(name, () => this.#mark(-1));
    return row;
  }

  /** Region under a point of the image, smallest first; -1 for none. */
  pointAt({ x, y }) {
    const inside = ({
      region: {
        box: [left, top, width, height],
      },
    }) => x >= left && y >= top && x < left + width && y < top + height;
    const found = this.parts.filter(inside).sort((a, b) => a.region.area - b.region.area)[0];
    this.#mark(found ? this.parts.indexOf(found) : -1);
  }

  #mark(chosen) {
    this.parts.forEach(({ group, row }, i) => {
      group.classList.toggle("marked", i === chosen);
      row.classList.toggle("marked", i === chosen);
    });
  }
}

const from = ({ region_threshold: edge }) => (edge ? ` at or above ${score(edge)}` : "");

function outline({ polygon, box }, i) {
  const points = (polygon ?? []).map(([x, y]) => `${x},${y}`).join(" ");
  const text = svg("text", { x: box[0], y: box[1], "paint-order": "stroke" }, i + 1);
  const group = svg(
    "g",
    { class: "outline" },
    svg("polygon", { points, class: "halo" }),
    svg("polygon", { points, class: "line" }),
    text,
  );
  return { group, text };
}

/** The abnormality prompts that answered most: number of the prompt and its share. */
function shares(prompts) {
  if (!prompts?.length) return "–";
  const most = [...prompts].sort((a, b) => b[1] - a[1]).slice(0, PROMPTS);
  return most.map(([index, share]) =>
    el(
      "span",
      { class: "share", title: `abnormality prompt ${index}: ${percent(share)} of the answer` },
      el("b", {}, `P${index}`),
      ` ${Math.round(share * 100)} %`,
    ),
  );
}
