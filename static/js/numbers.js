/** Services that take values: a form, and an answer that follows every change of it. */

import { backend, failure, fileResult, showCode, showJson, valueTable } from "./answer.js";
import { $, h } from "./dom.js";
import { BadField } from "./fields.js";
import { findings } from "./findings.js";
import { fingerprint, formOf, takesTensors } from "./form.js";
import { keep } from "./history.js";
import { labelled, output, shown } from "./results.js";
import { Refused, send } from "./server.js";
import { codeOf } from "./snippets.js";
import { showTiming } from "./timing.js";
import { duration, number, t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Answer} Answer
 */

/** @type {Service | null} */
let service = null;
/** @type {import("./form.js").Form | null} */
let form = null;
/** @type {Answer | null} */
let answer = null;
/** @type {unknown} */
let error = null;
let working = new AbortController();
let timer = 0;
/** Whether the last answer was asked for by the button; others follow a change and take its place in the history. */
let isFresh = true;

export function start() {
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    void run(true);
  });
  $("form").addEventListener("input", (event) => {
    form?.keep(/** @type {HTMLInputElement} */ (event.target));
    changed();
  });
}

/** @param {Service} next */
export function open(next) {
  const other = fingerprint(service) !== fingerprint(next);
  service = next;
  if (other) reset();
  else render();
}

/** The server is back: ask it again what it could not answer. */
export function goOn() {
  if (error instanceof Refused && error.isAway) void run(true);
}

/** An answer of before, with what was asked. @param {import("./history.js").Kept} kept */
export async function restore(kept) {
  working.abort();
  error = null;
  answer = kept.answer;
  isFresh = true;
  renderAnswer();
  await form?.restore(kept.typed);
  clearTimeout(timer);
  render();
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
  isFresh = true;
  const own = (form = service && formOf(service, () => own === form && pictured()));
  render();
}

/** A picture is there, or another one, or scaled in another way. */
function pictured() {
  renderForm();
  changed();
}

function changed() {
  renderCode();
  clearTimeout(timer);
  if (answer || error) timer = setTimeout(() => void run(false), 150);
}

function renderForm() {
  const controls = "select, button, input";
  const nth = [...$("form").querySelectorAll(controls)].indexOf(/** @type {Element} */ (document.activeElement));
  const again = h("button", { type: "button", class: "quiet", onclick: reset }, t("reset"));
  const cancel = h("button", { type: "button", class: "quiet", id: "cancel", hidden: true, onclick: stop }, t("cancel"));
  $("form").replaceChildren(
    ...(form?.fields() ?? []),
    h("p", { class: "field-error", id: "field-error", role: "alert" }),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, t("predict")), again, cancel),
  );
  if (nth >= 0) /** @type {NodeListOf<HTMLElement>} */ ($("form").querySelectorAll(controls))[nth]?.focus();
}

/**
 * What was typed, or null after marking the field that cannot be sent.
 * @param {boolean} go put the cursor there
 */
function request(go) {
  $("field-error").textContent = "";
  for (const element of $("form").querySelectorAll("[aria-invalid]")) element.removeAttribute("aria-invalid");
  try {
    return form?.request() ?? null;
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
  working.abort();
  const { signal } = (working = new AbortController());
  await form?.ready();
  const sent = request(asked);
  if (!sent || !service || signal.aborted) return;
  isFresh ||= asked;
  $("numbers-result").classList.add("waiting");
  $("cancel").hidden = false;
  const kept = { service: service.name, inputs: fingerprint(service), typed: form?.snapshot() };
  try {
    answer = await send(service, sent, signal, sending);
    error = null;
    void keep({ ...kept, at: Date.now(), answer }, !isFresh);
    isFresh = false;
  } catch (problem) {
    if (signal.aborted) return;
    error = problem;
    if (problem instanceof Refused && problem.isAway) document.dispatchEvent(new Event("serveraway"));
  }
  renderAnswer();
  announce();
}

function stop() {
  working.abort();
  error = new Refused("cancelled");
  renderAnswer();
}

/** @param {number} share of a large request that has left */
function sending(share) {
  $("cancel").textContent = share < 1 ? `${t("cancel")} (${t("sending", { percent: number(share, 0, "percent") })})` : t("cancel");
}

function renderAnswer() {
  const panel = $("numbers-result");
  panel.classList.remove("waiting");
  const cancel = document.getElementById("cancel");
  if (cancel) cancel.hidden = true;
  showJson(error ? null : answer);
  showTiming(error ? null : answer, service);
  if (error) panel.replaceChildren(failure(error, () => void run(true)));
  else if (answer) panel.replaceChildren(...shownResult(answer), took(answer));
  else panel.replaceChildren(h("p", { class: "quiet-text" }, t("numbers.idle")));
}

function announce() {
  if (!answer || error || answer.file) return;
  const some = named(answer.result).map(
    ([name, values]) => `${name} ${[values].flat(16).slice(0, 3).map(shown).join(", ")}`,
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

/** @param {Answer} from */
function shownResult({ file, result }) {
  if (file) return [fileResult(file, result)];
  const found = findings(result);
  const isTable = service && !takesTensors(service) && found.kind === "table" && found.rows.length > 1 && found.columns.length > 1;
  return isTable
    ? [valueTable(found.columns, found.rows)]
    : (labelled(result) ?? named(result).map(([name, values]) => output(name, values)));
}

/** @param {Answer} of */
function took(of) {
  const words = service?.rpc
    ? t("numbers.took", { time: duration(of.stages.reduce((sum, { ms }) => sum + ms, 0) || of.roundMs) })
    : t("numbers.took.http", { time: duration(of.roundMs) });
  return h("p", { class: "took" }, [words, backend(service)].filter(Boolean).join(" · "));
}

function renderCode() {
  if (!service || !form) return;
  try {
    showCode(codeOf(service, form.request()));
  } catch (problem) {
    if (!(problem instanceof BadField)) throw problem; // a value half typed: the last lines that were right stay
    if (!$("code").dataset.of || $("code").dataset.of !== service.name) $("code").replaceChildren();
  }
  $("code").dataset.of = service.name;
}
