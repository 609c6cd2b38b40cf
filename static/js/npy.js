/** Arrays as numpy.save writes them: the binary form in which a server takes tensors. */

/** How numpy calls the element types of inputs, and what holds them here. @type {Record<string, [string, (values: Float32Array) => ArrayLike<number | bigint> & ArrayBufferView]>} */
const TYPES = {
  float32: ["<f4", (values) => values],
  float64: ["<f8", (values) => Float64Array.from(values)],
  float16: ["<f2", (values) => Uint16Array.from(values, half)],
  uint8: ["|u1", (values) => Uint8Array.from(values)],
  int8: ["|i1", (values) => Int8Array.from(values)],
  uint16: ["<u2", (values) => Uint16Array.from(values)],
  int16: ["<i2", (values) => Int16Array.from(values)],
  uint32: ["<u4", (values) => Uint32Array.from(values)],
  int32: ["<i4", (values) => Int32Array.from(values)],
  uint64: ["<u8", (values) => BigUint64Array.from(values, BigInt)],
  int64: ["<i8", (values) => BigInt64Array.from(values, BigInt)],
};
const HEAD_STEP = 64;

/** Whether numpy has that type. @param {string} dtype */
export function isKnown(dtype) {
  return dtype in TYPES;
}

/**
 * @param {string} dtype one that is known
 * @param {number[]} shape
 * @param {Float32Array} values in C order; whole ones that fit where the type has no others
 */
export function npy(dtype, shape, values) {
  const [descr, made] = TYPES[dtype];
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const length = Math.ceil((head.length + 11) / HEAD_STEP) * HEAD_STEP - 10;
  const begin = new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 255, length >> 8]);
  return new Blob([begin, `${head.padEnd(length - 1)}\n`, /** @type {BlobPart} */ (made(values))], { type: "application/x-npy" });
}

/** The 16 bits of a number, rounded to the nearest that there is. @param {number} value */
function half(value) {
  const [bits] = new Uint32Array(Float32Array.of(value).buffer);
  const sign = (bits >>> 16) & 0x8000;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  return sign | Math.round(((exponent + 14) << 10) + (size / 2 ** exponent) * 1024);
}
