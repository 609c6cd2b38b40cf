/** What a service is doing: whether it answers, and why not; its versions, where there are several. */

import { codeBlock } from "./answer.js";
import { $, h } from "./dom.js";
import { address } from "./server.js";
import { t } from "./words.js";

/** @typedef {import("./server.js").Service} Service */

/** Whether it can be asked. @param {Service} service */
export function answers({ state, ready }) {
  return state === undefined ? ready !== false : state === "READY";
}

/** In a word, for those that do not answer; empty for all others. @param {Service} service */
export function stateWord(service) {
  if (answers(service)) return "";
  return t(`state.${(service.state ?? "LOADING").toLowerCase()}`);
}

/** What a visitor reads in the place of what to do. @param {Service} service */
export function stateSentence({ state = "LOADING" }) {
  return t(`state.${state.toLowerCase()}.text`);
}

/** @param {Service | null} service */
export function showState(service) {
  const section = $("state");
  const isQuiet = !service || (answers(service) && !service.reason && (service.versions ?? []).length < 2);
  section.hidden = isQuiet;
  if (isQuiet) return;
  const { reason = "" } = service;
  section.classList.toggle("bad", Boolean(reason));
  section.replaceChildren(...[why(service, reason), versions(service), advice(service)].filter((part) => part !== null));
}

/** @param {Service} service @param {string} reason */
function why(service, reason) {
  if (!reason) return null;
  const title = h("h2", {}, t(answers(service) ? "state.kept" : "state.why"));
  return h("div", { role: "alert" }, title, h("pre", { class: "code whole", tabindex: 0 }, reason));
}

/** @param {Service} service */
function versions(service) {
  const list = service.versions ?? [];
  if (list.length < 2) return null;
  const head = ["versions.version", "versions.state"].map((key) => h("th", { scope: "col" }, t(key)));
  const rows = list.map(({ version, state }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, version, version === service.default && h("span", { class: "tag" }, t("versions.default"))),
      h("td", {}, t(`state.${state.toLowerCase()}`)),
    ),
  );
  return h(
    "table",
    { class: "versions" },
    h("caption", {}, t("versions")),
    h("thead", {}, h("tr", {}, ...head)),
    h("tbody", {}, ...rows),
  );
}

/** How it is loaded, by who may. @param {Service} service */
function advice({ name, state }) {
  if (state !== "UNLOADED" && state !== "REFUSED") return null;
  return codeBlock(t("state.load"), `curl -X POST ${address}/registry/${encodeURIComponent(name)}/load`);
}
