/** The page's start: language, the server's state, and which service is open. */

import { codeBlock, showJson } from "./answer.js";
import { $, h } from "./dom.js";
import * as history from "./history.js";
import * as numbers from "./numbers.js";
import * as picture from "./picture.js";
import { address as server, state as ask, examples } from "./server.js";
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
/** @type {Record<string, Record<string, unknown>>} */
let known = {};

$("address").textContent = new URL(server).host;
picture.start(Number(maxBytes));
numbers.start();
history.start((kept) => {
  if (location.hash !== `#${kept.service}`) {
    wanted = kept;
    location.hash = kept.service;
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
  if (next.services.length && fingerprints(next) !== fingerprints(state)) known = await examples();
  next.services.forEach((service) => (service.example ??= known[service.name]));
  const isBack = state !== null && state.state !== "ready" && next.state === "ready";
  const changed = JSON.stringify(next) !== JSON.stringify(state);
  const previous = state;
  const wasAway = state !== null && !state.services.length;
  // A server that went away keeps its services on the page, so that nothing a visitor did is lost.
  state = next.state === "ready" || !state ? next : { ...next, services: state.services };
  if (changed) render(wasAway || fingerprints(previous) !== fingerprints(state));
  if (isBack) [picture, numbers].forEach((view) => view.goOn());
  timer = document.hidden ? 0 : setTimeout(() => void refresh(), ASK_AGAIN_MS[state.state]);
}

/** What the forms of a server are made of. @param {State | null} of */
function fingerprints(of) {
  return (of?.services ?? []).map(numbers.fingerprint).join("\n");
}

/** @param {import("./history.js").Kept} kept */
async function show(kept) {
  const service = state?.services.find(({ name }) => name === kept.service);
  if (!service) return;
  if (service.kind === "image") await picture.restore(kept);
  else if (kept.inputs === numbers.fingerprint(service)) await numbers.restore(kept);
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
  const service =
    state.services.find(({ name }) => `#${name}` === decodeURIComponent(location.hash)) ?? state.services[0];
  $("intro").hidden = $("more").hidden = !service;
  void history.render();
  if (!service) {
    for (const id of ["picture", "numbers", "json", "why"]) $(id).hidden = true;
    shown = "";
    return;
  }
  $("services").replaceChildren(
    ...state.services.map(({ name, ready }) =>
      h(
        "a",
        { href: `#${name}`, "aria-current": name === service.name && "page", class: ready === false && "loading" },
        name,
      ),
    ),
  );
  $("services").hidden = state.services.length < 2;
  const title = has(`title.${service.name}`)
    ? t(`title.${service.name}`)
    : inThisLanguage(service.title ?? "") || service.name;
  $("title").textContent = title;
  document.title = `${title} · ${t("page.title")}`;
  const kind = service.kind === "image" || service.kind === "numbers" ? service.kind : "json";
  $("lead").textContent =
    service.ready === false
      ? t("service.loading")
      : has(`note.${service.name}`)
        ? t(`note.${service.name}`)
        : t(`lead.${leadOf(kind, service)}`);
  $("picture").hidden = kind !== "image";
  $("numbers").hidden = kind === "image";
  showWhy(service);
  if (shown === service.name && !again) return;
  if (shown !== service.name) {
    showTiming(null, service);
    showJson(null);
    $("announce").textContent = "";
  }
  const isOther = shown !== service.name;
  shown = service.name;
  (kind === "image" ? picture : numbers).open(service);
  if (isOther) void reopen(service);
}

/** Show again what a service answered last, or what was chosen among the last answers. @param {Service} service */
async function reopen(service) {
  const kind = service.kind === "image" ? undefined : numbers.fingerprint(service);
  const kept = wanted?.service === service.name ? wanted : (isFirst && (await history.latest(service.name, kind))) || null;
  wanted = null;
  isFirst = false;
  if (kept && shown === service.name) await show(kept);
}

/** What a visitor is asked to do. @param {string} kind @param {Service} of */
function leadOf(kind, { inputs }) {
  if (kind !== "numbers") return kind;
  if (inputs.some(layoutOf)) return "image";
  return inputs.every(({ dtype }) => dtype === "string") ? "text" : kind;
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
