import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { comfyParts, undoMs } from "../../web/js/comfy_extension.js";

const DEEDS = ["show", "togglePause", "submit", "openPage", "askPermission"];
const recorded = () => {
  const done = [];
  const deeds = Object.fromEntries(DEEDS.map((name) => [name, () => done.push(name)]));
  return { done, ...comfyParts(deeds) };
};
const localeOf = (name) =>
  JSON.parse(readFileSync(new URL(`../../locales/en/${name}.json`, import.meta.url), "utf8"));
const keyOf = (id) => id.replaceAll(".", "_");

test("commands: each does its own deed, and takes whatever ComfyUI gives it", () => {
  const { commands, done } = recorded();
  for (const command of commands) command.function({ source: "menu" });
  assert.deepEqual(done, ["show", "togglePause", "submit", "openPage"]);
});

test("menu and keys name commands that are there, each key once", () => {
  const { commands, menuCommands, keybindings } = recorded();
  const ids = commands.map(({ id }) => id);
  assert.deepEqual(menuCommands[0].commands, ids);
  for (const { commandId, combo } of keybindings) {
    assert.ok(ids.includes(commandId));
    assert.ok(combo.alt && combo.shift, "plain keys belong to ComfyUI");
  }
  assert.equal(new Set(keybindings.map(({ combo }) => combo.key)).size, keybindings.length);
});

test("settings: permission is asked for by a click, not when ComfyUI starts", () => {
  const { settings, done } = recorded();
  const notify = settings.find(({ id }) => id === "E3.Notify");
  notify.onChange(true, undefined);
  notify.onChange(false, true);
  assert.deepEqual(done, []);
  notify.onChange(true, false);
  assert.deepEqual(done, ["askPermission"]);
});

test("settings: the time to undo is sane whatever is kept", () => {
  const cases = [[8, 8_000], [1, 3_000], [999, 120_000], [null, 8_000], ["9", 8_000], [NaN, 8_000]]; // prettier-ignore
  for (const [kept, ms] of cases) assert.equal(undoMs(kept), ms);
});

test("locales say in English what the code says", () => {
  const { commands, settings } = recorded();
  const labels = Object.fromEntries(commands.map(({ id, label }) => [keyOf(id), { label }]));
  const texts = Object.fromEntries(settings.map(({ id, name, tooltip }) => [keyOf(id), { name, tooltip }]));
  assert.deepEqual(localeOf("commands"), labels);
  assert.deepEqual(localeOf("settings"), texts);
});
