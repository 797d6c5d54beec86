import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const FOLDERS = ["js", "page"].map((name) => new URL(`../../web/${name}/`, import.meta.url));
const sources = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".js"))
    .map((name) => ({ name, text: readFileSync(new URL(name, folder), "utf8") })),
);

test("text never becomes markup or code", () => {
  const banned =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b|new Function|javascript:/;
  for (const { name, text } of sources) assert.doesNotMatch(text, banned, name);
});

test("nothing is loaded from elsewhere", () => {
  for (const { name, text } of sources) {
    assert.doesNotMatch(text.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\//, name);
  }
  const css = readFileSync(new URL("e3.css", FOLDERS[0]), "utf8");
  assert.doesNotMatch(css, /@import|url\(/);
});

test("only e3.js and api.js know ComfyUI", () => {
  const knows = sources
    .filter(({ text }) => /\.\.\/\.\.\/scripts\/|comfyAPI/.test(text))
    .map(({ name }) => name);
  assert.deepEqual(knows.sort(), ["api.js", "e3.js"]);
});

test("only the entries act when they are imported", () => {
  const acts = /^(?:[a-z]\w*(?:\.\w+)*\(|document\.|window\.|globalThis\.|customElements\.)/m;
  const acting = sources.filter(({ text }) => acts.test(text)).map(({ name }) => name);
  assert.deepEqual(acting.sort(), ["docs.js", "e3.js", "page.js"]);
});

test("every module is checked and says what it is", () => {
  for (const { name, text } of sources) {
    assert.match(text, /^\/\/ @ts-check\n/, name);
    assert.match(text, /\n\/\*\*/, name);
  }
});

test("words are looked up when they are shown: a translation comes after the modules", () => {
  const tables = /^(?:export )?const \w+ = [{[]\n(?: .*\n)*/gm;
  for (const { name, text } of sources.filter((each) => each.name !== "strings.js")) {
    const lines = (text.match(tables) ?? []).flatMap((table) => table.split("\n"));
    const early = lines.filter((line) => line.includes("STRINGS.") && !line.includes("=>"));
    assert.deepEqual(early, [], name);
  }
});

test("modules are small", () => {
  for (const { name, text } of sources) assert.ok(text.split("\n").length < 400, name);
});
