-- name: promote_due
-- Backoffs that are over join the jobs that can run.
UPDATE jobs INDEXED BY jobs_backoff_idx
SET    not_before = NULL
WHERE  status = 'pending' AND not_before <= :now;

-- name: clamp_backoffs
-- A clock that was set back must not make a job wait for a day.
UPDATE jobs INDEXED BY jobs_backoff_idx
SET    not_before = :latest
WHERE  status = 'pending' AND not_before > :latest;

-- name: lease_next_job
-- T3: claim the most urgent job that can run; with its prompt id known already, T4 is in the same commit. None as
-- long as a backoff that is over is not promoted. The token ends with the job's id, by which it is found again.
UPDATE jobs
SET    status = 'processing', phase = CASE WHEN :prompt_id IS NULL THEN 'leased' ELSE 'submitted' END,
       prompt_id = :prompt_id, worker_id = :worker_id, lease_token = :random || substr('00000000000' || id, -12),
       lease_expires_at = :lease_expires_at, run_count = run_count + 1, start_time = NULL,
       error_type = NULL, error_trace = NULL, leased_at = :now, node = NULL, updated_at = :now
WHERE  id = (SELECT id FROM jobs INDEXED BY turn_idx
             WHERE  turn = 2 AND status = 'pending' AND cancel_requested = 0
             ORDER  BY priority, position, id LIMIT 1)
AND    NOT EXISTS (SELECT 1 FROM queue_state WHERE user_paused = 1 OR auto_reason IS NOT NULL)
AND    NOT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_backoff_idx WHERE status = 'pending' AND not_before <= :now)
RETURNING id, config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position, status, phase,
       run_count, retries_attempted, retries_base, retry_limit, crash_count, evict_count, worker_id, lease_token,
       lease_expires_at, not_before, prompt_id, cancel_requested, start_time, end_time, duration, error_type, filed_at,
       created_at, updated_at, config_path, config_sha256, warnings, metadata, config, source_yaml, error_trace;

-- name: most_urgent
-- What lease_next_job would claim: the first of those that are ready and those whose backoff is over.
SELECT *
FROM   jobs
WHERE  id = (
    SELECT id FROM (
        SELECT * FROM (SELECT id, priority, position FROM jobs INDEXED BY turn_idx
                       WHERE  turn = 2 AND status = 'pending' AND cancel_requested = 0
                       ORDER  BY priority, position, id LIMIT 1)
        UNION ALL
        SELECT * FROM (SELECT id, priority, position FROM jobs INDEXED BY jobs_backoff_idx
                       WHERE  status = 'pending' AND not_before <= :now AND cancel_requested = 0
                       ORDER  BY priority, position, id LIMIT 1)
    )
    ORDER BY priority, position, id LIMIT 1)
AND    NOT EXISTS (SELECT 1 FROM queue_state WHERE user_paused = 1 OR auto_reason IS NOT NULL);

-- name: keep_attempt
-- One that did not end done leaves the row of its job to the next.
INSERT INTO attempts (
    job_id, number, lease_token, worker_id, started_at, ended_at, outcome, error_type, error, node
)
SELECT id, 1 + coalesce((SELECT max(number) FROM attempts WHERE job_id = :id), 0), lease_token, worker_id, leased_at,
       :now, :outcome, :error_type, :error, node
FROM   jobs
WHERE  id = :id AND lease_token = :lease_token AND status = 'processing';

-- name: record_node
-- Which node runs now: a crash names it. The job's id is at the end of a token.
UPDATE jobs
SET    node = :node
WHERE  id = CAST(substr(:lease_token, 21) AS INTEGER) AND status = 'processing' AND lease_token = :lease_token;

-- name: list_attempts
SELECT *
FROM   every_attempt
WHERE  job_id = :job_id
ORDER  BY number;

-- name: record_submission
-- T4: the prompt id is written down before ComfyUI is given the prompt.
UPDATE jobs
SET    phase = 'submitted', prompt_id = :prompt_id, updated_at = :now
WHERE  id = :id AND lease_token = :lease_token AND status = 'processing' AND phase = 'leased';

-- name: record_start
-- T5: said twice it is still true.
UPDATE jobs
SET    phase = 'executing', start_time = :start_time, updated_at = :now
WHERE  id = :id AND lease_token = :lease_token AND status = 'processing'
AND    phase IN ('submitted', 'executing');

-- name: record_leaving
-- T5 back: whoever goes on with the prompt keeps the time at which it started.
UPDATE jobs
SET    phase = 'submitted', updated_at = :now
WHERE  id = :id AND lease_token = :lease_token AND status = 'processing' AND phase = 'executing';

-- name: record_publishing
-- T6, of several attempts: in one transaction with their intents.
UPDATE jobs
SET    phase = 'publishing', updated_at = :now
FROM   json_each(:owners) AS owner
WHERE  jobs.id = json_extract(owner.value, '$.job_id') AND status = 'processing'
AND    lease_token = json_extract(owner.value, '$.lease_token')
RETURNING lease_token;

-- name: clear_intents
DELETE FROM intents
WHERE  (job_id, lease_token) IN (
    SELECT json_extract(value, '$.job_id'), json_extract(value, '$.lease_token') FROM json_each(:owners));

-- name: add_intents
INSERT INTO intents (job_id, lease_token, number, staged_path, final_path, bytes, sha256)
SELECT json_extract(value, '$.job_id'), json_extract(value, '$.lease_token'), json_extract(value, '$.number'),
       json_extract(value, '$.staged_path'), json_extract(value, '$.final_path'), json_extract(value, '$.bytes'),
       json_extract(value, '$.sha256')
FROM   json_each(:intents)
ORDER  BY key;

-- name: list_intents
SELECT lease_token, number, staged_path, final_path, bytes, sha256
FROM   intents
WHERE  job_id = :job_id
ORDER  BY rowid;

-- name: latest_intents
SELECT number, staged_path, final_path, bytes, sha256
FROM   intents
WHERE  job_id = :job_id
AND    lease_token = (SELECT lease_token FROM intents WHERE job_id = :job_id ORDER BY rowid DESC LIMIT 1)
ORDER  BY number;

-- name: tokens_in_use
-- Of the tokens of staging folders those of attempts that run, and of those that ended done. The job's id is at the
-- end of a token; jobs of an older table and jobs that were removed and restored have all their attempts beside them.
SELECT lease_token
FROM   jobs INDEXED BY turn_idx
WHERE  turn = 1 AND lease_token IN (SELECT value FROM json_each(:tokens))
UNION ALL
SELECT done_token
FROM   json_each(:tokens) AS asked CROSS JOIN jobs ON jobs.id = CAST(substr(asked.value, 21) AS INTEGER)
WHERE  done_token = asked.value AND :keep_done
UNION ALL
SELECT lease_token
FROM   attempts
WHERE  lease_token IN (SELECT value FROM json_each(:tokens)) AND outcome = 'done' AND :keep_done;

-- name: holds_lease
SELECT 1
FROM   jobs
WHERE  id = :id AND lease_token = :lease_token AND status = 'processing';

-- name: open_run
-- What decides how a run ends, and what its end leaves as it is: the narrow columns, and the attempt.
SELECT id, status, phase, lease_token, cancel_requested, run_count, retries_attempted, retries_base,
       retry_limit, crash_count, evict_count, start_time, end_time, duration, error_type, error_trace,
       warnings, metadata, leased_at, node
FROM   jobs
WHERE  id = :id AND status = 'processing';

-- name: finish
-- T7: done, even if somebody wished to cancel meanwhile. The attempt stays in its row, for no other follows it. It began
-- and ended by ComfyUI's word where there is one, else it lasted from lease to now.
UPDATE jobs
SET    status = 'done', phase = NULL, worker_id = NULL, lease_token = NULL, lease_expires_at = NULL,
       prompt_id = NULL, crash_count = 0, evict_count = 0, error_type = NULL, error_trace = NULL,
       start_time = coalesce(:start_time, start_time, leased_at), end_time = :end_time,
       duration = coalesce(:duration, max(0, :end_time - coalesce(:start_time, start_time, leased_at))),
       warnings = :warnings, metadata = :metadata, updated_at = :now,
       done_at = :now, done_by = worker_id, done_token = lease_token
WHERE  id = :id AND status = 'processing' AND lease_token = :lease_token;

-- name: leave_processing
-- T8 to T10: whatever the attempt came to, only its owner says so, and nothing of the lease stays.
UPDATE jobs
SET    status = :status, phase = NULL, worker_id = NULL, lease_token = NULL, lease_expires_at = NULL,
       prompt_id = NULL, leased_at = NULL, node = NULL,
       run_count = :run_count, retries_attempted = :retries_attempted, crash_count = :crash_count,
       evict_count = :evict_count, not_before = :not_before,
       start_time = :start_time, end_time = :end_time, duration = :duration, error_type = :error_type,
       error_trace = :error_trace, warnings = :warnings, metadata = :metadata, updated_at = :now
WHERE  id = :id AND status = 'processing' AND lease_token = :lease_token;

-- name: to_the_end
-- Behind all others of its priority.
UPDATE jobs
SET    position = (SELECT max(position) FROM jobs AS others WHERE others.priority = jobs.priority) + :step
WHERE  id = :id;

-- name: renew_leases
UPDATE jobs INDEXED BY turn_idx
SET    lease_expires_at = :lease_expires_at
WHERE  turn = 1 AND status = 'processing' AND worker_id = :worker_id;

-- name: steal_job
-- T12: names the token of the owner that is dead or silent. The run goes on under a new token; the intents keep the
-- old one.
UPDATE jobs
SET    worker_id = :worker_id, lease_token = :random || substr('00000000000' || id, -12), lease_expires_at = :lease_expires_at,
       updated_at = :now
WHERE  id = :id AND status = 'processing' AND lease_token = :old_token
RETURNING *;

-- name: expired_jobs
-- A worker that is registered has a lock and a heart, which tell more than a clock that can be set.
SELECT *
FROM   jobs INDEXED BY turn_idx
WHERE  turn = 1 AND status = 'processing' AND lease_expires_at < :now
AND    worker_id NOT IN (SELECT worker_id FROM workers)
ORDER  BY id;

-- name: jobs_of_worker
SELECT *
FROM   jobs INDEXED BY turn_idx
WHERE  turn = 1 AND status = 'processing' AND worker_id = :worker_id
ORDER  BY id;

-- name: register_worker
INSERT INTO workers (worker_id, host, lock_path, output_root, started_at)
VALUES (:worker_id, :host, :lock_path, :output_root, :now)
ON CONFLICT (worker_id) DO UPDATE
SET    host = excluded.host, lock_path = excluded.lock_path, output_root = excluded.output_root,
       started_at = excluded.started_at, heartbeat = 0;

-- name: beat_heart
UPDATE workers
SET    heartbeat = heartbeat + 1
WHERE  worker_id = :worker_id;

-- name: list_workers
SELECT worker_id, host, lock_path, output_root, started_at, heartbeat
FROM   workers
ORDER  BY started_at, worker_id;

-- name: forget_worker
DELETE FROM workers
WHERE  worker_id = :worker_id;
