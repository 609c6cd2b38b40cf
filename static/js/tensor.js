/** Pictures as the numbers that a model takes: which inputs are pictures, how large, and how bytes become values. */

/** @typedef {import("./server.js").Port} Port */
/** @typedef {{order: "NCHW" | "NHWC", channels: number, height: number, width: number}} Layout -1 is any size */
/** @typedef {keyof typeof SCALES} Scale */

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const LEAST_SIDE = 8;
/** Of a picture for a model that takes any size: its longer side, and what both sides are multiples of. */
const OPEN_SIDE = 640;
const STEP = 32;

/** What a byte, 0 to 255, becomes in a channel. @type {Record<"imagenet" | "unit" | "signed" | "bytes", (v: number, c: number) => number>} */
export const SCALES = {
  imagenet: (v, c) => (v / 255 - MEAN[c]) / STD[c],
  unit: (v) => v / 255,
  signed: (v) => v / 127.5 - 1,
  bytes: (v) => v,
};

/**
 * How a picture lies in an input, [N, C, H, W] or [N, H, W, C]; null where it is no picture.
 * @param {Port} input
 * @returns {Layout | null}
 */
export function layoutOf({ shape = [], dtype = "" }) {
  if (shape.length !== 4 || !/^(u?int|float|bfloat)/.test(dtype)) return null;
  const isSide = (/** @type {number} */ size) => size < 0 || size >= LEAST_SIDE;
  const [, a, b, c] = shape;
  if ([1, 3].includes(a) && isSide(b) && isSide(c)) return { order: "NCHW", channels: a, height: b, width: c };
  if ([1, 3].includes(c) && isSide(a) && isSide(b)) return { order: "NHWC", channels: c, height: a, width: b };
  return null;
}

/** The usual scaling of such an input. @param {Port} input @returns {Scale} */
export function usualScale(input) {
  if (!/float/.test(input.dtype ?? "")) return "bytes";
  const layout = layoutOf(input);
  return layout?.order === "NCHW" && layout.channels === 3 ? "imagenet" : "unit";
}

/**
 * The size a picture is scaled to: where the model takes any, the one that it answered, or nearly the picture's own.
 * @param {Layout} layout
 * @param {{width: number, height: number}} picture
 * @param {{width: number, height: number} | null} tried
 */
export function sizeFor(layout, picture, tried) {
  const shrink = Math.min(1, OPEN_SIDE / Math.max(picture.width, picture.height));
  const open = (/** @type {number} */ side) => Math.max(STEP, Math.round((side * shrink) / STEP) * STEP);
  return {
    width: layout.width < 0 ? (tried?.width ?? open(picture.width)) : layout.width,
    height: layout.height < 0 ? (tried?.height ?? open(picture.height)) : layout.height,
  };
}

/** The size that the model has answered; null where it takes one only, or none is known. @param {Port} input */
export function triedSize(input) {
  const layout = layoutOf(input);
  if (!layout || !input.sample || (layout.width > 0 && layout.height > 0)) return null;
  const [, a, b, c] = input.sample.shape;
  return layout.order === "NCHW" ? { height: b, width: c } : { height: a, width: b };
}

/**
 * One picture as a tensor, with a batch axis of 1.
 * @param {ImageData} pixels
 * @param {Layout} layout
 * @param {Scale} scale
 * @param {boolean} isBgr
 * @returns {{shape: number[], values: Float32Array}}
 */
export function tensorOf({ data, width, height }, { order, channels }, scale, isBgr) {
  const of = SCALES[scale];
  const size = width * height;
  const values = new Float32Array(channels * size);
  const isFirst = order === "NCHW";
  for (let k = 0; k < size; k++) {
    const [red, green, blue] = [data[4 * k], data[4 * k + 1], data[4 * k + 2]];
    for (let c = 0; c < channels; c++) {
      const byte = channels === 1 ? Math.round(0.299 * red + 0.587 * green + 0.114 * blue) : data[4 * k + (isBgr ? 2 - c : c)];
      values[isFirst ? c * size + k : k * channels + c] = of(byte, c);
    }
  }
  return { shape: isFirst ? [1, channels, height, width] : [1, height, width, channels], values };
}

/**
 * A picture file as pixels of the size that an input takes, upright as the camera was held.
 * @param {Blob} file
 * @param {Layout} layout
 * @param {{width: number, height: number} | null} tried the size where the model takes any; null: the picture's own
 */
export async function pixelsOf(file, layout, tried) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const { width, height } = sizeFor(layout, bitmap, tried);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // behind what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

/** A picture for the first click. */
export async function firstPicture() {
  const name = (document.body.dataset.samples ?? "").split(" ").find((sample) => sample.startsWith("shapes"));
  if (name) {
    const reply = await fetch(`/static/samples/${name}`);
    if (reply.ok) return new File([await reply.blob()], name, { type: "image/jpeg" });
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
  /** @type {Blob} */
  const blob = await new Promise((resolve) => canvas.toBlob((made) => resolve(/** @type {Blob} */ (made))));
  return new File([blob], "black.png", { type: "image/png" });
}
