/** What is known of an image besides its score, as pairs of name and text. */

import { LABELS, moment } from "./format.js";
import { store } from "./store.js";

const described = ({ name, references }) =>
  references ? `${name}, beside good images (${references})` : name;

export function facts(item) {
  const model = store.models.find((one) => one.id === item.model);
  const station = store.stations.find((one) => one.id === item.station);
  return [
    ["File", item.name],
    ["Size", `${item.width} × ${item.height} px`],
    ["Score", item.image_score === null ? "none" : `${item.image_score}`], // all its digits
    ["Label", item.label ? LABELS[item.label] : "none"],
    ["Model", model ? described(model) : item.model],
    ["Station", station?.name ?? item.station ?? "none"],
    ["Scored in", item.milliseconds ? `${Math.round(item.milliseconds)} ms` : "–"],
    ["Added", moment(item.created)],
    ["SHA-256", item.sha256],
  ];
}
