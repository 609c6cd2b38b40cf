/** What a model answered, shown: one number large, classes as bars, rows as a table, texts as texts, maps as pictures. */

import { h } from "./dom.js";
import { number, t } from "./words.js";

const TOP = 10;
const MOST_ROWS = 50;
const MOST_COLUMNS = 12;
const LEAST_SIDE = 8;

/**
 * @param {string} name
 * @param {any} values with the batch axis, where the model has one
 * @returns {HTMLElement}
 */
export function output(name, values) {
  const shape = shapeOf(values);
  const title = h("h2", { class: "label" }, shape && shape.length > 1 ? `${name} [${shape.join(" × ")}]` : name);
  return h("div", { class: "output" }, title, ...(shape ? drawn(name, values, shape) : [asJson(values)]));
}

/**
 * `{labels: [[...]], scores: [[...]]}`: for each row a bar for each label; null for any other result.
 * @param {any} result
 * @returns {HTMLElement[] | null}
 */
export function labelled(result) {
  const { labels, scores } = result ?? {};
  const shape = shapeOf(labels);
  if (shape?.length !== 2 || String(shape) !== String(shapeOf(scores))) return null;
  if (!scores.flat().every((/** @type {unknown} */ score) => typeof score === "number")) return null;
  return labels.slice(0, MOST_ROWS).map((/** @type {string[]} */ names, /** @type {number} */ row) =>
    h("div", { class: "output" }, h("output", { class: "said" }, names[0]), bars("", scores[row], names)),
  );
}

/**
 * @param {string} name
 * @param {any} values
 * @param {number[]} shape
 */
function drawn(name, values, shape) {
  const flat = [values].flat(16);
  if (!flat.length || flat.some((value) => typeof value === "object" && value !== null)) return [asJson(values)];
  if (flat.length === 1)
    return [h("output", { class: typeof flat[0] === "number" ? "big" : "said" }, shown(flat[0]))];
  if (flat.every((value) => typeof value === "string"))
    return [h("ul", { class: "texts" }, ...flat.slice(0, MOST_ROWS).map((text) => h("li", { class: "said" }, text)))];
  const inner = shape.filter((length) => length !== 1);
  if (inner.length <= 1) return [bars(name, flat)];
  if (inner.length === 2 && inner[1] <= MOST_COLUMNS) return rows(values, inner);
  const map = flat.every((value) => typeof value === "number") && picture(name, flat, inner);
  return map ? [map] : [asJson(values)];
}

/**
 * The largest few, each with a bar; probabilities in percent.
 * @param {string} name
 * @param {any[]} flat
 * @param {string[]} names of each; else they are numbered
 */
function bars(name, flat, names = []) {
  const order = flat.map((value, i) => ({ value, i }));
  const numbers = flat.map(Number);
  const sum = numbers.reduce((total, value) => total + value, 0);
  const isShare = numbers.every((value) => value >= 0 && value <= 1) && Math.abs(sum - 1) < 0.01;
  if (isShare || flat.length > TOP) order.sort((a, b) => b.value - a.value);
  const most = isShare ? 1 : numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
  const lines = order.slice(0, TOP).map(({ value, i }) => {
    const bar = h("span", { class: "bar wide", "aria-hidden": "true" });
    bar.style.setProperty("--share", String(Math.min(1, Math.abs(Number(value)) / most)));
    const words = isShare ? number(value, 1, "percent") : shown(value);
    return h("tr", {}, h("th", { scope: "row" }, names[i] ?? `${name}[${i}]`), h("td", { class: "track" }, bar), h("td", { class: "ms", title: String(value) }, words));
  });
  const rest = flat.length > TOP && h("caption", {}, t("result.top", { n: TOP, all: number(flat.length) }));
  return h("table", { class: "values bars" }, rest, h("tbody", {}, ...lines));
}

/**
 * @param {any} values
 * @param {number[]} shape of two axes
 */
function rows(values, [length, width]) {
  const flat = [values].flat(16);
  const some = Array.from({ length: Math.min(length, MOST_ROWS) }, (_, i) => flat.slice(i * width, (i + 1) * width));
  const body = some.map((row, i) =>
    h("tr", {}, h("th", { scope: "row" }, i), ...row.map((value) => h("td", { class: "ms" }, shown(value)))),
  );
  const rest = length > MOST_ROWS && h("p", { class: "quiet-text" }, t("json.more", { n: number(length - MOST_ROWS) }));
  return [h("div", { class: "scroll", tabindex: 0 }, h("table", { class: "values" }, h("tbody", {}, ...body))), rest || ""];
}

/**
 * A map, or three of them as colours, from its smallest value to its largest.
 * @param {string} name
 * @param {number[]} flat
 * @param {number[]} shape without axes of length 1
 */
function picture(name, flat, shape) {
  const isLast = shape.length === 3 && shape[2] === 3;
  const isFirst = shape.length === 3 && shape[0] === 3 && !isLast;
  if (shape.length !== 2 && !isFirst && !isLast) return null;
  const [height, width] = isFirst ? shape.slice(1) : shape;
  if (Math.min(height, width) < LEAST_SIDE) return null;
  const [low, high] = flat.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const canvas = h("canvas", { class: "map", width, height, role: "img", "aria-label": name });
  const context = canvas.getContext("2d");
  const image = context?.createImageData(width, height);
  if (!context || !image) return null;
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      const value = flat[isFirst ? c * size + i : isLast ? i * 3 + c : i];
      image.data[4 * i + c] = (255 * (value - low)) / (high - low || 1);
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  const range = t("result.range", { low: shown(low), high: shown(high) });
  return h("figure", {}, canvas, h("figcaption", { class: "quiet-text" }, range));
}

/** @param {any} values */
function asJson(values) {
  return h("pre", { class: "code", tabindex: 0 }, JSON.stringify(values, null, 1).slice(0, 4000));
}

/**
 * The lengths of nested lists; null where they differ.
 * @param {any} values
 * @returns {number[] | null}
 */
function shapeOf(values) {
  if (!Array.isArray(values)) return [];
  const inner = values.map(shapeOf);
  const first = inner[0] ?? [];
  const isEven = inner.every((shape) => shape && first && shape.length === first.length && shape.every((n, i) => n === first[i]));
  return isEven && first ? [values.length, ...first] : null;
}

/** As many digits as a float32 has. @param {unknown} value */
export function shown(value) {
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(8))) : String(value);
}
