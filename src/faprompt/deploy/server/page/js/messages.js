/** What the page says: to everybody (toasts, the banner) and to screen readers alone. */

import { $, el } from "./dom.js";

const SHOWN = 8000; // ms

/** Say it to screen readers; a repeated text is said again. */
export function say(text) {
  const node = $("said");
  node.textContent = "";
  setTimeout(() => {
    node.textContent = text;
  }, 50);
}

/** A message that goes away by itself; an error stays until it is closed. */
export function toast(text, { error = false } = {}) {
  const node = el("div", { class: error ? "toast error" : "toast" }, el("p", {}, text));
  const close = () => node.remove();
  node.append(
    el(
      "button",
      { type: "button", class: "quiet icon", "aria-label": "Close the message", onclick: close },
      "✕",
    ),
  );
  const box = $("toasts");
  while (box.children.length > 3) box.firstChild.remove();
  box.append(node);
  if (!error) setTimeout(close, SHOWN);
}

/** Run something the user asked for; what goes wrong is said in plain words. */
export async function attempt(f) {
  try {
    return await f();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (error.status === undefined) console.error(error);
    toast(error.message || "Something went wrong.", { error: true });
    return undefined;
  }
}

/** The server is away, or is back. */
export function serverAway(away) {
  const node = $("away");
  if (away === !node.hidden) return;
  node.hidden = !away;
  node.textContent = away
    ? "The server does not answer. Trying again; what is shown stays as it was. Is “faprompt serve” still running?"
    : "";
  if (!away) say("The server answers again.");
}
