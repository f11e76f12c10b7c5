/** Keys, clicks and selection in the grid. */

import { $, el, typing } from "./dom.js";
import { plural } from "./format.js";
import { setLabels } from "./labels.js";
import { store } from "./store.js";

export const LABEL_KEYS = { o: "ok", n: "ng", u: null, Backspace: null };

export function connectGrid(grid, { open }) {
  let from = null; // where a range of selected cards began

  function select(ids, add = true) {
    if (!add) store.selected.clear();
    for (const id of ids) store.selected.add(id);
    store.tell("selection");
  }

  function range(to) {
    const [a, b] = [grid.places.get(from ?? to), grid.places.get(to)].sort((x, y) => x - y);
    select(grid.ids.slice(a, b + 1), false);
  }

  function toggle(id) {
    if (!store.selected.delete(id)) store.selected.add(id);
    store.tell("selection");
  }

  function leave() {
    store.selecting = false;
    store.selected.clear();
    store.tell("selection");
  }

  const moves = {
    ArrowRight: () => 1,
    ArrowLeft: () => -1,
    ArrowDown: () => grid.columns,
    ArrowUp: () => -grid.columns,
    PageDown: () => grid.page,
    PageUp: () => -grid.page,
    Home: () => -grid.ids.length,
    End: () => grid.ids.length,
  };

  function move(event) {
    const start = grid.active;
    const id = grid.step(moves[event.key]());
    if (event.shiftKey && id !== null) {
      from ??= start ?? id;
      range(id);
    } else from = null;
  }

  function marked() {
    if (store.selected.size) return [...store.selected];
    return grid.active === null ? [] : [grid.active];
  }

  function keydown(event) {
    if (typing(event) || event.altKey) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "a") select(grid.ids);
    else if (event.ctrlKey || event.metaKey) return;
    else if (event.key in moves) move(event);
    else if (event.key in LABEL_KEYS) setLabels(marked(), LABEL_KEYS[event.key]);
    else if (event.key === "x" && grid.active !== null) toggle(grid.active);
    else if ((event.key === "Enter" || event.key === " ") && grid.active !== null) open(grid.active);
    else if (event.key === "Escape" && (store.selected.size || store.selecting)) leave();
    else return;
    event.preventDefault();
  }

  function click(event) {
    const id = event.target.closest(".card")?.dataset.id;
    if (!id) return;
    if (event.shiftKey) {
      from ??= grid.active ?? id;
      grid.activate(id, { scroll: false });
      range(id);
      return;
    }
    grid.activate(id, { scroll: false });
    from = id;
    if (store.selecting || event.ctrlKey || event.metaKey) toggle(id);
    else open(id);
  }

  grid.node.addEventListener("keydown", keydown);
  grid.node.addEventListener("click", click);
  grid.node.addEventListener("focus", () => {
    if (grid.active === null && grid.ids.length) grid.activate(grid.ids[0], { scroll: false });
  });
  $("select").addEventListener("click", () => {
    if (store.selecting) return leave();
    store.selecting = true;
    store.tell("selection");
  });

  const count = el("strong", { role: "status" });
  const act = (text, f, more = {}) => el("button", { type: "button", onclick: f, ...more }, text);
  $("selection").append(
    count,
    act("✓ OK", () => setLabels([...store.selected], "ok"), { "aria-keyshortcuts": "o" }),
    act("✕ NG", () => setLabels([...store.selected], "ng"), { "aria-keyshortcuts": "n" }),
    act("No label", () => setLabels([...store.selected], null), { "aria-keyshortcuts": "u" }),
    el("span", { class: "spring" }),
    act("Select all shown", () => select(grid.ids)),
    act("Done", leave),
  );
  store.on("selection batch", () => {
    const on = store.selecting || store.selected.size > 0;
    $("selection").hidden = !on;
    $("select").setAttribute("aria-pressed", on);
    grid.node.classList.toggle("selecting", on);
    count.textContent = `${plural(store.selected.size, "image")} selected`;
  });
}
