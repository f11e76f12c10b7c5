/** The axis of scores that the histogram and the sliders share. */

const STEP = 0.05; // the axis begins and ends at multiples of it

const round = (value) => Number(value.toFixed(2));

/** An axis that only ever grows while a batch is open: nothing jumps while scores come in. */
export class Scale {
  reset() {
    this.low = null;
    this.high = null;
  }

  include(values) {
    for (const value of values) {
      if (value === null) continue;
      const low = Math.max(0, round(Math.floor((value - 0.01) / STEP) * STEP));
      const high = Math.min(1, round(Math.ceil((value + 0.01) / STEP) * STEP));
      if (this.low === null || low < this.low) this.low = low;
      if (this.high === null || high > this.high) this.high = high;
    }
  }

  get known() {
    return this.low !== null;
  }

  /** Place of a value in [0, 1] along the axis. */
  place(value) {
    return Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low)));
  }

  value(place) {
    return this.low + Math.min(1, Math.max(0, place)) * (this.high - this.low);
  }

  /** Round values to write at the axis, four to eight of them. */
  ticks() {
    const span = this.high - this.low;
    const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => span / one <= 7) ?? 0.25;
    const ticks = [];
    for (let k = Math.ceil(this.low / step - 1e-9); k * step <= this.high + 1e-9; k++)
      ticks.push(k * step);
    return ticks.map((tick) => Number(tick.toFixed(2)));
  }
}
