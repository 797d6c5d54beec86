-- name: job_summaries
-- What a list shows of the bulky columns.
SELECT id, json_extract(config, '$.inputs') AS inputs,
       substr(error_trace, 1, min(instr(error_trace || char(10), char(10)) - 1, 300)) AS error_summary
FROM   jobs
WHERE  id IN (SELECT value FROM json_each(:ids));

-- name: changed_since
-- The newest first: what was updated, merged with what is new, and with those at work, which are few.
SELECT config_name, status, phase, updated_at FROM jobs INDEXED BY jobs_updated_idx
WHERE  (closed = 1 OR (status = 'pending' AND updated_at <> created_at)) AND updated_at >= :since
UNION ALL
SELECT config_name, status, phase, created_at FROM jobs INDEXED BY open_created_idx
WHERE  closed = 0 AND status = 'pending' AND updated_at = created_at AND created_at >= :since
UNION ALL
SELECT config_name, status, phase, updated_at FROM jobs INDEXED BY turn_idx
WHERE  turn = 1 AND updated_at >= :since
ORDER  BY updated_at DESC
LIMIT  :limit;

-- name: open_by_workflow
-- From the kept counts, without what has run and is open until its YAML is moved.
SELECT workflow_id, sum(n) AS n
FROM   (SELECT workflow_id, n FROM job_counts WHERE status = 'open'
        UNION ALL
        SELECT workflow_id, -1 FROM jobs INDEXED BY turn_idx WHERE turn = 1 AND status = 'done')
GROUP  BY workflow_id
HAVING sum(n) > 0;
