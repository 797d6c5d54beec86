import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../web/js/store.js";
import { makeQueue } from "./helpers.mjs";

/** A store whose clock stands still until the test moves it. */
function makeStore(values = {}) {
  const world = { time: 1_000_000, timer: null, isHidden: false };
  const calls = [];
  const listeners = new Map();
  const answers = { queue: makeQueue({ pending: 1 }), ...values };
  const ask = (name, empty) => async () => {
    calls.push(name);
    if (answers[name] instanceof Error) throw answers[name];
    return structuredClone(answers[name] ?? empty);
  };
  const transport = { on: (type, run) => listeners.set(type, run), isLive: () => Boolean(values.isLive) };
  const client = {
    transport, queue: ask("queue"), stats: ask("stats", { workflows: {}, eta: null, failures: [] }),
    health: ask("health", { problems: [] }), rejections: ask("rejections", []),
  }; // prettier-ignore
  const store = new Store(client, {
    now: () => world.time,
    setTimer: (run, ms) => (world.timer = { run, ms }),
    clearTimer: () => (world.timer = null),
    isHidden: () => world.isHidden,
  });
  const heard = [];
  for (const type of ["change", "jobs", "progress"]) store.addEventListener(type, () => heard.push(type));
  const fire = async () => {
    const { run, ms } = world.timer;
    world.time += ms;
    await run();
    await new Promise(setImmediate);
  };
  return { store, world, calls, answers, heard, fire, push: (type, detail) => listeners.get(type)(detail) };
}

test("it starts at once and then polls every five seconds", async () => {
  const { store, world, calls, fire } = makeStore();
  store.start();
  assert.equal(world.timer.ms, 0);
  await fire();
  assert.deepEqual(calls, ["queue", "stats", "health", "rejections"]);
  assert.equal(world.timer.ms, 5000);
});

test("identical answers change nothing and slow it down", async () => {
  const { store, world, heard, fire } = makeStore();
  store.start();
  for (let n = 0; n < 8; n += 1) await fire();
  assert.deepEqual(heard, ["change"]);
  assert.equal(world.timer.ms, 15_000);
});

test("a live push leaves a look now and then", async () => {
  const { store, world, push, fire } = makeStore({ isLive: true });
  store.start();
  await fire();
  push("e3.job", {});
  await fire();
  assert.equal(world.timer.ms, 20_000);
});

test("a burst of events is one request", async () => {
  const { store, world, calls, push, fire } = makeStore({ isLive: true });
  store.start();
  await fire();
  calls.length = 0;
  for (let n = 0; n < 50; n += 1) push("e3.job", {});
  assert.equal(world.timer.ms, 1500);
  await fire();
  assert.deepEqual(calls, ["queue"]);
});

test("news while an answer is on its way are looked at afterwards", async () => {
  const { store, world, answers, push, fire } = makeStore({ isLive: true });
  store.start();
  await fire();
  push("e3.job", {});
  const first = fire();
  push("e3.job", {});
  await first;
  answers.queue = makeQueue({ pending: 0 });
  assert.ok(world.timer.ms <= 1500);
  await fire();
  assert.equal(store.state.queue.totals.pending, 0);
  assert.equal(world.timer.ms, 20_000);
});

test("progress is shown without a request", async () => {
  const running = [{ config_name: "a", workflow_id: "w", start_time: null, progress: null }];
  const { store, calls, heard, push, fire } = makeStore({ queue: makeQueue({ processing: 1 }, { running }) });
  store.start();
  await fire();
  calls.length = 0;
  push("e3.progress", { config_name: "a", progress: { node: "K", value: 3, max: 9 } });
  assert.equal(store.state.queue.running[0].progress.value, 3);
  assert.equal(heard.at(-1), "progress");
  assert.deepEqual(calls, []);
});

test("progress of a job it does not know makes it look", async () => {
  const { store, world, push, fire } = makeStore();
  store.start();
  await fire();
  push("e3.progress", { config_name: "new" });
  assert.equal(world.timer.ms, 1500);
});

test("errors double the rest, up to a minute, and end with an answer", async () => {
  const { store, world, answers, fire } = makeStore({ queue: new Error("down") });
  store.start();
  const rests = [];
  for (let n = 0; n < 6; n += 1) {
    await fire();
    rests.push(world.timer.ms);
  }
  assert.deepEqual(rests, [5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  assert.equal(store.state.error.message, "down");
  answers.queue = makeQueue();
  await fire();
  assert.equal(store.state.error, null);
  assert.equal(world.timer.ms, 5000);
});

test("a hidden page asks nothing", async () => {
  const { store, world, calls, fire } = makeStore();
  store.start();
  await fire();
  calls.length = 0;
  world.isHidden = true;
  await fire();
  assert.deepEqual(calls, []);
  world.isHidden = false;
  store.visibilityChanged();
  assert.equal(world.timer.ms, 0);
});

test("a hidden page still asks for one who waits for a notification", async () => {
  const { store, world, calls, fire } = makeStore();
  store.start();
  await fire();
  store.isWanted = () => true;
  world.isHidden = true;
  calls.length = 0;
  await fire();
  assert.deepEqual(calls, ["queue"]);
  assert.equal(world.timer.ms, 30_000);
});

test("the list is refreshed only while somebody looks", async () => {
  const { store, heard, fire } = makeStore();
  store.start();
  await fire();
  assert.equal(heard.includes("jobs"), false);
  store.viewers = 1;
  await fire();
  assert.equal(heard.includes("jobs"), true);
});

test("statistics follow when jobs have ended, not before", async () => {
  const { store, world, calls, answers, fire } = makeStore();
  store.start();
  await fire();
  calls.length = 0;
  world.time += 20_000;
  await fire();
  assert.deepEqual(calls, ["queue"]);
  answers.queue = makeQueue({ done: 1 });
  await fire();
  assert.deepEqual(calls.slice(1), ["queue", "stats", "health", "rejections"]);
});

test("after stop no timer is set", async () => {
  const { store, world, push } = makeStore();
  store.start();
  store.stop();
  push("e3.job", {});
  assert.equal(world.timer, null);
});
