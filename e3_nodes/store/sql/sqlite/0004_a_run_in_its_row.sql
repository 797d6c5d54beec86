-- A lease and its end write two pages each: the job's own, and one of an index in which nothing moves far.
--
-- The attempt that is open lives in the job's row, and so does the one that ended done, for no other follows it. The
-- table of attempts keeps those that ended otherwise. The table of jobs is made anew, which puts what came later before
-- what is bulky, and has no list in its checks: SQLite builds a table of each, every time that it looks.
CREATE TABLE jobs_anew (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    config_name       TEXT    NOT NULL UNIQUE,
    identity          TEXT    NOT NULL UNIQUE,
    job_type          TEXT    NOT NULL,
    media             TEXT    NOT NULL,
    workflow_id       TEXT    NOT NULL,
    workflow_sha256   TEXT    NOT NULL DEFAULT '',
    priority          INTEGER NOT NULL CHECK (typeof(priority) = 'integer' AND priority BETWEEN 1 AND 999),
    position          INTEGER NOT NULL CHECK (typeof(position) = 'integer'),
    status            TEXT    NOT NULL
                      CHECK (status = 'pending' OR status = 'processing' OR status = 'done' OR status = 'failed'
                             OR status = 'cancelled'),
    phase             TEXT    CHECK (phase = 'leased' OR phase = 'submitted' OR phase = 'executing'
                                     OR phase = 'publishing'),
    run_count         INTEGER NOT NULL DEFAULT 0 CHECK (run_count >= 0),
    retries_attempted INTEGER NOT NULL DEFAULT 0 CHECK (retries_attempted >= retries_base),
    retries_base      INTEGER NOT NULL DEFAULT 0 CHECK (retries_base >= 0),
    retry_limit       INTEGER NOT NULL
                      CHECK (typeof(retry_limit) = 'integer' AND retry_limit BETWEEN 0 AND 20),
    crash_count       INTEGER NOT NULL DEFAULT 0 CHECK (crash_count >= 0),
    evict_count       INTEGER NOT NULL DEFAULT 0 CHECK (evict_count >= 0),
    worker_id         TEXT,
    lease_token       TEXT,
    lease_expires_at  INTEGER,
    not_before        INTEGER,
    prompt_id         TEXT,
    cancel_requested  INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    start_time        INTEGER,
    end_time          INTEGER,
    duration          INTEGER CHECK (duration >= 0),
    error_type        TEXT,
    filed_at          INTEGER,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    closed            INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1)),
    -- The attempt: when it began and which node it is at; and, where it ended done, when, whose it was, its token.
    leased_at         INTEGER,
    node              TEXT,
    done_at           INTEGER,
    done_by           TEXT,
    done_token        TEXT,
    config_path       TEXT    NOT NULL DEFAULT '',
    config_sha256     TEXT    NOT NULL DEFAULT '',
    warnings          TEXT    NOT NULL DEFAULT '[]',
    metadata          TEXT    NOT NULL DEFAULT '{}',
    config            TEXT    NOT NULL DEFAULT '{}',
    source_yaml       TEXT    NOT NULL DEFAULT '',
    error_trace       TEXT,
    -- What lists sort and page by where the column itself may be NULL, and a tie-breaker that row
    -- values may name (SQLite does not use an alias of the rowid inside them).
    ended_key         INTEGER GENERATED ALWAYS AS (coalesce(end_time, 0)) VIRTUAL,
    duration_key      INTEGER GENERATED ALWAYS AS (coalesce(duration, 0)) VIRTUAL,
    tie               INTEGER GENERATED ALWAYS AS (id) VIRTUAL,
    -- What a job is to those who work: 2 can run, 1 runs, 0 has run and its YAML is not moved yet; NULL is nothing to
    -- them.
    turn              INTEGER GENERATED ALWAYS AS (
                          CASE WHEN closed = 1 THEN NULL
                               WHEN status = 'pending' THEN iif(not_before IS NULL, 2, NULL)
                               WHEN status = 'processing' THEN 1
                               ELSE 0 END) VIRTUAL,
    CHECK ((status = 'processing') = (lease_token IS NOT NULL)),
    CHECK ((status = 'processing') = (worker_id IS NOT NULL)),
    CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL)),
    CHECK ((status = 'processing') = (phase IS NOT NULL)),
    CHECK (status <> 'processing' OR leased_at IS NOT NULL),
    CHECK (status = 'processing' OR prompt_id IS NULL),
    CHECK ((status = 'pending' OR status = 'processing') = (end_time IS NULL)),
    CHECK (status = 'pending' OR not_before IS NULL),
    CHECK (status <> 'pending' OR cancel_requested = 0)
);
INSERT INTO jobs_anew (
    id, config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position, status, phase,
    run_count, retries_attempted, retries_base, retry_limit, crash_count, evict_count, worker_id, lease_token,
    lease_expires_at, not_before, prompt_id, cancel_requested, start_time, end_time, duration, error_type, filed_at,
    created_at, updated_at, closed, leased_at, node, config_path, config_sha256, warnings, metadata, config,
    source_yaml, error_trace
)
SELECT jobs.id, config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position, status, phase,
       run_count, retries_attempted, retries_base, retry_limit, crash_count, evict_count, jobs.worker_id,
       jobs.lease_token, lease_expires_at, not_before, prompt_id, cancel_requested, start_time, end_time, duration,
       jobs.error_type, filed_at, created_at, updated_at, closed,
       iif(status = 'processing', coalesce(attempts.started_at, updated_at), NULL), attempts.node,
       config_path, config_sha256, warnings, metadata, config, source_yaml, error_trace
FROM   jobs LEFT JOIN attempts ON attempts.lease_token = jobs.lease_token
ORDER  BY jobs.id;
DELETE FROM sqlite_sequence
WHERE  name = 'jobs_anew';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'jobs_anew', seq FROM sqlite_sequence WHERE name = 'jobs';

-- What belongs to jobs goes before the old table does, or would go with it.
CREATE TABLE attempts_anew (
    job_id      INTEGER NOT NULL REFERENCES jobs_anew (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    lease_token TEXT    NOT NULL UNIQUE,
    worker_id   TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    outcome     TEXT    NOT NULL
                CHECK (outcome IN ('done', 'failed', 'retried', 'cancelled', 'returned', 'crashed')),
    error_type  TEXT,
    error       TEXT,
    node        TEXT,
    PRIMARY KEY (job_id, number)
) WITHOUT ROWID;
INSERT INTO attempts_anew
SELECT job_id, number, lease_token, worker_id, started_at, ended_at, outcome, error_type, error, node FROM attempts
WHERE  outcome IS NOT NULL
ORDER  BY job_id, number;
CREATE TABLE intents_anew (
    job_id      INTEGER NOT NULL REFERENCES jobs_anew (id) ON DELETE CASCADE,
    lease_token TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    staged_path TEXT    NOT NULL,
    final_path  TEXT    NOT NULL,
    bytes       INTEGER NOT NULL,
    sha256      TEXT    NOT NULL,
    PRIMARY KEY (job_id, lease_token, number)
);
INSERT INTO intents_anew (job_id, lease_token, number, staged_path, final_path, bytes, sha256)
SELECT job_id, lease_token, number, staged_path, final_path, bytes, sha256 FROM intents
ORDER  BY rowid;
DROP TABLE attempts;
DROP TABLE intents;
DROP TABLE jobs;
ALTER TABLE jobs_anew RENAME TO jobs;
ALTER TABLE attempts_anew RENAME TO attempts;
ALTER TABLE intents_anew RENAME TO intents;

CREATE VIEW every_attempt AS
SELECT job_id, number, lease_token, worker_id, started_at, ended_at, outcome, error_type, error, node
FROM   attempts
UNION ALL
SELECT id, 1 + coalesce((SELECT max(number) FROM attempts WHERE job_id = jobs.id), 0),
       coalesce(lease_token, done_token), coalesce(worker_id, done_by), leased_at, done_at,
       iif(done_token IS NULL, NULL, 'done'), NULL, NULL, node
FROM   jobs
WHERE  leased_at IS NOT NULL;

-- Whoever works asks here. Jobs that run lie right before those that run next, and right behind those that have just
-- run. Only what has run has an end: of the others ended_key is 0, which has to be said to get them in order.
CREATE INDEX turn_idx ON jobs (turn, ended_key, priority, position) WHERE turn IS NOT NULL;
CREATE INDEX jobs_backoff_idx ON jobs (not_before) WHERE status = 'pending' AND not_before IS NOT NULL;
-- The first and the last place of a priority.
CREATE INDEX jobs_place_idx ON jobs (priority, position);
-- What changed last. A new job did so when it was created, and those at work are few: neither needs to lie here.
CREATE INDEX jobs_updated_idx ON jobs (updated_at)
WHERE closed = 1 OR (status = 'pending' AND updated_at <> created_at);
-- The lists, as before.
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

CREATE TRIGGER jobs_done_is_final BEFORE UPDATE OF status ON jobs
WHEN OLD.status = 'done' AND NEW.status <> 'done'
BEGIN
    SELECT RAISE(ABORT, 'a done job stays done');
END;

CREATE TRIGGER jobs_close_insert AFTER INSERT ON jobs
WHEN NEW.closed <> (NEW.status IN ('failed', 'cancelled') OR (NEW.status = 'done' AND NEW.filed_at IS NOT NULL))
BEGIN
    UPDATE jobs SET closed = 1 - NEW.closed WHERE id = NEW.id;
END;

-- With the end comes, or goes, what closes a job; a lease knows of none.
CREATE TRIGGER jobs_close_update AFTER UPDATE OF end_time, filed_at ON jobs
WHEN NEW.closed <> (NEW.status IN ('failed', 'cancelled') OR (NEW.status = 'done' AND NEW.filed_at IS NOT NULL))
BEGIN
    UPDATE jobs SET closed = 1 - NEW.closed WHERE id = NEW.id;
END;

-- Open jobs are counted as one; of those at work, which are few, a question looks at each.
DELETE FROM job_counts;
INSERT INTO job_counts
SELECT iif(closed = 1, status, 'open'), media, workflow_id, count(*) FROM jobs GROUP BY 1, 2, 3;

CREATE TRIGGER jobs_count_insert AFTER INSERT ON jobs
BEGIN
    INSERT INTO job_counts VALUES (iif(NEW.closed = 1, NEW.status, 'open'), NEW.media, NEW.workflow_id, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER jobs_count_delete AFTER DELETE ON jobs
BEGIN
    UPDATE job_counts SET n = n - 1
    WHERE  status = iif(OLD.closed = 1, OLD.status, 'open') AND media = OLD.media AND workflow_id = OLD.workflow_id;
END;

-- Closing is an update within an update, and either may be counted first.
CREATE TRIGGER jobs_count_update AFTER UPDATE OF end_time, closed, media, workflow_id ON jobs
WHEN (iif(OLD.closed = 1, OLD.status, 'open'), OLD.media, OLD.workflow_id)
  <> (iif(NEW.closed = 1, NEW.status, 'open'), NEW.media, NEW.workflow_id)
BEGIN
    INSERT INTO job_counts VALUES (iif(OLD.closed = 1, OLD.status, 'open'), OLD.media, OLD.workflow_id, -1)
    ON CONFLICT DO UPDATE SET n = n - 1;
    INSERT INTO job_counts VALUES (iif(NEW.closed = 1, NEW.status, 'open'), NEW.media, NEW.workflow_id, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
