/** The grid: only the cards in sight are in the document, however many images there are. */

import { Card } from "./card.js";
import { $, el, framed, throttled } from "./dom.js";
import { within } from "./format.js";
import { shown } from "./order.js";
import { store } from "./store.js";

const CAPTION = 46; // px under each thumbnail; grid.css has the same
const GAP = 10;
const AHEAD = 600; // px above and below the window where cards are made already

export class Grid {
  ids = [];
  places = new Map();
  cards = new Map();
  active = null;
  columns = 1;

  constructor(node) {
    this.node = node;
    this.space = el("div", { class: "space", role: "presentation" });
    node.append(this.space);
    this.draw = framed(() => this.#draw());
    this.reorder = throttled(() => this.#reorder(), 400);
    addEventListener("scroll", this.draw, { passive: true });
    new ResizeObserver(() => this.#measure()).observe(node);
    store.on("items thresholds", this.reorder);
    store.on("view batch", () => this.#reorder());
    store.on("selection", this.draw);
  }

  /** Make a card the active one and bring it into sight. */
  activate(id, { scroll = true } = {}) {
    if (id === null || !this.places.has(id)) return;
    this.active = id;
    if (scroll) this.#reveal(this.places.get(id));
    this.#draw();
    this.node.dispatchEvent(new Event("activate"));
  }

  get position() {
    return this.active === null ? -1 : (this.places.get(this.active) ?? -1);
  }

  /** Step by that many cards, as far as there are cards. */
  step(by) {
    if (!this.ids.length) return null;
    const from = this.position < 0 ? (by > 0 ? -by : 0) : this.position;
    const next = Math.min(this.ids.length - 1, Math.max(0, from + by));
    this.activate(this.ids[next]);
    return this.active;
  }

  get page() {
    return Math.max(1, Math.floor((innerHeight - 200) / this.row)) * this.columns;
  }

  #measure() {
    const style = getComputedStyle(this.node);
    const width = this.node.clientWidth;
    const least = Number.parseFloat(style.getPropertyValue("--card")) || 150;
    if (!width) return;
    this.columns = Math.max(2, Math.floor((width + GAP) / (least + GAP)));
    this.side = (width - GAP * (this.columns - 1)) / this.columns;
    this.row = this.side + CAPTION + GAP;
    this.#stretch();
    this.#draw();
  }

  #stretch() {
    const rows = Math.ceil(this.ids.length / this.columns);
    this.space.style.height = `${rows ? rows * this.row - GAP : 0}px`;
  }

  #reorder() {
    const held = this.#anchor();
    const before = this.position;
    this.ids = shown(store);
    this.places = new Map(this.ids.map((id, place) => [id, place]));
    if (this.active !== null && !this.places.has(this.active)) {
      this.active = this.ids[Math.min(Math.max(before, 0), this.ids.length - 1)] ?? null;
    }
    if (!this.row) this.#measure();
    this.#stretch();
    if (held) this.#restore(held);
    this.#draw();
    this.#emptiness();
    this.node.dispatchEvent(new Event("reorder"));
  }

  /** Where a card in sight stands, so that a new order does not move it under the eyes. */
  #anchor() {
    const top = this.node.getBoundingClientRect().top;
    if (top >= 0 || !this.row) return null;
    const first = Math.ceil(-top / this.row) * this.columns;
    const id = this.position >= first ? this.active : this.ids[first];
    const place = this.places.get(id);
    return place === undefined
      ? null
      : { id, y: top + Math.floor(place / this.columns) * this.row };
  }

  #restore({ id, y }) {
    const place = this.places.get(id);
    if (place === undefined) return;
    const now = this.node.getBoundingClientRect().top + Math.floor(place / this.columns) * this.row;
    if (Math.abs(now - y) > 1) scrollBy({ top: now - y, behavior: "instant" });
  }

  #reveal(place) {
    const top = this.node.getBoundingClientRect().top + Math.floor(place / this.columns) * this.row;
    const ceiling = this.#ceiling();
    const below = top + this.row - innerHeight + 8;
    if (top < ceiling) scrollBy({ top: top - ceiling, behavior: "instant" });
    else if (below > 0) scrollBy({ top: below, behavior: "instant" });
  }

  /** The lower edge of what sticks to the top of the window. */
  #ceiling() {
    const sticky = [...document.querySelectorAll(".bar, #images > .tools")];
    const edges = sticky.filter((node) => getComputedStyle(node).position === "sticky");
    return Math.max(0, ...edges.map((node) => node.getBoundingClientRect().bottom)) + 8;
  }

  #draw() {
    if (!this.row || !this.node.isConnected) return;
    const top = -this.node.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((top - AHEAD) / this.row)) * this.columns;
    const last = Math.ceil((top + innerHeight + AHEAD) / this.row) * this.columns;
    const wanted = new Set(this.ids.slice(first, Math.max(first, last)));
    if (this.active !== null) wanted.add(this.active); // a screen reader needs it in the document
    for (const [id, card] of this.cards) {
      if (wanted.has(id)) continue;
      card.node.remove();
      this.cards.delete(id);
    }
    let next = this.space.firstChild;
    for (const id of [...wanted].sort((a, b) => this.places.get(a) - this.places.get(b))) {
      const node = this.#place(id);
      if (node !== next)
        this.space.insertBefore(node, next); // readers follow the document's order
      else next = node.nextSibling;
    }
    if (this.active === null) this.node.removeAttribute("aria-activedescendant");
    else this.node.setAttribute("aria-activedescendant", `card-${this.active}`);
  }

  #place(id) {
    const item = store.items.get(id);
    const position = this.places.get(id);
    let card = this.cards.get(id);
    if (!card) {
      card = new Card(id);
      this.cards.set(id, card);
    }
    const x = (position % this.columns) * (this.side + GAP);
    const y = Math.floor(position / this.columns) * this.row;
    const { style } = card.node;
    style.width = `${this.side}px`;
    style.height = `${this.row - GAP}px`;
    style.transform = `translate(${x}px, ${y}px)`;
    card.update(item, {
      name: within(item.name, store.batch?.name),
      verdict: store.verdict(item),
      heat: store.heat,
      active: id === this.active,
      selected: store.selected.has(id),
      position,
      size: this.ids.length,
    });
    return card.node;
  }

  #emptiness() {
    const node = $("empty");
    const none = !this.ids.length;
    node.hidden = !none;
    if (none)
      node.textContent = store.items.size
        ? "No image is of this kind. Choose “All images” to see the others."
        : "No images yet. Drop some here, or choose “Add images”.";
  }
}
