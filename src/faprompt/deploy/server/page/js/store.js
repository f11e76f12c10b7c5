/** What the page knows of the open batch, and who wants to hear of a change. */

/**
 * Events: "batch" (counts, name, station), "items" (rows changed), "thresholds", "view" (sort,
 * filter, heat maps), "selection", "lists" (models, stations).
 */
class Store extends EventTarget {
  models = [];
  stations = [];
  batch = null;
  items = new Map();
  change = 0;
  /** NG at or above `ng`, UNSURE at or above `unsure`; null: no threshold is set. */
  thresholds = { ng: null, unsure: null };
  sort = "high";
  filter = "all";
  heat = false;
  selecting = false;
  selected = new Set();

  tell(name) {
    this.dispatchEvent(new Event(name));
  }

  on(names, listener) {
    for (const name of names.split(" ")) this.addEventListener(name, listener);
  }

  /** Begin with another batch. */
  open(batch) {
    this.items = new Map();
    this.change = 0;
    this.selected.clear();
    this.selecting = false;
    this.filter = "all";
    this.batch = batch;
    this.useStation();
    for (const name of ["batch", "items", "view", "selection"]) this.tell(name);
  }

  merge(rows) {
    for (const row of rows) this.items.set(row.id, row);
    if (rows.length) this.tell("items");
  }

  get station() {
    return this.stations.find((one) => one.id === this.batch?.station) ?? null;
  }

  /** Take the thresholds of the batch's station; without one there are none. */
  useStation() {
    const station = this.station;
    this.thresholds = { ng: station?.threshold ?? null, unsure: station?.review_threshold ?? null };
    this.tell("thresholds");
  }

  /** Try other thresholds; UNSURE never begins above NG. */
  tryThresholds({ ng = this.thresholds.ng, unsure = this.thresholds.unsure }, moved) {
    if (ng !== null && unsure !== null && unsure > ng) {
      if (moved === "unsure") ng = unsure;
      else unsure = ng;
    }
    this.thresholds = { ng, unsure };
    this.tell("thresholds");
  }

  /** "OK", "UNSURE" or "NG" by the thresholds shown; null: no score, or no threshold. */
  verdict(item) {
    const { ng, unsure } = this.thresholds;
    const value = item.image_score;
    if (value === null || (ng === null && unsure === null)) return null;
    if (ng !== null && value >= ng) return "NG";
    return unsure !== null && value >= unsure ? "UNSURE" : "OK";
  }

  setView(values) {
    Object.assign(this, values);
    this.tell("view");
  }
}

export const store = new Store();
