/** Image services: a picture goes to the server, and what it found is shown in it and beside it. */

import { failure, showCode, showJson } from "./answer.js";
import { $, h } from "./dom.js";
import { findings } from "./findings.js";
import { keep } from "./history.js";
import { listen, markSample, nameSamples } from "./intake.js";
import { pictureResult } from "./pictureresult.js";
import { Refused, picture as ask } from "./server.js";
import { codeOf } from "./snippets.js";
import { showTiming } from "./timing.js";
import { bytes, milliseconds, number, t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Answer} Answer
 * @typedef {"boxes" | "plain" | "server"} View
 */

const MIB = 1 << 20;
/** The output that is the picture with boxes drawn in, as base64 of a JPEG. */
const DRAWN = "image";

/** @type {Service | null} */
let service = null;
/** @type {File | null} */
let file = null;
/** How a command line would name the file. */
let path = "photo.jpg";
let image = h("img");
/** @type {Answer | null} */
let answer = null;
/** @type {unknown} */
let error = null;
/** @type {View} */
let view = "boxes";
/** Base64, once somebody wanted to see it. */
let drawn = "";
let working = new AbortController();
let maxBytes = 0;

/** @param {number} limit in bytes */
export function start(limit) {
  maxBytes = limit;
  listen({ isOpen: () => !$("picture").hidden, take, refuse: fail });
}

/** @param {Service} next */
export function open(next) {
  const other = service?.name !== next.name;
  service = next;
  if (other) forget();
  if (other && file) void run();
  else render();
}

/** The server is back: ask it again what it could not answer. */
export function goOn() {
  if (error instanceof Refused && error.isAway) void run();
}

/** An answer of before, with its picture. @param {import("./history.js").Kept} kept */
export async function restore(kept) {
  if (!kept.file) return;
  forget();
  put(kept.file, kept.path ?? kept.file.name);
  answer = kept.answer;
  drawn = answer.result?.[DRAWN]?.[0] ?? "";
  await image.decode().catch(() => undefined);
  render();
}

/** Everything again, perhaps in another language. */
export function render() {
  if (!service) return;
  const phase = error ? "failed" : answer ? "done" : file ? "busy" : "idle";
  $("workspace").dataset.phase = phase;
  $("drop").hidden = file !== null;
  $("shown").hidden = file === null;
  const heading = /** @type {HTMLElement} */ ($("samples").querySelector("h2"));
  heading.dataset.t = file ? "samples.more" : "samples";
  heading.textContent = t(heading.dataset.t);
  image.alt = file ? t("picture.of", { name: file.name }) : "";
  showTiming(answer, service);
  showJson(answer);
  const type = file?.type.startsWith("image/") ? file.type : "image/jpeg";
  showCode(codeOf(service, { kind: "file", file: file ?? new Blob(), type, path }));
  nameSamples();
  $("canvas").replaceChildren(preview());
  $("toolbar").replaceChildren(...toolbar());
  renderResult(phase);
}

/**
 * @param {File} picked
 * @param {string} from
 */
function take(picked, from) {
  forget();
  put(picked, from);
  void run();
  $("stage").focus({ preventScroll: true });
  $("stage").scrollIntoView({ block: "nearest" });
}

/**
 * @param {File} picked
 * @param {string} from
 */
function put(picked, from) {
  file = picked;
  path = from;
  URL.revokeObjectURL(image.src);
  image = h("img", {
    src: URL.createObjectURL(picked),
    class: "photo",
    onerror: render,
    onload: () => $("toolbar").replaceChildren(...toolbar()),
  });
  markSample(from);
}

function forget() {
  working.abort();
  working = new AbortController();
  answer = error = null;
  view = "boxes";
  drawn = "";
}

async function run() {
  if (!service || !file) return;
  const { signal } = working;
  error = answer = null;
  render();
  try {
    refuseEarly(file);
    const reply = await ask(service, file, wanted(service), signal, sending);
    await image.decode().catch(() => undefined); // boxes need the picture's size
    if (signal.aborted) return;
    answer = reply;
    drawn = reply.result?.[DRAWN]?.[0] ?? "";
    render();
    announce(reply);
    void keep({ service: service.name, at: Date.now(), answer: reply, file, path });
  } catch (problem) {
    if (!signal.aborted) fail(problem);
  }
}

function cancel() {
  working.abort();
  working = new AbortController();
  fail(new Refused("cancelled"));
}

/** @param {unknown} problem */
function fail(problem) {
  error = problem;
  answer = null;
  render();
  if (problem instanceof Refused && problem.isAway) document.dispatchEvent(new Event("serveraway"));
}

/**
 * What needs no server to know.
 * @param {File} picked
 */
function refuseEarly(picked) {
  if (picked.size > maxBytes) throw new Refused("too_large");
  if (picked.size === 0) throw new Refused("empty");
  if (picked.type && !picked.type.startsWith("image/")) throw new Refused("not_an_image");
}

/**
 * Everything but the drawn picture, which is asked for when it is looked at.
 * @param {Service} of
 */
function wanted(of) {
  const names = of.outputs.map((output) => output.name);
  return names.some((name) => name !== DRAWN) ? names.filter((name) => name !== DRAWN) : names;
}

/** @param {number} share of the picture that has left */
function sending(share) {
  const words = $("picture-result").querySelector(".progress-words");
  if (words) words.textContent = share < 1 ? t("sending", { percent: number(share, 0, "percent") }) : t("working");
}

/** @param {string} phase */
function renderResult(phase) {
  const panel = $("picture-result");
  panel.hidden = phase === "idle";
  if (phase === "busy")
    panel.replaceChildren(
      h("p", { class: "progress-words", role: "status" }, t("working")),
      h("button", { type: "button", class: "quiet", onclick: cancel }, t("cancel")),
      h("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 6 }, () => h("i"))),
    );
  if (phase === "failed")
    panel.replaceChildren(failure(error, () => void run(), { values: sizes(), other: another("plain") }));
  if (phase === "done" && answer) {
    const size = { width: image.naturalWidth, height: image.naturalHeight };
    const draw = (/** @type {Element[]} */ ...parts) => view === "boxes" && $("canvas").append(...parts);
    panel.replaceChildren(...pictureResult(answer, size, draw));
  }
}

/** The picture as this view shows it. */
function preview() {
  if (view === "server" && drawn) return h("img", { class: "photo", src: source(), alt: t("view.server.alt") });
  const isBroken = image.complete && !image.naturalWidth;
  return isBroken && file ? h("p", { class: "unseen" }, file.name) : image;
}

function toolbar() {
  if (!file) return [];
  const size = image.naturalWidth > 0 && h("span", {}, `${image.naturalWidth} × ${image.naturalHeight}`);
  const about = h(
    "span",
    { class: "about" },
    h("span", { class: "file-name" }, file.name),
    size,
    h("span", {}, bytes(file.size)),
  );
  const isDrawable = answer !== null && service?.outputs.some((output) => output.name === DRAWN);
  const download =
    view === "server" &&
    drawn &&
    h(
      "a",
      { class: "quiet", href: source(), download: `${file.name.replace(/\.\w+$/, "")}-${service?.name}.jpg` },
      t("download"),
    );
  return [about, h("span", { class: "tools" }, isDrawable && views(), download, another("quiet"))];
}

/** @param {string} look class of the button */
function another(look) {
  return h("button", { type: "button", class: look, onclick: () => $("file").click() }, t("choose.another"));
}

function views() {
  const choices = /** @type {View[]} */ (["boxes", "plain", "server"]);
  return h(
    "span",
    { class: "segmented", role: "group", "aria-label": t("view") },
    ...choices.map((name) =>
      h(
        "button",
        { type: "button", "data-view": name, "aria-pressed": String(view === name), onclick: () => void look(name) },
        t(`view.${name}`),
      ),
    ),
  );
}

/** @param {View} next */
async function look(next) {
  const { signal } = working;
  if (next === "server" && !drawn && service && file) {
    $("shown").classList.add("waiting");
    try {
      drawn = (await ask(service, file, [DRAWN], signal)).result[DRAWN][0];
    } catch (problem) {
      if (!signal.aborted) fail(problem);
      return;
    } finally {
      $("shown").classList.remove("waiting");
    }
  }
  view = next;
  render();
  /** @type {HTMLElement | null} */ ($("toolbar").querySelector(`[data-view=${view}]`))?.focus();
}

function source() {
  return `data:image/jpeg;base64,${drawn}`;
}

/** @param {Answer} from */
function announce(from) {
  const found = findings(from.result);
  const n = found.kind === "boxes" ? found.items.length : 0;
  const what = found.kind !== "boxes" ? t("results") : n ? t(`found.${found.named}`, { n }) : t("found.none");
  $("announce").textContent = t("announce", { what, ms: milliseconds(from.roundMs) });
}

function sizes() {
  return { limit: maxBytes / MIB, size: number((file?.size ?? 0) / MIB, 1) };
}
