/** The form of a service that takes values: a picture, texts, a field for every number, or JSON where there are too many. */

import { h } from "./dom.js";
import { PictureInput } from "./pictureinput.js";
import { layoutOf } from "./tensor.js";
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

/** What was typed, by input: a list for fields, one text for JSON, a picture. */
export class Typed {
  /**
   * @param {Service} service
   * @param {() => void} changed called when a picture is there, or another
   */
  constructor(service, changed) {
    this.service = service;
    this.inputs = service.kind === "numbers" ? service.inputs : [];
    const pictures = this.inputs.filter(layoutOf);
    /** @type {Record<string, PictureInput>} */
    this.pictures = Object.fromEntries(pictures.map((input) => [input.name, new PictureInput(input, changed)]));
    /** @type {Record<string, string[] | string>} */
    this.texts = Object.fromEntries(
      this.inputs.filter(({ name }) => !this.pictures[name]).map((input) => [input.name, initial(service, input)]),
    );
    if (!this.inputs.length) this.texts = { "": JSON.stringify(service.example ?? {}, null, 2) };
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

  /** @param {ReturnType<Typed["snapshot"]>} kept */
  async restore({ texts, pictures }) {
    this.texts = structuredClone(texts);
    await Promise.all(
      Object.entries(pictures).map(([name, kept]) => kept && this.pictures[name]?.restore(kept)),
    );
  }

  /** @returns {HTMLElement[]} */
  fields() {
    if (!this.inputs.length) return [area("", t("input.instance"), String(this.texts[""]))];
    return this.inputs.map((input) => {
      const picture = this.pictures[input.name];
      if (picture) return picture.field(about("input.values", input));
      const typed = this.texts[input.name];
      return Array.isArray(typed)
        ? group(this.service, input, typed)
        : area(input.name, about("input.json", input), typed);
    });
  }

  /** @param {HTMLInputElement | HTMLTextAreaElement} element */
  keep(element) {
    const { input, nth } = element.dataset;
    if (input === undefined) return;
    const typed = this.texts[input];
    if (Array.isArray(typed)) typed[Number(nth)] = element.value;
    else this.texts[input] = element.value;
  }

  /**
   * One instance, as the server takes it.
   * @returns {Record<string, unknown>}
   */
  instance() {
    if (!this.inputs.length) return json("", String(this.texts[""]));
    return Object.fromEntries(this.inputs.map((input) => [input.name, this.value(input)]));
  }

  /** @param {Port} input */
  value(input) {
    const picture = this.pictures[input.name];
    if (picture) {
      const values = picture.values();
      if (!values) throw new BadField(t("input.nopicture"), `[data-picture="${CSS.escape(input.name)}"]`);
      return values;
    }
    const typed = this.texts[input.name];
    if (!Array.isArray(typed)) return json(input.name, typed);
    const read = isText(input) ? typed : typed.map((text, i) => number(this.service, input, i, text));
    return nested(read, item(input));
  }
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
  const given = isHousing(service, input) ? HOUSE : service.example?.[input.name];
  const size = count(input);
  if (size < 1 || size > MAX_FIELDS) return JSON.stringify(given ?? filled(input, item(input)));
  const values = given === undefined ? [] : [given].flat(9);
  return Array.from({ length: size }, (_, i) => String(values[i] ?? harmless(input)));
}

/** What any model takes: no 0, which has no logarithm, and is what masks hide. @param {Port} input */
function harmless(input) {
  if (isText(input)) return "text";
  if (input.dtype === "bool") return true;
  return /float/.test(input.dtype ?? "float") ? 0.5 : 1;
}

/**
 * @param {Port} input
 * @param {number[]} shape
 * @returns {unknown}
 */
function filled(input, [length, ...inner]) {
  if (length === undefined) return harmless(input);
  return Array.from({ length: Math.max(1, length) }, () => filled(input, inner));
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
 * @param {Port} input
 * @param {number} i
 * @param {string} text
 */
function number(service, input, i, text) {
  const plain = text.trim().replace("−", "-");
  if (input.dtype === "bool" && /^(true|false|0|1)$/i.test(plain)) return /^(true|1)$/i.test(plain);
  const value = plain === "" ? NaN : Number(plain);
  const isWhole = /int/.test(input.dtype ?? "");
  if (Number.isFinite(value) && (!isWhole || Number.isInteger(value))) return value;
  throw new BadField(
    t(isWhole && Number.isFinite(value) ? "input.notwhole" : "input.bad", { name: label(service, input, i) }),
    `[data-input="${CSS.escape(input.name)}"][data-nth="${i}"]`,
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
