/** Services that take values: a form, and an answer that follows every change of it. */

import { backend, failure, quoted, showCode, showJson, valueTable } from "./answer.js";
import { $, h } from "./dom.js";
import { findings } from "./findings.js";
import { BadField, Typed } from "./form.js";
import { Refused, values as ask } from "./server.js";
import { showTiming } from "./timing.js";
import { duration, t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Answer} Answer
 */

const TOP = 10;

/** @type {Service | null} */
let service = null;
/** @type {Typed | null} */
let typed = null;
/** @type {Answer | null} */
let answer = null;
/** @type {unknown} */
let error = null;
let working = new AbortController();
let timer = 0;
let publicServer = "";

/** @param {string} server its address for the lines to copy */
export function start(server) {
  publicServer = server;
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    void run(true);
  });
  $("form").addEventListener("input", (event) => {
    typed?.keep(/** @type {HTMLInputElement} */ (event.target));
    renderCode();
    clearTimeout(timer);
    if (answer || error) timer = setTimeout(() => void run(false), 150);
  });
}

/** @param {Service} next */
export function open(next) {
  const other = service?.name !== next.name;
  service = next;
  if (other) reset();
  else render();
}

/** The server is back: ask it again what it could not answer. */
export function goOn() {
  if (error instanceof Refused && error.isAway) void run(true);
}

/** Everything again in another language. */
export function render() {
  renderForm();
  renderAnswer();
  renderCode();
}

function reset() {
  working.abort();
  clearTimeout(timer);
  answer = error = null;
  typed = service && new Typed(service);
  render();
}

function renderForm() {
  const again = h("button", { type: "button", class: "quiet", onclick: reset }, t("reset"));
  $("form").replaceChildren(
    ...(typed?.fields() ?? []),
    h("p", { class: "field-error", id: "field-error", role: "alert" }),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, t("predict")), again),
  );
}

/**
 * What was typed, or null after marking the field that cannot be sent.
 * @param {boolean} go put the cursor there
 */
function instance(go) {
  $("field-error").textContent = "";
  for (const element of $("form").querySelectorAll("[aria-invalid]")) element.removeAttribute("aria-invalid");
  try {
    return typed?.instance() ?? null;
  } catch (problem) {
    if (!(problem instanceof BadField)) throw problem;
    const element = /** @type {HTMLElement | null} */ ($("form").querySelector(problem.field));
    element?.setAttribute("aria-invalid", "true");
    element?.setAttribute("aria-describedby", "field-error");
    $("field-error").textContent = problem.message;
    if (go) element?.focus();
    return null;
  }
}

/** @param {boolean} asked by the button, not by typing */
async function run(asked) {
  const sent = instance(asked);
  if (!sent || !service) return;
  working.abort();
  working = new AbortController();
  const { signal } = working;
  $("numbers-result").classList.add("waiting");
  try {
    answer = await ask(service.name, sent, outputs(service), signal);
    error = null;
  } catch (problem) {
    if (signal.aborted) return;
    error = problem;
    if (problem instanceof Refused && problem.isAway) document.dispatchEvent(new Event("serveraway"));
  }
  renderAnswer();
  announce();
}

/** @param {Service} of */
function outputs(of) {
  return of.kind === "numbers" ? of.outputs.map((output) => output.name) : [];
}

function renderAnswer() {
  const panel = $("numbers-result");
  panel.classList.remove("waiting");
  showJson(error ? null : answer);
  showTiming(error ? null : answer, service);
  if (error) panel.replaceChildren(failure(error, () => void run(true)));
  else if (answer) panel.replaceChildren(...shownResult(answer.result), took(answer));
  else panel.replaceChildren(h("p", { class: "quiet-text" }, t("numbers.idle")));
}

function announce() {
  if (!answer || error) return;
  const some = named(answer.result).map(
    ([name, values]) => `${name} ${[values].flat(9).slice(0, 3).map(shown).join(", ")}`,
  );
  $("announce").textContent = some.join("; ").slice(0, 300);
}

/**
 * @param {any} result
 * @returns {[string, any][]}
 */
function named(result) {
  const isRecord = typeof result === "object" && result !== null && !Array.isArray(result);
  return isRecord ? Object.entries(result) : [[t("results"), result]];
}

/** @param {any} result */
function shownResult(result) {
  const found = findings(result);
  const isTable = service?.kind !== "numbers" && found.kind === "table" && found.rows.length > 1;
  return isTable
    ? [valueTable(found.columns, found.rows)]
    : named(result).map(([name, values]) => output(name, values));
}

/** @param {Answer} of */
function took(of) {
  const words = service?.rpc
    ? t("numbers.took", { time: duration(of.stages.reduce((sum, { ms }) => sum + ms, 0) || of.roundMs) })
    : t("numbers.took.http", { time: duration(of.roundMs) });
  return h("p", { class: "took" }, [words, backend(service)].filter(Boolean).join(" · "));
}

/**
 * One value large; many as the largest few; anything else as JSON.
 * @param {string} name
 * @param {any} values
 */
function output(name, values) {
  const flat = [values].flat(9);
  const title = h("h2", { class: "label" }, name);
  if (flat.some((value) => typeof value === "object"))
    return h(
      "div",
      {},
      title,
      h("pre", { class: "code", tabindex: 0 }, JSON.stringify(values, null, 1).slice(0, 4000)),
    );
  if (flat.length === 1)
    return h("div", {}, title, h("output", { class: typeof flat[0] === "number" ? "big" : "said" }, shown(flat[0])));
  const order = flat.map((value, i) => ({ value, i }));
  if (flat.length > TOP) order.sort((a, b) => b.value - a.value).splice(TOP);
  const rows = order.map(({ value, i }) =>
    h("tr", {}, h("th", { scope: "row" }, `${name}[${i}]`), h("td", { class: "ms" }, shown(value))),
  );
  return h("div", {}, title, h("table", { class: "values" }, h("tbody", {}, ...rows)));
}

/** As many digits as a float32 has. @param {unknown} value */
function shown(value) {
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(8))) : String(value);
}

function renderCode() {
  if (!service || !typed) return;
  let feed;
  try {
    feed = typed.instance();
  } catch {
    return; // a value half typed: the last lines that were right stay
  }
  const names = outputs(service);
  const body = JSON.stringify(names.length ? { feed: [feed], fetch: names } : { feed: [feed] });
  const shell = `curl -X POST -H "Content-Type: application/json" -d ${quoted(body)} ${publicServer}/${service.name}/prediction`;
  const blocks = [{ title: t("code.shell"), text: shell }];
  if (service.rpc) blocks.push({ title: t("code.python"), text: python(service, feed, names) });
  showCode(blocks);
}

/**
 * @param {Service} of
 * @param {Record<string, unknown>} feed
 * @param {string[]} names
 */
function python(of, feed, names) {
  const url = new URL(publicServer);
  const folder = of.name.startsWith("uci") ? "uci_housing" : of.name;
  return `from paddle_serving_client import Client

client = Client()
client.load_client_config("serving_client/${folder}")
client.connect(["${url.hostname}:${url.port || 80}"])

feed = ${spaced(feed)}
print(client.predict(feed=feed, fetch=${spaced(names)}))`;
}

/** JSON as Python people write it; numbers, names and lists read the same in both. @param {unknown} value */
function spaced(value) {
  return JSON.stringify(value, null, 1).replace(/\n\s*/g, (_, at, all) => {
    const hugs = /[[{]/.test(all[at - 1]) || /^\n\s*[\]}]/.test(all.slice(at));
    return hugs ? "" : " ";
  });
}
