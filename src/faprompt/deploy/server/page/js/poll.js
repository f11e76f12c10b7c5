/** Following the open batch: asking for what has changed, more often while work goes on. */

import * as api from "./api.js";
import { withPending } from "./labels.js";
import { serverAway } from "./messages.js";
import { store } from "./store.js";

const BUSY = 500; // ms between two questions
const IDLE = 4000;
const AWAY = 3000;

let round = 0; // every follow() ends the earlier ones
let wake = () => {};

/** Ask at once, for instance after an upload has begun. */
export const hurry = () => wake();

export const stop = () => {
  round += 1;
  wake();
};

/** Follow a batch until another is followed. @param uploading Is an upload still going on? */
export async function follow(id, uploading) {
  const mine = ++round;
  wake();
  while (mine === round) {
    let wait;
    try {
      const more = await ask(id, mine);
      serverAway(false);
      const busy = uploading() || ["waiting", "running"].some((key) => store.batch?.counts[key]);
      wait = more ? 0 : busy ? BUSY : IDLE;
    } catch (error) {
      if (error.status === 404) return;
      serverAway(error.status === 0);
      wait = AWAY;
    }
    if (mine !== round) return;
    await pause(document.hidden ? Math.max(wait, IDLE) : wait);
  }
}

async function ask(id, mine) {
  const { change, items, more } = await api.changedItems(id, store.change);
  const batch = await api.batch(id); // after the items: its counts know of all of them
  if (mine !== round) return false;
  store.change = change;
  const changed = JSON.stringify(batch) !== JSON.stringify(store.batch);
  const station = store.batch?.station;
  store.batch = batch;
  store.merge(withPending(items));
  if (changed) store.tell("batch");
  if (station !== batch.station) store.useStation();
  return Boolean(more);
}

function pause(ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

document.addEventListener("visibilitychange", () => wake());
