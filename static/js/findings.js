/** What an image service's answer means: boxes with texts, a table, or just JSON. Values in, values out. */

/**
 * @typedef {[number, number]} Point in pixels of the upright picture
 * @typedef {{points: Point[] | null, text: string, score: number | null}} Finding
 * @typedef {{kind: "boxes", items: Finding[], named: "texts" | "things"}
 *   | {kind: "table", columns: string[], rows: unknown[][]}
 *   | {kind: "text", text: string}
 *   | {kind: "other"}} Findings
 */

const TEXTS = ["texts", "text", "labels", "label", "category", "categories", "class"];
const SCORES = ["scores", "score", "prob", "probs", "confidence"];

/**
 * @param {any} result
 * @returns {Findings}
 */
export function findings(result) {
  if (typeof result === "string") return { kind: "text", text: result };
  if (result === null || typeof result !== "object") return { kind: "other" };
  const boxes = first(result.boxes ?? result.bbox);
  const texts = pick(result, TEXTS);
  if (Array.isArray(boxes) || Array.isArray(result.texts)) {
    const scores = pick(result, SCORES) ?? [];
    const length = Math.max(boxes?.length ?? 0, texts?.length ?? 0);
    const items = Array.from({ length }, (_, i) => ({
      points: corners(boxes?.[i]),
      text: String(texts?.[i] ?? ""),
      score: typeof scores[i] === "number" ? scores[i] : null,
    }));
    const hasTexts = "texts" in result && (!length || items.some(({ text }) => text));
    return { kind: "boxes", items, named: hasTexts ? "texts" : "things" };
  }
  return table(result);
}

/**
 * Lists of one length, side by side: `{"label": [...], "prob": [...]}`.
 * @param {Record<string, unknown>} result
 * @returns {Findings}
 */
function table(result) {
  const entries = Object.entries(result).filter(([name]) => name !== "image");
  const columns = entries.map(([, values]) => unwrap(values));
  const rows = columns[0]?.length ?? 0;
  if (!rows || columns.some((column) => column.length !== rows || column.some(isNested))) return { kind: "other" };
  return {
    kind: "table",
    columns: entries.map(([name]) => name),
    rows: Array.from({ length: rows }, (_, row) => columns.map((column) => column[row])),
  };
}

/**
 * Of the request's pictures the first, which is the only one here.
 * @param {any} perPicture
 */
function first(perPicture) {
  return Array.isArray(perPicture) ? perPicture[0] : undefined;
}

/**
 * @param {Record<string, any>} result
 * @param {string[]} names
 * @returns {any[] | undefined}
 */
function pick(result, names) {
  const name = names.find((known) => Array.isArray(result[known]));
  return name ? unwrap(result[name]) : undefined;
}

/**
 * A column, with or without the list of pictures around it.
 * @param {any} values
 * @returns {any[]}
 */
function unwrap(values) {
  if (!Array.isArray(values)) return [values];
  return values.length === 1 && Array.isArray(values[0]) ? values[0] : values;
}

/** @param {unknown} value */
function isNested(value) {
  return typeof value === "object" && value !== null;
}

/**
 * Any outline, or `[left, top, right, bottom]`.
 * @param {any} box
 * @returns {Point[] | null}
 */
function corners(box) {
  if (!Array.isArray(box) || box.length === 0) return null;
  if (Array.isArray(box[0])) return /** @type {Point[]} */ (box.map(([x, y]) => [Number(x), Number(y)]));
  if (box.length !== 4) return null;
  const [left, top, right, bottom] = box.map(Number);
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
}
