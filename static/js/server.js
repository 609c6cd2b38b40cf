/** Calls to the model server: at this page's own address, or by way of the application that hands out the page. */

/**
 * @typedef {{name: string, dtype?: string, shape?: number[]}} Port an input or an output
 * @typedef {{name: string, kind: string, title?: string, backend?: string, ready?: boolean, rpc?: boolean,
 *   inputs: Port[], outputs: Port[], example?: Record<string, unknown>, models?: Model[]}} Service
 * @typedef {{backend: string, threads: number | null, rows: number | null, ms: number | null,
 *   rows_per_s: number | null, note: string}} Measured a library in the contest for a model
 * @typedef {{name: string, plan: {backend: string, threads?: number, max_rows?: number, instances?: number,
 *   table?: Measured[]}}} Model how it is run, and why
 * @typedef {{state: "ready" | "starting" | "down", services: Service[], doing?: string,
 *   code?: {state: string, reason: string}}} State `code` is what became of a change of service files
 * @typedef {{name: string, ms: number}} Stage
 * @typedef {{result: any, whole: any, stages: Stage[], roundMs: number, bytes: number}} Answer
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
 * An instance that works, by service, as the server's OpenAPI document has them.
 * @returns {Promise<Record<string, Record<string, unknown>>>}
 */
export async function examples() {
  try {
    const { paths } = await told(isDirect ? "/openapi.json" : "/api/openapi");
    const found = Object.entries(paths).flatMap(([path, { post }]) => {
      const name = /^\/([^/]+)\/prediction$/.exec(path)?.[1];
      const example = post?.requestBody?.content?.["application/json"]?.example?.feed?.[0];
      return name && example ? [[name, example]] : [];
    });
    return Object.fromEntries(found);
  } catch {
    return {}; // a server that does not say: the form makes something up
  }
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
 * @param {string} service
 * @param {File} file
 * @param {string[]} outputs names wanted; empty means all
 * @param {AbortSignal} signal
 * @param {(share: number) => void} [onSent] called with 0..1 as the picture leaves
 * @returns {Promise<Answer>}
 */
export function picture(service, file, outputs, signal, onSent) {
  const form = new FormData();
  form.append("image", file);
  form.append("fetch", outputs.join(","));
  if (!isDirect) return post(`/api/services/${encodeURIComponent(service)}/picture`, form, signal, onSent);
  const query = outputs.length ? `?${new URLSearchParams({ fetch: outputs.join(",") })}` : "";
  const body = file.type.startsWith("image/") ? file : new Blob([file], { type: "application/octet-stream" });
  return post(`${path(service)}${query}`, body, signal, onSent);
}

/**
 * @param {string} service
 * @param {Record<string, unknown>} feed
 * @param {string[]} outputs
 * @param {AbortSignal} signal
 * @param {(share: number) => void} [onSent]
 * @returns {Promise<Answer>}
 */
export function values(service, feed, outputs, signal, onSent) {
  const sent = isDirect ? { feed: [feed], fetch: outputs } : { feed, fetch: outputs };
  const body = new Blob([JSON.stringify(sent)], { type: "application/json" });
  const to = isDirect ? path(service) : `/api/services/${encodeURIComponent(service)}/values`;
  return post(to, body, signal, onSent);
}

/** @param {string} service */
export function path(service) {
  return `/${encodeURIComponent(service)}/prediction`;
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
    request.upload.onprogress = (event) => event.lengthComputable && onSent?.(event.loaded / event.total);
    request.onerror = () => reject(new Refused("network"));
    request.onabort = () => reject(signal.reason);
    request.onload = () => {
      try {
        resolve(read(request, performance.now() - begin));
      } catch (error) {
        reject(error);
      }
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

/**
 * @param {XMLHttpRequest} request
 * @param {number} roundMs
 * @returns {Answer}
 */
function read(request, roundMs) {
  const whole = parse(request.responseText);
  if (request.status === 413 && !whole?.err_msg) throw new Refused("too_large", "", 413);
  if (request.status === 415) throw new Refused("not_an_image", whole?.err_msg, 415);
  if (request.status !== 200)
    throw new Refused(whole?.reason ?? "server", whole?.err_msg ?? request.statusText, request.status);
  if (whole === undefined) throw new Refused("bad_answer");
  if (whole.err_no) throw new Refused("server", whole.err_msg);
  const stages = timings(request.getResponseHeader("Server-Timing") ?? "");
  return { whole, result: whole.result ?? whole, stages, roundMs, bytes: request.responseText.length };
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
