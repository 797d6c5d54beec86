import assert from "node:assert/strict";
import { test } from "node:test";

import { jobFraction, startTimes, stepFraction, timeLeft } from "../../web/js/eta.js";
import { makeJob } from "./helpers.mjs";

const stats = { workflows: { wf: { p50: 60_000, p80: 80_000, runs: 5 } }, eta: null, failures: [] };
const running = (elapsed, progress = null, workflow = "wf") => ({
  config_name: "r",
  workflow_id: workflow,
  start_time: 1_000_000 - elapsed,
  progress,
});
const NOW = 1_000_000;
const steps = (value, max) => ({ node: "KSampler", value, max, nodes_done: 1, nodes_total: 4 });

test("stepFraction takes steps before nodes", () => {
  assert.equal(stepFraction(null), null);
  assert.equal(stepFraction(steps(15, 30)), 0.5);
  assert.equal(stepFraction(steps(40, 30)), 1);
  assert.equal(stepFraction(steps(0, 1)), 0.25);
  assert.equal(
    stepFraction({ node: null, value: null, max: null, nodes_done: null, nodes_total: null }),
    null,
  );
});

test("timeLeft follows like runs, then the slower ones, then the steps", () => {
  assert.equal(timeLeft(running(20_000), stats, NOW), 40_000);
  assert.equal(timeLeft(running(70_000), stats, NOW), 10_000);
  assert.equal(timeLeft(running(90_000), stats, NOW), null);
  assert.equal(timeLeft(running(90_000, steps(15, 30)), stats, NOW), 90_000);
});

test("timeLeft is unknown before the start and without any sign", () => {
  assert.equal(timeLeft({ ...running(0), start_time: null }, stats, NOW), null);
  assert.equal(timeLeft(running(5000, steps(1, 30)), null, NOW), null);
});

test("a clock that runs behind does not make time negative", () => {
  assert.equal(timeLeft(running(-5000), stats, NOW), 60_000);
});

test("jobFraction goes by time where like runs are known, else by steps", () => {
  assert.equal(jobFraction(running(30_000, steps(1, 30)), stats, NOW), 0.5);
  assert.equal(jobFraction(running(30_000, steps(3, 30), "new"), stats, NOW), 0.1);
});

test("startTimes adds up what comes before", () => {
  const [a, b] = [makeJob(), makeJob()];
  const starts = startTimes([a, b], [running(20_000)], stats, NOW);
  assert.deepEqual([...starts.values()], [40_000, 100_000]);
});

test("startTimes stops where a run cannot be foretold", () => {
  const [a, b, c] = [makeJob(), makeJob({ workflow_id: "new" }), makeJob()];
  assert.deepEqual([...startTimes([a, b, c], [], stats, NOW).keys()], [a.config_name, b.config_name]);
  assert.equal(startTimes([a], [running(5, null, "new")], stats, NOW).size, 0);
});

test("startTimes passes over a job that waits for its retry", () => {
  const [a, b] = [makeJob({ not_before: NOW + 500_000 }), makeJob()];
  assert.deepEqual([...startTimes([a, b], [], stats, NOW).entries()], [[b.config_name, 0]]);
});
