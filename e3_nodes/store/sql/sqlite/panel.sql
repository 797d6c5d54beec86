-- name: job_summaries
-- What a list shows of the bulky columns.
SELECT id, json_extract(config, '$.inputs') AS inputs,
       substr(error_trace, 1, min(instr(error_trace || char(10), char(10)) - 1, 300)) AS error_summary
FROM   jobs
WHERE  id IN (SELECT value FROM json_each(:ids));

-- name: changed_since
-- The newest first, merged with those that process, which are few and in no index of what was updated.
SELECT config_name, status, phase, updated_at FROM jobs INDEXED BY jobs_updated_idx
WHERE  status <> 'processing' AND updated_at >= :since
UNION ALL
SELECT config_name, status, phase, updated_at FROM jobs INDEXED BY at_work_idx
WHERE  closed = 0 AND status <> 'pending' AND status = 'processing' AND updated_at >= :since
ORDER  BY updated_at DESC
LIMIT  :limit;

-- name: open_by_workflow
-- From the kept counts.
SELECT workflow_id, sum(n) AS n
FROM   job_counts
WHERE  status IN ('pending', 'processing')
GROUP  BY workflow_id
HAVING sum(n) > 0;
