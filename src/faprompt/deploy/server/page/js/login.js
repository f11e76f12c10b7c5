/** The key that the server may ask for. The cookie that comes back is out of reach of scripts. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { attempt } from "./messages.js";
import { field, showSheet } from "./sheet.js";

let asking = null;

/** Ask for the key until it is right; all who wait for it share one dialog. */
function ask() {
  asking ??= new Promise((resolve) => {
    const key = el("input", { type: "password", required: true, autocomplete: "current-password" });
    const problem = el("p", { class: "problem", role: "alert", hidden: true });
    const form = el(
      "form",
      {},
      el("p", {}, "This desk is protected. “faprompt serve” shows the key where it was started."),
      field("Key", key),
      problem,
      el(
        "p",
        { class: "buttons end" },
        el("button", { type: "submit", class: "primary" }, "Log in"),
      ),
    );
    const dialog = showSheet("login", "Log in", form, key);
    const stay = (event) => event.preventDefault();
    dialog.addEventListener("cancel", stay);
    dialog.querySelector(".sheet-head button").hidden = true;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await api.login(key.value.trim());
        dialog.removeEventListener("cancel", stay);
        dialog.close();
        $("logout").hidden = false;
        asking = null;
        resolve();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        key.select();
      }
    });
  });
  return asking;
}

/** A key in the address (`#key=...`) is used once and taken out of it. */
async function fromAddress() {
  const key = /^#key=(.+)$/.exec(location.hash)?.[1];
  if (!key) return;
  history.replaceState(null, "", `${location.pathname}#/`);
  await attempt(() => api.login(decodeURIComponent(key)));
}

export async function connectLogin() {
  api.onKeyNeeded(ask);
  $("logout").addEventListener("click", () =>
    attempt(async () => {
      await api.logout();
      location.hash = "#/";
      location.reload();
    }),
  );
  await fromAddress();
  const session = await api.session().catch(() => null);
  $("logout").hidden = !(session?.key_needed && session.logged_in);
  if (session?.key_needed && !session.logged_in) await ask();
}
