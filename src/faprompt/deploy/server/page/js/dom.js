/** Small helpers for elements; every text goes in as text, never as HTML. */

export const $ = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element: `el("p", {class: "soft", onclick: f, data: {id: 1}}, "text", child)`.
 * An attribute that is null, undefined or false is left out; true is an empty attribute, but
 * `aria-` ones say "true".
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in SPECIAL) SPECIAL[name](node, value);
    else if (value === true && !name.startsWith("aria-")) node.setAttribute(name, "");
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const SPECIAL = {
  data: (node, value) => Object.assign(node.dataset, value),
  value: (node, value) => (node.value = value),
  style: (node, value) => {
    for (const [name, one] of Object.entries(value)) node.style.setProperty(name, one);
  },
};

/** Fill a <select> with `[value, text]` pairs and choose one. */
export function options(select, pairs, chosen) {
  const same =
    select.options.length === pairs.length &&
    pairs.every(
      ([value, text], i) => select.options[i].value === value && select.options[i].text === text,
    );
  if (!same) select.replaceChildren(...pairs.map(([value, text]) => el("option", { value }, text)));
  if (chosen !== undefined) select.value = chosen;
}

/** Call at most once per `ms`, the last call always. */
export function throttled(f, ms) {
  let timer = 0;
  let last = 0;
  return () => {
    if (timer) return;
    const wait = Math.max(0, last + ms - performance.now());
    timer = setTimeout(() => {
      timer = 0;
      last = performance.now();
      f();
    }, wait);
  };
}

/** Call once before the next frame is drawn. */
export function framed(f) {
  let asked = 0;
  return () => {
    if (!asked)
      asked = requestAnimationFrame(() => {
        asked = 0;
        f();
      });
  };
}

/** True where a key belongs to the field that has the focus and not to the page. */
export function typing(event) {
  const node = event.target;
  return (
    node instanceof HTMLElement &&
    node.matches("input:not([type=range]):not([type=checkbox]), select, textarea")
  );
}
