import assert from "node:assert/strict";
import { test } from "node:test";

import {
  badgeText,
  bulkFilter,
  countOf,
  dropPlace,
  isFiltered,
  jobsQuery,
  moved,
  noFilters,
  shortCount,
  sortOf,
  stepPlace,
  tabOf,
} from "../../web/js/queue_view.js";
import { makeJob } from "./helpers.mjs";

const rows = (...priorities) =>
  priorities.map((priority, at) => makeJob({ config_name: "abcdefgh"[at], priority }));
const names = (list) => list.map((job) => job.config_name).join("");

test("an unknown tab is the queue", () => {
  assert.equal(tabOf("nonsense").id, "queue");
  assert.equal(tabOf(null).id, "queue");
});

test("jobsQuery repeats the status and leaves empty filters out", () => {
  const filters = { ...noFilters(), q: "a&b", sort: { failed: "name" } };
  assert.equal(
    jobsQuery("failed", filters, "c+1", 10),
    "status=failed&status=cancelled&q=a%26b&sort=name&limit=10&cursor=c%2B1",
  );
  assert.equal(jobsQuery("queue", noFilters(), null, 200), "status=pending&sort=order&limit=200");
});

test("a sort that a tab does not know is its first", () => {
  assert.equal(sortOf("done", { ...noFilters(), sort: { done: "order" } }), "-ended");
});

test("bulkFilter is what the tab shows", () => {
  assert.deepEqual(bulkFilter("done", { ...noFilters(), media: "video" }), {
    status: ["done"],
    media: "video",
  });
});

test("isFiltered ignores the sort", () => {
  assert.equal(isFiltered({ ...noFilters(), sort: { queue: "name" } }), false);
  assert.equal(isFiltered({ ...noFilters(), q: "x" }), true);
});

test("counts and the badge", () => {
  assert.equal(countOf("failed", { failed: 2, cancelled: 3 }), 5);
  assert.equal(badgeText({ pending: 0, processing: 0, done: 9 }), null);
  assert.equal(badgeText(undefined), null);
  assert.equal(badgeText({ pending: 11, processing: 1 }), "12");
  assert.deepEqual([999, 1234, 9960, 100_000].map(shortCount), ["999", "1.2k", "10k", "100k"]);
});

test("dropPlace names the next job that stays", () => {
  const list = rows(10, 10, 50, 50);
  assert.deepEqual(dropPlace(list, new Set(["a"]), 3), { before: "d" });
  assert.deepEqual(dropPlace(list, new Set(["b", "c"]), 0), { before: "a" });
});

test("dropPlace at the end takes the last priority", () => {
  assert.deepEqual(dropPlace(rows(10, 10, 50), new Set(["a"]), 3), { priority: 50, before: null });
});

test("dropPlace where it was is nothing", () => {
  const list = rows(1, 2, 3);
  for (const index of [1, 2]) assert.equal(dropPlace(list, new Set(["b"]), index), null);
  assert.equal(dropPlace(list, new Set(["a", "b", "c"]), 3), null);
  assert.equal(dropPlace(list, new Set(["gone"]), 1), null);
});

test("dropPlace gathers jobs that are apart", () => {
  assert.deepEqual(dropPlace(rows(1, 1, 1, 1), new Set(["a", "c"]), 1), { before: "b" });
});

test("stepPlace stops at both ends", () => {
  const list = rows(10, 20, 30);
  assert.equal(stepPlace(list, "a", -1), null);
  assert.equal(stepPlace(list, "c", 1), null);
  assert.deepEqual(stepPlace(list, "b", -1), { before: "a" });
  assert.deepEqual(stepPlace(list, "a", 1), { before: "c" });
  assert.deepEqual(stepPlace(list, "b", 1), { priority: 30, before: null });
});

test("moved shows the order and the priority that will be", () => {
  const list = moved(rows(10, 10, 50, 50), ["a", "b"], { before: "d" });
  assert.equal(names(list), "cabd");
  assert.deepEqual(
    list.map((job) => job.priority),
    [50, 50, 50, 50],
  );
  assert.equal(names(moved(rows(1, 2), ["a"], { priority: 2, before: null })), "ba");
});
