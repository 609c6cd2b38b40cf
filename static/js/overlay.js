/** Boxes over a picture and lines in a list, tied together: one is lit at a time, by mouse, finger or keyboard. */

import { h, svg } from "./dom.js";
import { percent, t } from "./words.js";

/** @typedef {import("./findings.js").Finding} Finding */

/**
 * @param {Finding[]} items
 * @param {number} width of the picture in pixels, as are the boxes
 * @param {number} height
 * @param {"texts" | "things"} named what they are: things have a class, and one colour for each
 * @returns {{overlay: Element, tip: HTMLElement, list: HTMLElement}}
 */
export function linked(items, width, height, named) {
  const colours = named === "things" ? coloursOf(items) : new Map();
  const boxes = items.map((item, i) => item.points && coloured(box(item, i), colours.get(item.text)));
  const rows = items.map((item, i) => coloured(row(item, i), colours.get(item.text)));
  const shade = svg("path", { class: "shade", "fill-rule": "evenodd" });
  const overlay = svg(
    "svg",
    {
      class: "overlay",
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: "none",
      role: "group",
      "aria-label": t("boxes"),
    },
    shade,
    ...boxes,
  );
  const tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
  const list = h("ol", { class: "lines", role: "listbox", "aria-label": t(named === "texts" ? "lines" : "things"), tabindex: -1 }, ...rows);
  let pinned = -1;

  /** @param {number} index -1 for none */
  function light(index) {
    const lit = index < 0 ? pinned : index;
    [...boxes, ...rows].forEach((element) => element?.classList.toggle("lit", Number(element.dataset.index) === lit));
    rows.forEach((element, i) => element.setAttribute("aria-selected", String(i === pinned)));
    boxes.forEach((element, i) => element?.setAttribute("aria-pressed", String(i === pinned)));
    overlay.classList.toggle("some-lit", lit >= 0);
    const points = lit < 0 ? null : items[lit].points;
    shade.setAttribute("d", points ? `M0 0H${width}V${height}H0Z M${points.map((p) => p.join(" ")).join("L")}Z` : "");
    place(tip, points ? items[lit] : null, width, height);
  }

  /** @param {number} index */
  function pin(index) {
    pinned = pinned === index ? -1 : index;
    light(-1);
  }

  tie(
    boxes.filter((element) => element !== null),
    (index) => {
      light(index);
      reveal(list, rows[index]);
    },
  );
  tie(rows, light);

  /**
   * One tab stop for the group; arrows move inside it.
   * @param {(HTMLElement | SVGElement)[]} group
   * @param {(index: number) => void} show
   */
  function tie(group, show) {
    group.forEach((element, i) => {
      const index = Number(element.dataset.index);
      element.setAttribute("tabindex", i === 0 ? "0" : "-1");
      element.addEventListener("pointerenter", () => show(index));
      element.addEventListener("pointerleave", () => light(-1));
      element.addEventListener("focus", () => show(index));
      element.addEventListener("blur", () => light(-1));
      element.addEventListener("click", () => pin(index));
      element.addEventListener("keydown", (event) => {
        const { key } = /** @type {KeyboardEvent} */ (event);
        const to = {
          ArrowDown: i + 1,
          ArrowRight: i + 1,
          ArrowUp: i - 1,
          ArrowLeft: i - 1,
          Home: 0,
          End: group.length - 1,
        }[key];
        if (to === undefined && !["Enter", " ", "Escape"].includes(key)) return;
        event.preventDefault();
        if (to !== undefined && group[to]) {
          element.setAttribute("tabindex", "-1");
          group[to].setAttribute("tabindex", "0");
          group[to].focus();
        } else if (to === undefined) pin(key === "Escape" ? pinned : index);
      });
    });
  }

  return { overlay, tip, list };
}

/**
 * @param {Finding} item
 * @param {number} i
 */
function box(item, i) {
  const points = /** @type {[number, number][]} */ (item.points).map((p) => p.join(",")).join(" ");
  const polygon = svg("g", {
    class: "box",
    role: "button",
    "aria-label": `${i + 1}: ${spoken(item)}`,
    "data-index": i,
  });
  polygon.append(svg("polygon", { class: "halo", points }), svg("polygon", { class: "line", points }));
  polygon.style.setProperty("--order", String(Math.min(i, 30)));
  return polygon;
}

/**
 * A colour for each class that was found, far from those beside it, in an order that does not depend on the picture.
 * @param {Finding[]} items
 */
function coloursOf(items) {
  const names = [...new Set(items.map(({ text }) => text))].sort();
  return new Map(names.map((name, i) => [name, `hsl(${Math.round((228 + i * 137.5) % 360)} 78% 42%)`]));
}

/**
 * @template {HTMLElement | SVGElement} E
 * @param {E} element
 * @param {string | undefined} colour
 * @returns {E}
 */
function coloured(element, colour) {
  if (colour) element.style.setProperty("--class", colour);
  element.classList.toggle("classed", Boolean(colour));
  return element;
}

/**
 * @param {Finding} item
 * @param {number} i
 */
function row(item, i) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", String(item.score ?? 0));
  return h(
    "li",
    { class: "line-row", role: "option", "aria-label": spoken(item), "data-index": i },
    h("span", { class: "nth" }, i + 1),
    h("span", { class: "said" }, item.text || "–"),
    item.score !== null && h("span", { class: "score" }, bar, h("span", { class: "share" }, percent(item.score))),
  );
}

/** @param {Finding} item */
function spoken(item) {
  return item.score === null ? item.text : `${item.text}, ${t("score", { percent: percent(item.score) })}`;
}

/**
 * Scroll the list, never the page: on a phone the list is below the picture.
 * @param {HTMLElement} list
 * @param {HTMLElement} element
 */
function reveal(list, element) {
  const top = element.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  const beyond = top + element.offsetHeight - list.clientHeight;
  if (beyond > list.scrollTop) list.scrollTop = beyond;
}

/**
 * Put the text beside its box: above it, or below where there is no room above.
 * @param {HTMLElement} tip
 * @param {Finding | null} item
 * @param {number} width
 * @param {number} height
 */
function place(tip, item, width, height) {
  tip.hidden = !item?.text;
  if (!item?.points) return;
  tip.textContent = item.text;
  const xs = item.points.map(([x]) => x / width);
  const ys = item.points.map(([, y]) => y / height);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const toRight = left + right > 1;
  tip.style.left = toRight ? "auto" : share(left);
  tip.style.right = toRight ? share(1 - right) : "auto";
  tip.style.top = top < 0.14 ? share(bottom) : "auto";
  tip.style.bottom = top < 0.14 ? "auto" : share(1 - top);
}

/** @param {number} part of the picture */
function share(part) {
  return `${Math.min(Math.max(part, 0), 1) * 100}%`;
}
