/** Files out of a drop or a file picker, folders walked through. */

const ENDINGS = /\.(jpe?g|png|bmp|tiff?|webp)$/i;

/** A dropped or chosen file with its name (with the folders inside the dropped one). */
const named = (file, name) => ({ file, name: name.replace(/^\/+/, "") });

/** Only images are sent; the rest is counted. Hidden files are not worth a word. */
export function images(found) {
  const seen = found.filter(({ name }) => !name.split("/").some((part) => part.startsWith(".")));
  const kept = seen.filter(
    ({ file, name }) => ENDINGS.test(name) || file.type.startsWith("image/"),
  );
  return { kept, left: seen.length - kept.length };
}

/** Of `<input type=file>`. */
export const chosen = (input) =>
  [...input.files].map((file) => named(file, file.webkitRelativePath || file.name));

/** Of a drop. The entries must be taken before the first await: the event's data is gone after it. */
export async function dropped(transfer) {
  const entries = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry instanceof File) found.push(named(entry, entry.name));
  else if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(
      () => null,
    );
    if (file) found.push(named(file, entry.fullPath));
  } else {
    for (const child of await children(entry)) await walk(child, found);
  }
}

/** A reader gives at most a hundred entries at a time. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(
      () => [],
    );
    if (!some.length) return all;
    all.push(...some);
  }
}

/** What a batch of these files is called when nobody gave a name. */
export function nameOf(found) {
  const folders = new Set(found.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
  const [only] = folders;
  if (folders.size === 1 && only) return only;
  return new Date().toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
