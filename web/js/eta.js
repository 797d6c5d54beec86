// @ts-check
/** How far a job is, how long it still needs, and when the others start. Pure. */

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./types.js").RunningJob} RunningJob */
/** @typedef {import("./types.js").Stats} Stats */

/**
 * @param {import("./types.js").Progress | null | undefined} progress
 * @returns {number | null} how far the present node is, else how many nodes are done, from 0 to 1
 */
export function stepFraction(progress) {
  if (!progress) return null;
  const { value, max, nodes_done: done, nodes_total: all } = progress;
  if (max && max > 1) return Math.min(1, (value ?? 0) / max);
  return all ? Math.min(1, (done ?? 0) / all) : null;
}

/**
 * How long the running job still needs: by like runs, and by its steps where it outlives them.
 * @param {RunningJob} job
 * @param {Stats | null} stats
 * @param {number} now
 * @returns {number | null} milliseconds; null when nobody knows
 */
export function timeLeft(job, stats, now) {
  if (!job.start_time) return null;
  const elapsed = Math.max(0, now - job.start_time);
  const pace = stats?.workflows?.[job.workflow_id];
  if (pace && elapsed < pace.p50) return pace.p50 - elapsed;
  if (pace && elapsed < pace.p80) return pace.p80 - elapsed;
  const fraction = stepFraction(job.progress);
  return fraction && fraction >= 0.1 ? (elapsed * (1 - fraction)) / fraction : null;
}

/**
 * @param {RunningJob} job
 * @param {Stats | null} stats
 * @param {number} now
 * @returns {number | null} the whole job from 0 to 1, by time where like runs are known
 */
export function jobFraction(job, stats, now) {
  const left = timeLeft(job, stats, now);
  if (left === null || !job.start_time || !stats?.workflows?.[job.workflow_id])
    return stepFraction(job.progress);
  const elapsed = Math.max(0, now - job.start_time);
  return elapsed + left ? elapsed / (elapsed + left) : 0;
}

/**
 * When each waiting job starts, as long as the runs before it can be foretold.
 * @param {JobRow[]} waiting in the order of the queue, from its head
 * @param {RunningJob[]} running
 * @param {Stats | null} stats
 * @param {number} now
 * @returns {Map<string, number>} milliseconds from now, by config_name
 */
export function startTimes(waiting, running, stats, now) {
  /** @type {Map<string, number>} */
  const starts = new Map();
  let clock = 0;
  for (const job of running) {
    const left = timeLeft(job, stats, now) ?? stats?.workflows?.[job.workflow_id]?.p50;
    if (left === undefined) return starts;
    clock += left;
  }
  for (const job of waiting) {
    if ((job.not_before ?? 0) > now + clock) continue;
    starts.set(job.config_name, clock);
    const pace = stats?.workflows?.[job.workflow_id];
    if (!pace) return starts;
    clock += pace.p50;
  }
  return starts;
}
