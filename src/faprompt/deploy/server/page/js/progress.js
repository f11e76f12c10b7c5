/** The bar above the grid: how far the work is, how fast, cancel; and the files that were refused. */

import * as api from "./api.js";
import { $, el, throttled } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { attempt, say } from "./messages.js";
import { store } from "./store.js";

let upload = null;
let was = ""; // the batch whose work was seen going on

/** The upload whose progress is shown too. */
export function showUpload(one) {
  upload = one;
  one.addEventListener("progress", draw);
  one.addEventListener("done", draw);
  draw();
}

const bar = el("progress", { max: 1, "aria-label": "Progress" });
const text = el("p", { class: "progress-text" });
const button = el("button", { type: "button", onclick: () => attempt(cancel) }, "Cancel");

async function cancel() {
  upload?.cancel();
  const { id } = store.batch;
  await api.cancelBatch(id);
  say("Cancelled. What is scored already stays.");
  button.disabled = true;
}

const saying = throttled(() => {
  if (!$("progress").hidden) say(text.textContent);
}, 10000);

function figures() {
  const counts = store.batch?.counts;
  if (!counts) return null;
  const active = upload?.active && upload.batch === store.batch.id;
  const known = counts.waiting + counts.running + counts.done + counts.failed;
  const unsent = active ? upload.files.length - upload.sent : 0;
  const left = counts.waiting + counts.running + unsent;
  return { counts, active, left, all: known + unsent, rate: store.batch.images_per_second };
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
    parts.push(`${now.rate.toFixed(1)} images/s`, `about ${duration(now.left / now.rate)} left`);
  if (now.active && upload.waiting) parts.push(upload.waiting);
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
        `${plural(refused.length, "file was", "files were")} refused; the others are being scored`,
      ),
      el("ul", {}, rows),
    ),
    close,
  );
}

export function connectProgress() {
  $("progress").append(el("div", { class: "progress-line" }, text, button), bar);
  store.on("batch", draw);
}
