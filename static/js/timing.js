/** Where the time of an answer went: a picture of its steps, on one line of time. */

import { backend } from "./answer.js";
import { $, h } from "./dom.js";
import { duration, has, t } from "./words.js";

/**
 * @typedef {import("./server.js").Answer} Answer
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Stage} Stage
 * @typedef {{name: string, ms: number, kind: string, pieces: {from: number, ms: number}[]}} Row
 */

/** What each step is made of; all others are the service's own code. */
const KINDS = /** @type {Record<string, string>} */ ({
  infer: "model",
  batch: "model",
  cache: "model",
  queue: "wait",
  transfer: "wait",
  network: "wait",
});
/** Steps that pass data on; each is worth a line of its own only where it takes long. */
const PASSING = ["read", "batch", "transfer", "write"];
const WORTH_A_LINE = 0.05;
const MOST_TICKS = 5;

/**
 * @param {Answer | null} answer
 * @param {Service | null} service
 */
export function showTiming(answer, service) {
  const section = $("timing");
  section.hidden = !service;
  if (!service) return;
  const stages = answer?.stages ?? [];
  const total = stages.reduce((sum, stage) => sum + stage.ms, 0);
  const title = h("h2", {}, t("timing"));
  if (!answer || !total) {
    section.replaceChildren(title, h("p", { class: "quiet-text idle" }, t(answer ? "timing.none" : "timing.idle")));
    return;
  }
  const words = service.rpc
    ? [t("timing.rpc", { time: duration(total) })]
    : [t("timing.server", { time: duration(total) }), t("timing.round", { time: duration(answer.roundMs) })];
  section.replaceChildren(
    title,
    h(
      "p",
      { class: "sum" },
      h("strong", {}, words[0]),
      " ",
      [...words.slice(1), backend(service)].filter(Boolean).join(" · "),
    ),
    picture(rows(stages, total), total, service),
  );
}

/**
 * A line for each step; those that only pass data on share one, its bar in as many pieces.
 * @param {Stage[]} stages
 * @param {number} total
 */
function rows(stages, total) {
  /** @type {Row[]} */
  const found = [];
  /** @type {Row} */
  const passing = { name: "passing", ms: 0, kind: "wait", pieces: [] };
  let from = 0;
  for (const { name, ms } of stages) {
    const piece = { from, ms };
    from += ms;
    if (PASSING.includes(name) && ms < WORTH_A_LINE * total) {
      passing.ms += ms;
      passing.pieces.push(piece);
    } else found.push({ name, ms, kind: KINDS[name] ?? "own", pieces: [piece] });
  }
  return passing.pieces.length ? [...found, passing] : found;
}

/**
 * @param {Row[]} of
 * @param {number} total
 * @param {Service} service
 */
function picture(of, total, service) {
  const step = tick(total);
  const table = h(
    "table",
    { class: "stages" },
    h("caption", { class: "hidden" }, t("timing")),
    h(
      "thead",
      { class: "hidden" },
      h(
        "tr",
        {},
        h("th", { scope: "col" }, t("timing.stage")),
        h("td", { "aria-hidden": "true" }),
        h("th", { scope: "col" }, t("timing.ms")),
      ),
    ),
    h("tbody", {}, ...of.map((row) => line(row, total, service))),
    h(
      "tfoot",
      { "aria-hidden": "true" },
      h("tr", {}, h("td"), h("td", { class: "axis" }, ...ticks(step, total)), h("td")),
    ),
  );
  table.style.setProperty("--step", String(step / total));
  return table;
}

/**
 * @param {Row} row
 * @param {number} total
 * @param {Service} service
 */
function line(row, total, service) {
  const bars = row.pieces.map(({ from, ms }) => {
    const bar = h("span", { class: `span ${row.kind}` });
    bar.style.setProperty("--from", String(from / total));
    bar.style.setProperty("--share", String(ms / total));
    return bar;
  });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, stageName(row.name, service)),
    h("td", { class: "track", "aria-hidden": "true" }, ...bars),
    h("td", { class: "ms" }, duration(row.ms)),
  );
}

/** Round distances on the line of time: 1, 2 or 5 of something. @param {number} total in milliseconds */
function tick(total) {
  const least = total / MOST_TICKS;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((times) => times * power >= least) ?? 10);
}

/**
 * @param {number} step
 * @param {number} total
 */
function ticks(step, total) {
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, k) => {
    const label = h("span", { class: "tick" }, k ? duration(k * step) : "0");
    label.style.setProperty("--from", String((k * step) / total));
    return label;
  });
}

/**
 * The page's words for a step of this service, of any service, or its own name.
 * @param {string} name
 * @param {Service} service
 */
function stageName(name, service) {
  const key = [`stage.${service.name}.${name}`, `stage.${name}`].find(has);
  return key ? t(key) : name;
}
