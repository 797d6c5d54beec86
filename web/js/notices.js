// @ts-check
/** What is worth a notification of the browser. */

import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").QueueState} QueueState */
/** @typedef {{title: string, body: string, tag: string}} Notice */

/** Compares one state of the queue with the one before. */
export class BatchWatch {
  constructor() {
    /** @type {QueueState | null} */
    this.last = null;
    /** @type {{done: number, failed: number} | null} counts when the present batch began */
    this.start = null;
  }

  /**
   * @param {QueueState} queue
   * @returns {Notice[]}
   */
  see(queue) {
    const { last } = this;
    const { done, failed, pending, processing } = queue.totals;
    this.last = queue;
    if (pending + processing && !this.start) this.start = last ? pick(last.totals) : { done, failed };
    if (!last) return [];
    /** @type {Notice[]} */
    const notices = [];
    if (queue.auto_reason && queue.auto_reason !== last.auto_reason) {
      notices.push({
        title: STRINGS.notices.pausedTitle,
        body: STRINGS.pausedBecause(queue.auto_reason),
        tag: "e3-paused",
      });
    }
    if (pending + processing === 0 && this.start) {
      notices.push(finished(done - this.start.done, failed - this.start.failed));
      this.start = null;
    } else if (failed > last.totals.failed) {
      notices.push({
        title: STRINGS.notices.failedTitle,
        body: STRINGS.notices.finished(0, failed),
        tag: "e3-failed",
      });
    }
    return notices;
  }
}

/**
 * @param {{done: number, failed: number}} totals
 * @returns {{done: number, failed: number}}
 */
const pick = ({ done, failed }) => ({ done, failed });

/**
 * @param {number} done
 * @param {number} failed
 * @returns {Notice}
 */
const finished = (done, failed) => ({
  title: STRINGS.notices.finishedTitle,
  body: STRINGS.notices.finished(Math.max(0, done), Math.max(0, failed)),
  tag: "e3-finished",
});
