import assert from "node:assert/strict";
import { test } from "node:test";

import { JobPages } from "../../web/js/job_pages.js";
import { makeJob } from "./helpers.mjs";

/** A server whose pages are as long as `limit` and whose cursor is the last number shown. */
function makeServer(numbers, limit = 3) {
  const server = {
    numbers,
    requests: [],
    pages: new JobPages(async (cursor) => {
      server.requests.push(cursor);
      const rest = server.numbers.filter((n) => cursor === null || n > Number(cursor));
      const some = rest.slice(0, limit);
      const jobs = some.map((n) => makeJob({ config_name: `j${n}`, priority: n }));
      const next = rest.length > limit ? String(some[some.length - 1]) : null;
      return { jobs, next, totals: { pending: server.numbers.length } };
    }),
  };
  return server;
}

const shown = ({ pages }) => pages.rows.map((job) => job.priority);

test("a look fetches as far as it goes and no farther", async () => {
  const server = makeServer([1, 2, 3, 4, 5, 6, 7, 8]);
  await server.pages.look(0, 4);
  assert.deepEqual(shown(server), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(server.requests, [null, "3"]);
  assert.equal(server.pages.isComplete, false);
});

test("the last page completes the list", async () => {
  const server = makeServer([1, 2, 3, 4]);
  await server.pages.look(0, 50);
  assert.equal(server.pages.isComplete, true);
  assert.deepEqual(shown(server), [1, 2, 3, 4]);
});

test("an empty list is complete", async () => {
  const server = makeServer([]);
  assert.equal(await server.pages.look(0, 10), true);
  assert.equal(server.pages.isComplete, true);
});

test("a refresh fetches only what is seen", async () => {
  const server = makeServer([...Array(12).keys()]);
  await server.pages.look(0, 50);
  server.requests.length = 0;
  server.pages.markStale();
  assert.equal(await server.pages.look(4, 5), false);
  assert.deepEqual(server.requests, ["2"]);
});

test("identical data says that nothing changed", async () => {
  const server = makeServer([1, 2]);
  assert.equal(await server.pages.look(0, 5), true);
  server.pages.markStale();
  assert.equal(await server.pages.look(0, 5), false);
});

test("a job that is new makes the next page start elsewhere", async () => {
  const server = makeServer([1, 2, 4, 5, 6, 7]);
  await server.pages.look(0, 50);
  server.numbers = [1, 2, 3, 4, 5, 6, 7];
  server.pages.markStale();
  await server.pages.look(0, 50);
  assert.deepEqual(shown(server), [1, 2, 3, 4, 5, 6, 7]);
});

test("jobs that are gone leave no twin behind", async () => {
  const server = makeServer([1, 2, 3, 4, 5, 6, 7]);
  await server.pages.look(0, 50);
  server.numbers = [2, 4, 5, 6, 7];
  server.pages.markStale();
  await server.pages.look(0, 0);
  assert.deepEqual(shown(server).slice(0, 3), [2, 4, 5]);
  assert.equal(new Set(shown(server)).size, shown(server).length);
  await server.pages.look(0, 50);
  assert.deepEqual(shown(server), [2, 4, 5, 6, 7]);
});

test("a list that shrinks to its first page is complete again", async () => {
  const server = makeServer([1, 2, 3, 4, 5, 6, 7]);
  await server.pages.look(0, 50);
  server.numbers = [1, 2];
  server.pages.markStale();
  await server.pages.look(0, 50);
  assert.deepEqual(shown(server), [1, 2]);
  assert.equal(server.pages.isComplete, true);
});

test("an emptied last page is dropped by the one before", async () => {
  const server = makeServer([1, 2, 3, 4]);
  await server.pages.look(0, 50);
  server.numbers = [1, 2, 3];
  server.pages.markStale();
  await server.pages.look(3, 3);
  await server.pages.look(0, 3);
  assert.deepEqual(shown(server), [1, 2, 3]);
  assert.equal(server.pages.isComplete, true);
});

test("what is pretended lasts until the truth is there", async () => {
  const server = makeServer([1, 2, 3]);
  await server.pages.look(0, 5);
  server.pages.pretend([...server.pages.rows].reverse());
  assert.deepEqual(shown(server), [3, 2, 1]);
  await server.pages.look(0, 5);
  assert.deepEqual(shown(server), [1, 2, 3]);
});

test("an error leaves what is there and may be tried again", async () => {
  const server = makeServer([1]);
  const { fetchPage } = server.pages;
  server.pages.fetchPage = async () => Promise.reject(new Error("down"));
  await assert.rejects(server.pages.look(0, 5));
  server.pages.fetchPage = fetchPage;
  await server.pages.look(0, 5);
  assert.deepEqual(shown(server), [1]);
});

test("looks wait for one another", async () => {
  const server = makeServer([1, 2, 3, 4]);
  await Promise.all([server.pages.look(0, 1), server.pages.look(0, 50), server.pages.look(0, 50)]);
  assert.deepEqual(shown(server), [1, 2, 3, 4]);
  assert.equal(server.requests.length, 2);
});

test("what changes while a page is on its way is fetched again", async () => {
  const server = makeServer([1, 2]);
  const look = server.pages.look(0, 5);
  server.numbers = [1];
  server.pages.markStale();
  await Promise.all([look, server.pages.look(0, 5)]);
  assert.deepEqual(shown(server), [1]);
  assert.equal(server.requests.length, 2);
});
