-- name: page_branch
-- One part of a page; parts are merged in order, each walking its own sort index from the cursor; the jobs at
-- work are few and are sorted as they come, and so are the few that a search has found. The few workflow ids are
-- searched once, in the kept counts.
SELECT id, config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position,
       status, phase, run_count, retries_attempted, retries_base, retry_limit, crash_count, evict_count,
       config_path, config_sha256, worker_id, lease_token, lease_expires_at, not_before, prompt_id,
       cancel_requested, start_time, end_time, duration, error_type, warnings, metadata, filed_at,
       created_at, updated_at, ended_key, duration_key, tie
FROM   jobs {way}
WHERE  {which} {after}
AND    (:media IS NULL OR media = :media)
AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
AND    (:q IS NULL OR instr(identity, :q) OR workflow_id IN (
           SELECT workflow_id FROM job_counts WHERE instr(lower(workflow_id), :q)))

-- name: matching_ids
-- The jobs of a status that a bulk action means, in the order in which they run.
SELECT id, priority, position, tie
FROM   jobs {way}
WHERE  {which}
AND    (:media IS NULL OR media = :media)
AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
AND    (:q IS NULL OR instr(identity, :q) OR workflow_id IN (
           SELECT workflow_id FROM job_counts WHERE instr(lower(workflow_id), :q)))

-- name: totals
-- From the kept counts, where jobs at work are among the open ones.
WITH at_work (status, n) AS (
    SELECT status, count(*)
    FROM   jobs INDEXED BY turn_idx
    WHERE  turn = 1
    AND    (:media IS NULL OR media = :media)
    AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
    GROUP  BY status)
SELECT status, sum(n) AS n
FROM   (SELECT iif(status = 'open', 'pending', status) AS status, n
        FROM   job_counts
        WHERE  (:media IS NULL OR media = :media)
        AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
        UNION ALL
        SELECT status, n FROM at_work
        UNION ALL
        SELECT 'pending', -n FROM at_work)
GROUP  BY status;

-- name: is_in_a_workflow_id
SELECT 1
FROM   job_counts
WHERE  n > 0 AND instr(lower(workflow_id), :q)
LIMIT  1;

-- name: newest_id
SELECT max(id) AS id
FROM   jobs;

-- name: mark_stands
-- Whether the table has, or had, the newest job that a search index knows. Ids only grow, so that it then knows
-- of every job up to this one. A table from a copy, or of another home, has another job of that id, or none.
SELECT 1
FROM   jobs
WHERE  id = :id AND identity = :identity AND created_at = :created_at
UNION ALL
SELECT 1
FROM   removed_jobs
WHERE  identity = :identity
AND    json_extract(job, '$.id') = :id AND json_extract(job, '$.created_at') = :created_at
LIMIT  1;

-- name: found_beside_index
-- What a search index does not know: what came after its mark, and what came back under an id that was free.
SELECT count(*) AS looked_at, json_group_array(id) FILTER (WHERE is_found) AS ids
FROM   (SELECT id, instr(identity, :q) > 0 AS is_found FROM jobs WHERE id > :top
        UNION ALL
        SELECT jobs.id, instr(jobs.identity, :q) > 0 FROM json_each(:gaps) AS gap CROSS JOIN jobs
        WHERE  jobs.id BETWEEN json_extract(gap.value, '$[0]') AND json_extract(gap.value, '$[1]')
        LIMIT  :limit);

-- name: found_by_index
-- What a search index says is a hint; the name decides.
SELECT id
FROM   jobs NOT INDEXED
WHERE  id IN (SELECT value FROM json_each(:ids)) AND instr(identity, :q);

-- name: totals_of_found
SELECT status, count(*) AS n
FROM   jobs NOT INDEXED
WHERE  id IN (SELECT value FROM json_each(:found))
AND    (:media IS NULL OR media = :media)
AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
GROUP  BY status;

-- name: totals_of_search
-- A walk has to look: over names and workflow ids in an index, not over rows. The state of an open job is in its row,
-- which is read where the name fits; hence the same words twice.
SELECT status, count(*) AS n
FROM   (SELECT status FROM jobs INDEXED BY closed_name_idx
        WHERE  closed = 1
        AND    (:media IS NULL OR media = :media)
        AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
        AND    (instr(identity, :q) OR workflow_id IN (
                   SELECT workflow_id FROM job_counts WHERE instr(lower(workflow_id), :q)))
        UNION ALL
        SELECT status FROM jobs INDEXED BY open_name_idx
        WHERE  closed = 0
        AND    (:media IS NULL OR media = :media)
        AND    (:workflow_id IS NULL OR workflow_id = :workflow_id)
        AND    (instr(identity, :q) OR workflow_id IN (
                   SELECT workflow_id FROM job_counts WHERE instr(lower(workflow_id), :q))))
GROUP  BY status;

-- name: run_durations
-- The last runs of a workflow, as far as they are among the last of all; those that are not filed yet come first.
SELECT (SELECT duration FROM jobs WHERE id = runs.id) AS duration
FROM   (SELECT * FROM (SELECT id, workflow_id FROM jobs INDEXED BY turn_idx
                       WHERE  turn = 1 AND status = 'done'
                       ORDER  BY ended_key DESC)
        UNION ALL
        SELECT * FROM (SELECT id, workflow_id FROM jobs INDEXED BY closed_ended_idx
                       WHERE  closed = 1 AND status = 'done'
                       ORDER  BY ended_key DESC, created_at DESC, tie DESC
                       LIMIT  :among)) AS runs
WHERE  workflow_id = :workflow_id
LIMIT  :last;

-- name: recent_failures
-- With the first line of each trace.
SELECT config_name, workflow_id, error_type, end_time,
       substr(error_trace, 1, instr(error_trace || char(10), char(10)) - 1) AS cause
FROM   jobs INDEXED BY closed_ended_idx
WHERE  closed = 1 AND status = 'failed'
ORDER  BY ended_key DESC, created_at DESC, tie DESC
LIMIT  :limit;

-- name: ended_since
SELECT status, count(*) AS n
FROM   (SELECT status FROM jobs INDEXED BY closed_ended_idx
        WHERE  closed = 1 AND status IN ('done', 'failed', 'cancelled') AND ended_key >= :since
        UNION ALL
        SELECT status FROM jobs INDEXED BY turn_idx
        WHERE  turn = 1 AND status = 'done' AND ended_key >= :since)
GROUP  BY status;
