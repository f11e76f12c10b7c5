/** What the page does and which keys it knows. */

import { $, el, typing } from "./dom.js";
import { showSheet } from "./sheet.js";

const KEYS = [
  [
    "In the grid",
    [
      ["arrows", "move, as do Home, End, Page Up and Page Down"],
      ["Enter", "open the image"],
      ["o  n  u", "label OK, label NG, no label"],
      ["Shift + arrows", "select several"],
      ["x", "select one more"],
      ["Ctrl + a", "select all that are shown"],
      ["Escape", "end the selection"],
    ],
  ],
  [
    "In the viewer",
    [
      ["← →", "previous, next image"],
      ["o  n  u", "label OK, label NG, no label"],
      ["+  −  0  1", "zoom in, out, fit, one to one"],
      ["Shift + arrows", "pan"],
      ["h  r  w", "heat map, outlines, wipe"],
      ["Escape", "close"],
      ["?", "this help, anywhere"],
    ],
  ],
];

const NOTES = [
  [
    "Score",
    "Between 0 and 1: how anomalous the model finds the image. Only the order counts until a station says where NG begins. Digits are shown as far as scores near 0 and 1 need them, and the axes of the histogram, the sliders and the comparison are even in log-odds: 0.99 to 0.999 has as much room as 0.9 to 0.99, and “nearest to the threshold” is meant along that axis. Exports and the facts of an image hold the score as it is.",
  ],
  [
    "OK, UNSURE, NG",
    "NG at or above the threshold, UNSURE from the review threshold up to it. The sliders try other thresholds on this page; the station itself changes only by calibrating.",
  ],
  [
    "Label",
    "What you say of the image. Labels never change a score; they are what a station is calibrated from and checked with.",
  ],
  [
    "Heat map",
    "One fixed scale for all images of a model: clear where nothing is suspicious, from amber to dark red above.",
  ],
  [
    "Prompts",
    "P0 to P9 are the model's abnormality prompts; the share says how much of the answer in a region came from each.",
  ],
];

function show() {
  const lists = KEYS.map(([title, keys]) =>
    el(
      "section",
      {},
      el("h3", {}, title),
      el(
        "dl",
        { class: "keys" },
        keys.flatMap(([key, text]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)]),
      ),
    ),
  );
  const notes = el(
    "dl",
    { class: "notes" },
    NOTES.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]),
  );
  const api = el(
    "p",
    { class: "soft" },
    "Everything here can be done by programs too: ",
    el("a", { href: "docs" }, "description of the HTTP API"),
    ".",
  );
  showSheet("help", "Help and keys", [el("div", { class: "key-lists" }, lists), notes, api]);
}

export function connectHelp() {
  $("help-open").addEventListener("click", show);
  addEventListener("keydown", (event) => {
    if (event.key !== "?" || typing(event) || $("login").open) return;
    event.preventDefault();
    if ($("help").open) $("help").close();
    else show();
  });
}
