/** What is said about every answer: how to ask for it in code, the JSON itself, and what went wrong. */

import { $, copyButton, h } from "./dom.js";
import { Refused } from "./server.js";
import { bytes, has, number, percent, t } from "./words.js";

/**
 * @typedef {import("./server.js").Answer} Answer
 * @typedef {import("./server.js").Service} Service
 */

const BACKENDS = /** @type {Record<string, string>} */ ({
  paddle: "Paddle Inference",
  onnxruntime: "ONNX Runtime",
  openvino: "OpenVINO",
  python_file: "Python",
  torchserve: "TorchServe",
  triton_python: "Python",
});
const MAX_STRING = 160;
const MAX_ITEMS = 200;
const LINE = 88;

/** @param {import("./snippets.js").Code} code to copy, and the files that it reads */
export function showCode({ blocks, files }) {
  const save = files.map((file) =>
    h("button", { type: "button", class: "plain", onclick: () => download(file) }, t("code.save", { name: file.name })),
  );
  const names = files.map(({ name }) => name).join(", ");
  $("code").replaceChildren(
    h("h2", {}, t("code")),
    files.length ? h("p", { class: "save" }, h("span", {}, t("code.file", { name: names, n: files.length })), " ", ...save) : "",
    ...blocks.map(({ title, text }) => codeBlock(title, text)),
  );
}

/** @param {import("./snippets.js").Saved} file */
function download({ name, content }) {
  const href = URL.createObjectURL(content());
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/**
 * @param {string} title
 * @param {string} text
 */
export function codeBlock(title, text) {
  return h(
    "div",
    { class: "block" },
    h(
      "div",
      { class: "block-head" },
      h("span", {}, title),
      copyButton(() => text, t),
    ),
    h("pre", { class: "code", tabindex: 0 }, h("code", {}, ...unbroken(text))),
  );
}

/**
 * Words that break at spaces only, not after the hyphens of `--data-binary`.
 * @param {string} text
 */
function unbroken(text) {
  return text.split(/(\s+)/).map((word) => (/\S/.test(word) ? h("span", { class: "word" }, word) : word));
}

/** @param {Answer | null} answer */
export function showJson(answer) {
  const section = $("json");
  section.hidden = !answer || Boolean(answer.file);
  if (!answer || answer.file) return;
  const open = section.querySelector("details")?.open ?? false;
  const pre = h("pre", { class: "code json", tabindex: 0 });
  const size = t("json.size", { size: bytes(answer.bytes) });
  const details = h(
    "details",
    { open },
    h("summary", {}, h("h2", {}, t("json"))),
    h(
      "div",
      { class: "block" },
      h(
        "div",
        { class: "block-head" },
        h("span", {}, size),
        copyButton(() => JSON.stringify(answer.whole), t),
      ),
      pre,
    ),
  );
  const write = () => details.open && !pre.hasChildNodes() && pre.append(...pretty(answer.whole, ""));
  details.addEventListener("toggle", write);
  write();
  section.replaceChildren(details);
}

/**
 * @param {unknown} error
 * @param {() => void} again
 * @param {{values?: Record<string, string | number>, other?: HTMLElement}} [more] what fills the sentence, and the button
 *   for what would work where trying again would not
 */
export function failure(error, again, { values = {}, other } = {}) {
  const refused = error instanceof Refused ? error : new Refused("page_error", String(error));
  const known = has(`error.${refused.reason}`) && refused.reason !== "server";
  const fromServer = ["server", "server_error", "bad_input"].includes(refused.reason);
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("h2", {}, t("error.title")),
    known && h("p", {}, t(`error.${refused.reason}`, values)),
    !known && h("p", {}, t("error.server")),
    (!known || fromServer) && refused.message && h("p", { class: "said-by-server" }, refused.message),
    refused.passes ? h("button", { type: "button", class: "plain", onclick: again }, t("retry")) : other,
  );
}

let address = "";

/** An answer that is no JSON: a text, a picture, or a file to save. @param {Blob} file @param {string | null} text */
export function fileResult(file, text) {
  URL.revokeObjectURL(address);
  if (text !== null) return h("pre", { class: "code whole", tabindex: 0 }, text);
  address = URL.createObjectURL(file);
  const save = h("a", { class: "plain", href: address, download: "answer" }, t("download"));
  const about = h("p", { class: "quiet-text" }, `${file.type.split(";")[0] || "?"}, ${bytes(file.size)}`);
  if (!/^image\/(png|jpeg|webp|gif|bmp)/.test(file.type)) return h("div", { class: "output" }, about, save);
  return h("figure", { class: "output" }, h("img", { class: "map", src: address, alt: t("results") }), about, save);
}

/**
 * Values side by side; those from 0 to 1 with a bar.
 * @param {string[]} columns
 * @param {unknown[][]} rows
 */
export function valueTable(columns, rows) {
  const head = h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name)));
  return h(
    "table",
    { class: "values" },
    h("thead", {}, head),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map(cell)))),
  );
}

/** @param {unknown} value */
function cell(value) {
  if (typeof value !== "number") return h("td", {}, String(value));
  if (value < 0 || value > 1 || Number.isInteger(value)) return h("td", { class: "ms" }, String(value));
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", String(value));
  return h("td", { class: "score" }, bar, h("span", { class: "share" }, percent(value)));
}

/** The inference libraries behind a service, by the names people know. @param {Service | null} service */
export function backend(service) {
  return (service?.backend ?? "").split(/,\s*/).map(library).join(", ");
}

/** An inference library by the name people know; `paddle + oneDNN` keeps what it is run with. @param {string} name */
export function library(name) {
  const [first, ...more] = name.split(" + ");
  return [BACKENDS[first] ?? first, ...more].join(" + ");
}

/**
 * One word for a POSIX shell.
 * @param {string} text
 */
export function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Short lists on one line, long strings cut; the copy button gives everything.
 * @param {any} value
 * @param {string} indent
 * @returns {(Node | string)[]}
 */
function pretty(value, indent) {
  if (value === null || typeof value !== "object") return [scalar(value)];
  const keys = Array.isArray(value) ? null : Object.keys(value);
  const [opening, closing] = keys ? ["{", "}"] : ["[", "]"];
  const length = keys ? keys.length : value.length;
  if (!length) return [opening + closing];
  const flat = flatText(value);
  if (flat !== null && indent.length + flat.length <= LINE) return colored(value);
  const inner = `${indent}  `;
  /** @type {(Node | string)[]} */
  const parts = [`${opening}\n`];
  for (let i = 0; i < Math.min(length, MAX_ITEMS); i++) {
    const key = keys?.[i];
    parts.push(
      inner,
      ...(key === undefined ? [] : [h("span", { class: "key" }, JSON.stringify(key)), ": "]),
      ...pretty(value[key ?? i], inner),
      i < length - 1 ? ",\n" : "\n",
    );
  }
  if (length > MAX_ITEMS)
    parts.push(inner, h("span", { class: "cut" }, `… ${t("json.more", { n: number(length - MAX_ITEMS) })}\n`));
  return [...parts, indent + closing];
}

/** The one-line text, or null where a value is too long for one. @param {any} value */
function flatText(value) {
  const text = Array.isArray(value) && value.length > LINE ? null : JSON.stringify(value);
  return text && text.length <= LINE ? text : null;
}

/**
 * @param {any} value
 * @returns {(Node | string)[]}
 */
function colored(value) {
  if (value === null || typeof value !== "object") return [scalar(value)];
  const parts = Array.isArray(value)
    ? value.map(colored)
    : Object.entries(value).map(([key, item]) => [
        h("span", { class: "key" }, JSON.stringify(key)),
        ": ",
        ...colored(item),
      ]);
  const joined = parts.flatMap((part, i) => (i ? [", ", ...part] : part));
  return Array.isArray(value) ? ["[", ...joined, "]"] : ["{", ...joined, "}"];
}

/** @param {unknown} value */
function scalar(value) {
  if (typeof value !== "string") return h("span", { class: "number" }, String(value));
  if (value.length <= MAX_STRING) return h("span", { class: "string" }, JSON.stringify(value));
  const rest = h("span", { class: "cut" }, `… ${t("json.cut", { n: number(value.length - MAX_STRING) })}`);
  return h("span", { class: "string" }, JSON.stringify(value.slice(0, MAX_STRING)), " ", rest);
}
