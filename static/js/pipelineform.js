/** The form of a pipeline: its texts by key, one of them perhaps a picture, and arrays as JSON. */

import { h } from "./dom.js";
import { area, BadField, chooser, json } from "./fields.js";
import { firstPicture } from "./tensor.js";
import { t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Request} Request
 * @typedef {{texts: [string, string][], tensors: string, file: File | null}} Kept
 */

const TENSORS = "@tensors";
const WHOLE = "@request";

export class PipelineForm {
  /**
   * @param {Service} service
   * @param {() => void} changed called when a picture is there, or another
   */
  constructor(service, changed) {
    const example = service.operation?.example;
    const schema = service.operation?.schema?.properties?.value?.prefixItems?.[0];
    const keys = /** @type {string[]} */ (example?.key ?? []);
    /** The key whose text is a picture in base64. */
    this.picture = /^image\//.test(schema?.contentMediaType ?? "") ? keys[0] : undefined;
    /** @type {[string, string][]} */
    this.texts = keys.map((key, k) => [key, example?.value?.[k] ?? ""]);
    this.tensors = example?.tensors ? JSON.stringify(example.tensors) : "";
    /** Whether nothing is known of what it takes: then the request is written by hand. */
    this.isUnknown = !example;
    this.whole = JSON.stringify({ key: ["x"], value: [""] });
    /** @type {File | null} */
    this.file = null;
    this.address = "";
    this.changed = changed;
    this.loaded = this.picture === undefined ? Promise.resolve() : firstPicture().then((file) => (this.file ? undefined : this.take(file)));
  }

  ready() {
    return this.loaded;
  }

  /** @param {File} file */
  async take(file) {
    this.file = file;
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    this.texts = this.texts.map(([key, value]) => [key, key === this.picture ? btoa(text) : value]);
    this.changed();
  }

  /** @returns {Kept & {whole: string}} */
  snapshot() {
    return { texts: structuredClone(this.texts), tensors: this.tensors, whole: this.whole, file: this.file };
  }

  /** @param {Kept & {whole: string}} kept */
  restore(kept) {
    Object.assign(this, structuredClone(kept));
  }

  /** @returns {HTMLElement[]} */
  fields() {
    if (this.isUnknown) return [area(WHOLE, t("input.request"), this.whole)];
    const texts = this.texts.map(([key, value]) => (key === this.picture ? this.pictureField(key) : area(key, key, value, 3)));
    return this.tensors ? [...texts, area(TENSORS, t("input.tensors"), this.tensors)] : texts;
  }

  /** @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element */
  keep(element) {
    const { input } = element.dataset;
    if (input === TENSORS) this.tensors = element.value;
    else if (input === WHOLE) this.whole = element.value;
    else if (input !== undefined) this.texts = this.texts.map(([key, value]) => [key, key === input ? element.value : value]);
  }

  /** @returns {Request} */
  request() {
    if (this.isUnknown) return { kind: "json", body: json(WHOLE, this.whole) };
    if (this.picture !== undefined && !this.file) throw new BadField(t("input.nopicture"), "[data-picture]");
    const texts = this.texts.length ? { key: this.texts.map(([key]) => key), value: this.texts.map(([, value]) => value) } : {};
    return { kind: "json", body: this.tensors ? { ...texts, tensors: json(TENSORS, this.tensors) } : texts };
  }

  /** @param {string} key */
  pictureField(key) {
    URL.revokeObjectURL(this.address);
    this.address = this.file ? URL.createObjectURL(this.file) : "";
    const name = this.file?.name ?? "";
    return h(
      "fieldset",
      { class: "picture-field" },
      h("legend", {}, t("input.picture", { name: key })),
      this.file && h("img", { class: "input-picture", src: this.address, alt: t("picture.of", { name }) }),
      h("div", { class: "picture-settings" }, ...chooser(key, t("choose"), (file) => void this.take(file)), h("p", { class: "quiet-text" }, name)),
    );
  }
}
