/** One image at full size: heat map, regions, label; a dialog over the grid. */

import { item as fetchItem, picture } from "./api.js";
import { $ } from "./dom.js";
import { facts } from "./facts.js";
import { base, GLYPHS, score } from "./format.js";
import { HeatMap, paintLegend } from "./heatmap.js";
import { setLabels } from "./labels.js";
import { say } from "./messages.js";
import { Regions } from "./regions.js";
import { Stage } from "./stage.js";
import { store } from "./store.js";
import { connectViewerKeys } from "./viewerkeys.js";
import { build } from "./viewerparts.js";

const LARGEST = 80e6; // pixels of an original that a browser is asked to show

export class Viewer {
  ids = [];
  place = -1;
  map = null;
  pointer = null;
  #loading = new AbortController();

  /** @param closed called with the id last seen. */
  constructor(closed) {
    this.dialog = $("viewer");
    this.closed = closed;
    this.parts = build(this);
    this.stage = new Stage(this.parts.stage, this.parts.content);
    this.regions = new Regions(this.parts.regions, {
      frame: (region) => this.stage.frame(region.box),
    });
    this.parts.content.append(this.regions.layer);
    this.stage.addEventListener("move", () => this.#moved());
    connectViewerKeys(this);
    this.dialog.addEventListener("close", () => this.#close());
    store.on("items thresholds", () => this.dialog.open && this.#facts());
  }

  get item() {
    return store.items.get(this.ids[this.place]);
  }

  /** @param ids those that the arrows walk through, as they stood when the viewer was opened. */
  open(ids, id) {
    this.ids = [...ids];
    this.place = this.ids.indexOf(id);
    if (!this.item) return;
    this.dialog.showModal();
    document.documentElement.classList.add("viewing");
    this.parts.stage.focus();
    this.#load();
  }

  go(by) {
    const next = this.place + by;
    if (next < 0 || next >= this.ids.length) {
      say(by > 0 ? "This is the last image." : "This is the first image.");
      return;
    }
    this.place = next;
    this.#load();
    say(
      `${base(this.item.name)}, ${this.place + 1} of ${this.ids.length}, ${this.parts.decision.textContent}`,
    );
  }

  async label(value) {
    const { item } = this;
    if (item.status !== "done") return;
    const labelled = setLabels([item.id], value);
    if (value && this.parts.advance.checked && this.place < this.ids.length - 1) this.go(1);
    await labelled;
  }

  #load() {
    this.#loading.abort();
    this.#loading = new AbortController();
    const { item, parts } = this;
    this.map = null;
    this.full = false;
    parts.heat.width = parts.heat.height = 1;
    parts.image.src = picture(item.id, "image", "thumb");
    parts.image.alt = base(item.name);
    this.stage.show(item.width || 1, item.height || 1);
    this.regions.show(item);
    this.regions.scale(this.stage.k);
    this.shown = item.status;
    this.#facts();
    this.#picture("view");
    if (item.status === "done") {
      this.#heat(this.#loading.signal);
      this.#outlines(this.#loading.signal);
    }
    for (const id of [this.ids[this.place + 1], this.ids[this.place - 1]])
      if (id) new Image().src = picture(id, "image", "view");
  }

  /** Bring a better picture in the place of the one shown, once it is there. */
  #picture(size) {
    const { item } = this;
    const better = new Image();
    better.onload = () => {
      if (this.item?.id !== item.id || (size === "view" && this.full === "shown")) return;
      this.parts.image.src = better.src;
      this.sharp = better.naturalWidth;
      if (size === "full") this.full = "shown";
      else this.#moved();
    };
    better.src = picture(item.id, "image", size);
  }

  /** The outlines themselves come with the single item only. */
  async #outlines(signal) {
    if (!this.item.regions.length) return;
    try {
      const whole = await fetchItem(this.item.id, signal);
      if (signal.aborted) return;
      this.regions.show(whole);
      this.regions.scale(this.stage.k);
    } catch (error) {
      if (error.name !== "AbortError") say(`Outlines: ${error.message}`);
    }
  }

  async #heat(signal) {
    const { item, parts } = this;
    try {
      this.map = await HeatMap.load(picture(item.id, "map", "view"), signal);
      if (signal.aborted) return;
      this.map.paint(parts.heat, item.colour_limits);
      this.#read();
    } catch (error) {
      if (error.name !== "AbortError") parts.readout.textContent = `Heat map: ${error.message}`;
    }
  }

  #moved() {
    const { stage, item } = this;
    this.regions?.scale(stage.k);
    this.parts.zoom.textContent = `${Math.round(stage.k * 100)} %`;
    this.wipe();
    this.#read();
    const wanted = stage.k * devicePixelRatio * (item?.width ?? 0) > 1.1 * (this.sharp ?? Infinity);
    if (
      !item ||
      this.full ||
      !wanted ||
      this.sharp >= item.width ||
      item.width * item.height > LARGEST
    )
      return;
    this.full = "asked";
    this.#picture("full");
  }

  /** The heat map right of the wipe only. */
  wipe() {
    const { wipe, heat, divider, stage } = this.parts;
    const share = wipe.valueAsNumber / 100;
    divider.hidden = share === 0;
    if (!this.stage) return;
    const x = share * stage.clientWidth;
    divider.style.transform = `translateX(${x}px)`;
    const cut = Math.min(1, Math.max(0, this.stage.toImage({ x, y: 0 }).x / this.stage.width));
    heat.style.clipPath = share ? `inset(0 0 0 ${100 * cut}%)` : "none";
  }

  fade() {
    const share = this.parts.opacity.valueAsNumber / 100;
    this.parts.heat.style.opacity = this.parts.showHeat.checked ? share : 0;
    this.parts.layer(this.regions?.layer);
    paintLegend(this.parts.legend, share);
  }

  point(event) {
    this.pointer = event ? this.stage.local(event) : null;
    if (event) this.regions.pointAt(this.stage.toImage(this.pointer));
    this.#read();
  }

  /** The value under the pointer, or in the middle where there is no pointer. */
  #read() {
    const { item, map, stage, parts } = this;
    if (!item || !stage) return;
    const { x, y } = stage.toImage(this.pointer ?? stage.middle);
    const value = map?.at(x / stage.width, y / stage.height) ?? null;
    parts.readout.textContent = `${this.pointer ? "" : "Middle: "}x ${Math.floor(x)}, y ${Math.floor(y)} · anomaly ${value === null ? "–" : value.toFixed(4)}`;
  }

  #facts() {
    const { item, parts } = this;
    if (!item) return;
    if (this.shown !== item.status && item.status === "done") return void this.#load();
    const verdict = store.verdict(item);
    parts.title.textContent = base(item.name);
    parts.title.title = item.name;
    parts.decision.dataset.verdict = verdict ?? "";
    parts.decision.textContent =
      item.image_score === null
        ? (item.error ?? item.status)
        : `${score(item.image_score)}${verdict ? ` ${GLYPHS[verdict]} ${verdict}` : ""}`;
    parts.place.textContent = `${this.place + 1} of ${this.ids.length}`;
    for (const [value, button] of Object.entries(parts.labels)) {
      button.setAttribute("aria-pressed", (item.label ?? "none") === value);
      button.disabled = item.status !== "done";
    }
    parts.ends.forEach((node, i) => {
      const limit = item.colour_limits?.[i];
      node.textContent = limit === undefined ? "" : score(limit);
    });
    parts.facts(facts(item));
  }

  #close() {
    this.#loading.abort();
    document.documentElement.classList.remove("viewing");
    this.closed(this.ids[this.place]);
  }
}
