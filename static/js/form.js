/** The form of a service that takes values: a field for every number, or JSON where there are too many or none is known. */

import { h } from "./dom.js";
import { t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Port} Port
 */

const MAX_FIELDS = 64;
/** The tutorial's data set: what its columns are called, and the house every tutorial asks about. */
const HOUSING = ["CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT"];
const HOUSE = [
  0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332,
];

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

/** Texts as typed, by input: a list for fields, one text for JSON. */
export class Typed {
  /** @param {Service} service */
  constructor(service) {
    this.service = service;
    this.inputs = service.kind === "numbers" ? service.inputs : [];
    /** @type {Record<string, string[] | string>} */
    this.texts = Object.fromEntries(this.inputs.map((input) => [input.name, initial(service, input)]));
    if (!this.inputs.length) this.texts = { "": JSON.stringify(service.example ?? {}, null, 2) };
  }

  /** @returns {HTMLElement[]} */
  fields() {
    if (!this.inputs.length) return [area("", t("input.instance"), String(this.texts[""]))];
    return this.inputs.map((input) => {
      const typed = this.texts[input.name];
      return Array.isArray(typed)
        ? group(this.service, input, typed)
        : area(input.name, about("input.json", input), typed);
    });
  }

  /** @param {HTMLInputElement | HTMLTextAreaElement} element */
  keep(element) {
    const { input = "", nth } = element.dataset;
    const typed = this.texts[input];
    if (Array.isArray(typed)) typed[Number(nth)] = element.value;
    else this.texts[input] = element.value;
  }

  /**
   * One instance, as the server takes it.
   * @returns {Record<string, unknown>}
   */
  instance() {
    const read = Object.entries(this.texts).map(([name, typed]) => [
      name,
      Array.isArray(typed) ? typed.map((text, i) => number(this.service, name, i, text)) : json(name, typed),
    ]);
    return this.inputs.length ? Object.fromEntries(read) : read[0][1];
  }
}

/**
 * The shape without the batch axis.
 * @param {Port} input
 */
function item(input) {
  const shape = input.shape ?? [-1, -1];
  return shape[0] === -1 ? shape.slice(1) : shape;
}

/** Values in one item, or -1 where the shape is open. @param {Port} input */
function count(input) {
  const shape = item(input);
  return shape.some((size) => size < 0) ? -1 : shape.reduce((product, size) => product * size, 1);
}

/**
 * @param {Service} service
 * @param {Port} input
 */
function initial(service, input) {
  const example = service.example?.[input.name] ?? (isHousing(service, input) ? HOUSE : []);
  const size = count(input);
  if (size < 1 || size > MAX_FIELDS) return JSON.stringify(example);
  const values = [example].flat(9);
  return Array.from({ length: size }, (_, i) => String(values[i] ?? 0));
}

/**
 * @param {Service} service
 * @param {Port} input
 */
function isHousing(service, input) {
  return service.name.startsWith("uci") && count(input) === HOUSING.length;
}

/**
 * @param {Service} service
 * @param {Port} input
 * @param {string[]} typed
 */
function group(service, input, typed) {
  const one = (/** @type {string} */ value, /** @type {number} */ i) =>
    h(
      "label",
      { class: "field" },
      h("span", {}, label(service, input, i)),
      h("input", {
        type: "text",
        inputmode: "text",
        autocomplete: "off",
        spellcheck: "false",
        "data-input": input.name,
        "data-nth": i,
        value,
      }),
    );
  return h(
    "fieldset",
    {},
    h("legend", {}, about("input.values", input)),
    h("div", { class: "fields" }, ...typed.map(one)),
  );
}

/**
 * @param {string} name
 * @param {string} words
 * @param {string} typed
 */
function area(name, words, typed) {
  const text = h("textarea", { rows: 8, spellcheck: "false", "data-input": name });
  text.value = typed;
  return h("label", { class: "field" }, h("span", {}, words), text);
}

/**
 * @param {Service} service
 * @param {Port} input
 * @param {number} i
 */
function label(service, input, i) {
  if (isHousing(service, input)) return HOUSING[i];
  return count(input) === 1 ? input.name : `${input.name}[${i}]`;
}

/**
 * @param {string} key
 * @param {Port} input
 */
function about(key, input) {
  return t(key, { name: input.name, dtype: input.dtype ?? "?", shape: `[${item(input).join(", ")}]` });
}

/**
 * @param {Service} service
 * @param {string} name
 * @param {number} i
 * @param {string} text
 */
function number(service, name, i, text) {
  const value = text.trim() === "" ? NaN : Number(text.trim().replace("−", "-"));
  if (Number.isFinite(value)) return value;
  const input = /** @type {Port} */ (service.inputs.find((known) => known.name === name));
  throw new BadField(
    t("input.bad", { name: label(service, input, i) }),
    `[data-input="${CSS.escape(name)}"][data-nth="${i}"]`,
  );
}

/**
 * @param {string} name
 * @param {string} text
 */
function json(name, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadField(t("input.badjson", { name: name || t("input.instance") }), `[data-input="${CSS.escape(name)}"]`);
  }
}
