/** Code that does what the page did: for a shell, Python without packages, and JavaScript; runs as it stands. */

import { quoted } from "./answer.js";
import { address, path } from "./server.js";
import { t } from "./words.js";

/**
 * @typedef {import("./server.js").Service} Service
 * @typedef {import("./server.js").Request} Request
 * @typedef {{name: string, content: () => Blob}} Saved a file that the code reads and the visitor has to save first
 * @typedef {{blocks: {title: string, text: string}[], files: Saved[]}} Code
 */

const LONGEST = 4000;
const BOUNDARY = "tensors-7d0c5b1e42";
const PRINTED = "print(urllib.request.urlopen(request).read().decode())";

/**
 * @param {Service} service
 * @param {Request} request
 * @returns {Code}
 */
export function codeOf(service, request) {
  const url = address + (service.operation?.path ?? path(service.name));
  if (request.kind === "file") {
    const { path: file, type, isMade } = request;
    return { blocks: forFile(url, file, type), files: isMade ? [{ name: file, content: () => request.file }] : [] };
  }
  if (request.kind === "form") {
    const files = request.parts.flatMap(({ file, fileName = "" }) => (file ? [{ name: fileName, content: () => file }] : []));
    return { blocks: forForm(url, request.parts), files };
  }
  const text = JSON.stringify(request.body);
  if (text.length <= LONGEST) return { blocks: forJson(url, request.body, text), files: [] };
  const name = `${service.name}.json`;
  return { blocks: forFile(url, name, "application/json"), files: [{ name, content: () => new Blob([text]) }] };
}

/**
 * @param {string} url
 * @param {unknown} body
 * @param {string} text the same
 */
function forJson(url, body, text) {
  const python = `import json
import urllib.request

body = ${pythonic(body)}
request = urllib.request.Request("${url}", json.dumps(body).encode(), {"Content-Type": "application/json"})
${PRINTED}`;
  const javascript = `const body = ${spaced(body)};
const reply = await fetch("${url}", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});
console.log(await reply.text());`;
  return blocks(`curl -X POST -H "Content-Type: application/json" -d ${quoted(text)} ${url}`, python, javascript);
}

/**
 * For a body that is a file.
 * @param {string} url
 * @param {string} file as a command line names it
 * @param {string} type of its content
 */
function forFile(url, file, type) {
  const name = JSON.stringify(file);
  const python = `import urllib.request

with open(${name}, "rb") as file:
    request = urllib.request.Request("${url}", file.read(), {"Content-Type": "${type}"})
${PRINTED}`;
  const javascript = `import { readFile } from "node:fs/promises";

const reply = await fetch("${url}", {
  method: "POST",
  headers: { "Content-Type": "${type}" },
  body: await readFile(${name}),
});
console.log(await reply.text());`;
  return blocks(`curl -X POST -H "Content-Type: ${type}" --data-binary ${quoted(`@${file}`)} ${url}`, python, javascript);
}

/**
 * For a form of files and texts.
 * @param {string} url
 * @param {import("./server.js").Part[]} parts
 */
function forForm(url, parts) {
  const files = parts.flatMap(({ name, fileName, file }) => (file ? [[name, fileName]] : []));
  const texts = parts.flatMap(({ name, text }) => (text === undefined ? [] : [[name, text]]));
  const shell = [
    "curl",
    ...files.map(([name, file]) => `-F ${quoted(`${asField(name)}=@${file}`)}`),
    ...texts.map(([name, text]) => `--form-string ${quoted(`${asField(name)}=${text}`)}`),
    url,
  ].join(" ");
  const python = `import urllib.request

line = '--${BOUNDARY}\\r\\nContent-Disposition: form-data; name="%s"'
body = b""
for name, file in ${pythonic(files.map(([name, file]) => [asField(name), file]))}:
    with open(file, "rb") as opened:
        body += (line % name + '; filename="%s"\\r\\n\\r\\n' % file).encode() + opened.read() + b"\\r\\n"
for name, text in ${pythonic(texts.map(([name, text]) => [asField(name), text]))}:
    body += (line % name + "\\r\\n\\r\\n" + text + "\\r\\n").encode()
body += b"--${BOUNDARY}--\\r\\n"
request = urllib.request.Request("${url}", body, {"Content-Type": "multipart/form-data; boundary=${BOUNDARY}"})
${PRINTED}`;
  const javascript = `import { readFile } from "node:fs/promises";

const form = new FormData();
for (const [name, file] of ${spaced(files)}) {
  form.append(name, new Blob([await readFile(file)]), file);
}
for (const [name, text] of ${spaced(texts)}) form.append(name, text);
const reply = await fetch("${url}", { method: "POST", body: form });
console.log(await reply.text());`;
  return blocks(shell, python, javascript);
}

/** A field's name as browsers write it: quotation marks end it otherwise. @param {string | undefined} name */
function asField(name = "") {
  return name.replace(/["\r\n]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
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
