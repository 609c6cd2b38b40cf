/** The form of a service, by what it takes; each kind of form makes the request that the service expects. */

import { InstanceForm } from "./instanceform.js";
import { PipelineForm } from "./pipelineform.js";
import { RowForm } from "./rowform.js";
import { TensorForm } from "./tensorform.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Request} Request
 * @typedef {{
 *   fields: () => HTMLElement[],
 *   keep: (element: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement) => void,
 *   request: () => Request,
 *   ready: () => Promise<unknown>,
 *   snapshot: () => any,
 *   restore: (kept: any) => Promise<void> | void,
 * }} Form `request` raises a `BadField`
 */

/**
 * @param {Service} service
 * @param {() => void} changed called when the form has changed by itself: a picture is there, or another
 * @returns {Form}
 */
export function formOf(service, changed) {
  if (service.fields?.length) return new RowForm(service);
  if (service.kind === "pipeline") return new PipelineForm(service, changed);
  return takesTensors(service) ? new TensorForm(service, changed) : new InstanceForm(service, changed);
}

/** Whether there is a field for each input of its model. @param {Service} service */
export function takesTensors({ kind, takes_tensors, inputs }) {
  return (kind === "numbers" || takes_tensors === true) && kind !== "image" && inputs.length > 0;
}

/** What the form of a service is made of: an answer fits into no other. @param {Service | null} of */
export function fingerprint(of) {
  return of ? JSON.stringify([of.name, of.kind, of.inputs, of.fields, of.operation?.example]) : "";
}
