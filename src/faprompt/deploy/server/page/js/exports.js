/** Downloads of a batch. */

import { exportFile } from "./api.js";
import { $, el } from "./dom.js";
import { store } from "./store.js";

const FORMATS = [
  ["csv", "CSV"],
  ["labels", "Labels"], // what `faprompt review apply` takes
  ["jsonl", "JSONL"],
  ["coco", "COCO"],
  ["html", "HTML report"],
];

export function connectExports() {
  const links = FORMATS.map(([format, name]) => ({
    format,
    node: el("a", { class: "button small", download: "", data: { format } }, name),
  }));
  $("exports").append(...links.map(({ node }) => el("li", {}, node)));
  store.on("batch", () => {
    if (store.batch)
      for (const { format, node } of links) node.href = exportFile(store.batch.id, format);
  });
}
