/** What an answer to a picture says: boxes with their lines, a table, a text, a file, or JSON. */

import { fileResult, valueTable } from "./answer.js";
import { copyButton, h } from "./dom.js";
import { findings } from "./findings.js";
import { linked } from "./overlay.js";
import { t } from "./words.js";

/** @typedef {import("./server.js").Answer} Answer */

/**
 * What was found, as a list; where there are boxes, `draw` puts them over the picture.
 * @param {Answer} from
 * @param {{width: number, height: number}} size of the picture in pixels
 * @param {(...parts: Element[]) => void} draw
 * @returns {HTMLElement[]}
 */
export function pictureResult(from, { width, height }, draw) {
  if (from.file) return [h("h2", {}, t("results")), fileResult(from.file, from.result)];
  const found = findings(from.result);
  if (found.kind === "boxes") {
    if (!found.items.length)
      return [h("h2", {}, t("found.none")), h("p", { class: "quiet-text" }, t("found.none.hint"))];
    const { overlay, tip, list } = linked(found.items, width || 1, height || 1, found.named);
    draw(overlay, tip);
    const text = found.items.map((item) => item.text).join("\n");
    const copy = text.trim() && copyButton(() => text, t, "copy.text");
    return [
      h("div", { class: "result-head" }, h("h2", {}, t(`found.${found.named}`, { n: found.items.length })), copy),
      list,
    ];
  }
  const heading = h("h2", {}, t("results"));
  if (found.kind === "table") return [heading, valueTable(found.columns, found.rows)];
  if (found.kind === "text") return [heading, h("p", { class: "said-by-server" }, found.text)];
  return [heading, h("pre", { class: "code", tabindex: 0 }, JSON.stringify(from.result, null, 1).slice(0, 4000))];
}
