import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Actions } from "../../web/js/actions.js";
import { Client } from "../../web/js/client.js";
import { FakeStorage } from "./helpers.mjs";

beforeEach(() => {
  globalThis.sessionStorage = new FakeStorage();
  globalThis.localStorage = new FakeStorage();
});

const answer = (status, body) => new Response(JSON.stringify(body), { status });

/** A client over a list of prepared answers. */
function makeClient(answers, askToken) {
  const sent = [];
  const transport = {
    fetch: async (path, init) => {
      sent.push({ path, ...init });
      const next = answers.shift() ?? answer(200, {});
      if (next instanceof Error) throw next;
      return next;
    },
    url: (path) => `/api${path}`,
    on: () => {},
    isLive: () => false,
  };
  return { client: new Client(transport, askToken), sent };
}

test("a change carries JSON and its content type", async () => {
  const { client, sent } = makeClient([]);
  await client.setPriority("a b.yaml", 3);
  assert.equal(sent[0].path, "/e3/jobs/a%20b.yaml");
  assert.equal(sent[0].method, "PATCH");
  assert.equal(sent[0].headers["Content-Type"], "application/json");
  assert.equal(sent[0].body, '{"priority":3}');
});

test("DELETE carries an empty object, so that the guard lets it pass", async () => {
  const { client, sent } = makeClient([]);
  await client.remove("a.yaml");
  assert.deepEqual([sent[0].method, sent[0].body], ["DELETE", "{}"]);
});

test("a job file goes as YAML with its name", async () => {
  const { client, sent } = makeClient([]);
  await client.submit("a&b.yaml", "job_type: T2I");
  assert.equal(sent[0].path, "/e3/jobs?name=a%26b.yaml");
  assert.equal(sent[0].headers["Content-Type"], "application/yaml");
});

test("an error is the server's sentence", async () => {
  const { client } = makeClient([
    answer(409, { error: { type: "wrong_state", message: "it runs", details: {} } }),
  ]);
  await assert.rejects(client.remove("a"), { message: "it runs", type: "wrong_state", status: 409 });
});

test("an error without a body and a dead server have sentences too", async () => {
  const { client } = makeClient([
    new Response("<html>", { status: 502, statusText: "Bad Gateway" }),
    new TypeError("fetch failed"),
  ]);
  await assert.rejects(client.queue(), { message: "502 Bad Gateway" });
  await assert.rejects(client.queue(), { message: "ComfyUI does not answer.", status: 0 });
});

test("a server that cannot work still tells its problems", async () => {
  const { client } = makeClient([
    answer(503, { problems: [{ code: "x", message: "disk full" }] }),
    answer(503, {}),
  ]);
  assert.equal((await client.health()).problems[0].message, "disk full");
  await assert.rejects(client.health(), { status: 503 });
});

test("401 asks once for the token, for all that wait", async () => {
  let questions = 0;
  const ask = async () => {
    questions += 1;
    return { token: "secret", remember: true };
  };
  const { client, sent } = makeClient(
    [answer(401, {}), answer(401, {}), answer(200, { ok: 1 }), answer(200, { ok: 2 })],
    ask,
  );
  await Promise.all([client.queue(), client.stats()]);
  assert.equal(questions, 1);
  assert.equal(sent.at(-1).headers.Authorization, "Bearer secret");
  assert.equal(localStorage.getItem("e3.token"), "secret");
});

test("a question that was closed is not asked again by itself", async () => {
  let questions = 0;
  const ask = async () => {
    questions += 1;
    return null;
  };
  const { client } = makeClient([answer(401, {}), answer(401, {})], ask);
  await assert.rejects(client.queue(), { status: 401 });
  await assert.rejects(client.queue(), { status: 401 });
  assert.equal(questions, 1);
});

test("without a token a result is shown by its address", async () => {
  const { client } = makeClient([]);
  assert.equal(await client.outputUrl("a.yaml", 2, 256), "/api/e3/jobs/a.yaml/outputs/2?thumbnail=256");
});

/** Actions over a client that notes what it is asked, with a voice that agrees. */
function makeActions(values = {}) {
  const asked = [];
  const toasts = [];
  const note =
    (name, result) =>
    async (...args) => {
      asked.push([name, ...args]);
      return typeof result === "function" ? result(...args) : result;
    };
  const bulk = ({ names = ["x", "y"] }) => ({
    results: names.map((name) => ({ config_name: name, ok: true })),
    changed: 2,
  });
  const client = {
    remove: note("remove"),
    act: note("act"),
    setPriority: note("priority"),
    moveBefore: note("move"),
    bulk: note("bulk", bulk),
    ...values,
  };
  const voice = {
    toast: (toast) => (toasts.push(toast), () => {}),
    confirm: async () => values.agrees ?? true,
  };
  const actions = new Actions(client, voice, () => asked.push(["refresh"]));
  return { actions, asked, toasts };
}

const target = (...names) => ({ names, filter: null, count: names.length });

test("delete can be undone", async () => {
  const { actions, asked, toasts } = makeActions();
  await actions.run("delete", target("a"));
  await toasts[0].action.run();
  assert.deepEqual(asked, [["remove", "a"], ["refresh"], ["act", "a", "restore"], ["refresh"]]);
});

test("cancel of a waiting job can be undone, of a running one not", async () => {
  const { actions, toasts } = makeActions();
  await actions.run("cancel", target("a"));
  await actions.run("cancel", { ...target("a"), isRunning: true });
  assert.deepEqual(
    toasts.map((toast) => Boolean(toast.action)),
    [true, false],
  );
});

test("many jobs go in portions of 2,000", async () => {
  const { actions, asked } = makeActions();
  await actions.run("retry", target(...Array.from({ length: 4500 }, (_, n) => `j${n}`)));
  assert.deepEqual(
    asked.filter(([name]) => name === "bulk").map(([, body]) => body.names.length),
    [2000, 2000, 500],
  );
});

test("everything of a filter is one request, and asked before", async () => {
  const refused = makeActions({ agrees: false });
  const all = { names: [], filter: { status: ["failed"] }, count: 300 };
  assert.equal(await refused.actions.run("delete", all), false);
  assert.deepEqual(refused.asked, []);
  const agreed = makeActions();
  await agreed.actions.run("delete", all);
  assert.deepEqual(agreed.asked[0], ["bulk", { action: "delete", filter: { status: ["failed"] } }]);
});

test("what was refused of many is said", async () => {
  const results = [
    { config_name: "a", ok: true },
    { config_name: "b", ok: false, error: "it runs" },
  ];
  const { actions, toasts } = makeActions({ bulk: async () => ({ results, changed: 1 }) });
  await actions.run("delete", target("a", "b"));
  assert.match(toasts[0].text, /1 could not be changed: it runs/);
});

test("to the end of another priority, a job takes the priority first", async () => {
  const { actions, asked } = makeActions();
  await actions.move(["a"], { priority: 80, before: null });
  assert.deepEqual(asked.slice(0, 2), [
    ["priority", "a", 80],
    ["move", "a", null],
  ]);
});

test("a cause without names is read through page by page", async () => {
  const job = (name, summary) => ({ config_name: name, error_type: "oom", error_summary: summary });
  const pages = [
    { jobs: [job("a", "no"), job("b", "other")], next: "2" },
    { jobs: [job("c", "no")], next: null },
  ];
  const { actions, asked } = makeActions({ jobs: async () => pages.shift() });
  await actions.retryCause({ workflow_id: "w", error_type: "oom", summary: "no", count: 2 });
  assert.deepEqual(asked[0], ["bulk", { action: "retry", names: ["a", "c"] }]);
});

test("an error is shown, and the panel looks again", async () => {
  const { actions, asked, toasts } = makeActions({
    remove: async () => {
      throw new Error("gone");
    },
  });
  await actions.run("delete", target("a"));
  assert.deepEqual(toasts, [{ text: "gone", tone: "error" }]);
  assert.deepEqual(asked, [["refresh"]]);
});
