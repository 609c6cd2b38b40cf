/** An input of a model that is a picture: chosen, dropped or a sample; scaled here, and how, said beside it. */

import { h } from "./dom.js";
import { firstPicture, layoutOf, pixelsOf, SCALES, usualScale, values } from "./tensor.js";
import { t } from "./words.js";

/** @typedef {import("./server.js").Port} Port */
/** @typedef {{file: File, scale: import("./tensor.js").Scale, isBgr: boolean}} Kept */

export class PictureInput {
  /**
   * @param {Port} input
   * @param {() => void} changed
   */
  constructor(input, changed) {
    this.input = input;
    this.layout = /** @type {import("./tensor.js").Layout} */ (layoutOf(input));
    this.scale = usualScale(input);
    this.isBgr = false;
    /** @type {File | null} */
    this.file = null;
    /** @type {ImageData | null} */
    this.pixels = null;
    this.changed = changed;
    /** Fulfilled when there is a picture, or none can be had. */
    this.loaded = firstPicture().then((file) => (this.file ? undefined : this.take(file)));
  }

  /** @param {File} file */
  async take(file) {
    this.file = file;
    try {
      this.pixels = await pixelsOf(file, this.layout);
    } catch {
      this.pixels = null;
    }
    this.changed();
  }

  /** @returns {Kept | null} */
  keep() {
    return this.file && { file: this.file, scale: this.scale, isBgr: this.isBgr };
  }

  /** @param {Kept} kept */
  restore({ file, scale, isBgr }) {
    this.scale = scale;
    this.isBgr = isBgr;
    this.loaded = this.take(file);
    return this.loaded;
  }

  values() {
    return this.pixels && values(this.pixels, this.layout, this.scale, this.isBgr);
  }

  /** @param {string} legend @returns {HTMLElement} */
  field(legend) {
    const preview = h("canvas", { class: "input-picture", role: "img", "aria-label": this.file?.name ?? t("picture") });
    if (this.pixels) {
      Object.assign(preview, { width: this.pixels.width, height: this.pixels.height });
      preview.getContext("2d")?.putImageData(this.pixels, 0, 0);
    }
    const picker = h("input", { type: "file", accept: "image/*", hidden: true, "data-picture": this.input.name });
    const take = (/** @type {FileList | null | undefined} */ files) => files?.[0] && void this.take(files[0]);
    picker.addEventListener("change", () => take(picker.files));
    const scales = Object.keys(SCALES).filter((name) => name !== "imagenet" || this.layout.channels === 3);
    const size = this.pixels
      ? t("input.scaled", { size: `${this.pixels.width} × ${this.pixels.height}` })
      : t(this.file ? "input.nopicture" : "working");
    return h(
      "fieldset",
      { class: "picture-field", ondrop: (/** @type {DragEvent} */ event) => take(event.dataTransfer?.files) },
      h("legend", {}, legend),
      preview,
      h(
        "div",
        { class: "picture-settings" },
        h("button", { type: "button", class: "plain", onclick: () => picker.click() }, t("choose")),
        picker,
        h("p", { class: "quiet-text" }, this.file ? `${this.file.name}: ${size}` : size),
        choice(t("input.scale"), scales.map((name) => [name, t(`scale.${name}`)]), this.scale, (name) => {
          this.scale = /** @type {import("./tensor.js").Scale} */ (name);
          this.changed();
        }),
        this.layout.channels === 3 &&
          choice(t("input.channels"), [["rgb", "RGB"], ["bgr", "BGR"]], this.isBgr ? "bgr" : "rgb", (name) => {
            this.isBgr = name === "bgr";
            this.changed();
          }),
      ),
    );
  }
}

/**
 * @param {string} label
 * @param {string[][]} options value and words of each
 * @param {string} chosen
 * @param {(value: string) => void} choose
 */
function choice(label, options, chosen, choose) {
  const select = h("select", {}, ...options.map(([value, words]) => h("option", { value, selected: value === chosen }, words)));
  select.addEventListener("change", () => choose(select.value));
  return h("label", { class: "field" }, h("span", {}, label), select);
}
