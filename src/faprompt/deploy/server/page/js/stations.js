/** The stations of the desk: what they promise, download, delete. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { moment, percent, threshold } from "./format.js";
import { loadLists } from "./lists.js";
import { attempt } from "./messages.js";
import { confirmed, showSheet } from "./sheet.js";
import { store } from "./store.js";

const HEADS = ["Station", "Model", "NG from", "UNSURE from", "False alarms", "Images", "Made", ""];

export function connectStations() {
  $("open-stations").addEventListener("click", () =>
    attempt(async () => {
      await loadLists();
      show();
    }),
  );
}

function show() {
  showSheet(
    "stations",
    "Stations",
    store.stations.length
      ? [table()]
      : [
          el("p", {}, "No station yet."),
          el(
            "p",
            { class: "soft" },
            "A station holds the thresholds of one product at one place. Label images of good parts in a batch, then choose “Calibrate from labels”.",
          ),
        ],
  );
}

function table() {
  const head = el(
    "tr",
    {},
    HEADS.map((name) =>
      el("th", { scope: "col" }, name || el("span", { class: "unseen" }, "Actions")),
    ),
  );
  return el(
    "div",
    { class: "scrolled", tabindex: 0, role: "region", "aria-label": "Table of stations" },
    el(
      "table",
      { class: "figures" },
      el("thead", {}, head),
      el("tbody", {}, store.stations.map(row)),
    ),
  );
}

function row(station) {
  const sure = station.confidence ? ` (${percent(station.confidence)} sure)` : "";
  const cells = [
    store.models.find((one) => one.id === station.model)?.name ?? "not loaded",
    threshold(station.threshold),
    threshold(station.review_threshold),
    percent(station.false_alarms) + sure,
    station.images ?? "–",
    moment(station.created),
  ];
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, station.name),
    cells.map((cell) => el("td", {}, cell)),
    el("td", { class: "actions" }, actions(station)),
  );
}

function actions(station) {
  const remove = async () => {
    const text = `“${station.name}” goes; decisions already made stay.`;
    if (!(await confirmed("Delete the station?", text, "Delete"))) return;
    await api.removeStation(station.id);
    await loadLists();
    show();
  };
  const file = {
    href: api.stationFile(station.id),
    download: "",
    "aria-label": `Download station ${station.name}`,
  };
  const button = {
    type: "button",
    "aria-label": `Delete station ${station.name}`,
    onclick: () => attempt(remove),
  };
  return [
    el("a", { class: "button small", ...file }, "File"),
    el("button", { class: "small", ...button }, "Delete"),
  ];
}
