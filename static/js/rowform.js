/** The form of a table: a field for each of a row, by its title, with its choices, unit, limits and default. */

import { h } from "./dom.js";
import { BadField, exampleOf, selector } from "./fields.js";
import { t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Field} Field
 * @typedef {import("./server.js").Request} Request
 */

/** What was typed, by field: a number as text, the place of a choice, whether a flag is set. */
export class RowForm {
  /** @param {Service} service */
  constructor(service) {
    this.list = service.fields ?? [];
    const example = exampleOf(service) ?? {};
    /** @type {Record<string, string>} */
    this.texts = Object.fromEntries(this.list.map((field) => [field.name, asText(field, example[field.name] ?? field.default)]));
  }

  ready() {
    return Promise.resolve();
  }

  snapshot() {
    return { ...this.texts };
  }

  /** @param {Record<string, string>} kept */
  restore(kept) {
    this.texts = { ...kept };
  }

  /** @returns {HTMLElement[]} */
  fields() {
    return [h("div", { class: "fields rows" }, ...this.list.map((field) => this.field(field)))];
  }

  /** @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element */
  keep(element) {
    const { input } = element.dataset;
    if (input === undefined) return;
    const isFlag = element instanceof HTMLInputElement && element.type === "checkbox";
    this.texts[input] = isFlag ? String(element.checked) : element.value;
  }

  /** @returns {Request} */
  request() {
    const pairs = this.list.flatMap((field) => {
      const value = read(field, this.texts[field.name] ?? "");
      return value === undefined ? [] : [[field.name, value]];
    });
    return { kind: "json", body: { feed: [Object.fromEntries(pairs)], fetch: [] } };
  }

  /** @param {Field} field */
  field(field) {
    const typed = this.texts[field.name] ?? "";
    const more = about(field);
    const hint = more && h("small", {}, more);
    const name = field.unit ? `${field.title} (${field.unit})` : field.title;
    const common = { "data-input": field.name };
    if (field.kind === "flag") {
      const box = h("input", { type: "checkbox", checked: typed === "true", ...common });
      return h("label", { class: "field flag" }, box, h("span", {}, name), hint);
    }
    const input = field.choices
      ? h("select", common, ...field.choices.map((choice, k) => h("option", { value: k, selected: typed === String(k) }, String(choice))))
      : h("input", { type: "text", inputmode: "decimal", autocomplete: "off", value: typed, placeholder: field.default ?? "", ...common });
    return h("label", { class: "field" }, h("span", {}, name), input, hint);
  }
}

/** @param {Field} field @param {unknown} value */
function asText(field, value) {
  if (field.choices) return String(Math.max(0, field.choices.findIndex((choice) => choice === value)));
  return value === undefined || value === null ? "" : String(value);
}

/** What the server takes; nothing for a field that is left to its default. @param {Field} field @param {string} typed */
function read(field, typed) {
  if (field.kind === "flag") return typed === "true";
  if (field.choices) return field.choices[Number(typed)];
  const plain = typed.trim().replace("−", "-");
  if (!plain && field.default !== undefined) return undefined;
  const value = plain === "" ? NaN : Number(plain);
  const { minimum = -Infinity, maximum = Infinity } = field;
  const problem = !Number.isFinite(value) ? "input.bad" : value < minimum ? "input.least" : value > maximum ? "input.most" : "";
  if (problem) throw new BadField(t(problem, { name: field.title, minimum, maximum }), selector(field.name));
  return value;
}

/** Its own words, its limits and its default. @param {Field} field */
function about({ about: words = "", minimum, maximum, default: usual }) {
  const limits =
    minimum !== undefined && maximum !== undefined
      ? t("row.between", { minimum, maximum })
      : minimum !== undefined
        ? t("row.least", { minimum })
        : maximum !== undefined
          ? t("row.most", { maximum })
          : "";
  return [words, limits, usual === undefined ? "" : t("row.default", { value: String(usual) })].filter(Boolean).join(" · ");
}
