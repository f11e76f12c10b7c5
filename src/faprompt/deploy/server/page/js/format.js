/** Figures as text, the same everywhere. */

export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));

export const count = (value) => value.toLocaleString("en");

/** "1 image", "12 images". */
export function plural(n, word, many = `${word}s`) {
  return `${count(n)} ${n === 1 ? word : many}`;
}

/** A rate in [0, 1] as percent with as many digits as it needs. */
export function percent(rate) {
  const value = rate * 100;
  return `${Number(value.toPrecision(value >= 10 ? 3 : 2))}\u00a0%`; // never broken before the sign
}

/** Seconds left, roughly. */
export function duration(seconds) {
  if (seconds < 10) return "a few seconds";
  if (seconds < 90) return `${Math.round(seconds / 5) * 5} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** An ISO time in the reader's own zone. */
export function moment(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Pixels, and square millimetres where the scale is known. */
export function area(region) {
  if (region.area_mm2 === null || region.area_mm2 === undefined) return `${count(region.area)} px`;
  return `${Number(region.area_mm2.toPrecision(3))} mm²`;
}

/** The name without its folders. */
export const base = (name) => name.split("/").pop();

/** The name as a batch shows it: a dropped folder that gave the batch its name is left out. */
export const within = (name, batch) =>
  name.startsWith(`${batch}/`) ? name.slice(batch.length + 1) : name;

export const VERDICTS = ["OK", "UNSURE", "NG"];
export const GLYPHS = { OK: "●", UNSURE: "◆", NG: "■" };
export const LABELS = { ok: "OK", ng: "NG" };
