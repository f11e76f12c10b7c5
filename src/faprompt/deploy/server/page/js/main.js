/** Everything joined: which view is shown is in the address (`#/`, `#/batch/ID`, `#/batch/ID/compare/ID`). */

import * as api from "./api.js";
import { connectAgreement } from "./agreement.js";
import { chooseStation, connectCalibrate } from "./calibrate.js";
import { showComparison } from "./compare.js";
import { connectCompare } from "./pairing.js";
import { connectDecisions } from "./decisions.js";
import { $, options } from "./dom.js";
import { connectExports } from "./exports.js";
import { connectHelp } from "./help.js";
import { Grid } from "./grid.js";
import { connectGrid } from "./gridkeys.js";
import { connectIntake, uploading } from "./intake.js";
import { connectLists, loadLists } from "./lists.js";
import { connectLogin } from "./login.js";
import { attempt, serverAway, toast } from "./messages.js";
import { FILTERS, SORTS } from "./order.js";
import * as poll from "./poll.js";
import { connectProgress } from "./progress.js";
import { connectSheets } from "./sheet.js";
import { showBatches } from "./start.js";
import { connectStations } from "./stations.js";
import { store } from "./store.js";
import { connectTheme } from "./theme.js";
import { Viewer } from "./viewer.js";

const VIEWS = ["start", "work", "compare"];

function view(name) {
  for (const one of VIEWS) $(one).hidden = one !== name;
  document.body.dataset.view = name;
}

/** Show what the address says. */
async function route() {
  const [, id, other] = /^#\/batch\/([\w-]+)(?:\/compare\/([\w-]+))?$/.exec(location.hash) ?? [];
  if (!id) {
    poll.stop();
    store.open(null);
    view("start");
    await showBatches();
    return;
  }
  if (store.batch?.id !== id) store.open(await api.batch(id));
  view(other ? "compare" : "work");
  poll.follow(id, uploading);
  if (other) await showComparison(id, other);
}

async function go() {
  try {
    await route();
  } catch (error) {
    serverAway(error.status === 0);
    if (error.status !== 404) return void toast(error.message, { error: true });
    toast(error.message, { error: true });
    location.hash = "#/";
  }
}

function opened(batch) {
  store.open(batch);
  location.hash = `#/batch/${batch.id}`;
}

function connectTools() {
  const [sort, filter, heat] = [$("sort"), $("filter"), $("heat")];
  options(sort, SORTS, store.sort);
  options(filter, FILTERS, store.filter);
  sort.addEventListener("change", () => store.setView({ sort: sort.value }));
  filter.addEventListener("change", () => store.setView({ filter: filter.value }));
  heat.addEventListener("click", () => store.setView({ heat: !store.heat }));
  store.on("view", () => {
    filter.value = store.filter;
    heat.setAttribute("aria-pressed", store.heat);
  });
  store.on("batch", () => {
    $("crumb").hidden = !store.batch;
    $("crumb").textContent = store.batch?.name ?? "";
    document.title = store.batch ? `${store.batch.name} · faprompt desk` : "faprompt desk";
  });
}

/** On a wide window the panels are open; on a phone the images come first. */
function openPanels() {
  const wide = matchMedia("(min-width: 60rem)");
  const apply = () => {
    for (const panel of document.querySelectorAll("#instruments details"))
      panel.open = wide.matches;
  };
  wide.addEventListener("change", apply);
  apply();
}

async function main() {
  connectTheme();
  connectSheets();
  connectHelp();
  connectTools();
  openPanels();
  const grid = new Grid($("grid"));
  const viewer = new Viewer((id) => {
    grid.activate(id);
    grid.node.focus({ preventScroll: true });
  });
  connectGrid(grid, { open: (id) => viewer.open(grid.ids, id) });
  connectDecisions();
  connectAgreement();
  connectProgress();
  connectExports();
  connectLists({ chooseStation });
  connectCalibrate();
  connectStations();
  connectCompare({ begin: opened });
  connectIntake({ opened, began: poll.hurry });
  await connectLogin();
  await loadLists().catch((error) => serverAway(error.status === 0));
  addEventListener("hashchange", go);
  await go();
}

attempt(main);
