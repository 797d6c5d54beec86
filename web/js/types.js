// @ts-check
/** The shapes that E3's REST answers with. Types only. */

/**
 * @typedef {object} JobRow
 * @property {string} config_name
 * @property {string} job_type
 * @property {string} media
 * @property {string} workflow_id
 * @property {number} priority
 * @property {number} position
 * @property {"pending" | "processing" | "done" | "failed" | "cancelled"} status
 * @property {"leased" | "submitted" | "executing" | "publishing" | null} phase
 * @property {number} run_count
 * @property {number} retries_attempted
 * @property {number} retry_limit
 * @property {number} crash_count
 * @property {number | boolean} cancel_requested
 * @property {number | null} not_before
 * @property {number | null} start_time
 * @property {number | null} end_time
 * @property {number | null} duration
 * @property {string | null} error_type
 * @property {string | null} error_summary
 * @property {string[]} warnings
 * @property {number} created_at
 * @property {number} updated_at
 * @property {Record<string, unknown>} inputs
 * @property {number} outputs_count
 */

/** @typedef {{number: number, started_at: number, ended_at: number | null, outcome: string | null, error_type: string | null, error: string | null}} Attempt */
/** @typedef {{index: number, name: string, media_type: string, bytes: number, path: string}} Output */

/**
 * @typedef {JobRow & {config: any, metadata: Record<string, unknown>, attempts: Attempt[],
 *   error_trace: string | null, outputs: Output[]}} JobDetails
 */

/** @typedef {{node: string | null, value: number | null, max: number | null, nodes_done: number | null, nodes_total: number | null}} Progress */
/** @typedef {{config_name: string, workflow_id: string, phase?: JobRow["phase"], start_time: number | null,
 *   progress: Progress | null}} RunningJob */
/** @typedef {{pending: number, processing: number, done: number, failed: number, cancelled: number}} Totals */
/** @typedef {{user_paused: boolean, auto_reason: string | null, paused: boolean, running: RunningJob[], totals: Totals}} QueueState */
/** @typedef {{workflow_id: string, error_type: string, summary: string, count: number, names?: string[]}} Cause */
/** @typedef {{workflows: Record<string, {p50: number, p80: number, runs: number}>, eta: {p50_ms: number, p80_ms: number} | null, failures: Cause[]}} Stats */
/** @typedef {{code: string, message: string, fix?: string}} Problem */
/** @typedef {{status: string, version: string, home: string, problems: Problem[]}} Health */
/** @typedef {{path: string, code: string, reason: string, line: number | null, column: number | null, seen_at: number}} Rejection */
/** @typedef {"queue" | "processing" | "done" | "failed" | "rejected"} TabId */
/** @typedef {{q: string, media: string, workflow_id: string, sort: Record<string, string>}} Filters */
/** @typedef {{bulk?: boolean, names: string[], all: boolean}} Chosen */

export {};
