/** One image of the grid. */

import { picture } from "./api.js";
import { el } from "./dom.js";
import { base, GLYPHS, LABELS, score } from "./format.js";

const STATES = {
  waiting: "waiting",
  running: "being scored",
  failed: "failed",
  cancelled: "cancelled",
};

/** What a screen reader says of a card. */
export function spoken(item, verdict) {
  const parts = [base(item.name)];
  if (item.status !== "done") parts.push(STATES[item.status]);
  if (item.error) parts.push(item.error);
  if (item.image_score !== null) parts.push(`score ${score(item.image_score)}`);
  if (verdict) parts.push(verdict);
  if (item.label) parts.push(`labelled ${LABELS[item.label]}`);
  return parts.join(", ");
}

/** A card keeps its element; `update` changes only what differs, so that nothing flickers. */
export class Card {
  constructor(id) {
    this.image = el("img", { alt: "", decoding: "async", draggable: "false" });
    this.box = el("div", { class: "thumb" }, this.image);
    this.flag = el("span", { class: "flag" });
    this.glyph = el("span");
    this.word = el("span", { class: "word" }); // not shown where cards are small
    this.score = el("span", { class: "score" });
    this.name = el("bdi"); // cut off at its beginning: names differ at the end
    this.node = el(
      "div",
      { class: "card", role: "option", id: `card-${id}`, data: { id } },
      this.box,
      this.flag,
      el(
        "div",
        { class: "caption" },
        el(
          "div",
          { class: "line" },
          this.score,
          el("span", { class: "verdict" }, this.glyph, this.word),
        ),
        el("span", { class: "name" }, this.name),
      ),
    );
    this.image.addEventListener("load", () => this.box.classList.add("loaded"));
    this.image.addEventListener("error", () => this.box.classList.add("broken"));
  }

  update(item, { name, verdict, heat, active, selected, position, size }) {
    const { node } = this;
    node.dataset.status = item.status;
    node.dataset.verdict = verdict ?? "";
    node.dataset.label = item.label ?? "";
    node.classList.toggle("active", active);
    node.setAttribute("aria-selected", selected);
    node.setAttribute("aria-posinset", position + 1);
    node.setAttribute("aria-setsize", size);
    node.setAttribute("aria-label", spoken(item, verdict));
    node.title = item.error ? `${item.name}\n${item.error}` : item.name;
    this.#picture(item, heat);
    text(
      this.score,
      item.image_score === null ? (STATES[item.status] ?? "") : score(item.image_score),
    );
    text(this.glyph, verdict ? GLYPHS[verdict] : "");
    text(this.word, verdict ? ` ${verdict}` : "");
    text(this.flag, item.label ? (item.label === "ok" ? "✓ OK" : "✕ NG") : "");
    text(this.name, name);
  }

  #picture(item, heat) {
    const kind = heat && item.status === "done" ? "overlay" : "image";
    const source = picture(item.id, kind, "thumb");
    if (this.source === source) return;
    this.source = source;
    this.box.classList.remove("broken");
    this.image.src = source;
  }
}

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}
