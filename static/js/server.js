/** Calls to the model server: at this page's own address, or by way of the application that hands out the page. */

/**
 * @typedef {{shape: number[], value: boolean | number | string}} Sample a tensor of one value that a model has answered
 * @typedef {{name: string, dtype?: string, shape?: number[], is_lod?: boolean, sample?: Sample}} Port an input or an output
 * @typedef {{name: string, kind: string, title: string, about?: string, unit?: string, choices?: unknown[],
 *   minimum?: number, maximum?: number, default?: unknown}} Field of a row of a table
 * @typedef {{path: string, kinds: string[], example?: any, schema?: any}} Operation how a service is asked: the media types
 *   that it takes, the JSON that works, and what may be in it
 * @typedef {{version: string, state: string, reason: string}} Version
 * @typedef {{name: string, kind: string, title?: string, backend?: string, ready?: boolean, rpc?: boolean,
 *   takes_tensors?: boolean, inputs: Port[], outputs: Port[], fields?: Field[], example?: Record<string, unknown>,
 *   state?: string, reason?: string, versions?: Version[], default?: string, models?: Model[],
 *   operation?: Operation}} Service
 * @typedef {{backend: string, threads: number | null, rows: number | null, ms: number | null,
 *   rows_per_s: number | null, note: string}} Measured a library in the contest for a model
 * @typedef {{name: string, plan: {backend: string, threads?: number, max_rows?: number, instances?: number,
 *   table?: Measured[]}}} Model how it is run, and why
 * @typedef {{state: "ready" | "starting" | "down", services: Service[], doing?: string,
 *   code?: {state: string, reason: string}}} State `code` is what became of a change of service files
 * @typedef {{name: string, file?: Blob, fileName?: string, text?: string}} Part of a form
 * @typedef {{kind: "json", body: any} | {kind: "form", parts: Part[]}
 *   | {kind: "file", file: Blob, type: string, path: string, isMade?: boolean}} Request `path` is what a command line would
 *   call the file, which is made here or was there
 * @typedef {{name: string, ms: number}} Stage
 * @typedef {{result: any, whole: any, stages: Stage[], roundMs: number, bytes: number, file?: Blob}} Answer `file` is what
 *   came, where that is no JSON
 */

/** A request that did not work, and why: `reason` picks the page's own sentence, `message` is the server's. */
export class Refused extends Error {
  /**
   * @param {string} reason
   * @param {string} [message]
   * @param {number} [status] of HTTP, where there was an answer
   */
  constructor(reason, message = "", status = 0) {
    super(message);
    this.reason = reason;
    /** Whether the same request may work later. */
    this.passes = reason === "network" || status >= 500 || status === 429;
    /** Whether nobody answered. */
    this.isAway = reason === "network" || reason === "server_down";
  }
}

/** Whether the model server itself hands out this page. */
const isDirect = document.body.dataset.route === "direct";
/** Its address, as the lines that visitors copy name it. */
export const address = isDirect ? location.origin : (document.body.dataset.server ?? "").replace(/\/$/, "");
const PATIENCE_MS = 10_000;

/** @returns {Promise<State>} */
export async function state() {
  try {
    return await (isDirect ? ownState() : told("/api/services"));
  } catch {
    return { state: "down", services: [] }; // away, or the application in between is: the same for a visitor
  }
}

/**
 * How each service is asked, as the server's OpenAPI document has it.
 * @returns {Promise<Record<string, Operation>>}
 */
export async function operations() {
  try {
    const { paths } = await told(isDirect ? "/openapi.json" : "/api/openapi");
    const found = Object.entries(paths).flatMap(([template, { post }]) => {
      const name = post?.tags?.[0] ?? "";
      const at = path(name, "").slice(0, -1);
      const isOwn = template === path(name) || template === `${at}/{method}`;
      return isOwn ? [[name, operation(template, post)]] : [];
    });
    return Object.fromEntries(found);
  } catch {
    return {}; // a server that does not say: the form makes something up
  }
}

/** @param {string} template @param {any} post @returns {Operation} */
function operation(template, post) {
  const { content = {} } = post.requestBody ?? {};
  /** @type {{name: string, schema?: {default?: string}}[]} */
  const parameters = post.parameters ?? [];
  const usual = Object.fromEntries(parameters.map(({ name, schema }) => [name, schema?.default ?? ""]));
  const { example, schema } = content["application/json"] ?? {};
  return { path: template.replace(/\{(\w+)\}/g, (_, name) => usual[name]), kinds: Object.keys(content), example, schema };
}

/** @returns {Promise<State>} */
async function ownState() {
  const health = await fetch("/health", { signal: AbortSignal.timeout(PATIENCE_MS) });
  const doing = await health.text();
  if (!health.ok) return { state: "starting", services: [], doing: doing.slice(0, 500) };
  const { services, code } = await told("/services");
  return { state: "ready", services, code };
}

/** @param {string} path @returns {Promise<any>} */
async function told(path) {
  const reply = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!reply.ok) throw new Refused("server", reply.statusText, reply.status);
  return reply.json();
}

/**
 * @param {Service} service
 * @param {Request} request
 * @param {AbortSignal} signal
 * @param {(share: number) => void} [onSent] called with 0..1 as it leaves
 * @returns {Promise<Answer>}
 */
export function send(service, request, signal, onSent) {
  const isByRpc = !isDirect && service.rpc && request.kind === "json";
  const to = isDirect ? (service.operation?.path ?? path(service.name)) : `/api/services/${encodeURIComponent(service.name)}/prediction`;
  if (isByRpc) {
    const body = { feed: request.body.feed[0], fetch: request.body.fetch };
    return post(to.replace(/prediction$/, "values"), asJson(body), signal, onSent);
  }
  if (request.kind === "json") return post(to, asJson(request.body), signal, onSent);
  if (request.kind === "file") return post(to, new Blob([request.file], { type: request.type }), signal, onSent);
  const form = new FormData();
  for (const { name, file, fileName, text = "" } of request.parts) file ? form.append(name, file, fileName) : form.append(name, text);
  return post(to, form, signal, onSent);
}

/**
 * A picture as it is; by way of the application in between as a form, which looks at what it is.
 * @param {Service} service
 * @param {File} file
 * @param {string[]} outputs names wanted; empty means all
 * @param {AbortSignal} signal
 * @param {(share: number) => void} [onSent]
 * @returns {Promise<Answer>}
 */
export function picture(service, file, outputs, signal, onSent) {
  const form = new FormData();
  form.append("image", file);
  form.append("fetch", outputs.join(","));
  if (!isDirect) return post(`/api/services/${encodeURIComponent(service.name)}/picture`, form, signal, onSent);
  const query = outputs.length ? `?${new URLSearchParams({ fetch: outputs.join(",") })}` : "";
  const body = file.type.startsWith("image/") ? file : new Blob([file], { type: "application/octet-stream" });
  return post(`${path(service.name)}${query}`, body, signal, onSent);
}

/** @param {unknown} body */
function asJson(body) {
  return new Blob([JSON.stringify(body)], { type: "application/json" });
}

/** @param {string} service @param {string} [method] */
export function path(service, method = "prediction") {
  return `/${encodeURIComponent(service)}/${method}`;
}

/**
 * XMLHttpRequest because `fetch` does not tell how much of an upload has left.
 * @param {string} url
 * @param {FormData | Blob} body
 * @param {AbortSignal} signal
 * @param {(share: number) => void} [onSent]
 * @returns {Promise<Answer>}
 */
function post(url, body, signal, onSent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const begin = performance.now();
    request.open("POST", url);
    request.responseType = "blob";
    request.upload.onprogress = (event) => event.lengthComputable && onSent?.(event.loaded / event.total);
    request.onerror = () => reject(new Refused("network"));
    request.onabort = () => reject(signal.reason);
    request.onload = () => void read(request, performance.now() - begin).then(resolve, reject);
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

/**
 * @param {XMLHttpRequest} request
 * @param {number} roundMs
 * @returns {Promise<Answer>}
 */
async function read(request, roundMs) {
  /** @type {Blob} */
  const file = request.response ?? new Blob();
  const isJson = /\bjson\b/.test(file.type) || request.status !== 200;
  const whole = isJson ? parse(await file.text()) : undefined;
  if (request.status === 413 && !whole?.err_msg) throw new Refused("too_large", "", 413);
  if (request.status === 415) throw new Refused("not_an_image", whole?.err_msg, 415);
  if (request.status !== 200)
    throw new Refused(whole?.reason ?? "server", whole?.err_msg ?? whole?.error ?? request.statusText, request.status);
  if (isJson && whole === undefined) throw new Refused("bad_answer");
  if (whole?.err_no) throw new Refused("server", whole.err_msg);
  const stages = timings(request.getResponseHeader("Server-Timing") ?? "");
  const came = { stages, roundMs, bytes: file.size };
  if (isJson) return { whole, result: resultOf(whole), ...came };
  const result = file.type.startsWith("text/") ? await file.text() : null;
  return { whole: result, result, file, ...came };
}

/** What was asked for; of a pipeline its texts by key, read where they are JSON, and its arrays. @param {any} whole */
function resultOf(whole) {
  if (!Array.isArray(whole?.key) || !Array.isArray(whole?.value)) return whole?.result ?? whole;
  const texts = whole.key.map((/** @type {string} */ key, /** @type {number} */ k) => [key, parse(whole.value[k]) ?? whole.value[k]]);
  const tensors = (whole.tensors ?? []).map((/** @type {any} */ tensor) => [tensor.name, tensor]);
  return Object.fromEntries([...texts, ...tensors]);
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * `preprocess;dur=3.1, infer;dur=210.4` as a list; entries without a duration are left out.
 *
 * Every millisecond counts once: a step does not include the steps inside it.
 * @param {string} header
 * @returns {Stage[]}
 */
function timings(header) {
  return header.split(",").flatMap((entry) => {
    const match = /^\s*([^;\s]+).*;\s*dur=([\d.]+)/.exec(entry);
    return match ? [{ name: match[1], ms: Number(match[2]) }] : [];
  });
}
