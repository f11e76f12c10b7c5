/** Keys of the viewer. */

import { typing } from "./dom.js";
import { LABEL_KEYS } from "./labels.js";

const PAN = 60; // CSS pixels per key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function connectViewerKeys(viewer) {
  const { stage, parts } = viewer;
  const keys = {
    "+": stage.stepIn,
    "=": stage.stepIn,
    "-": stage.stepOut,
    0: () => stage.fit(),
    1: () => stage.zoomTo(1),
    h: () => parts.showHeat.click(),
    r: () => parts.showRegions.click(),
    w: () => parts.toggleWipe(),
  };
  for (const [key, label] of Object.entries(LABEL_KEYS)) keys[key] = () => viewer.label(label);
  for (const [key, [dx, dy]] of Object.entries(ARROWS))
    keys[key] = (event) => (event.shiftKey ? stage.pan(-dx * PAN, -dy * PAN) : viewer.go(dx || dy));

  viewer.dialog.addEventListener("keydown", (event) => {
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const slides = event.target.matches("input[type=range]") && event.key in ARROWS;
    if (slides || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key](event);
  });
}
