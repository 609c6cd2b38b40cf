/** Why each model of a service is run by the library that runs it: what the others took, on this machine. */

import { backend, library } from "./answer.js";
import { $, h } from "./dom.js";
import { duration, number, t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Model} Model
 * @typedef {import("./server.js").Measured} Measured
 * @typedef {{name: string, isChosen: boolean, ms: number | null, most: number, note: string}} Candidate
 */

let shown = "";

/** @param {Service | null} service */
export function showWhy(service) {
  const section = $("why");
  const models = (service?.models ?? []).filter(({ plan }) => plan?.backend);
  section.hidden = !models.length;
  if (!service || !models.length) return;
  const state = JSON.stringify([document.documentElement.lang, service.name, models]);
  if (state === shown) return; // an open table stays as it is
  shown = state;
  const open = section.querySelector("details")?.open ?? false;
  section.replaceChildren(
    h(
      "details",
      { open },
      h("summary", {}, h("h2", {}, t("why", { library: backend(service) }))),
      h("p", { class: "quiet-text" }, t(models.some(({ plan }) => plan.table?.length) ? "why.how" : "why.unmeasured")),
      h("div", { class: "plans" }, ...models.map((model) => block(model, models.length > 1))),
    ),
  );
}

/**
 * @param {Model} model
 * @param {boolean} isNamed whether there are others
 */
function block({ name, plan }, isNamed) {
  const facts = [
    library(plan.backend),
    plan.threads ? t("why.threads", { n: plan.threads }) : "",
    plan.max_rows ? t("why.rows", { n: plan.max_rows }) : "",
    plan.instances ? t("why.engines", { n: plan.instances }) : "",
  ];
  const found = candidates(plan.table ?? [], plan.backend);
  return h(
    "div",
    { class: "plan" },
    isNamed && h("h3", {}, name),
    h("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    found.length > 0 && table(found, isNamed ? name : t("why.caption")),
  );
}

/**
 * The best of each library for one row, and in its best batch; fastest first, then those that are out.
 * @param {Measured[]} measured
 * @param {string} chosen
 * @returns {Candidate[]}
 */
function candidates(measured, chosen) {
  /** @type {Map<string, Candidate>} */
  const found = new Map();
  const isKnown = measured.some(({ note }) => note === "chosen");
  for (const { backend: name, rows, ms, rows_per_s, note } of measured) {
    const known = found.get(name) ?? { name, isChosen: !isKnown && name === chosen, ms: null, most: 0, note: "" };
    found.set(name, known);
    known.isChosen ||= note === "chosen";
    if (ms === null) known.note ||= note;
    else if (rows === 1) known.ms = Math.min(known.ms ?? Infinity, ms);
    known.most = Math.max(known.most, rows_per_s ?? 0);
  }
  return [...found.values()].sort((a, b) => (a.ms ?? Infinity) - (b.ms ?? Infinity));
}

/**
 * @param {Candidate[]} of
 * @param {string} caption
 */
function table(of, caption) {
  const slowest = Math.max(...of.map(({ ms }) => ms ?? 0));
  const head = ["why.library", "", "why.lone", "why.most"].map((key) =>
    key ? h("th", { scope: "col" }, t(key)) : h("td", { class: "track", "aria-hidden": "true" }),
  );
  return h(
    "table",
    { class: "contest" },
    h("caption", { class: "hidden" }, caption),
    h("thead", {}, h("tr", {}, ...head)),
    h("tbody", {}, ...of.map((candidate) => row(candidate, slowest))),
  );
}

/**
 * @param {Candidate} candidate
 * @param {number} slowest
 */
function row({ name, isChosen, ms, most, note }, slowest) {
  const title = h(
    "th",
    { scope: "row" },
    h("span", { class: "name" }, library(name)),
    isChosen && h("span", { class: "tag" }, t("why.chosen")),
  );
  if (ms === null)
    return h(
      "tr",
      { class: "out" },
      title,
      h("td", { colspan: 3 }, h("span", { class: "reason", title: note }, t("why.out", { note }))),
    );
  const bar = h("span", { class: `span ${isChosen ? "model" : "own"}` });
  bar.style.setProperty("--from", "0");
  bar.style.setProperty("--share", String(ms / slowest));
  return h(
    "tr",
    { class: isChosen && "chosen" },
    title,
    h("td", { class: "track", "aria-hidden": "true" }, bar),
    h("td", { class: "ms" }, duration(ms)),
    h("td", { class: "ms" }, number(most)),
  );
}
