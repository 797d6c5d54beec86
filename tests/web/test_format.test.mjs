import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ago,
  bytes,
  clock,
  duration,
  moment,
  nameParts,
  plainValue,
  roughly,
  shortValue,
} from "../../web/js/format.js";

const S = 1000;
const M = 60 * S;
const H = 60 * M;

test("duration uses two units at most", () => {
  const cases = [
    [null, "–"], [undefined, "–"], [-5, "0.0 s"], [800, "0.8 s"], [9949, "9.9 s"], [9960, "10 s"], [59_400, "59 s"],
    [59_600, "1 min"], [200 * S, "3 min 20 s"], [59 * M + 59_600, "1 h"], [2 * H + 5 * M, "2 h 5 min"],
    [23 * H + 59.6 * M, "1 d"], [76 * H, "3 d 4 h"],
  ]; // prettier-ignore
  for (const [ms, text] of cases) assert.equal(duration(ms), text);
});

test("roughly uses one unit", () => {
  const cases = [[0, "now"], [12 * S, "10 s"], [40 * S, "40 s"], [90 * S, "2 min"], [59 * M, "59 min"], [60 * M, "1 h"], [90 * M, "1.5 h"], [5 * H, "5 h"], [23.8 * H, "1 d"], [50 * H, "2 d"]]; // prettier-ignore
  for (const [ms, text] of cases) assert.equal(roughly(ms), text);
});

test("ago says now without ago", () => {
  assert.equal(ago(1000, 2000), "now");
  assert.equal(ago(0, 12 * M), "12 min ago");
});

test("clock names the day when it is another one", () => {
  const noon = new Date(2026, 2, 2, 12, 5).getTime();
  assert.match(clock(noon, noon, "en-GB"), /^12:05$/);
  assert.match(clock(noon + 24 * H, noon, "en-GB"), /^Tue 12:05$/);
});

test("moment leaves today's date out", () => {
  const noon = new Date(2026, 2, 2, 12, 5, 7).getTime();
  assert.equal(moment(noon, noon, "en-GB"), "12:05:07");
  assert.equal(moment(noon, noon + 48 * H, "en-GB"), "2 Mar 2026, 12:05:07");
  assert.equal(moment(null, noon), "–");
});

test("bytes", () => {
  for (const [n, text] of [
    [null, "–"],
    [0, "0 B"],
    [999, "999 B"],
    [1400, "1.4 kB"],
    [12_300_000, "12 MB"],
  ])
    assert.equal(bytes(n), text);
});

test("nameParts takes a job's name apart and keeps any other", () => {
  assert.deepEqual(nameParts("T2I_20250809123001_1_knight_v2.yaml"), {
    title: "knight_v2",
    type: "T2I",
    number: "1",
  });
  assert.deepEqual(nameParts("3D_20250809123001_12_Öl.yml"), { title: "Öl", type: "3D", number: "12" });
  assert.deepEqual(nameParts("<b>odd</b>.yaml"), { title: "<b>odd</b>", type: "", number: "" });
});

test("shortValue keeps to one line and whole letters", () => {
  assert.equal(shortValue("a\n b", 10), "a b");
  assert.equal(shortValue("🎈🎈🎈🎈", 3), "🎈🎈…");
  assert.equal(shortValue({ a: [1, true] }), '{"a":[1,true]}');
  assert.equal(shortValue(undefined), "");
});

test("plainValue leaves text as typed", () => {
  assert.equal(plainValue("a b"), "a b");
  assert.equal(plainValue(3), "3");
});
