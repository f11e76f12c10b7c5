/**
 * The axis of scores that the histogram, the sliders and the scatter plot share: even in log-odds,
 * log(s / (1 - s)). A steep model crowds its scores at 0 and 1; here they have as much room between
 * 0.99 and 0.999 as between 0.9 and 0.99. The order is kept. Reports do the same in Python
 * (`detection/score_axis.py`).
 */

import { LEAST } from "./format.js";

const STEP = 0.25; // of log-odds: the axis begins and ends at multiples of it
const MARGIN = 0.05; // of log-odds, beyond the outermost score
const NARROWEST = 1; // of log-odds
const DIGITS = 6; // of the roundest scores nearest to 0 and 1
const APART = 0.15; // of the axis, between two ticks
const EDGE = 0.05; // of the axis, free of ticks at both ends: half of one's text
const ENOUGH = 4; // ticks that need no less round ones

/** Log-odds of a score in [0, 1]; the ends are cut, so that they have a place. */
export function logOdds(score) {
  const inside = Math.min(Math.max(score, LEAST), 1 - LEAST);
  return Math.log(inside / (1 - inside));
}

/** Distance of two scores along the axis, in log-odds. */
export const apart = (a, b) => Math.abs(logOdds(a) - logOdds(b));

/** The score of log-odds; beyond the ends it is 0 or 1, so that a slider reaches every score. */
export function fromLogOdds(odds) {
  if (odds <= logOdds(0)) return 0;
  return odds >= logOdds(1) ? 1 : 1 / (1 + Math.exp(-odds));
}

/** An axis that only ever grows while a batch is open: nothing jumps while scores come in. */
export class Scale {
  constructor() {
    this.reset();
  }

  reset() {
    this.low = null;
    this.high = null;
  }

  include(scores) {
    for (const score of scores) {
      if (score === null) continue;
      const [low, high] = around(logOdds(score));
      if (this.low === null || low < this.low) this.low = low;
      if (this.high === null || high > this.high) this.high = high;
    }
  }

  get known() {
    return this.low !== null;
  }

  /** Place of a score in [0, 1] along the axis. */
  place(score) {
    return Math.min(1, Math.max(0, this.#share(score)));
  }

  /** The score at a place. */
  value(place) {
    const share = Math.min(1, Math.max(0, place));
    return fromLogOdds(this.low + share * (this.high - this.low));
  }

  /** Round scores to write at the axis. */
  ticks() {
    const chosen = [];
    for (const level of ROUND) {
      if (chosen.length >= ENOUGH) break;
      for (const tick of level) {
        const place = this.#share(tick);
        const far = chosen.every((one) => Math.abs(one.place - place) >= APART);
        if (place >= EDGE && place <= 1 - EDGE && far) chosen.push({ tick, place });
      }
    }
    return chosen.map(({ tick }) => tick).sort((a, b) => a - b);
  }

  #share(score) {
    return (logOdds(score) - this.low) / (this.high - this.low);
  }
}

/** Ends of an axis for one score; what it lacks in length is added towards the middle. */
function around(odds) {
  const low = Math.floor((odds - MARGIN) / STEP) * STEP;
  const high = Math.ceil((odds + MARGIN) / STEP) * STEP;
  if (odds > 0) return [Math.min(low, high - NARROWEST), high];
  return [low, Math.max(high, low + NARROWEST)];
}

/** The rounder, the earlier: 0.5, 0.1, 0.9, 0.01, 0.99 and so on, then what lies between. */
const ROUND = [
  [0.5, ...tails([1])],
  tails([2, 5]),
  tails([3, 4, 6, 7, 8, 9]),
  Array.from({ length: 99 }, (_, i) => (i + 1) / 100),
];

/** Multiples of 0.1, 0.01 and so on, and as much below 1. */
function tails(factors) {
  const found = [];
  for (let digits = 1; digits <= DIGITS; digits++)
    for (const factor of factors) {
      const share = factor / 10 ** digits;
      if (share < 0.5) found.push(share, Number((1 - share).toFixed(digits)));
    }
  return found;
}

export const tickText = (tick) => tick.toFixed(DIGITS).replace(/0+$/, "");
