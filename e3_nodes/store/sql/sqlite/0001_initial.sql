-- The job table and what hangs on it. Times are integer UTC milliseconds.
-- Narrow columns come first and bulky ones last, so that light reads never follow an overflow page.
CREATE TABLE jobs (
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
                      CHECK (status IN ('pending', 'processing', 'done', 'failed', 'cancelled')),
    phase             TEXT    CHECK (phase IN ('leased', 'submitted', 'executing', 'publishing')),
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
    CHECK ((status = 'processing') = (lease_token IS NOT NULL)),
    CHECK ((status = 'processing') = (worker_id IS NOT NULL)),
    CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL)),
    CHECK ((status = 'processing') = (phase IS NOT NULL)),
    CHECK (status = 'processing' OR prompt_id IS NULL),
    CHECK ((status IN ('done', 'failed', 'cancelled')) = (end_time IS NOT NULL)),
    CHECK (status = 'pending' OR not_before IS NULL),
    CHECK (status <> 'pending' OR cancel_requested = 0)
);

-- What can run now, in the order in which it runs; and what waits for its backoff.
CREATE INDEX jobs_ready_idx ON jobs (priority, position) WHERE status = 'pending' AND not_before IS NULL;
CREATE INDEX jobs_backoff_idx ON jobs (not_before) WHERE status = 'pending' AND not_before IS NOT NULL;
-- The first and the last place of a priority.
CREATE INDEX jobs_place_idx ON jobs (priority, position);
-- Done jobs whose YAML still has to be moved; the last runs of a workflow.
CREATE INDEX jobs_unfiled_idx ON jobs (id) WHERE status = 'done' AND filed_at IS NULL;
CREATE INDEX jobs_runs_idx ON jobs (workflow_id, end_time) WHERE status = 'done';
-- What changed lately, to be pushed to whoever watches.
CREATE INDEX jobs_updated_idx ON jobs (updated_at);
-- One index for each sort of a list. They carry what a filter looks at, so that rows which do not
-- fit are passed over without being read.
CREATE INDEX jobs_order_idx ON jobs (status, priority, position, tie, media, workflow_id, identity);
CREATE INDEX jobs_created_idx ON jobs (status, created_at, tie, media, workflow_id, identity);
CREATE INDEX jobs_ended_idx ON jobs (status, ended_key, tie, media, workflow_id, identity);
CREATE INDEX jobs_duration_idx ON jobs (status, duration_key, tie, media, workflow_id, identity);
CREATE INDEX jobs_name_idx ON jobs (status, identity, tie, media, workflow_id);

-- Deleting a row is no transition; leaving done is one, and there is none.
CREATE TRIGGER jobs_done_is_final BEFORE UPDATE OF status ON jobs
WHEN OLD.status = 'done' AND NEW.status <> 'done'
BEGIN
    SELECT RAISE(ABORT, 'a done job stays done');
END;

-- Counts are kept, not counted: totals cost the same at a million rows.
CREATE TABLE job_counts (
    status      TEXT    NOT NULL,
    media       TEXT    NOT NULL,
    workflow_id TEXT    NOT NULL,
    n           INTEGER NOT NULL,
    PRIMARY KEY (status, media, workflow_id)
) WITHOUT ROWID;

CREATE TRIGGER jobs_count_insert AFTER INSERT ON jobs
BEGIN
    INSERT INTO job_counts VALUES (NEW.status, NEW.media, NEW.workflow_id, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER jobs_count_delete AFTER DELETE ON jobs
BEGIN
    UPDATE job_counts SET n = n - 1
    WHERE  status = OLD.status AND media = OLD.media AND workflow_id = OLD.workflow_id;
END;

CREATE TRIGGER jobs_count_update AFTER UPDATE OF status, media, workflow_id ON jobs
WHEN (OLD.status, OLD.media, OLD.workflow_id) <> (NEW.status, NEW.media, NEW.workflow_id)
BEGIN
    UPDATE job_counts SET n = n - 1
    WHERE  status = OLD.status AND media = OLD.media AND workflow_id = OLD.workflow_id;
    INSERT INTO job_counts VALUES (NEW.status, NEW.media, NEW.workflow_id, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TABLE attempts (
    id          INTEGER PRIMARY KEY,
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
    UNIQUE (job_id, number),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

CREATE TABLE intents (
    job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    lease_token TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    staged_path TEXT    NOT NULL,
    final_path  TEXT    NOT NULL,
    bytes       INTEGER NOT NULL,
    sha256      TEXT    NOT NULL,
    PRIMARY KEY (job_id, lease_token, number)
);

-- Removed jobs wait here, whole, for somebody to want them back.
CREATE TABLE removed_jobs (
    identity   TEXT    PRIMARY KEY,
    job        TEXT    NOT NULL,
    attempts   TEXT    NOT NULL,
    removed_at INTEGER NOT NULL
);
CREATE INDEX removed_jobs_age_idx ON removed_jobs (removed_at);

CREATE TABLE rejections (
    path    TEXT    PRIMARY KEY,
    code    TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    line    INTEGER,
    "column" INTEGER,
    seen_at INTEGER NOT NULL
);
CREATE INDEX rejections_age_idx ON rejections (seen_at);

CREATE TABLE workflow_versions (
    sha256   TEXT    PRIMARY KEY,
    workflow TEXT    NOT NULL,
    kept_at  INTEGER NOT NULL
);

CREATE TABLE workers (
    worker_id  TEXT    PRIMARY KEY,
    host       TEXT    NOT NULL,
    lock_path  TEXT    NOT NULL,
    output_root TEXT   NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL,
    heartbeat  INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE queue_state (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    user_paused INTEGER NOT NULL DEFAULT 0 CHECK (user_paused IN (0, 1)),
    auto_reason TEXT
);
INSERT INTO queue_state (id) VALUES (1);
