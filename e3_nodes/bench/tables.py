"""Job tables of any size, made once a run and copied for each section."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from .. import store
from . import homes

OFFSET = 100_000_000
"""Jobs of the table are numbered from here, out of the way of those that arrive as files."""

_MANY = """
WITH RECURSIVE numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last),
states AS (SELECT n, CASE WHEN :is_mixed = 0 OR n % 10 < 4 THEN 'pending' WHEN n % 10 < 8 THEN 'done'
                         WHEN n % 10 = 8 THEN 'failed' ELSE 'cancelled' END AS state FROM numbers)
INSERT INTO jobs (config_name, identity, job_type, media, workflow_id, workflow_sha256, priority, position, status,
                  run_count, retry_limit, start_time, end_time, duration, error_type, error_trace, filed_at, not_before,
                  created_at, updated_at, config_path, config_sha256, warnings, metadata, config, source_yaml)
SELECT replace(like.config_name, '_0_', '_' || (n + :offset) || '_'),
       replace(like.identity, '_0_', '_' || (n + :offset) || '_'),
       like.job_type, like.media, like.workflow_id, like.workflow_sha256, 50, n * 1048576, state,
       state <> 'pending', 2, iif(state = 'pending', NULL, :now), iif(state = 'pending', NULL, :now + n % 100000),
       iif(state = 'pending', NULL, n % 100000), iif(state = 'failed', 'error', NULL),
       iif(state = 'failed', 'node 3 (KSampler): ValueError: no model', NULL), iif(state = 'done', :now, NULL),
       iif(:is_waiting = 1 AND state = 'pending', :now + 86400000, NULL),
       :now, :now,
       replace(like.config_path, '_0_', '_' || (n + :offset) || '_'), like.config_sha256 || n, like.warnings,
       like.metadata, like.config, like.source_yaml
FROM   states, jobs AS like
WHERE  like.id = 1
"""


class Tables:
    """The tables of one run.

    Args:
        folder: Where they are kept while it lasts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copy_to(self, path: Path, rows: int, *, mixed: bool = False, backoffs: int = 0) -> Path:
        """Put a table of so many jobs at a path.

        Args:
            path: Where.
            rows: How many jobs; all wait, unless ``mixed``: then most have ended.
            mixed: Whether jobs of every state are wanted.
            backoffs: How many more wait for their retry.
        """
        made = self._folder / f"{rows}-{mixed}-{backoffs}.sqlite3"
        if not made.exists():
            _make(made, rows, mixed, backoffs)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(made, path)
        return path


def temporary() -> tempfile.TemporaryDirectory[str]:
    """Lend a folder for a run."""
    return tempfile.TemporaryDirectory(prefix="e3-bench-", ignore_cleanup_errors=True)


def _make(path: Path, rows: int, mixed: bool, backoffs: int) -> None:
    with store.init_db(str(path)) as db:
        db.ingest_jobs(list(homes.rows(0, 1)))
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("PRAGMA synchronous = OFF")
    values = {"now": time.time_ns() // 1_000_000, "is_mixed": int(mixed), "offset": OFFSET}
    con.execute("BEGIN")
    if rows:
        con.execute(_MANY, {**values, "first": 1, "last": rows, "is_waiting": 0})
    if backoffs:
        con.execute(_MANY, {**values, "first": rows + 1, "last": rows + backoffs, "is_waiting": 1})
    con.execute("DELETE FROM jobs WHERE id = 1")
    con.execute("COMMIT")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()
