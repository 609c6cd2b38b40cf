/** The page's sentences in two languages, from `static/strings/`. */

/** @typedef {string | Partial<Record<Intl.LDMLPluralRule, string>>} Sentence */

/** @type {Record<string, Sentence>} */
let sentences = {};
let language = "en";

/**
 * The sentence of that key; `{name}` is replaced, and `n` picks singular or plural.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const found = sentences[key] ?? key;
  const sentence = typeof found === "string" ? found : (found[plural(values.n)] ?? found.other ?? key);
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {string} key */
export function has(key) {
  return key in sentences;
}

/**
 * A number as this language writes it.
 * @param {number} value
 * @param {number} [digits] after the point
 * @param {"decimal" | "percent"} [style]
 */
export function number(value, digits = 0, style = "decimal") {
  return value.toLocaleString(language, { style, minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A size as people read it. @param {number} size in bytes */
export function bytes(size) {
  if (size < 1000) return `${size} B`;
  return size < 1e6 ? `${number(size / 1e3)} kB` : `${number(size / 1e6, 1)} MB`;
}

/** A score as people read it. @param {number} score 0..1 */
export function percent(score) {
  return number(score, 1, "percent");
}

/**
 * A time as people read it, to three digits at most: 23 µs, 1.24 ms, 215 ms, 1.6 s.
 * @param {number} ms
 */
export function duration(ms) {
  const [value, unit] = ms < 0.9995 ? [ms * 1000, "µs"] : ms < 999.5 ? [ms, "ms"] : [ms / 1000, "s"];
  const digits = unit === "µs" || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toLocaleString(language, { maximumFractionDigits: digits })} ${unit}`;
}

/** Milliseconds: tenths where they matter. @param {number} ms */
export function milliseconds(ms) {
  return number(ms, ms < 100 ? 1 : 0);
}

/**
 * Load a language and put it on everything marked with `data-t`.
 * @param {string} name `en` or `zh`
 * @param {Record<string, string | number>} values for the marked sentences
 */
export async function speak(name, values) {
  const reply = await fetch(`/static/strings/${name}.json`);
  sentences = await reply.json();
  language = name;
  document.documentElement.lang = name === "zh" ? "zh-CN" : name;
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(/** @type {HTMLElement} */ (element).dataset.t ?? "", values);
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(/** @type {HTMLElement} */ (element).dataset.tLabel ?? ""));
  }
  for (const button of document.querySelectorAll("button[data-language]")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.language === name));
  }
}

/** @param {string} name */
export function remember(name) {
  document.cookie = `lang=${name}; path=/; max-age=31536000; samesite=lax`;
}

/** @param {string | number | undefined} n */
function plural(n) {
  return new Intl.PluralRules(language).select(Number(n ?? 0));
}
