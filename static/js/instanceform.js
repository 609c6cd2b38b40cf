/** The form of a service whose own code reads what comes: an instance as JSON, or a file as it is. */

import { h } from "./dom.js";
import { area, BadField, chooser, exampleOf, json } from "./fields.js";
import { bytes, t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Request} Request
 * @typedef {{text: string, file: File | null, isFile: boolean}} Kept
 */

const FILE = "application/octet-stream";

export class InstanceForm {
  /**
   * @param {Service} service
   * @param {() => void} changed called when there is another file
   */
  constructor(service, changed) {
    this.text = JSON.stringify(exampleOf(service) ?? {}, null, 2);
    /** @type {File | null} */
    this.file = null;
    this.isFile = false;
    this.takesFiles = service.operation?.kinds.includes(FILE) ?? false;
    this.changed = changed;
  }

  ready() {
    return Promise.resolve();
  }

  /** @returns {Kept} */
  snapshot() {
    return { text: this.text, file: this.file, isFile: this.isFile };
  }

  /** @param {Kept} kept */
  restore(kept) {
    Object.assign(this, kept);
  }

  /** @returns {HTMLElement[]} */
  fields() {
    const inside = this.isFile ? this.fileField() : area("", t("input.instance"), this.text);
    return this.takesFiles ? [this.choice(), inside] : [inside];
  }

  /** @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element */
  keep(element) {
    if (element.dataset.input === "") this.text = element.value;
  }

  /** @returns {Request} */
  request() {
    if (!this.isFile) return { kind: "json", body: { feed: [json("", this.text)] } };
    if (!this.file) throw new BadField(t("input.nofile"), "[data-picture]");
    return { kind: "file", file: this.file, type: this.file.type.startsWith("image/") ? this.file.type : FILE, path: this.file.name };
  }

  choice() {
    const one = (/** @type {boolean} */ isFile, /** @type {string} */ key) =>
      h("button", { type: "button", "aria-pressed": String(this.isFile === isFile), onclick: () => this.choose(isFile) }, t(key));
    return h("div", { class: "segmented", role: "group", "aria-label": t("input.as") }, one(false, "input.as.json"), one(true, "input.as.file"));
  }

  /** @param {boolean} isFile */
  choose(isFile) {
    this.isFile = isFile;
    this.changed();
  }

  fileField() {
    const take = (/** @type {File} */ file) => {
      this.file = file;
      this.changed();
    };
    const words = this.file ? `${this.file.name}, ${bytes(this.file.size)}` : t("input.nofile");
    return h("div", { class: "file-field" }, ...chooser("file", t("input.choosefile"), take, "*/*"), h("p", { class: "quiet-text" }, words));
  }
}
