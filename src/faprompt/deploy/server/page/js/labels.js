/** What people say of images. A label is shown at once and taken back if the server refuses it. */

import * as api from "./api.js";
import { plural, within } from "./format.js";
import { say, toast } from "./messages.js";
import { store } from "./store.js";

/** The same keys in the grid and in the viewer. */
export const LABEL_KEYS = { o: "ok", n: "ng", u: null, Backspace: null };

const WORDS = { ok: "labelled OK", ng: "labelled NG", null: "without a label" };

const pending = new Map(); // labels on their way, by item
let last = Promise.resolve(); // one request after the other: the last key pressed wins

/** Rows from the server, which may not know yet of labels on their way. */
export const withPending = (rows) =>
  rows.map((row) => (pending.has(row.id) ? { ...row, label: pending.get(row.id).label } : row));

/** Label images "ok", "ng" or null (none); only images with a score can be labelled. */
export async function setLabels(ids, label) {
  const found = ids.map((id) => store.items.get(id));
  const items = found.filter((item) => item?.status === "done");
  if (!items.length) return;
  const { batch } = store;
  const change = { batch: batch.id, label, items };
  for (const item of items) pending.set(item.id, change);
  show(change, () => label);
  const one =
    items.length === 1 ? within(items[0].name, batch.name) : plural(items.length, "image");
  say(`${one} ${WORDS[label]}`);
  last = last.then(() => send(change));
  await last;
}

async function send(change) {
  const { batch, items, label } = change;
  let refused = null;
  try {
    if (items.length === 1) await api.label(items[0].id, label);
    else
      await api.labels(
        batch,
        items.map((item) => item.id),
        label,
      );
  } catch (error) {
    refused = error;
  }
  const settled = items.filter((item) => pending.get(item.id) === change);
  for (const item of settled) pending.delete(item.id);
  if (!refused) return;
  const before = new Map(settled.map((item) => [item.id, item.label]));
  show({ batch, items: settled }, (id) => before.get(id));
  toast(`${plural(items.length, "label")} could not be kept: ${refused.message}`, { error: true });
}

function show({ batch, items }, labelOf) {
  if (store.batch?.id !== batch) return;
  const now = items.map((item) => store.items.get(item.id) ?? item);
  store.merge(now.map((item) => ({ ...item, label: labelOf(item.id) })));
}
