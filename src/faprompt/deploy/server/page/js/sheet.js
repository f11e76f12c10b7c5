/** Dialogs with a title, a close button and a content. <dialog> keeps the focus inside and gives it back. */

import { $, el } from "./dom.js";

/** Show a dialog anew filled. @param first the element that gets the focus. */
export function showSheet(id, title, content, first) {
  const dialog = $(id);
  const close = el(
    "button",
    { type: "button", class: "quiet icon", "aria-label": "Close", onclick: () => dialog.close() },
    "✕",
  );
  dialog.replaceChildren(
    el("header", { class: "sheet-head" }, el("h2", { id: `${id}-title` }, title), close),
    el("div", { class: "sheet-body" }, content),
  );
  if (!dialog.open) dialog.showModal();
  first?.focus();
  return dialog;
}

/** A click beside a sheet closes it. */
export function connectSheets() {
  for (const dialog of document.querySelectorAll("dialog.sheet")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog && dialog.id !== "login") dialog.close();
    });
  }
}

/** Ask before something that cannot be undone; resolves to true or false. */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    const go = el("button", { type: "button", class: "danger" }, action);
    const keep = el("button", { type: "button" }, "Keep");
    const dialog = showSheet(
      "ask",
      title,
      [el("p", {}, text), el("p", { class: "buttons end" }, keep, go)],
      keep,
    );
    const end = (answer) => () => {
      resolve(answer);
      dialog.close();
    };
    go.addEventListener("click", end(true));
    keep.addEventListener("click", end(false));
    dialog.addEventListener("close", () => resolve(false), { once: true });
  });
}

/** A labelled field with a line of help below it. */
export function field(name, input, help) {
  const id = `field-${name.toLowerCase().replace(/\W+/g, "-")}`;
  input.id = id;
  if (help) input.setAttribute("aria-describedby", `${id}-help`);
  return el(
    "div",
    { class: "field" },
    el("label", { for: id }, name),
    input,
    help ? el("p", { class: "soft", id: `${id}-help` }, help) : null,
  );
}
