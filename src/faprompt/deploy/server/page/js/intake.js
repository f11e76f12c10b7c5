/** Images come in: by dropping them on the page, or by the file pickers. */

import * as api from "./api.js";
import { $ } from "./dom.js";
import { chosen, dropped, images, nameOf } from "./files.js";
import { plural } from "./format.js";
import { attempt, say, toast } from "./messages.js";
import { showUpload } from "./progress.js";
import { store } from "./store.js";
import { Upload } from "./upload.js";

let upload = null;

/** Is an upload into the open batch going on? */
export const uploading = () => Boolean(upload?.active);

/** @param opened called with a new batch. @param began called when files are on their way, and when all are through. */
export function connectIntake({ opened, began }) {
  const take = (found) => attempt(() => send(found, opened, began));
  const pick = (input) => () => input.click();
  for (const input of [$("files"), $("folder")]) {
    input.addEventListener("change", () => {
      const found = chosen(input);
      input.value = "";
      take(found);
    });
  }
  $("pick-files").addEventListener("click", pick($("files")));
  $("add-files").addEventListener("click", pick($("files")));
  $("pick-folder").addEventListener("click", pick($("folder")));
  connectDrop(take);
}

function connectDrop(take) {
  let depth = 0; // dragenter and dragleave come for every element on the way
  const veil = (on) => {
    $("veil").hidden = !on;
  };
  const withFiles = (event) =>
    event.dataTransfer?.types.includes("Files") && !document.querySelector("dialog[open]");
  addEventListener("dragenter", (event) => {
    if (withFiles(event)) veil(Boolean(++depth));
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) veil(false);
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    veil(false);
    if (withFiles(event)) take(await dropped(event.dataTransfer));
  });
}

async function send(found, opened, began) {
  const kept = accepted(found);
  if (!kept.length) return;
  if (!store.batch) opened(await newBatch(nameOf(kept)));
  upload = new Upload(store.batch.id, kept);
  showUpload(upload);
  upload.addEventListener("done", began);
  say(`Sending ${plural(kept.length, "image")}`);
  const running = upload.run();
  began();
  await running;
}

/** The images among the files, after saying what is left out and why. */
function accepted(found) {
  const { kept, left } = images(found);
  const others = plural(left, "file that is no image was", "files that are no images were");
  if (left) toast(`${others} left out.`);
  if (!found.length) toast("No files were found there.", { error: true });
  if (!upload?.active) return kept;
  toast("Images are still being sent. Add more when they are through.", { error: true });
  return [];
}

/** Make a batch as the fields of the first view have it. */
async function newBatch(name) {
  const field = (id) => $(id).value.trim() || null;
  const batch = await api.makeBatch({
    name: field("new-name") ?? name,
    model: field("new-model"),
    station: field("new-station"),
    tile: field("new-tile"),
  });
  $("new-name").value = "";
  return batch;
}
