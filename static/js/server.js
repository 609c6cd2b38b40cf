/** Calls to this page's own application, which passes them on to the model server. */

/**
 * @typedef {{name: string, dtype?: string, shape?: number[]}} Port an input or an output
 * @typedef {{name: string, kind: string, title?: string, backend?: string, ready?: boolean, rpc?: boolean,
 *   inputs: Port[], outputs: Port[], example?: Record<string, unknown>, models?: Model[]}} Service
 * @typedef {{backend: string, threads: number | null, rows: number | null, ms: number | null,
 *   rows_per_s: number | null, note: string}} Measured a library in the contest for a model
 * @typedef {{name: string, plan: {backend: string, threads?: number, max_rows?: number, instances?: number,
 *   table?: Measured[]}}} Model how it is run, and why
 * @typedef {{state: "ready" | "starting" | "down", services: Service[], doing?: string}} State
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

/** @returns {Promise<State>} */
export async function state() {
  try {
    const reply = await fetch("/api/services", { signal: AbortSignal.timeout(10_000) });
    if (reply.ok) return await reply.json();
  } catch {
    // the page's own application is away: for the visitor the same as the server
  }
  return { state: "down", services: [] };
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
  return post(`/api/services/${encodeURIComponent(service)}/picture`, form, signal, onSent);
}

/**
 * @param {string} service
 * @param {Record<string, unknown>} feed
 * @param {string[]} outputs
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export function values(service, feed, outputs, signal) {
  const body = new Blob([JSON.stringify({ feed, fetch: outputs })], { type: "application/json" });
  return post(`/api/services/${encodeURIComponent(service)}/values`, body, signal);
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
