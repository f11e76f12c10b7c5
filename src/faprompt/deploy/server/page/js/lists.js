/** Models and stations of the desk, and the selects that offer them. */

import * as api from "./api.js";
import { $, options } from "./dom.js";
import { attempt } from "./messages.js";
import { store } from "./store.js";

export async function loadLists() {
  const [models, stations] = await Promise.allSettled([api.models(), api.stations()]);
  if (models.status === "fulfilled") store.models = models.value;
  if (stations.status === "fulfilled") store.stations = stations.value;
  store.tell("lists");
  const failed = [models, stations].find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}

/** Name of a model; its id where it is not loaded now. */
export const modelName = (id) => store.models.find((one) => one.id === id)?.name ?? id;

/** A station fits the model that it was calibrated with, and no other. */
export const fitting = (model) => store.stations.filter((one) => one.model === model);

export function connectLists({ chooseStation }) {
  const [model, station, choice] = [$("new-model"), $("new-station"), $("station-choice")];
  const none = ["", "none yet"];
  const forNew = () =>
    options(
      station,
      [none, ...fitting(model.value).map((one) => [one.id, one.name])],
      station.value,
    );
  const draw = () => {
    const first = store.models.find((one) => one.default) ?? store.models[0];
    options(
      model,
      store.models.map((one) => [one.id, one.name]),
      model.value || first?.id,
    );
    forNew();
    if (!store.batch) return;
    options(
      choice,
      [none, ...fitting(store.batch.model).map((one) => [one.id, one.name])],
      store.batch.station ?? "",
    );
    $("calibrate-open").title = `with the model ${modelName(store.batch.model)}`;
  };
  model.addEventListener("change", forNew);
  choice.addEventListener("change", () => attempt(() => chooseStation(choice.value || null)));
  store.on("lists batch", draw);
}
