/** The last answers, kept in this browser and nowhere else: they survive a reload, pictures too. */

import { $, h } from "./dom.js";
import { t } from "./words.js";

/**
 * @typedef {import("./server.js").Answer} Answer
 * @typedef {{id?: number, service: string, at: number, answer: Answer, file?: File, path?: string, inputs?: string,
 *   typed?: any}} Kept `inputs` says what the form was
 */

const MOST = 20;
const MOST_BYTES = 8 << 20;
const STORE = "answers";
/** @type {(kept: Kept) => void} */
let show = () => undefined;
const database = opened();

/** @param {(kept: Kept) => void} restore */
export function start(restore) {
  show = restore;
}

/** One answer is kept after the other: each looks at those before it. */
let turn = Promise.resolve();

/**
 * @param {Kept} kept
 * @param {boolean} [again] whether it takes the place of the last one: the same form, changed a little
 */
export function keep(kept, again = false) {
  turn = turn.then(() => keepOne(kept, again));
  return turn;
}

/**
 * @param {Kept} kept
 * @param {boolean} again
 */
async function keepOne(kept, again) {
  if (kept.answer.bytes + (kept.file?.size ?? 0) > MOST_BYTES) return;
  try {
    const all = await every();
    if (again && all[0]?.service === kept.service) await run((store) => store.delete(/** @type {number} */ (all[0].id)));
    for (const { id } of all.slice(MOST - 1)) await run((store) => store.delete(/** @type {number} */ (id)));
    await run((store) => store.add(kept));
  } catch {
    // a browser that keeps nothing, or has no room: the page works without
  }
  await render();
}

/**
 * The last one of a service, if it was asked with such a form.
 * @param {string} service
 * @param {string} [inputs]
 * @returns {Promise<Kept | undefined>}
 */
export async function latest(service, inputs) {
  return (await every()).find((kept) => kept.service === service && kept.inputs === inputs);
}

export async function render() {
  const all = await every();
  const section = $("history");
  section.hidden = !all.length;
  if (!all.length) return;
  const open = section.querySelector("details")?.open ?? false;
  const time = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
  const lines = all.map((kept) =>
    h(
      "li",
      {},
      h("button", { type: "button", class: "quiet", onclick: () => show(kept) }, `/${kept.service}`),
      h("span", { class: "quiet-text" }, [kept.file?.name, time.format(kept.at)].filter(Boolean).join(" · ")),
    ),
  );
  const forget = h("button", { type: "button", class: "quiet", onclick: () => void clear() }, t("history.clear"));
  section.replaceChildren(
    h(
      "details",
      { open },
      h("summary", {}, h("h2", {}, t("history", { n: all.length }))),
      h("p", { class: "quiet-text" }, t("history.where")),
      h("ol", { class: "kept" }, ...lines),
      forget,
    ),
  );
}

async function clear() {
  await run((store) => store.clear()).catch(() => undefined);
  await render();
}

/** The newest first. @returns {Promise<Kept[]>} */
async function every() {
  try {
    return (await run((store) => store.getAll())).reverse();
  } catch {
    return [];
  }
}

/** @returns {Promise<IDBDatabase>} */
function opened() {
  const promise = new Promise((resolve, reject) => {
    const request = indexedDB.open("paddle-serving", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  promise.catch(() => undefined);
  return /** @type {Promise<IDBDatabase>} */ (promise);
}

/**
 * @param {(store: IDBObjectStore) => IDBRequest} act
 * @returns {Promise<any>}
 */
async function run(act) {
  const transaction = (await database).transaction(STORE, "readwrite");
  const request = act(transaction.objectStore(STORE));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}
