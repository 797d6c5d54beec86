// @ts-check
/** The lines of a row in words. Pure. */

import { timeLeft } from "./eta.js";
import { ago, duration, roughly } from "./format.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./types.js").RunningJob} RunningJob */
/** @typedef {{startsIn: number | null, running: RunningJob | undefined, stats: import("./types.js").Stats | null, now: number}} Known */

/**
 * @param {JobRow} job
 * @param {Known} view
 * @returns {{meta: string, top: string, time: string}} the second line, and the two at the right
 */
export function linesOf(job, view) {
  const { now } = view;
  if (job.status === "pending") return waitingLines(job, view);
  if (job.status === "processing") return runningLines(job, view);
  const time = job.end_time ? ago(job.end_time, now) : "";
  if (job.status === "done") {
    const files = job.outputs_count > 1 ? ` · ${STRINGS.files(job.outputs_count)}` : "";
    return { meta: job.workflow_id + files, top: duration(job.duration), time };
  }
  const cause = job.error_type
    ? (STRINGS.errorType[job.error_type] ?? job.error_type)
    : STRINGS.status[job.status];
  return {
    meta: job.error_summary
      ? `${cause}: ${withoutClass(job.error_summary)}`
      : `${cause} · ${job.workflow_id}`,
    top: "",
    time,
  };
}

/**
 * @param {string} summary
 * @returns {string} without the exception's class, which the kind of the error says already
 */
export const withoutClass = (summary) => summary.replace(/^[\w.]+(Error|Exception): /, "");

/**
 * @param {JobRow} job
 * @param {Known} view
 */
function waitingLines(job, { startsIn, now }) {
  const wait = (job.not_before ?? 0) - now;
  const meta = `${job.workflow_id} · ${ago(job.created_at, now)}`;
  if (wait > 0) return { meta, top: "", time: STRINGS.againIn(roughly(wait)) };
  const time =
    startsIn === null
      ? ""
      : startsIn < 1000
        ? STRINGS.startsNext
        : STRINGS.startsIn(roughly(Math.max(startsIn, 5000)));
  return { meta, top: "", time };
}

/**
 * @param {JobRow} job
 * @param {Known} view
 */
function runningLines(job, { running, stats, now }) {
  const phase = running?.phase ?? job.phase ?? "executing";
  if (phase !== "executing") return { meta: STRINGS.phase[phase], top: "", time: "" };
  const left = running ? timeLeft(running, stats, now) : null;
  const start = running?.start_time ?? job.start_time;
  return {
    meta: progressText(running?.progress),
    top: start ? duration(Math.floor((now - start) / 1000) * 1000).replace(".0", "") : "",
    time:
      left === null
        ? ""
        : STRINGS.left(duration(Math.max(1000, Math.ceil(left / 1000) * 1000)).replace(".0", "")),
  };
}

/**
 * @param {import("./types.js").Progress | null | undefined} progress
 * @returns {string} "KSampler, step 14 of 30"
 */
export function progressText(progress) {
  if (!progress) return STRINGS.starting;
  const { node, value, max, nodes_done: done, nodes_total: all } = progress;
  const where = max && max > 1 ? STRINGS.steps(value ?? 0, max) : all ? STRINGS.nodes(done ?? 0, all) : "";
  return [node, where].filter(Boolean).join(", ") || STRINGS.starting;
}
