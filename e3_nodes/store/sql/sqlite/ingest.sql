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

-- name: last_place
SELECT coalesce(max(position), 0) AS position
FROM   jobs
WHERE  priority = :priority;

-- name: insert_jobs
-- What insert_job does with one row, for many of which none is known: the values stand here for one, and are
-- repeated. In a third of the time.
INSERT INTO jobs (
    config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position, status,
    run_count, retries_attempted, retry_limit, start_time, end_time, duration, error_type, filed_at,
    created_at, updated_at, config_path, config_sha256, warnings, metadata, config, source_yaml, error_trace
)
VALUES (
    :config_name, :identity, :job_type, :media, :workflow_id, :workflow_sha256, :priority, :position, :status,
    :run_count, :retries_attempted, :retry_limit, :start_time, :end_time, :duration, :error_type, :filed_at,
    :created_at, :now, :config_path, :config_sha256, :warnings, :metadata, :config, :source_yaml, :error_trace
);

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

-- name: any_rejection
SELECT 1
FROM   rejections
LIMIT  1;

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
WHERE  id IN (SELECT value FROM json_each(:ids)) AND status IN ('done', 'failed', 'cancelled');

-- name: mark_unfiled
-- The YAML of a done job has appeared in processing/ again.
UPDATE jobs
SET    filed_at = NULL, leased_at = coalesce(leased_at, start_time, end_time)
WHERE  id = :id AND status = 'done' AND filed_at IS NOT NULL;

-- name: unfiled_jobs
SELECT *
FROM   jobs INDEXED BY turn_idx
WHERE  turn = 1 AND status = 'done'
ORDER  BY ended_key, priority, position, id
LIMIT  :limit;
