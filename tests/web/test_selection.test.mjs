import assert from "node:assert/strict";
import { test } from "node:test";

import * as choice from "../../web/js/selection.js";

const LOADED = [..."abcdef"];
const text = (selection) => [...selection.names].sort().join("");

test("toggle puts in and takes out", () => {
  const one = choice.toggle(choice.nothing(), "b", LOADED);
  assert.equal(text(one), "b");
  assert.equal(text(choice.toggle(one, "b", LOADED)), "");
});

test("range goes from the anchor in both directions", () => {
  const from = choice.toggle(choice.nothing(), "c", LOADED);
  assert.equal(text(choice.range(from, "e", LOADED)), "cde");
  assert.equal(text(choice.range(choice.range(from, "e", LOADED), "a", LOADED)), "abc");
});

test("range keeps what was chosen when asked to", () => {
  const two = choice.toggle(choice.toggle(choice.nothing(), "a", LOADED), "d", LOADED);
  assert.equal(text(choice.range(two, "e", LOADED, true)), "ade");
});

test("range without an anchor is the row itself", () => {
  assert.equal(text(choice.range(choice.nothing(), "d", LOADED)), "d");
});

test("leaving all by one row keeps the others that are loaded", () => {
  const all = choice.everything();
  assert.equal(choice.size(all, 12_000), 12_000);
  assert.equal(choice.has(all, "never loaded"), true);
  assert.equal(text(choice.toggle(all, "a", LOADED)), "bcdef");
});

test("prune forgets what is gone and keeps the object when nothing is", () => {
  const two = choice.toggle(choice.toggle(choice.nothing(), "a", LOADED), "b", LOADED);
  assert.equal(text(choice.prune(two, ["b"])), "b");
  assert.equal(choice.prune(two, LOADED), two);
});
