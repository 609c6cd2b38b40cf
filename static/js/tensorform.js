/** The form of a model: a picture, texts, a field for every number, or JSON where there are too many. */

import { h } from "./dom.js";
import { area, BadField, exampleOf, json, selector } from "./fields.js";
import { PictureInput } from "./pictureinput.js";
import { layoutOf } from "./tensor.js";
import { t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Port} Port
 * @typedef {import("./server.js").Request} Request
 */

const MAX_FIELDS = 64;
/** The tutorial's data set: what its columns are called, and the house every tutorial asks about. */
const HOUSING = ["CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT"];
const HOUSE = [
  0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332,
];

/** What was typed, by input: a list for fields, one text for JSON, a picture. */
export class TensorForm {
  /**
   * @param {Service} service
   * @param {() => void} changed called when a picture is there, or another
   */
  constructor(service, changed) {
    this.service = service;
    this.inputs = service.inputs;
    const pictures = this.inputs.filter(layoutOf);
    /** @type {Record<string, PictureInput>} */
    this.pictures = Object.fromEntries(pictures.map((input) => [input.name, new PictureInput(input, changed)]));
    /** @type {Record<string, string[] | string>} */
    this.texts = Object.fromEntries(
      this.inputs.filter(({ name }) => !this.pictures[name]).map((input) => [input.name, initial(service, input)]),
    );
  }

  /** Fulfilled when all pictures are there. */
  ready() {
    return Promise.all(Object.values(this.pictures).map(({ loaded }) => loaded));
  }

  /** What can be stored. */
  snapshot() {
    const pictures = Object.entries(this.pictures).map(([name, picture]) => [name, picture.keep()]);
    return { texts: structuredClone(this.texts), pictures: Object.fromEntries(pictures) };
  }

  /** @param {ReturnType<TensorForm["snapshot"]>} kept */
  async restore({ texts, pictures }) {
    this.texts = structuredClone(texts);
    await Promise.all(Object.entries(pictures).map(([name, kept]) => kept && this.pictures[name]?.restore(kept)));
  }

  /** @returns {HTMLElement[]} */
  fields() {
    return this.inputs.map((input) => {
      const picture = this.pictures[input.name];
      if (picture) return picture.field(about("input.values", input));
      const typed = this.texts[input.name];
      return Array.isArray(typed)
        ? group(this.service, input, typed)
        : area(input.name, about(input.is_lod ? "input.sequence" : "input.json", input), typed);
    });
  }

  /** @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element */
  keep(element) {
    const { input, nth } = element.dataset;
    if (input === undefined) return;
    const typed = this.texts[input];
    if (Array.isArray(typed)) typed[Number(nth)] = element.value;
    else this.texts[input] = element.value;
  }

  /** Pictures in binary, everything else as JSON. @returns {Request} */
  request() {
    const pictures = Object.entries(this.pictures).map(([name, picture]) => this.tensor(name, picture));
    const texts = this.inputs.filter(({ name }) => !this.pictures[name]);
    if (!pictures.length) return { kind: "json", body: { feed: this.feed(), fetch: this.service.outputs.map(({ name }) => name) } };
    if (pictures.length === 1 && !texts.length && pictures[0].isExact) {
      const { file, fileName } = pictures[0];
      return { kind: "file", file, type: "application/x-npy", path: fileName, isMade: true };
    }
    const parts = texts.map((input) => ({ name: input.name, text: JSON.stringify(this.rows(input)[0]) }));
    return { kind: "form", parts: [...pictures, ...parts] };
  }

  /** As many instances as the model takes together. */
  feed() {
    const columns = this.inputs.map((input) => ({ name: input.name, rows: this.rows(input) }));
    const length = Math.max(...columns.map(({ rows }) => rows.length));
    return Array.from({ length }, (_, k) => Object.fromEntries(columns.map(({ name, rows }) => [name, rows[k] ?? rows[0]])));
  }

  /** @param {string} name @param {PictureInput} picture */
  tensor(name, picture) {
    const tensor = picture.tensor();
    if (!tensor) throw new BadField(t("input.nopicture"), `[data-picture="${CSS.escape(name)}"]`);
    const fileName = `${this.service.name}.${name.replace(/[^\w.-]+/g, "_")}.npy`;
    return { name, fileName, ...tensor };
  }

  /** The value of each instance. @param {Port} input @returns {any[]} */
  rows(input) {
    const typed = this.texts[input.name];
    const length = rowsOf(input);
    if (!Array.isArray(typed)) return length > 1 ? json(input.name, typed) : [json(input.name, typed)];
    const read = isText(input) ? typed : typed.map((text, i) => number(this.service, input, i, text));
    return /** @type {any[]} */ (nested(read, [length, ...item(input)]));
  }
}

/** Instances that the model takes together, where it says how many. @param {Port} input */
function rowsOf(input) {
  return input.is_lod ? 1 : Math.max(1, input.shape?.[0] ?? 1);
}

/** @param {Port} input */
function isText(input) {
  return input.dtype === "string" || input.dtype === "bytes";
}

/**
 * A flat list in the shape of an item.
 * @param {unknown[]} flat
 * @param {number[]} shape
 * @returns {unknown}
 */
function nested(flat, shape) {
  if (!shape.length) return flat[0];
  const [length, ...inner] = shape;
  const size = flat.length / length;
  return Array.from({ length }, (_, i) => nested(flat.slice(i * size, (i + 1) * size), inner));
}

/**
 * The shape without the batch axis.
 * @param {Port} input
 */
function item(input) {
  return (input.shape ?? [-1, -1]).slice(1);
}

/** Values in all rows, or -1 where the shape is open. @param {Port} input */
function count(input) {
  const shape = [rowsOf(input), ...item(input)];
  return input.is_lod || shape.some((size) => size < 0) ? -1 : shape.reduce((product, size) => product * size, 1);
}

/**
 * @param {Service} service
 * @param {Port} input
 */
function initial(service, input) {
  const rows = service.operation?.example?.feed;
  const said = exampleOf(service)?.[input.name];
  const given = isHousing(service, input) ? HOUSE : rowsOf(input) > 1 ? rows?.map((/** @type {any} */ row) => row[input.name]) : said;
  const size = count(input);
  if (size < 1 || size > MAX_FIELDS) return JSON.stringify(given ?? made(input));
  const values = given === undefined ? [] : [given].flat(9);
  return Array.from({ length: size }, (_, i) => String(values[i] ?? input.sample?.value ?? harmless(input)));
}

/** What the model has answered, or of its type and shape. @param {Port} input */
function made(input) {
  const shape = input.sample ? input.sample.shape.slice(rowsOf(input) > 1 || input.is_lod ? 0 : 1) : item(input);
  const value = input.sample?.value ?? harmless(input);
  return input.is_lod && shape.slice(1).every((size) => size === 1) ? filled(value, shape.slice(0, 1)) : filled(value, shape);
}

/** What any model takes: no 0, which has no logarithm, and is what masks hide. @param {Port} input */
function harmless(input) {
  if (isText(input)) return "text";
  if (input.dtype === "bool") return true;
  return /float/.test(input.dtype ?? "float") ? 0.5 : 1;
}

/**
 * @param {unknown} value
 * @param {number[]} shape
 * @returns {unknown}
 */
function filled(value, [length, ...inner]) {
  if (length === undefined) return value;
  return Array.from({ length: Math.max(1, length) }, () => filled(value, inner));
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
    h("div", { class: isText(input) ? "fields texts" : "fields" }, ...typed.map(one)),
  );
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
  const shape = (input.shape ?? []).map((size) => (size < 0 ? "?" : size));
  return t(key, { name: input.name, dtype: input.dtype ?? "?", shape: `[${(rowsOf(input) > 1 ? shape : shape.slice(1)).join(", ")}]` });
}

/**
 * @param {Service} service
 * @param {Port} input
 * @param {number} i
 * @param {string} text
 */
function number(service, input, i, text) {
  const plain = text.trim().replace("−", "-");
  if (input.dtype === "bool" && /^(true|false|0|1)$/i.test(plain)) return /^(true|1)$/i.test(plain);
  const value = plain === "" ? NaN : Number(plain);
  const isWhole = /int/.test(input.dtype ?? "");
  if (Number.isFinite(value) && (!isWhole || Number.isSafeInteger(value))) return value;
  const problem = !isWhole || !Number.isFinite(value) ? "input.bad" : Number.isInteger(value) ? "input.toolarge" : "input.notwhole";
  throw new BadField(t(problem, { name: label(service, input, i) }), `${selector(input.name)}[data-nth="${i}"]`);
}
