-- A run changes no list. A job is open while it waits, processes, or is done and its YAML is not filed yet; the
-- indexes of the open jobs know no status, so that a lease and its end leave them as they are. Closing is
-- bookkeeping: it is done for many jobs in one commit, when their YAMLs are filed, or when a job fails or is cancelled.
-- The indexes carry ``closed``, for SQLite before 3.41 looks at it again where a walk could do without the row.
ALTER TABLE jobs ADD COLUMN closed INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1));
UPDATE jobs SET closed = 1
WHERE  status IN ('failed', 'cancelled') OR (status = 'done' AND filed_at IS NOT NULL);

CREATE TRIGGER jobs_close_insert AFTER INSERT ON jobs
WHEN NEW.closed <> (NEW.status IN ('failed', 'cancelled') OR (NEW.status = 'done' AND NEW.filed_at IS NOT NULL))
BEGIN
    UPDATE jobs SET closed = 1 - NEW.closed WHERE id = NEW.id;
END;

CREATE TRIGGER jobs_close_update AFTER UPDATE OF status, filed_at ON jobs
WHEN NEW.closed <> (NEW.status IN ('failed', 'cancelled') OR (NEW.status = 'done' AND NEW.filed_at IS NOT NULL))
BEGIN
    UPDATE jobs SET closed = 1 - NEW.closed WHERE id = NEW.id;
END;

DROP INDEX jobs_order_idx;
DROP INDEX jobs_created_idx;
DROP INDEX jobs_ended_idx;
DROP INDEX jobs_duration_idx;
DROP INDEX jobs_name_idx;
CREATE INDEX open_order_idx ON jobs (priority, position, tie, media, workflow_id, identity, closed) WHERE closed = 0;
CREATE INDEX open_created_idx ON jobs (created_at, tie, media, workflow_id, identity, closed) WHERE closed = 0;
CREATE INDEX open_name_idx ON jobs (identity, tie, media, workflow_id, closed) WHERE closed = 0;
CREATE INDEX closed_order_idx ON jobs (status, priority, position, tie, media, workflow_id, identity, closed)
WHERE closed = 1;
CREATE INDEX closed_created_idx ON jobs (status, created_at, tie, media, workflow_id, identity, closed) WHERE closed = 1;
CREATE INDEX closed_ended_idx ON jobs (status, ended_key, created_at, tie, media, workflow_id, identity, closed)
WHERE closed = 1;
CREATE INDEX closed_duration_idx ON jobs (status, duration_key, created_at, tie, media, workflow_id, identity, closed)
WHERE closed = 1;
CREATE INDEX closed_name_idx ON jobs (status, identity, tie, media, workflow_id, closed) WHERE closed = 1;

-- The few open jobs that do not wait: those that process, and those whose YAML still has to be moved.
DROP INDEX jobs_processing_idx;
DROP INDEX jobs_unfiled_idx;
CREATE INDEX at_work_idx ON jobs (status, worker_id) WHERE closed = 0 AND status <> 'pending';

-- The phases of a run are no news that an index must know of; the last runs of a workflow are among the last of all.
DROP INDEX jobs_updated_idx;
DROP INDEX jobs_runs_idx;
CREATE INDEX jobs_updated_idx ON jobs (updated_at) WHERE status <> 'processing';

-- Attempts are found by their job, and lie beside each other.
CREATE TABLE attempts_by_job (
    job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    lease_token TEXT    NOT NULL UNIQUE,
    worker_id   TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    outcome     TEXT    CHECK (outcome IN ('done', 'failed', 'retried', 'cancelled', 'returned', 'crashed')),
    error_type  TEXT,
    error       TEXT,
    node        TEXT,
    PRIMARY KEY (job_id, number),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
) WITHOUT ROWID;
INSERT INTO attempts_by_job
SELECT job_id, number, lease_token, worker_id, started_at, ended_at, outcome, error_type, error, node FROM attempts
ORDER  BY job_id, number;
DROP TABLE attempts;
ALTER TABLE attempts_by_job RENAME TO attempts;
