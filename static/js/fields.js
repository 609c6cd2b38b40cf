/** What forms of all kinds are made of: fields, and what is wrong in one. */

import { h } from "./dom.js";
import { t } from "./words.js";

/** @typedef {import("./server.js").Service} Service */

/** What was typed cannot be sent; `field` selects the one to correct. */
export class BadField extends Error {
  /**
   * @param {string} message
   * @param {string} field
   */
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

/** The instance that the server gives as an example. @param {Service} service @returns {Record<string, any> | undefined} */
export function exampleOf({ example, operation }) {
  return example ?? operation?.example?.feed?.[0];
}

/**
 * @param {string} name
 * @param {string} words
 * @param {string} typed
 * @param {number} [rows]
 */
export function area(name, words, typed, rows = 8) {
  const text = h("textarea", { rows, spellcheck: "false", "data-input": name });
  text.value = typed;
  return h("label", { class: "field" }, h("span", {}, words), text);
}

/**
 * @param {string} name
 * @param {string} text
 */
export function json(name, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadField(t("input.badjson", { name: name || t("input.instance") }), selector(name));
  }
}

/** The element of a field, for `BadField`. @param {string} name */
export function selector(name) {
  return `[data-input="${CSS.escape(name)}"]`;
}

/** A file chooser behind a button. @param {string} name @param {string} words @param {(file: File) => void} take @param {string} [accept] */
export function chooser(name, words, take, accept = "image/*") {
  const picker = h("input", { type: "file", accept, hidden: true, "data-picture": name });
  picker.addEventListener("change", () => picker.files?.[0] && take(picker.files[0]));
  return [h("button", { type: "button", class: "plain", onclick: () => picker.click() }, words), picker];
}
