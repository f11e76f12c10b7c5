/** The first view: drop images for a new batch, or open an earlier one. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { moment, plural } from "./format.js";
import { attempt, serverAway } from "./messages.js";
import { confirmed } from "./sheet.js";
import { store } from "./store.js";

const STATES = {
  open: "empty",
  waiting: "waiting",
  running: "being scored",
  done: "",
  cancelled: "cancelled",
};

let shown = null; // what the list was made of

/** Load and show the earlier batches, newest first. */
export async function showBatches() {
  const box = $("batch-list");
  try {
    const found = (await api.batches()).toSorted((a, b) => (a.created < b.created ? 1 : -1));
    serverAway(false);
    const facts = JSON.stringify([found, store.models, store.stations]);
    if (facts === shown) return; // a list made anew would lose the focus, and a click on its way
    shown = facts;
    box.replaceChildren(
      found.length
        ? el("ul", { class: "batches" }, found.map(row))
        : el(
            "p",
            { class: "soft" },
            "None yet. What you score here is kept and can be opened again, also after a restart.",
          ),
    );
  } catch (error) {
    serverAway(error.status === 0);
    shown = null;
    box.replaceChildren(
      el("p", { class: "problem" }, `The batches cannot be shown: ${error.message}`),
    );
  }
}

function row(batch) {
  const { counts } = batch;
  const model = store.models.find((one) => one.id === batch.model)?.name ?? "model not loaded";
  const station = store.stations.find((one) => one.id === batch.station)?.name;
  const made = moment(batch.created);
  const parts = [
    plural(counts.done, "image"),
    counts.failed ? `${counts.failed} failed` : "",
    STATES[batch.status] ?? batch.status,
    model,
    station ? `station ${station}` : "",
    made === batch.name ? "" : made,
  ];
  const remove = el(
    "button",
    {
      type: "button",
      class: "small quiet",
      "aria-label": `Delete batch ${batch.name}`,
      onclick: () => attempt(() => drop(batch)),
    },
    "Delete",
  );
  return el(
    "li",
    {},
    el(
      "a",
      { href: `#/batch/${batch.id}` },
      el("strong", {}, batch.name),
      el("span", { class: "soft" }, parts.filter(Boolean).join(" · ")),
    ),
    remove,
  );
}

async function drop(batch) {
  const text = `“${batch.name}” with ${plural(batch.counts.done, "image")}, their scores and labels goes for good. Stations made from it stay.`;
  if (!(await confirmed("Delete the batch?", text, "Delete"))) return;
  await api.removeBatch(batch.id);
  await showBatches();
  $("old-title").focus();
}
