/** Keys and clicks in the grid. */

import { typing } from "./dom.js";
import { LABEL_KEYS, setLabels } from "./labels.js";
import { Selection } from "./selection.js";

/** How far each key moves, in cards. */
const MOVES = {
  ArrowRight: () => 1,
  ArrowLeft: () => -1,
  ArrowDown: (grid) => grid.columns,
  ArrowUp: (grid) => -grid.columns,
  PageDown: (grid) => grid.page,
  PageUp: (grid) => -grid.page,
  Home: (grid) => -grid.ids.length,
  End: (grid) => grid.ids.length,
};

/** @param open shows an image in the viewer. */
export function connectGrid(grid, { open }) {
  const selection = new Selection(grid);
  const active = (f) => () => grid.active !== null && f(grid.active);
  const keys = {
    Enter: active(open),
    " ": active(open),
    x: active((id) => selection.toggle(id)),
    Escape: () => selection.leave(),
  };
  for (const [key, label] of Object.entries(LABEL_KEYS))
    keys[key] = () => setLabels(selection.marked, label);
  for (const [key, by] of Object.entries(MOVES)) keys[key] = (event) => move(event, by(grid));

  function move(event, by) {
    const start = grid.active;
    const id = grid.step(by);
    if (event.shiftKey && id !== null) selection.range(start, id);
    else selection.from = null;
  }

  grid.node.addEventListener("keydown", (event) => {
    if (typing(event) || event.altKey) return;
    const command = event.ctrlKey || event.metaKey;
    const act = command ? event.key === "a" && (() => selection.all()) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
  grid.node.addEventListener("click", (event) => {
    const id = event.target.closest(".card")?.dataset.id;
    if (!id) return;
    const start = grid.active;
    grid.activate(id, { scroll: false });
    if (event.shiftKey) return selection.range(start, id);
    selection.from = id;
    if (selection.active || event.ctrlKey || event.metaKey) selection.toggle(id);
    else open(id);
  });
  grid.node.addEventListener("focus", () => {
    if (grid.active === null && grid.ids.length) grid.activate(grid.ids[0], { scroll: false });
  });
}
