-- A run ends without touching an index: what has run and is not filed yet keeps the place of what runs, since the few at
-- work are told apart by their rows. Filing, which is done for many at a time, takes it out.
--
-- No expression of the index may name the status: SQLite writes an entry anew when a column that it depends on is set,
-- whether the entry changes by that or not.
DROP INDEX turn_idx;
ALTER TABLE jobs DROP COLUMN turn;
-- What a job is to those who work: 2 can run, 1 runs or has run and is not filed yet; NULL is nothing to them.
ALTER TABLE jobs ADD COLUMN turn INTEGER GENERATED ALWAYS AS (
    CASE WHEN closed = 1 OR not_before IS NOT NULL THEN NULL
         WHEN leased_at IS NULL THEN 2
         ELSE 1 END) VIRTUAL;
-- Whoever works asks here. A job that is leased lies right before those that run next, as it did.
CREATE INDEX turn_idx ON jobs (turn, priority, position) WHERE turn IS NOT NULL;

-- So a job that is done has a time of lease, also where it came done into the table; an attempt has a token besides.
UPDATE jobs
SET    leased_at = coalesce(start_time, end_time)
WHERE  closed = 0 AND status = 'done' AND leased_at IS NULL;
CREATE TRIGGER jobs_done_insert AFTER INSERT ON jobs
WHEN NEW.status = 'done' AND NEW.leased_at IS NULL
BEGIN
    UPDATE jobs SET leased_at = coalesce(NEW.start_time, NEW.end_time) WHERE id = NEW.id;
END;
DROP VIEW every_attempt;
CREATE VIEW every_attempt AS
SELECT job_id, number, lease_token, worker_id, started_at, ended_at, outcome, error_type, error, node
FROM   attempts
UNION ALL
SELECT id, 1 + coalesce((SELECT max(number) FROM attempts WHERE job_id = jobs.id), 0),
       coalesce(lease_token, done_token), coalesce(worker_id, done_by), leased_at, done_at,
       iif(done_token IS NULL, NULL, 'done'), NULL, NULL, node
FROM   jobs
WHERE  lease_token IS NOT NULL OR done_token IS NOT NULL;
