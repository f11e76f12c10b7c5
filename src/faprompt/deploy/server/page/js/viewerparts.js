/** The elements of the viewer: its bar, the stage with its layers, and the side with the controls. */

import { el } from "./dom.js";
import { STRONGEST } from "./heatmap.js";

const MIDDLE = 50; // where the wipe begins

export function build(viewer) {
  const parts = { labels: {} };
  const button = (text, onclick, more = {}) =>
    el("button", { type: "button", onclick, ...more }, text);
  viewer.dialog.append(
    head(viewer, parts, button),
    stage(viewer, parts, button),
    side(viewer, parts),
  );
  parts.toggleWipe = () => {
    parts.wipe.value = parts.wipe.valueAsNumber ? 0 : MIDDLE;
    viewer.wipe();
  };
  parts.layer = (layer) => layer?.classList.toggle("off", !parts.showRegions.checked);
  queueMicrotask(() => viewer.fade());
  return parts;
}

function head(viewer, parts, button) {
  parts.title = el("h2", { id: "viewer-title" });
  parts.decision = el("span", { class: "decision" });
  parts.place = el("span", { class: "soft place" });
  const label = (value, text, keys) => {
    parts.labels[value] = button(text, () => viewer.label(value === "none" ? null : value), {
      "aria-pressed": "false",
      "aria-keyshortcuts": keys,
      data: { label: value },
    });
    return parts.labels[value];
  };
  return el(
    "header",
    { class: "viewer-head" },
    el("div", { class: "viewer-name" }, parts.title, parts.decision, parts.place),
    el(
      "div",
      { class: "viewer-labels", role: "group", "aria-label": "Label" },
      label("ok", "✓ OK", "o"),
      label("ng", "✕ NG", "n"),
      label("none", "No label", "u"),
    ),
    el(
      "div",
      { class: "viewer-steps" },
      button("‹", () => viewer.go(-1), { "aria-label": "Previous image", class: "icon" }),
      button("›", () => viewer.go(1), { "aria-label": "Next image", class: "icon" }),
      button("✕", () => viewer.dialog.close(), {
        "aria-label": "Close",
        class: "icon quiet",
        "aria-keyshortcuts": "Escape",
      }),
    ),
  );
}

function stage(viewer, parts, button) {
  parts.image = el("img", { alt: "", draggable: "false" });
  parts.heat = el("canvas", { "aria-hidden": true });
  parts.content = el("div", { class: "content" }, parts.image, parts.heat);
  parts.divider = el(
    "div",
    { class: "divider", hidden: true, "aria-hidden": true },
    el("span", {}, "⇔"),
  );
  parts.zoom = el("span", { class: "zoom-value", role: "status", "aria-label": "Magnification" });
  parts.readout = el("p", { class: "readout" });
  parts.stage = el(
    "div",
    {
      class: "stage",
      tabindex: 0,
      role: "group",
      "aria-label": "Image with heat map; + and - zoom, 0 fits, shift and arrows pan",
    },
    parts.content,
    parts.divider,
  );
  parts.stage.addEventListener("pointermove", (event) => viewer.point(event));
  parts.stage.addEventListener("pointerleave", () => viewer.point(null));
  dragged(viewer, parts);
  const tools = el(
    "div",
    { class: "stage-tools", role: "group", "aria-label": "Magnification" },
    button("−", () => viewer.stage.stepOut(), {
      "aria-label": "Zoom out",
      class: "icon",
      "aria-keyshortcuts": "-",
    }),
    parts.zoom,
    button("+", () => viewer.stage.stepIn(), {
      "aria-label": "Zoom in",
      class: "icon",
      "aria-keyshortcuts": "+",
    }),
    button("Fit", () => viewer.stage.fit(), { "aria-keyshortcuts": "0" }),
    button("1:1", () => viewer.stage.zoomTo(1), {
      "aria-label": "One pixel to one",
      "aria-keyshortcuts": "1",
    }),
  );
  return el(
    "div",
    { class: "viewer-main" },
    parts.stage,
    el("div", { class: "stage-foot" }, tools, parts.readout),
  );
}

/** The wipe's line can be dragged; keys have the slider. */
function dragged(viewer, parts) {
  const { divider, stage: box } = parts;
  divider.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const area = box.getBoundingClientRect();
    parts.wipe.value = Math.min(
      100,
      Math.max(0.5, (100 * (event.clientX - area.left)) / area.width),
    );
    viewer.wipe();
  });
}

function side(viewer, parts) {
  const range = (name, value, f) => {
    const input = el("input", { type: "range", min: 0, max: 100, step: 1, value });
    input.addEventListener("input", f);
    return [input, el("label", { class: "wide" }, name, input)];
  };
  const check = (text, keys, f, checked = true) => {
    const input = el("input", { type: "checkbox", checked, "aria-keyshortcuts": keys });
    input.addEventListener("change", f);
    return [input, el("label", { class: "check" }, input, text)];
  };
  const rows = {};
  [parts.opacity, rows.opacity] = range("Opacity of the heat map", 100 * STRONGEST, () =>
    viewer.fade(),
  );
  [parts.wipe, rows.wipe] = range("Wipe: heat map on the right only", 0, () => viewer.wipe());
  [parts.showHeat, rows.heat] = check("Heat map", "h", () => viewer.fade());
  [parts.showRegions, rows.regions] = check("Outlines", "r", () => viewer.fade());
  [parts.advance, rows.advance] = check("Next image after a label", null, () => {}, false);
  parts.regions = el("div", { class: "region-box" });
  parts.ends = [el("span"), el("span")];
  parts.legend = el("canvas", {
    class: "scale",
    role: "img",
    "aria-label": "Colours of the heat map, from clear over amber to dark red",
  });
  const list = el("dl", { class: "facts" });
  parts.facts = (pairs) =>
    list.replaceChildren(
      ...pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    );
  return el(
    "aside",
    { class: "viewer-side", "aria-label": "Heat map, regions and facts" },
    el(
      "div",
      { class: "stack" },
      el("div", { class: "checks" }, rows.heat, rows.regions),
      rows.opacity,
      rows.wipe,
      el("div", { class: "legend-box" }, parts.legend, el("div", { class: "ends" }, parts.ends)),
    ),
    parts.regions,
    rows.advance,
    el("details", {}, el("summary", {}, "Facts"), list),
  );
}
