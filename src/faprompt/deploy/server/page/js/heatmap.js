/** Colour of an anomaly map, on the fixed scale of `detection/rendering.py` (same stops, same limits). */

import { decode } from "./png16.js";

export const STRONGEST = 0.65; // of the colour over the image, where the opacity slider begins
const STOPS = [
  [255, 214, 64],
  [255, 150, 20],
  [232, 60, 20],
  [150, 0, 40],
];
const WHOLE = 65535; // the map's number for an anomaly of 1

/** How much colour a value gets, in [0, 1]: 0 up to the lower limit, 1 from the upper. */
export const strength = (value, [low, high]) =>
  Math.min(1, Math.max(0, (value - low) / (high - low)));

/** Red, green, blue of a strength. */
export function colour(part) {
  const position = part * (STOPS.length - 1);
  const index = Math.min(Math.floor(position), STOPS.length - 2);
  const share = position - index;
  return STOPS[index].map((one, i) => one * (1 - share) + STOPS[index + 1][i] * share);
}

/** Red, green, blue, opacity (0 to 255) of each of the map's 65,536 numbers; opacity for a slider at 1. */
export function table(limits) {
  const colours = new Uint8ClampedArray(4 * (WHOLE + 1));
  for (let i = 0; i <= WHOLE; i++) {
    const part = strength(i / WHOLE, limits);
    if (part) colours.set([...colour(part), 255 * Math.sqrt(part)], 4 * i);
  }
  return colours;
}

const tables = new Map(); // a model has one pair of limits: few are ever made

function tableOf(limits) {
  const key = limits.join();
  if (!tables.has(key)) tables.set(key, table(limits));
  return tables.get(key);
}

/** The map of one image. */
export class HeatMap {
  constructor({ width, height, values }) {
    Object.assign(this, { width, height, values });
  }

  static async load(source, signal) {
    const response = await fetch(source, { signal });
    if (!response.ok) throw new Error(`the heat map cannot be had (${response.status})`);
    return new HeatMap(await decode(await response.arrayBuffer()));
  }

  /** Anomaly at a place in [0, 1) x [0, 1) of the image. */
  at(u, v) {
    if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
    return (
      this.values[Math.floor(v * this.height) * this.width + Math.floor(u * this.width)] / WHOLE
    );
  }

  paint(canvas, limits) {
    canvas.width = this.width;
    canvas.height = this.height;
    const colours = new Uint32Array(tableOf(limits).buffer);
    const pixels = new ImageData(this.width, this.height);
    const out = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < out.length; i++) out[i] = colours[this.values[i]];
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }
}

/** The scale itself as a picture, at the opacity of the slider. */
export function paintLegend(canvas, opacity) {
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++)
    pixels.data.set([...colour(i / 255), 255 * opacity * Math.sqrt(i / 255)], 4 * i);
  context.putImageData(pixels, 0, 0);
}
