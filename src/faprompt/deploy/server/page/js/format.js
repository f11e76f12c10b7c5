/** Figures as text, the same everywhere. */

const [FEWEST, MOST] = [3, 6]; // decimals of a score
/** Scores nearer to 0 or 1 than this look alike. */
export const LEAST = 1e-6;

/** Decimals that show two digits of what a score lacks to 0 or 1. */
const decimals = (value) =>
  Math.max(FEWEST, 1 + Math.ceil(-Math.log10(Math.min(value, 1 - value))));

/** A score with as many digits as it needs; a larger score never has a smaller text. */
export function score(value) {
  if (value === null || value === undefined) return "–";
  if (value <= 0 || value >= 1) return value.toFixed(FEWEST);
  const text = value.toFixed(Math.min(MOST, decimals(value)));
  if (Number(text) === 0) return `<${LEAST.toFixed(MOST)}`;
  return Number(text) === 1 ? `>${(1 - LEAST).toFixed(MOST)}` : text;
}

/** A threshold as a number to edit: one digit more than scores show. */
export function threshold(value) {
  if (value <= 0 || value >= 1) return value.toFixed(FEWEST);
  return value.toFixed(1 + Math.min(MOST, decimals(value)));
}

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
  if (seconds < 90) return `about ${Math.round(seconds / 5) * 5}\u00a0s`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)}\u00a0min`;
  return `about ${(seconds / 3600).toFixed(1)}\u00a0h`;
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
