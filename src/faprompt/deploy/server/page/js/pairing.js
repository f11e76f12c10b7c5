/** Which batch to compare with: an earlier one, or the same images under another model. */

import * as api from "./api.js";
import { $, el } from "./dom.js";
import { modelName } from "./lists.js";
import { attempt } from "./messages.js";
import { field, showSheet } from "./sheet.js";
import { store } from "./store.js";

/** @param begin opens a batch that was just made. */
export function connectCompare({ begin }) {
  $("compare-open").addEventListener("click", () => attempt(() => choose(begin)));
}

async function choose(begin) {
  const { batch } = store;
  const others = (await api.batches()).filter((one) => one.id !== batch.id && one.counts.done);
  const models = store.models.filter((one) => one.id !== batch.model);
  showSheet("pair", "Compare two models", [
    ...(models.length ? again(batch, models, begin) : [el("p", { class: "soft" }, ONE_MODEL)]),
    ...(others.length ? earlier(batch, others) : []),
  ]);
}

const ONE_MODEL =
  "This desk has one model. Start it with a second --model to have another one score the same images.";

function again(batch, models, begin) {
  const model = choice(models.map((one) => [one.id, one.name]));
  const score = () =>
    attempt(async () => {
      const name = `${batch.name} (${model.selectedOptions[0].text})`;
      const request = { name, model: model.value, tile: batch.tile, images_of: batch.id };
      const made = await api.makeBatch(request);
      $("pair").close();
      begin(made);
    });
  const help = "A new batch of the same images; choose “Compare” there when it is through.";
  return section(
    "Score these images with another model",
    field("Model", model, help),
    "Score them",
    score,
  );
}

function earlier(batch, others) {
  const likely = others.toSorted((a, b) => unlike(batch, a) - unlike(batch, b));
  const other = choice(likely.map((one) => [one.id, `${one.name} · ${modelName(one.model)}`]));
  const compare = () => {
    $("pair").close();
    location.hash = `#/batch/${batch.id}/compare/${other.value}`;
  };
  const help = "Images are matched by their content, whatever they are called.";
  return section("Compare with a batch", field("Batch", other, help), "Compare", compare);
}

/** Another model on as many images comes first; the list itself knows nothing of their content. */
const unlike = (batch, { model, counts }) =>
  2 * (counts.done !== batch.counts.done) + (model === batch.model);

const choice = (pairs) =>
  el(
    "select",
    {},
    pairs.map(([value, text]) => el("option", { value }, text)),
  );

function section(title, input, action, onclick) {
  const button = el("button", { type: "button", class: "primary", onclick }, action);
  return [el("h3", {}, title), input, el("p", { class: "buttons end" }, button)];
}
