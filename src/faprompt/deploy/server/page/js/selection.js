/** Several images at once: which are selected, and the bar that labels them. */

import { $, el } from "./dom.js";
import { plural } from "./format.js";
import { setLabels } from "./labels.js";
import { store } from "./store.js";

export class Selection {
  /** Where a range began. */
  from = null;

  constructor(grid) {
    this.grid = grid;
    $("select").addEventListener("click", () => (store.selecting ? this.leave() : this.begin()));
    const count = el("strong", { role: "status" });
    $("selection").append(count, ...this.#buttons());
    store.on("selection batch", () => {
      $("selection").hidden = !this.active;
      $("select").setAttribute("aria-pressed", this.active);
      grid.node.classList.toggle("selecting", this.active);
      count.textContent = `${plural(store.selected.size, "image")} selected`;
    });
  }

  get active() {
    return store.selecting || store.selected.size > 0;
  }

  /** The selected images; without any, the active one. */
  get marked() {
    if (store.selected.size) return [...store.selected];
    return this.grid.active === null ? [] : [this.grid.active];
  }

  begin() {
    store.selecting = true;
    store.tell("selection");
  }

  leave() {
    store.selecting = false;
    store.selected.clear();
    store.tell("selection");
  }

  all() {
    for (const id of this.grid.ids) store.selected.add(id);
    store.tell("selection");
  }

  toggle(id) {
    if (!store.selected.delete(id)) store.selected.add(id);
    store.tell("selection");
  }

  /** Everything between where the range began (or `start`) and `id`, and nothing else. */
  range(start, id) {
    this.from ??= start ?? id;
    const { places, ids } = this.grid;
    const [a, b] = [places.get(this.from) ?? places.get(id), places.get(id)].sort((x, y) => x - y);
    store.selected = new Set(ids.slice(a, b + 1));
    store.tell("selection");
  }

  #buttons() {
    const button = (text, onclick, keys) =>
      el("button", { type: "button", onclick, "aria-keyshortcuts": keys }, text);
    const label = (value) => () => setLabels([...store.selected], value);
    return [
      button("✓ OK", label("ok"), "o"),
      button("✕ NG", label("ng"), "n"),
      button("No label", label(null), "u"),
      el("span", { class: "spring" }),
      button("Select all shown", () => this.all()),
      button("Done", () => this.leave(), "Escape"),
    ];
  }
}
