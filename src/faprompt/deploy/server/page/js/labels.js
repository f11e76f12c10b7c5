/** What people say of images. The page shows a label at once and takes it back if the server refuses. */

import * as api from "./api.js";
import { plural } from "./format.js";
import { say, toast } from "./messages.js";
import { store } from "./store.js";

const AT_ONCE = 4; // requests

/** The same keys in the grid and in the viewer. */
export const LABEL_KEYS = { o: "ok", n: "ng", u: null, Backspace: null };

const WORDS = { ok: "labelled OK", ng: "labelled NG", null: "without a label" };

/** Label images "ok", "ng" or null (none); only images with a score can be labelled. */
export async function setLabels(ids, label) {
  const items = ids
    .map((id) => store.items.get(id))
    .filter((item) => item && item.status === "done");
  if (!items.length) return;
  show(items, () => label);
  say(
    items.length === 1
      ? `${items[0].name} ${WORDS[label]}`
      : `${plural(items.length, "image")} ${WORDS[label]}`,
  );
  const failed = [];
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.pop(); item; item = queue.pop()) {
      try {
        await api.label(item.id, label);
      } catch (error) {
        failed.push({ item, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  if (!failed.length) return;
  const before = new Map(items.map((item) => [item.id, item.label]));
  show(
    failed.map(({ item }) => item),
    (id) => before.get(id),
  );
  toast(`${plural(failed.length, "label")} could not be kept: ${failed[0].error.message}`, {
    error: true,
  });
}

function show(items, labelOf) {
  store.merge(
    items.map((item) => ({ ...(store.items.get(item.id) ?? item), label: labelOf(item.id) })),
  );
}
