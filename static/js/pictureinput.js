/** An input of a model that is a picture: chosen, dropped or a sample; scaled here, and how, said beside it. */

import { h } from "./dom.js";
import { isKnown, npy } from "./npy.js";
import { firstPicture, layoutOf, pixelsOf, SCALES, tensorOf, triedSize, usualScale } from "./tensor.js";
import { t } from "./words.js";

/** @typedef {import("./server.js").Port} Port */
/** @typedef {{file: File, scale: import("./tensor.js").Scale, isBgr: boolean, isOwnSize: boolean}} Kept */

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
    this.tried = triedSize(input);
    /** Whether it keeps its own size, where the model takes any. */
    this.isOwnSize = !this.tried;
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
      this.pixels = await pixelsOf(file, this.layout, this.isOwnSize ? null : this.tried);
    } catch {
      this.pixels = null;
    }
    this.changed();
  }

  /** @returns {Kept | null} */
  keep() {
    const { file, scale, isBgr, isOwnSize } = this;
    return file && { file, scale, isBgr, isOwnSize };
  }

  /** @param {Kept} kept */
  restore({ file, ...settings }) {
    Object.assign(this, settings);
    this.loaded = this.take(file);
    return this.loaded;
  }

  /**
   * The tensor as a file, and whether it is of the input's own type; others the server casts, or refuses.
   * @returns {{file: Blob, isExact: boolean} | null}
   */
  tensor() {
    if (!this.pixels) return null;
    const { shape, values } = tensorOf(this.pixels, this.layout, this.scale, this.isBgr);
    const { dtype = "float32" } = this.input;
    const isExact = isKnown(dtype) && (/float/.test(dtype) || this.scale === "bytes") && dtype !== "int8";
    return { file: npy(isExact ? dtype : "float32", shape, values), isExact };
  }

  sizes() {
    const { width, height } = /** @type {{width: number, height: number}} */ (this.tried);
    return [["tried", t("size.tried", { size: `${width} × ${height}` })], ["own", t("size.own")]];
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
        this.tried && choice(t("input.size"), this.sizes(), this.isOwnSize ? "own" : "tried", (name) => {
          this.isOwnSize = name === "own";
          if (this.file) void this.take(this.file);
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
