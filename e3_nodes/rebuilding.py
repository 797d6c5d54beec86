"""A database that is damaged, gone or empty: set it aside, never delete it, and rebuild the table from the files.

The result files in finished/ say what is done; what lies in processing/ is taken in anew by the monitor.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from . import file_utils, locks, outputs, store, validation
from .errors import E3Error, StoreUnavailable
from .logger import get_logger
from .model import MAX_CONFIG_BYTES, Status
from .parsing import strict_yaml
from .store import search_index
from .store.protocol import JobStore

log = get_logger("rebuilding")

BATCH = 200
PATIENCE_SECONDS = 10.0
_COMPANIONS = ("", "-wal", "-shm", "-journal")
_RESULT = ".result.json"
_TOLD = ("run_count", "start_time", "end_time", "duration", "warnings", "metadata", "workflow_sha256")


def open_whole(cfg: Mapping[str, Any], now: Callable[[], int] | None = None) -> tuple[JobStore, bool]:
    """Open the job table; a damaged one is set aside first.

    Args:
        cfg: The settings.
        now: UTC milliseconds; the system's clock when None.

    Returns:
        The store, and whether it is new, so that it has to be rebuilt.

    Raises:
        StoreUnavailable: The database is another program's, is newer than this code, or cannot be used now.
        InvalidSettings: Home cannot be written.
    """
    with _alone(cfg):
        is_new = _is_empty(Path(cfg["paths"]["database"]))
        try:
            return store.open_store(cfg, now), is_new
        except StoreUnavailable as exc:
            if exc.code != "db_damaged":
                raise
            log.error("%s", exc, extra={"action": "db_damaged"})
        set_aside(cfg)
        return store.open_store(cfg, now), True


def reopen_whole(cfg: Mapping[str, Any], db: JobStore) -> None:
    """Open the job table anew under a store in use, because its file is gone, replaced or damaged.

    Args:
        cfg: The settings.
        db: The store; while this runs, its other users are told that it cannot be used.
    """
    with _alone(cfg):
        try:
            db.reopen()
            damage = db.quick_check()
        except StoreUnavailable as exc:
            if exc.code != "db_damaged":
                raise
            damage = [str(exc)]
        if damage:
            log.error("The database is damaged: %s", damage[0], extra={"action": "db_damaged"})
            db.reopen(lambda: set_aside(cfg))


def set_aside(cfg: Mapping[str, Any]) -> Path | None:
    """Move the database with its journals into ``quarantine/<time>`` beside it; its search index is thrown away.

    Args:
        cfg: The settings.

    Returns:
        Where it is now; None when there was nothing to move.
    """
    database = Path(cfg["paths"]["database"])
    present = [Path(f"{database}{ending}") for ending in _COMPANIONS if os.path.lexists(f"{database}{ending}")]
    if not present:
        return None
    search_index.remove_index(database)
    folder = database.parent / "quarantine" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    while folder.exists():
        folder = folder.with_name(f"{folder.name}x")
    file_utils.make_folder(folder)
    for path in present:
        file_utils.patiently(path.rename, folder / path.name)
    file_utils.fsync_dir(folder)
    file_utils.fsync_dir(database.parent)
    log.warning("Set the damaged database aside in %s", folder, extra={"action": "db_set_aside"})
    return folder


def rebuild(cfg: Mapping[str, Any], db: JobStore) -> int:
    """Bring back as done every job whose result file lies in finished/ with its job file beside it.

    Args:
        cfg: The settings.
        db: The store; rows that it has are left as they are.

    Returns:
        How many jobs were brought back.
    """
    rows = (row for path in _result_files(Path(cfg["paths"]["jobs_finished"])) if (row := _row_of(path, cfg)))
    count = 0
    while batch := list(islice(rows, BATCH)):
        count += sum(ingested["outcome"] == "accepted" for ingested in db.ingest_jobs(batch))
    if count:
        log.warning("Brought %d done jobs back from their result files", count, extra={"action": "rebuilt"})
    return count


def _is_empty(database: Path) -> bool:
    """Tell whether there is no table yet; a stat, since nothing but SQLite may open the file."""
    return not database.exists() or database.stat().st_size == 0


@contextmanager
def _alone(cfg: Mapping[str, Any]) -> Iterator[None]:
    """Let one process at a time judge the database; one that waits too long goes on, as each step is safe."""
    lock = locks.ProcessLock(locks.lock_path(cfg["home"], "database"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    with contextlib.suppress(OSError):  # home cannot be written: opening the store says so better
        while not lock.acquire() and time.monotonic() < deadline:
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()


def _result_files(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(where, name) for name in sorted(files) if name.endswith(_RESULT))


def _row_of(path: Path, cfg: Mapping[str, Any]) -> dict[str, Any] | None:
    """Make the row of a done job from its result file and its job file; None where they do not fit together."""
    job_file = path.with_name(path.name.removesuffix(_RESULT) + ".yaml")
    told = outputs.read_result_file(path)
    try:
        data, _ = file_utils.read_regular_file(str(job_file), MAX_CONFIG_BYTES, may_have_other_names=True)
        document = strict_yaml.read(data, source=job_file.name).data
        name = validation.canonical_config_name(str((told or {})["config_name"]))
    except (E3Error, OSError, KeyError):
        return None
    if told is None or told.get("config_sha256") != hashlib.sha256(data).hexdigest():
        return None
    folder = job_file.parent.relative_to(cfg["paths"]["jobs_finished"])
    source = Path(cfg["paths"]["jobs_processing"]) / folder / name
    is_filed = not file_utils.is_one_file(source, job_file)  # else a crash left the file both its names
    return {
        **{key: told[key] for key in _TOLD if told.get(key) is not None},
        "config_name": name,
        "job_type": str(document.get("job_type")),
        "media": folder.parts[0] if folder.parts else "image",
        "workflow_id": str(told.get("workflow_id")),
        "status": Status.DONE.value,
        "config": {"inputs": document.get("inputs", {}), "outputs": document.get("outputs", {})},
        "config_path": str(source),
        "config_sha256": told["config_sha256"],
        "source_yaml": data.decode("utf-8-sig"),
        "filed_at": int(time.time() * 1000) if is_filed else None,
    }
