/** The ways a picture comes in: chosen, photographed, dropped anywhere on the page, pasted, or a sample. */

import { $, h } from "./dom.js";
import { Refused } from "./server.js";
import { t } from "./words.js";

/**
 * @param {object} to
 * @param {() => boolean} to.isOpen whether a picture is wanted now
 * @param {(file: File, path: string) => void} to.take the picture, and how a command line would name it
 * @param {(error: Refused) => void} to.refuse
 */
export function listen({ isOpen, take, refuse }) {
  for (const [button, input] of [
    ["choose", "file"],
    ["photograph", "camera"],
  ]) {
    $(button).addEventListener("click", () => $(input).click());
    $(input).addEventListener("change", (event) => {
      const picker = /** @type {HTMLInputElement} */ (event.target);
      receive(picker.files);
      picker.value = ""; // the same file may be chosen again
    });
  }
  $("drop").addEventListener("click", (event) => event.target instanceof HTMLButtonElement || $("file").click());
  const names = (document.body.dataset.samples ?? "").split(" ").filter(Boolean);
  $("samples").hidden = !names.length;
  $("sample-list").replaceChildren(...names.map((name) => h("li", {}, sampleButton(name))));
  for (const sample of samples()) sample.addEventListener("click", () => void fetchSample(sample.dataset.name ?? ""));

  let inside = 0; // dragenter and dragleave come for every element passed
  const mark = () => document.body.classList.toggle("dragging", inside > 0 && isOpen());
  addEventListener("dragenter", () => (inside++, mark()));
  addEventListener("dragleave", () => (inside--, mark()));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault(); // a miss must not open the picture in place of the page
    inside = 0;
    mark();
    if (!isOpen()) return;
    if (event.dataTransfer?.files.length) receive(event.dataTransfer.files);
    else refuse(new Refused("not_a_file"));
  });
  addEventListener("paste", (event) => isOpen() && receive(event.clipboardData?.files));

  /** @param {FileList | null | undefined} files the first of them */
  function receive(files) {
    const file = files?.[0];
    if (file) take(file, file.name || "photo.jpg");
  }

  /** @param {string} name */
  async function fetchSample(name) {
    try {
      const blob = await (await fetch(`/static/samples/${encodeURIComponent(name)}`)).blob();
      take(new File([blob], name, { type: blob.type }), `static/samples/${name}`);
    } catch {
      refuse(new Refused("network"));
    }
  }
}

/** @param {string} name */
function sampleButton(name) {
  const picture = h("img", { src: `/static/samples/${encodeURIComponent(name)}`, alt: "", loading: "lazy" });
  return h("button", { type: "button", class: "sample", "data-name": name }, picture, h("span", { class: "hidden" }, name));
}

/** Their names, in the language of the page. */
export function nameSamples() {
  for (const sample of samples()) {
    const words = /** @type {HTMLElement} */ (sample.querySelector("span"));
    words.textContent = t("sample", { name: sample.dataset.name ?? "" });
  }
}

/** @param {string} path of the picture shown, which may be a sample */
export function markSample(path) {
  for (const sample of samples())
    sample.setAttribute("aria-current", String(`static/samples/${sample.dataset.name}` === path));
}

function samples() {
  return /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button.sample"));
}
