/** Factories for the panel's tests. */

let count = 0;

/** @returns {any} a row of GET /e3/jobs */
export function makeJob(values = {}) {
  count += 1;
  return {
    config_name: `T2I_20260301120000_${count}_job.yaml`,
    workflow_id: "wf",
    status: "pending",
    priority: 50,
    inputs: {},
    not_before: null,
    ...values,
  };
}

/** @returns {any} a state of GET /e3/queue */
export function makeQueue(totals = {}, values = {}) {
  const zero = { pending: 0, processing: 0, done: 0, failed: 0, cancelled: 0 };
  return {
    user_paused: false,
    auto_reason: null,
    paused: false,
    running: [],
    totals: { ...zero, ...totals },
    ...values,
  };
}

/** A storage like the browser's. */
export class FakeStorage {
  constructor(values = {}) {
    this.values = new Map(Object.entries(values));
  }

  getItem(key) {
    return this.values.get(key) ?? null;
  }

  setItem(key, value) {
    this.values.set(key, value);
  }
}
