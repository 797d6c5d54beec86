import assert from "node:assert/strict";
import { test } from "node:test";

import { STRINGS } from "../../web/js/strings.js";
import { speak, translate } from "../../web/js/translation.js";

const english = () => ({
  pause: "Pause",
  tabs: { queue: "Queue", done: "Done" },
  keys: [["/", "Search"]],
  jobs: (n) => `${n} jobs`,
  left: (left, at) => `${left} left, done ${at}`,
});
const answering = (words) => async () => ({ json: async () => words });

test("translate: lays words over, and leaves the others English", () => {
  const words = english();
  translate(words, { tabs: { queue: "Schlange" }, keys: { 0: { 1: "Suchen" } }, left: "um {1}, noch {0}" });
  assert.equal(words.pause, "Pause");
  assert.deepEqual(words.tabs, { queue: "Schlange", done: "Done" });
  assert.deepEqual(words.keys, [["/", "Suchen"]]);
  assert.equal(words.left("2 h", "8:00"), "um 8:00, noch 2 h");
});

test("translate: one and many are told apart by the first value, numbers keep their commas", () => {
  const words = english();
  translate(words, { jobs: "{0} Auftrag | {0} Aufträge" });
  assert.deepEqual([1, 0, 1200].map(words.jobs), ["1 Auftrag", "0 Aufträge", "1,200 Aufträge"]);
});

test("translate: what has another shape, or no place, changes nothing", () => {
  const cases = [undefined, null, 3, "text", { pause: 3 }, { tabs: "text" }, { left: {} }, { novel: "x" }, { tabs: null }]; // prettier-ignore
  for (const words of [...cases, JSON.parse('{"__proto__": {"pause": "x"}, "tabs": {"__proto__": {"a": "b"}}}')]) {
    const own = english();
    translate(own, words);
    assert.deepEqual(JSON.stringify(own), JSON.stringify(english()));
    assert.equal({}.a, undefined);
  }
});

test("speak: takes the locale, else its language, and asks nobody for English", async () => {
  const { idle, running } = STRINGS;
  const words = { de: { e3: { idle: "Bereit" } }, "zh-TW": { e3: { running: "執行中" } } };
  await speak("de-AT", answering(words));
  await speak("zh-TW", answering(words));
  assert.deepEqual([STRINGS.idle, STRINGS.running], ["Bereit", "執行中"]);
  await speak("en-GB", () => assert.fail("English needs no words"));
  await speak("fr", answering(words));
  await speak("fr", answering(null));
  await speak("fr", () => Promise.reject(new Error("no answer")));
  assert.equal(STRINGS.idle, "Bereit");
  Object.assign(STRINGS, { idle, running });
});
