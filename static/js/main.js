/** The page's start: language, the server's state, and which service is open. */

import { codeBlock, showJson } from "./answer.js";
import { $, h } from "./dom.js";
import { fingerprint, takesTensors } from "./form.js";
import * as history from "./history.js";
import * as numbers from "./numbers.js";
import * as picture from "./picture.js";
import { address as server, state as ask, operations } from "./server.js";
import { answers, showState, stateSentence, stateWord } from "./servicestate.js";
import { layoutOf } from "./tensor.js";
import { showTiming } from "./timing.js";
import { showWhy } from "./why.js";
import { has, remember, speak, t } from "./words.js";

/** @typedef {import("./server.js").State} State */
/** @typedef {import("./server.js").Service} Service */

const ASK_AGAIN_MS = { ready: 5_000, starting: 1_500, down: 3_000 };
const { language = "en", maxBytes = "0" } = document.body.dataset;

/** @type {State | null} */
let state = null;
let shown = "";
/** An answer of before that is to be shown when its service is open. @type {import("./history.js").Kept | null} */
let wanted = null;
let timer = 0;
/** Whether the page was loaded a moment ago: then the last answer is shown again. */
let isFirst = true;
/** How services are asked. @type {Record<string, import("./server.js").Operation>} */
let known = {};
/** What they were asked about last. */
let asked = "";

$("address").textContent = new URL(server).host;
picture.start(Number(maxBytes));
numbers.start();
history.start((kept) => {
  if (openName() !== kept.service) {
    wanted = kept;
    location.hash = encodeURIComponent(kept.service);
  } else void show(kept);
});
for (const button of document.querySelectorAll("button[data-language]")) {
  button.addEventListener(
    "click",
    () => void changeLanguage(/** @type {HTMLElement} */ (button).dataset.language ?? "en"),
  );
}
addEventListener("hashchange", () => render(true));
document.addEventListener("serveraway", () => void refresh());
document.addEventListener("visibilitychange", () => document.hidden || void refresh());
await speak(language, sentenceValues());
await refresh();

/** Ask how the server is, show it, and come back later; sooner when it is away. */
async function refresh() {
  clearTimeout(timer);
  const next = await ask();
  if (next.services.length && fingerprints(next) !== asked) known = await operations();
  if (next.services.length) asked = fingerprints(next);
  next.services.forEach((service) => (service.operation = known[service.name]));
  const isBack = state !== null && state.state !== "ready" && next.state === "ready";
  const changed = JSON.stringify(next) !== JSON.stringify(state);
  const previous = state;
  const wasAway = state !== null && !state.services.length;
  // A server that went away keeps its services on the page, so that nothing a visitor did is lost.
  state = next.state === "ready" || !state ? next : { ...next, services: state.services };
  if (changed) render(wasAway || fingerprintOf(previous) !== fingerprintOf(state));
  if (isBack) [picture, numbers].forEach((view) => view.goOn());
  timer = document.hidden ? 0 : setTimeout(() => void refresh(), ASK_AGAIN_MS[state.state]);
}

/** What the server's OpenAPI document is made of. @param {State} of */
function fingerprints(of) {
  return JSON.stringify(of.services.map((service) => [service.name, service.kind, service.inputs, service.fields, answers(service), service.default]));
}

/** What the open form is made of. @param {State | null} of */
function fingerprintOf(of) {
  const service = of?.services.find(({ name }) => name === shown);
  return service ? `${answers(service)} ${fingerprint(service)}` : "";
}

/** The name behind the # of the address; empty where nobody wrote one. */
function openName() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

/** @param {import("./history.js").Kept} kept */
async function show(kept) {
  const service = state?.services.find(({ name }) => name === kept.service);
  if (!service) return;
  if (service.kind === "image") await picture.restore(kept);
  else if (kept.inputs === fingerprint(service)) await numbers.restore(kept);
}

/** @param {string} name */
async function changeLanguage(name) {
  await speak(name, sentenceValues());
  remember(name);
  render(true);
}

/** @param {boolean} again also what is open already */
function render(again) {
  if (!state) return;
  $("status").dataset.state = state.state;
  $("status-word").dataset.t = `status.${state.state}`;
  $("status-word").textContent = t(`status.${state.state}`);
  notice(state);
  const service = state.services.find(({ name }) => name === openName()) ?? state.services[0];
  const isAsked = Boolean(service) && answers(service);
  $("intro").hidden = !service;
  $("more").hidden = !isAsked;
  showState(service ?? null);
  void history.render();
  if (!service) {
    for (const id of ["picture", "numbers", "json", "why", "state"]) $(id).hidden = true;
    shown = "";
    return;
  }
  $("services").replaceChildren(
    ...state.services.map((of) =>
      h(
        "a",
        { href: `#${encodeURIComponent(of.name)}`, "aria-current": of.name === service.name && "page", class: !answers(of) && `away ${(of.state ?? "").toLowerCase()}` },
        of.name,
        !answers(of) && h("small", {}, ` ${stateWord(of)}`),
      ),
    ),
  );
  $("services").hidden = state.services.length < 2;
  const title = has(`title.${service.name}`)
    ? t(`title.${service.name}`)
    : inThisLanguage(service.title ?? "") || service.name;
  $("title").textContent = title;
  document.title = `${title} · ${t("page.title")}`;
  const note = `note.${service.name}`;
  $("lead").textContent = !isAsked ? stateSentence(service) : has(note) ? t(note) : t(`lead.${leadOf(service)}`);
  const isPicture = service.kind === "image";
  $("picture").hidden = !isAsked || !isPicture;
  $("numbers").hidden = !isAsked || isPicture;
  showWhy(service);
  if (shown === service.name && !again) return;
  if (shown !== service.name) {
    showTiming(null, service);
    showJson(null);
    $("announce").textContent = "";
  }
  const isOther = shown !== service.name;
  shown = service.name;
  if (!isAsked) return;
  (isPicture ? picture : numbers).open(service);
  if (isOther) void reopen(service);
}

/** Show again what a service answered last, or what was chosen among the last answers. @param {Service} service */
async function reopen(service) {
  const kind = service.kind === "image" ? undefined : fingerprint(service);
  const kept = wanted?.service === service.name ? wanted : (isFirst && (await history.latest(service.name, kind))) || null;
  wanted = null;
  isFirst = false;
  if (kept && shown === service.name) await show(kept);
}

/** What a visitor is asked to do. @param {Service} service */
function leadOf(service) {
  const { kind, inputs, fields, operation } = service;
  if (kind === "image") return "image";
  if (fields?.length) return "fields";
  if (kind === "pipeline") return operation?.example ? "pipeline" : "unknown";
  if (!takesTensors(service)) return service.example || operation?.example ? "json" : "unknown";
  if (inputs.some(layoutOf)) return "image";
  return inputs.every(({ dtype }) => dtype === "string") ? "text" : "numbers";
}

/** Which notice there is, if any. @param {State} of */
function noticeOf({ state, services, code }) {
  if (state === "down") return "down";
  if (state === "ready" && code?.state === "refused") return "code";
  if (services.length) return null;
  return state === "ready" ? "none" : state;
}

/** What the visitor should know before trying anything. @param {State} of */
function notice(of) {
  const kind = noticeOf(of);
  $("notice").hidden = kind === null;
  $("notice").classList.toggle("calm", kind === "starting");
  if (!kind) return;
  $("notice-title").textContent = t(`${kind}.title`);
  $("notice-text").textContent = t(`${kind}.text`, { server });
  if (kind === "code") {
    $("notice-code").replaceChildren(h("pre", { class: "code" }, h("code", {}, of.code?.reason ?? "")));
    return;
  }
  const command = `paddle-serving serve model.onnx --port ${new URL(server).port || 80}`;
  $("notice-code").replaceChildren(
    kind === "starting" ? h("p", {}, of.doing ?? "") : codeBlock(t("down.start"), command),
  );
}

/**
 * Services may have one title in two languages: "House price / 房价".
 * @param {string} title
 */
function inThisLanguage(title) {
  const wantsHan = document.documentElement.lang.startsWith("zh");
  return title.split(" / ").find((part) => /\p{Script=Han}/u.test(part) === wantsHan) ?? title;
}

function sentenceValues() {
  return { limit: Number(maxBytes) / (1 << 20), server };
}
