"""The job table: one protocol, one folder of SQL for each dialect."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import file_utils
from ..errors import InvalidSettings
from .mapping import flat_row as flat_row
from .protocol import JobStore
from .queries import load_queries
from .rules import Policy
from .sql_store import SqlJobStore
from .sqlite import SqliteDatabase


def init_db(
    db_path: str | Path,
    *,
    clock: Callable[[], int] | None = None,
    crash_limit: int = 3,
    jitter: Callable[[], float] = random.random,
) -> SqlJobStore:
    """Open the job table, making or migrating its schema where that is needed; safe to call again.

    Args:
        db_path: The SQLite file, in a folder that exists; ``:memory:`` lives as long as the store.
        clock: Returns the time in UTC milliseconds; the system's by default.
        crash_limit: After so many runs in a row that died with ComfyUI, a job fails.
        jitter: Returns a number from 0 to 1 that spreads retries; random by default.

    Returns:
        The store; close it when done.

    Raises:
        StoreUnavailable: The file is no job table, is newer than this code, or cannot be opened. It is
            left as it was.

    Examples:
        >>> with init_db(":memory:") as db:
        ...     id = db.upsert_job({"config_name": "a.yaml", "job_type": "T2I", "workflow_id": "wf"})
        ...     job = db.lease_next_job("worker", lease_seconds=60)
        >>> job["config_name"], job["status"], job["run_count"]
        ('a.yaml', 'processing', 1)
    """
    database = SqliteDatabase(str(db_path))
    return SqlJobStore(database, load_queries("sqlite"), Policy(crash_limit, jitter), clock)


def open_store(cfg: Mapping[str, Any], clock: Callable[[], int] | None = None) -> JobStore:
    """Make home's folders and open the job table.

    Args:
        cfg: The settings.
        clock: As for ``init_db``.

    Returns:
        The store; close it when done.

    Raises:
        StoreUnavailable: The database cannot be used.
        InvalidSettings: Home cannot be written.
    """
    try:
        file_utils.ensure_directories(dict(cfg["paths"]))
    except OSError as exc:
        raise InvalidSettings(
            f"E3's home {cfg['home']} cannot be used: {exc}; make it writable, or set E3_HOME to a folder that is"
        ) from exc
    return init_db(cfg["paths"]["database"], clock=clock, crash_limit=cfg["crash_limit"])
