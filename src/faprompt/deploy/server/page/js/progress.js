/** The bar above the grid: how far the work is, how fast, cancel; and the files that were refused. */

import * as api from "./api.js";
import { $, el, framed, throttled } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { attempt, say } from "./messages.js";
import { hurry } from "./poll.js";
import { store } from "./store.js";

let upload = null;
let before = 0; // items of the batch when the upload began
let was = ""; // the batch whose work was seen going on

/** The upload whose progress is shown too. */
export function showUpload(one) {
  upload = one;
  before = store.items.size;
  one.addEventListener("progress", draw);
  one.addEventListener("done", draw);
  draw();
}

const bar = el("progress", { max: 1, "aria-label": "Progress" });
const text = el("p", { class: "progress-text" });
const button = el("button", { type: "button", onclick: () => attempt(cancel) }, "Cancel");

async function cancel() {
  const { id } = store.batch;
  button.disabled = true;
  if (upload?.batch === id) await upload.cancel();
  await api.cancelBatch(id);
  hurry();
}

const saying = throttled(() => {
  if (!$("progress").hidden) say(text.textContent);
}, 10000);

/** Images by status as the page has them: the server's counts are of another moment. */
function listed() {
  const counts = { waiting: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
  for (const { status } of store.items.values()) counts[status] += 1;
  return counts;
}

function figures() {
  if (!store.batch) return null;
  const own = upload?.batch === store.batch.id;
  const active = own && upload.active;
  const counts = own ? listed() : store.batch.counts;
  const answered = own ? upload.ids.filter((id) => store.items.has(id)).length : 0;
  const unlisted = own ? upload.ids.length - answered : 0;
  const early = own ? Math.max(0, store.items.size - before - answered) : 0;
  const unsent = active ? upload.files.length - upload.sent : 0;
  // Some are listed before the request that brought them is answered.
  const left = counts.waiting + counts.running + unlisted + Math.max(0, unsent - early);
  const all = left + counts.done + counts.failed;
  return { counts, active, left, all, rate: store.batch.images_per_second };
}

function draw() {
  const now = figures();
  const box = $("progress");
  refusals();
  if (!now) return;
  const busy = now.left > 0;
  if (busy) was = store.batch.id;
  else if (was === store.batch.id && !box.hidden) finished(now);
  if (box.hidden === !busy) button.disabled = false;
  box.hidden = !busy;
  if (!busy) return;
  bar.max = now.all;
  bar.value = now.all - now.left;
  const parts = [`${count(now.all - now.left)} of ${plural(now.all, "image")} scored`];
  if (now.rate)
    parts.push(`${now.rate.toFixed(1)}\u00a0images/s`, `${duration(now.left / now.rate)} left`);
  if (now.active && upload.waiting) parts.push(upload.waiting);
  if (store.batch.trouble) parts.push(store.batch.trouble);
  text.textContent = parts.join(" · ");
  saying();
}

function finished({ counts }) {
  was = "";
  const parts = [`Finished: ${plural(counts.done, "image")} scored`];
  if (counts.failed) parts.push(`${counts.failed} failed`);
  if (counts.cancelled) parts.push(`${counts.cancelled} cancelled`);
  say(parts.join(", "));
}

function refusals() {
  const box = $("refused");
  const refused = upload && upload.batch === store.batch?.id ? upload.refused : [];
  if (Number(box.dataset.many ?? 0) === refused.length) return;
  box.dataset.many = refused.length;
  box.hidden = !refused.length;
  const rows = refused.map(({ name, message }) =>
    el("li", {}, message.includes(name) ? message : `${name}: ${message}`),
  );
  const close = el("button", { type: "button", onclick: () => (box.hidden = true) }, "Close");
  box.replaceChildren(
    el(
      "details",
      { open: refused.length <= 3 },
      el(
        "summary",
        {},
        `${plural(refused.length, "file was", "files were")} refused; the others are not affected`,
      ),
      el("ul", {}, rows),
    ),
    close,
  );
}

export function connectProgress() {
  $("progress").append(el("div", { class: "progress-line" }, text, button), bar);
  store.on("batch items", framed(draw));
}
