-- name: insert_job
-- A new row stands behind all others of its priority (jobs_place_idx knows the last).
INSERT INTO jobs (
    config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position, status,
    run_count, retries_attempted, retry_limit, start_time, end_time, duration, error_type, filed_at,
    created_at, updated_at, config_path, config_sha256, warnings, metadata, config, source_yaml, error_trace
)
VALUES (
    :config_name, :identity, :job_type, :media, :workflow_id, :workflow_sha256, :priority,
    coalesce((SELECT max(position) FROM jobs WHERE priority = :priority), 0) + :step, :status,
    :run_count, :retries_attempted, :retry_limit, :start_time, :end_time, :duration, :error_type, :filed_at,
    :created_at, :now, :config_path, :config_sha256, :warnings, :metadata, :config, :source_yaml, :error_trace
)
ON CONFLICT (identity) DO NOTHING
RETURNING id;

-- name: count_known
SELECT count(*) AS n
FROM   jobs
WHERE  identity IN (SELECT value FROM json_each(:identities));

-- name: insert_jobs
-- What insert_job does with one row, for many of which none is known; in half the time.
INSERT INTO jobs (
    config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position, status,
    run_count, retries_attempted, retry_limit, start_time, end_time, duration, error_type, filed_at,
    created_at, updated_at, config_path, config_sha256, warnings, metadata, config, source_yaml, error_trace
)
SELECT json_extract(new.value, '$.config_name'),
       json_extract(new.value, '$.identity'),
       json_extract(new.value, '$.job_type'),
       json_extract(new.value, '$.media'),
       json_extract(new.value, '$.workflow_id'),
       json_extract(new.value, '$.workflow_sha256'),
       json_extract(new.value, '$.priority'),
       coalesce((SELECT max(position) FROM jobs WHERE priority = json_extract(new.value, '$.priority')), 0)
           + :step * row_number() OVER (PARTITION BY json_extract(new.value, '$.priority') ORDER BY new.key),
       json_extract(new.value, '$.status'),
       json_extract(new.value, '$.run_count'),
       json_extract(new.value, '$.retries_attempted'),
       json_extract(new.value, '$.retry_limit'),
       json_extract(new.value, '$.start_time'),
       json_extract(new.value, '$.end_time'),
       json_extract(new.value, '$.duration'),
       json_extract(new.value, '$.error_type'),
       json_extract(new.value, '$.filed_at'),
       json_extract(new.value, '$.created_at'),
       :now,
       json_extract(new.value, '$.config_path'),
       json_extract(new.value, '$.config_sha256'),
       json_extract(new.value, '$.warnings'),
       json_extract(new.value, '$.metadata'),
       json_extract(new.value, '$.config'),
       json_extract(new.value, '$.source_yaml'),
       json_extract(new.value, '$.error_trace')
FROM   json_each(:rows) AS new
ORDER  BY new.key;

-- name: known_job
SELECT id, config_name, status, config_sha256
FROM   jobs
WHERE  identity = :identity;

-- name: refresh_path
-- The same bytes again, perhaps in another folder.
UPDATE jobs
SET    config_path = :config_path
WHERE  id = :id AND config_path <> :config_path AND :config_path <> '';

-- name: update_content
-- An edited file: the job takes the new content as long as no attempt has used, or uses, the old one.
UPDATE jobs
SET    position = CASE WHEN priority = :priority THEN position
                  ELSE coalesce((SELECT max(position) FROM jobs WHERE priority = :priority), 0) + :step END,
       job_type = :job_type, media = :media, workflow_id = :workflow_id, workflow_sha256 = :workflow_sha256,
       priority = :priority, retry_limit = :retry_limit, updated_at = :now, config_path = :config_path,
       config_sha256 = :config_sha256, warnings = :warnings, metadata = :metadata, config = :config,
       source_yaml = :source_yaml
WHERE  id = :id AND status IN ('pending', 'failed', 'cancelled');

-- name: record_rejection
INSERT INTO rejections (path, code, reason, line, "column", seen_at)
VALUES (:path, :code, :reason, :line, :column, :now)
ON CONFLICT (path) DO UPDATE
SET    code = excluded.code, reason = excluded.reason, line = excluded.line, "column" = excluded."column",
       seen_at = excluded.seen_at;

-- name: clear_rejection
DELETE FROM rejections
WHERE  path = :path;

-- name: clear_rejections
DELETE FROM rejections
WHERE  path IN (SELECT value FROM json_each(:paths));

-- name: list_rejections
SELECT path, code, reason, line, "column", seen_at
FROM   rejections
ORDER  BY seen_at DESC, path
LIMIT  :limit;

-- name: count_rejections
SELECT count(*) AS n
FROM   rejections;

-- name: keep_workflow_version
INSERT INTO workflow_versions (sha256, workflow, kept_at)
VALUES (:sha256, :workflow, :now)
ON CONFLICT (sha256) DO NOTHING;

-- name: workflow_version
SELECT workflow
FROM   workflow_versions
WHERE  sha256 = :sha256;

-- name: mark_filed
UPDATE jobs
SET    filed_at = :now
WHERE  id = :id AND status IN ('done', 'failed', 'cancelled');

-- name: mark_unfiled
-- The YAML of a done job has appeared in processing/ again.
UPDATE jobs
SET    filed_at = NULL
WHERE  id = :id AND status = 'done' AND filed_at IS NOT NULL;

-- name: unfiled_jobs
SELECT *
FROM   jobs INDEXED BY at_work_idx
WHERE  closed = 0 AND status <> 'pending' AND status = 'done' AND worker_id IS NULL
ORDER  BY id
LIMIT  :limit;
