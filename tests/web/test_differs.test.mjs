import assert from "node:assert/strict";
import { test } from "node:test";

import { differing, differingPart } from "../../web/js/differs.js";
import { makeJob } from "./helpers.mjs";

const chipsOf = (...inputs) => {
  const jobs = inputs.map((each) => makeJob({ inputs: each }));
  const chips = differing(jobs);
  return jobs.map((job) => chips.get(job.config_name).map(({ key, text }) => `${key}=${text}`));
};

test("only inputs that differ are lit up, a seed last", () => {
  assert.deepEqual(chipsOf({ seed: 1, steps: 20, cfg: 7 }, { seed: 2, steps: 30, cfg: 7 }), [
    ["steps=20", "seed=1"],
    ["steps=30", "seed=2"],
  ]);
});

test("a job alone in its workflow has no chips", () => {
  const jobs = [makeJob({ inputs: { a: 1 } }), makeJob({ inputs: { a: 2 }, workflow_id: "other" })];
  assert.deepEqual([...differing(jobs).values()], [[], []]);
});

test("an input that one job lacks differs", () => {
  assert.deepEqual(chipsOf({ a: 1 }, {}), [["a=1"], []]);
});

test("missing inputs do no harm", () => {
  const jobs = [makeJob({ inputs: null }), makeJob({ inputs: { a: 1 } })];
  assert.equal(differing(jobs).get(jobs[1].config_name).length, 1);
});

test("a prompt is cut to the words that differ", () => {
  assert.deepEqual(
    chipsOf({ prompt: "a portrait of a knight in rain" }, { prompt: "a portrait of a red fox in rain" }),
    [["prompt=…knight"], ["prompt=…red fox"]],
  );
});

test("something is left of a text that only continues the other", () => {
  const short = differingPart(["a b", "a b c"]);
  assert.equal(short("a b"), "…b");
  assert.equal(short("a b c"), "…b c");
});

test("values of other types stay as they are", () => {
  assert.equal(differingPart([1, true])(true), "true");
  assert.equal(differingPart(["x y", "x z", 3])(3), "3");
});
