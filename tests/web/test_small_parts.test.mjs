import assert from "node:assert/strict";
import { test } from "node:test";

import { changedInputs, copyFields } from "../../web/js/copy_form.js";
import { priorityOf } from "../../web/js/dialogs.js";
import { pastedFiles, sortedJobFiles, submitAll } from "../../web/js/drop_files.js";
import { commandOf } from "../../web/js/list_keys.js";
import { BatchWatch } from "../../web/js/notices.js";
import { keepView, readView } from "../../web/js/panel_view.js";
import { linesOf, progressText, withoutClass } from "../../web/js/row_text.js";
import { FakeStorage, makeJob, makeQueue } from "./helpers.mjs";

const key = (name, mods = {}) => ({
  key: name,
  shiftKey: false,
  altKey: false,
  ctrlKey: false,
  metaKey: false,
  ...mods,
});

test("keys: plain, with alt, with shift, and those that belong to ComfyUI", () => {
  const cases = [
    [key("ArrowDown"), "down"], [key("Delete"), "remove"], [key(" "), "toggle"], [key("ArrowUp", { altKey: true }), "move-up"],
    [key("Home", { altKey: true }), "god-mode"], [key("ArrowDown", { shiftKey: true }), "extend-down"],
    [key("a", { ctrlKey: true }), "select-all"], [key("a", { metaKey: true }), "select-all"],
    [key("Enter", { ctrlKey: true }), null], [key("q"), null], [key("Home", { altKey: true, shiftKey: true }), null],
  ]; // prettier-ignore
  for (const [event, command] of cases) assert.equal(commandOf(event), command);
});

test("copy: a field for each input, in the kind of its value", () => {
  const fields = copyFields([{ prompt: "x", seed: 1, on: true }]);
  assert.deepEqual(
    fields.map(({ name, kind, value }) => [name, kind, value]),
    [
      ["prompt", "textarea", "x"],
      ["seed", "number", "1"],
      ["on", "text", "true"],
    ],
  );
});

test("copy: only what was changed, in the type it had", () => {
  const all = [{ prompt: "x", seed: 1, on: true, list: [1] }];
  const fields = copyFields(all);
  const { inputs, wrong } = changedInputs(fields, all, {
    prompt: "x",
    seed: "2.5",
    on: "false",
    list: "[1]",
  });
  assert.equal(wrong, null);
  assert.deepEqual(inputs, { seed: 2.5, on: false });
});

test("copy: what is no number where a number was is refused by name", () => {
  const all = [{ seed: 1 }];
  for (const text of ["", "abc", '"7"'])
    assert.match(changedInputs(copyFields(all), all, { seed: text }).wrong, /^seed /);
});

test("copy: inputs that vary stay as they are until one is written", () => {
  const all = [{ seed: 1 }, { seed: 2 }];
  const fields = copyFields(all);
  assert.equal(fields[0].value, "");
  assert.deepEqual(changedInputs(fields, all, { seed: "" }).inputs, {});
  assert.deepEqual(changedInputs(fields, all, { seed: "9" }).inputs, { seed: 9 });
});

test("a priority is a whole number from 1 to 999", () => {
  assert.deepEqual(["1", " 50 ", "999", "0", "1000", "1.5", "-3", "", "x"].map(priorityOf), [
    1,
    50,
    999,
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
});

test("files: only job files, numbers in their order", () => {
  const files = ["b_10.yaml", "b_2.YML", "photo.png", "a.yaml"].map((name) => ({ name }));
  assert.deepEqual(
    sortedJobFiles(files).map(({ name }) => name),
    ["a.yaml", "b_2.YML", "b_10.yaml"],
  );
});

test("files: a job's text is taken from a paste, nothing else is", async () => {
  const paste = (text, files = []) => pastedFiles({ files, getData: () => text });
  const [file] = paste("# a job\njob_type: T2I\nworkflow_id: wf\n");
  assert.equal(file.name, "");
  assert.match(await file.text(), /wf/);
  assert.equal(paste('{"job_type": "T2I"}').length, 1);
  assert.deepEqual(paste("see job_type in the manual"), []);
  assert.deepEqual(paste("", [{ name: "b.yaml" }, { name: "c.png" }]), [{ name: "b.yaml" }]);
});

test("files: each is submitted in turn, and a refusal stops none", async () => {
  const file = (name, size = 10) => ({ name, size, text: async () => `text of ${name}` });
  const seen = [];
  const client = {
    submit: async (name, text) => {
      seen.push(text);
      if (name === "bad.yaml") throw new Error("line 3: no");
      return { config_name: name };
    },
  };
  const result = await submitAll(client, [
    file("a.yaml"),
    file("bad.yaml"),
    file("big.yaml", 300_000),
    file("c.yaml"),
  ]);
  assert.deepEqual(result.accepted, ["a.yaml", "c.yaml"]);
  assert.deepEqual(
    result.refused.map(({ name }) => name),
    ["bad.yaml", "big.yaml"],
  );
  assert.deepEqual(seen, ["text of a.yaml", "text of bad.yaml", "text of c.yaml"]);
});

test("notices: the end of a batch, with its own counts", () => {
  const watch = new BatchWatch();
  assert.deepEqual(watch.see(makeQueue({ done: 10, failed: 1 })), []);
  assert.deepEqual(watch.see(makeQueue({ pending: 3, done: 10, failed: 1 })), []);
  const [notice] = watch.see(makeQueue({ done: 12, failed: 2 }));
  assert.equal(notice.tag, "e3-finished");
  assert.equal(notice.body, "2 jobs done, 1 failed");
  assert.deepEqual(watch.see(makeQueue({ done: 12, failed: 2 })), []);
});

test("notices: a failure on the way, and a pause by itself, each once", () => {
  const watch = new BatchWatch();
  watch.see(makeQueue({ pending: 3 }));
  assert.equal(watch.see(makeQueue({ pending: 2, failed: 1 }))[0].tag, "e3-failed");
  const paused = makeQueue({ pending: 2, failed: 1 }, { auto_reason: "disk_full" });
  assert.equal(watch.see(paused)[0].body, "The queue paused itself: the disk is full");
  assert.deepEqual(watch.see(paused), []);
});

test("the view is kept for this browser tab, and nonsense is forgotten", () => {
  const shelf = new FakeStorage();
  keepView(shelf, { tab: "done", filters: { q: "fox", media: "", workflow_id: "", sort: { done: "name" } } });
  assert.equal(readView(shelf).tab, "done");
  assert.equal(readView(shelf).filters.q, "fox");
  for (const text of ["{", "3", '{"tab":"x","filters":{"q":7}}']) {
    assert.deepEqual(readView(new FakeStorage({ "e3.view": text })).filters.q, "");
    assert.equal(readView(new FakeStorage({ "e3.view": text })).tab, "queue");
  }
});

test("rows: what each status says", () => {
  const known = { startsIn: 120_000, running: undefined, stats: null, now: 1_000_000 };
  const at = {
    created_at: 400_000,
    workflow_id: "wf",
    outputs_count: 2,
    end_time: 940_000,
    duration: 38_000,
  };
  assert.deepEqual(linesOf(makeJob(at), known), { meta: "wf · 10 min ago", top: "", time: "in 2 min" });
  assert.equal(linesOf(makeJob({ ...at, not_before: 1_090_000 }), known).time, "again in 2 min");
  assert.deepEqual(linesOf(makeJob({ ...at, status: "done" }), known), {
    meta: "wf · 2 files",
    top: "38 s",
    time: "1 min ago",
  });
  const failed = makeJob({
    ...at,
    status: "failed",
    error_type: "oom",
    error_summary: "torch.OutOfMemoryError: no",
  });
  assert.equal(linesOf(failed, known).meta, "Out of memory: no");
  const running = makeJob({ ...at, status: "processing", phase: "submitted" });
  assert.equal(linesOf(running, known).meta, "Next in ComfyUI");
});

test("progress in words", () => {
  assert.equal(progressText(null), "Starting");
  assert.equal(
    progressText({ node: "KSampler", value: 14, max: 30, nodes_done: 2, nodes_total: 9 }),
    "KSampler, step 14 of 30",
  );
  assert.equal(
    progressText({ node: "Load", value: 0, max: 1, nodes_done: 2, nodes_total: 9 }),
    "Load, node 2 of 9",
  );
  assert.equal(withoutClass("ValueError: x"), "x");
});
