/** Code that does what the page did: for a shell, Python without packages, and JavaScript; runs as it stands. */

import { quoted } from "./answer.js";
import { address, path } from "./server.js";
import { t } from "./words.js";

const LONGEST = 4000;

/**
 * For a body of JSON; one that is too long to copy is a file that the visitor saves.
 * @param {string} service
 * @param {unknown} body
 */
export function forValues(service, body) {
  const text = JSON.stringify(body);
  if (text.length > LONGEST) return forFile(service, `${service}.json`, "application/json");
  const url = `${address}${path(service)}`;
  const python = `import json
import urllib.request

body = ${pythonic(body)}
request = urllib.request.Request("${url}", json.dumps(body).encode(), {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(request)))`;
  const javascript = `const body = ${spaced(body)};
const reply = await fetch("${url}", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});
console.log(JSON.stringify(await reply.json()));`;
  return blocks(`curl -X POST -H "Content-Type: application/json" -d ${quoted(text)} ${url}`, python, javascript);
}

/**
 * For a body that is a file.
 * @param {string} service
 * @param {string} file as a command line names it
 * @param {string} type of its content
 */
export function forFile(service, file, type) {
  const url = `${address}${path(service)}`;
  const name = JSON.stringify(file);
  const python = `import json
import urllib.request

with open(${name}, "rb") as file:
    request = urllib.request.Request("${url}", file.read(), {"Content-Type": "${type}"})
print(json.load(urllib.request.urlopen(request)))`;
  const javascript = `import { readFile } from "node:fs/promises";

const reply = await fetch("${url}", {
  method: "POST",
  headers: { "Content-Type": "${type}" },
  body: await readFile(${name}),
});
console.log(JSON.stringify(await reply.json()));`;
  return blocks(`curl -X POST -H "Content-Type: ${type}" --data-binary ${quoted(`@${file}`)} ${url}`, python, javascript);
}

/** Whether a body is too long to stand in a line. @param {unknown} body */
export function isLong(body) {
  return JSON.stringify(body).length > LONGEST;
}

/**
 * @param {string} shell
 * @param {string} python
 * @param {string} javascript
 */
function blocks(shell, python, javascript) {
  return [
    { title: t("code.shell"), text: shell },
    { title: t("code.python"), text: python },
    { title: t("code.javascript"), text: javascript },
  ];
}

/** JSON on one line with spaces, as people write it. @param {unknown} value @returns {string} */
function spaced(value) {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`);
  return `{${pairs.join(", ")}}`;
}

/** The same in Python, which has other words for three values. @param {unknown} value @returns {string} */
function pythonic(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonic).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${pythonic(item)}`);
  return `{${pairs.join(", ")}}`;
}
