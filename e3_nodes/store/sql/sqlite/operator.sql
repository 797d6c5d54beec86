-- Every verb takes the ids as a JSON list, so that one job and a thousand are the same statement. SQLite
-- would begin with an index on the state; NOT INDEXED makes it begin with the ids.

-- name: find_jobs
-- Names to what a verb has to know of them.
SELECT id, identity, config_name, config_path, status
FROM   jobs
WHERE  identity IN (SELECT value FROM json_each(:identities));

-- name: job_by_identity
SELECT *
FROM   jobs
WHERE  identity = :identity;

-- name: jobs_by_identity
SELECT *
FROM   jobs
WHERE  identity IN (SELECT value FROM json_each(:identities));

-- name: names_near
-- The neighbours of a name that no job has, for a hint.
SELECT config_name FROM (SELECT config_name FROM jobs WHERE identity >= :identity
                         ORDER BY identity LIMIT 3)
UNION ALL
SELECT config_name FROM (SELECT config_name FROM jobs WHERE identity < :identity
                         ORDER BY identity DESC LIMIT 3);

-- name: cancel_pending
-- T11.
UPDATE jobs NOT INDEXED
SET    status = 'cancelled', not_before = NULL, end_time = :now, updated_at = :now
WHERE  id IN (SELECT value FROM json_each(:ids)) AND status = 'pending'
RETURNING id;

-- name: cancel_processing
-- Its worker sees the wish and stops the attempt; a job that has ended by then stays as it is.
UPDATE jobs NOT INDEXED
SET    cancel_requested = 1, updated_at = :now
WHERE  id IN (SELECT value FROM json_each(:ids)) AND status = 'processing'
RETURNING id;

-- name: cancelled_already
SELECT id
FROM   jobs NOT INDEXED
WHERE  id IN (SELECT value FROM json_each(:ids)) AND status = 'cancelled';

-- name: retry_jobs
-- T13: counters and history stay; the limit applies to what comes after.
UPDATE jobs NOT INDEXED
SET    status = 'pending', retries_base = retries_attempted, not_before = NULL, cancel_requested = 0,
       start_time = NULL, end_time = NULL, duration = NULL, filed_at = NULL, updated_at = :now
WHERE  id IN (SELECT value FROM json_each(:ids)) AND status IN ('failed', 'cancelled')
RETURNING id;

-- name: set_priorities
-- To the end of the new priority, in the order of the list.
UPDATE jobs
SET    priority = :priority, updated_at = :now,
       position = places.first + :step * (listed.key + 1)
FROM   json_each(:ids) AS listed,
       (SELECT coalesce(max(position), 0) AS first FROM jobs WHERE priority = :priority) AS places
WHERE  jobs.id = listed.value AND jobs.status <> 'done'
RETURNING id;

-- name: god_mode
-- Before all others, in the order of the list; a person who asks for it does not mean after a backoff.
UPDATE jobs
SET    priority = 1, not_before = NULL, updated_at = :now,
       position = places.first - :step * (json_array_length(:ids) - listed.key)
FROM   json_each(:ids) AS listed,
       (SELECT coalesce(min(position), 0) AS first FROM jobs WHERE priority = 1) AS places
WHERE  jobs.id = listed.value AND jobs.status <> 'done'
RETURNING id;

-- name: repin_job
UPDATE jobs
SET    workflow_sha256 = :workflow_sha256, updated_at = :now
WHERE  id = :id AND status IN ('pending', 'failed', 'cancelled');

-- name: place_job
UPDATE jobs
SET    priority = :priority, position = :position, updated_at = :now
WHERE  id = :id AND status = 'pending';

-- name: pending_before
-- The waiting jobs right before a place, nearest first.
SELECT id, position
FROM   jobs INDEXED BY open_order_idx
WHERE  closed = 0 AND status = 'pending' AND priority = :priority AND (position, tie) < (:position, :id) AND id <> :moved
ORDER  BY position DESC, tie DESC
LIMIT  :limit;

-- name: pending_from
-- The waiting jobs from a place on.
SELECT id, position
FROM   jobs INDEXED BY open_order_idx
WHERE  closed = 0 AND status = 'pending' AND priority = :priority AND (position, tie) >= (:position, :id) AND id <> :moved
ORDER  BY position, tie
LIMIT  :limit;

-- name: jobs_by_id
SELECT id, identity, config_name, config_path, status
FROM   jobs
WHERE  id IN (SELECT value FROM json_each(:ids));

-- name: removable_jobs
SELECT *
FROM   jobs
WHERE  id IN (SELECT value FROM json_each(:ids)) AND status <> 'processing';

-- name: keep_removed
INSERT INTO removed_jobs (identity, job, attempts, removed_at)
VALUES (:identity, :job, :attempts, :now)
ON CONFLICT (identity) DO UPDATE
SET    job = excluded.job, attempts = excluded.attempts, removed_at = excluded.removed_at;

-- name: delete_jobs
DELETE FROM jobs
WHERE  id IN (SELECT value FROM json_each(:ids)) AND status <> 'processing';

-- name: removed_job
SELECT job, attempts
FROM   removed_jobs
WHERE  identity = :identity AND removed_at >= :since;

-- name: restore_job
-- As it was; a job that was removed had no lease.
INSERT INTO jobs (
    id, config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position,
    status, run_count, retries_attempted, retries_base, retry_limit, crash_count, evict_count,
    not_before, cancel_requested, start_time, end_time, duration, error_type, filed_at, created_at,
    updated_at, config_path, config_sha256, warnings, metadata, config, source_yaml, error_trace
)
VALUES (
    :id, :config_name, :identity, :job_type, :media, :workflow_id, :workflow_sha256, :priority,
    :position, :status, :run_count, :retries_attempted, :retries_base, :retry_limit, :crash_count,
    :evict_count, :not_before, :cancel_requested, :start_time, :end_time, :duration, :error_type,
    :filed_at, :created_at, :updated_at, :config_path, :config_sha256, :warnings, :metadata,
    :config, :source_yaml, :error_trace
);

-- name: restore_attempt
INSERT INTO attempts (
    job_id, number, lease_token, worker_id, started_at, ended_at, outcome, error_type, error, node
)
VALUES (
    :job_id, :number, :lease_token, :worker_id, :started_at, :ended_at, :outcome, :error_type, :error, :node
);

-- name: forget_removed
DELETE FROM removed_jobs
WHERE  identity = :identity;

-- name: purge_removed
DELETE FROM removed_jobs
WHERE  removed_at < :before;

-- name: purge_done
-- Only jobs whose YAML is filed: the file of a failed or cancelled one still stands in processing/ and
-- would come back as a new job.
DELETE FROM jobs
WHERE  id IN (SELECT id FROM jobs INDEXED BY closed_ended_idx
              WHERE  closed = 1 AND status = 'done' AND ended_key < :before
              ORDER  BY ended_key, created_at, tie LIMIT :limit);

-- name: queue_state
SELECT user_paused, auto_reason
FROM   queue_state;

-- name: set_user_paused
-- A person's resume lifts an automatic pause as well.
UPDATE queue_state
SET    user_paused = :paused, auto_reason = CASE WHEN :paused THEN auto_reason ELSE NULL END;

-- name: set_auto_pause
UPDATE queue_state
SET    auto_reason = :reason;
