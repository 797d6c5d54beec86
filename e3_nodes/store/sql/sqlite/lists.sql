-- name: page_branch
-- One status of a page; branches are merged in order, each walking its own sort index from the cursor; the
-- jobs that process are few and are sorted as they come. The few workflow ids are searched once, in the kept counts.
SELECT id, config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position,
       status, phase, run_count, retries_attempted, retries_base, retry_limit, crash_count, evict_count,
       config_path, config_sha256, worker_id, lease_token, lease_expires_at, not_before, prompt_id,
       cancel_requested, start_time, end_time, duration, error_type, warnings, metadata, filed_at,
       created_at, updated_at, ended_key, duration_key, tie
FROM   jobs INDEXED BY {index}
WHERE  {is_status} {after}
AND    (:media IS NULL OR media = :media)
AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
AND    (:q IS NULL OR instr(identity, :q) OR workflow_id IN (
           SELECT workflow_id FROM job_counts WHERE instr(lower(workflow_id), :q)))

-- name: matching_ids
-- The jobs of one status that a bulk action means, in the order in which they run.
SELECT id, priority, position, tie
FROM   jobs INDEXED BY {index}
WHERE  {is_status}
AND    (:media IS NULL OR media = :media)
AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
AND    (:q IS NULL OR instr(identity, :q) OR workflow_id IN (
           SELECT workflow_id FROM job_counts WHERE instr(lower(workflow_id), :q)))

-- name: totals
-- From the kept counts.
SELECT status, sum(n) AS n
FROM   job_counts
WHERE  (:media IS NULL OR media = :media)
AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
GROUP  BY status;

-- name: totals_of_search
-- A search has to look: over names and workflow ids in an index, not over rows.
SELECT status, count(*) AS n
FROM   (SELECT status, media, workflow_id, identity FROM jobs INDEXED BY jobs_name_idx
        WHERE  status <> 'processing'
        UNION ALL
        SELECT status, media, workflow_id, identity FROM jobs INDEXED BY jobs_processing_idx
        WHERE  status = 'processing')
WHERE  (:media IS NULL OR media = :media)
AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
AND    (instr(identity, :q) OR workflow_id IN (
           SELECT workflow_id FROM job_counts WHERE instr(lower(workflow_id), :q)))
GROUP  BY status;

-- name: run_durations
-- The last runs of a workflow.
SELECT duration
FROM   jobs INDEXED BY jobs_runs_idx
WHERE  status = 'done' AND workflow_id = :workflow_id AND duration IS NOT NULL
ORDER  BY end_time DESC
LIMIT  :last;

-- name: recent_failures
-- With the first line of each trace.
SELECT config_name, workflow_id, error_type, end_time,
       substr(error_trace, 1, instr(error_trace || char(10), char(10)) - 1) AS cause
FROM   jobs INDEXED BY jobs_ended_idx
WHERE  status = 'failed' AND status <> 'processing'
ORDER  BY ended_key DESC, tie DESC
LIMIT  :limit;

-- name: ended_since
SELECT status, count(*) AS n
FROM   jobs INDEXED BY jobs_ended_idx
WHERE  status IN ('done', 'failed', 'cancelled') AND status <> 'processing' AND ended_key >= :since
GROUP  BY status;
