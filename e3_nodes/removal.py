"""Jobs taken out of the queue together with their files, and both brought back.

A removed job's file moves to jobs/removed/, so that it is not taken in again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from . import file_utils
from .errors import E3Error, OutputExists
from .model import MAX_CONFIG_BYTES, Job, LightJob, Status
from .outputs import filing
from .queue_manager import find_job
from .store.protocol import BulkAnswer, JobFilter, JobStore

SLICE = 500
"""Jobs of a bulk removal that share a transaction."""


def remove_job(db: JobStore, config_name: str, cfg: Mapping[str, Any]) -> Job:
    """Take a job that does not run out of the table, and its file out of the way.

    The file goes first: a crash in between leaves a job without a file, which harms nothing, while a file
    without a job would be taken in again.

    Args:
        db: The store.
        config_name: The job.
        cfg: The settings.

    Returns:
        The row as it was.

    Raises:
        UnknownJob: No job has that name.
        WrongState: The job runs; cancel it first.
    """
    moved = _put_aside(find_job(db, config_name), cfg)
    try:
        return db.remove_job(config_name)
    except E3Error:
        _put_back(moved)
        raise


def remove_jobs(
    db: JobStore, cfg: Mapping[str, Any], *, names: list[str] | None = None, where: JobFilter | None = None
) -> list[BulkAnswer]:
    """Remove many jobs, by name or by filter, each with its file.

    Args:
        db: The store.
        cfg: The settings.
        names: The jobs; each gets an answer.
        where: Instead of names: all that match and do not run.
    """
    chosen = names if names is not None else _names_of(db, where or {})
    slices = (chosen[start : start + SLICE] for start in range(0, len(chosen), SLICE))
    return [answer for part in slices for answer in _remove_slice(db, part, cfg)]


def restore_job(db: JobStore, config_name: str, cfg: Mapping[str, Any]) -> Job:
    """Bring a removed job back as it was, and its file to where it was.

    The row comes first: a file in processing/ without its row would be taken in as a new job.

    Args:
        db: The store.
        config_name: The job.
        cfg: The settings.

    Raises:
        UnknownJob: No job of that name was removed in the last seven days.
        NameConflict: Another job has that name by now.
    """
    job = db.restore_job(config_name)
    is_done = job["status"] == Status.DONE.value
    target = filing.finished_path(job, cfg) if is_done else Path(job["config_path"] or _folder(job, cfg))
    file_utils.make_folder(target.parent)
    with contextlib.suppress(OutputExists):  # somebody has put a file there meanwhile: it stays
        _bring_back(job, target, cfg)
    return job


def _remove_slice(db: JobStore, names: list[str], cfg: Mapping[str, Any]) -> list[BulkAnswer]:
    moved: dict[str, tuple[Path, Path] | None] = {}
    for job in db.get_jobs(names):
        moved[job["config_name"]] = _put_aside(job, cfg)
    answers = db.bulk("delete", names=names)
    for answer in answers:
        if not answer.get("ok"):
            _put_back(moved.get(answer.get("config_name", "")))
    return answers


def _names_of(db: JobStore, where: JobFilter) -> list[str]:
    """List the names that a filter means now, but those of running jobs."""
    found: list[LightJob] = []
    cursor = None
    while True:
        page = db.list_jobs(where, limit=1000, cursor=cursor)
        found += page["jobs"]
        cursor = page["next"]
        if cursor is None:
            return [job["config_name"] for job in found if job["status"] != Status.PROCESSING.value]


def _put_aside(job: Job, cfg: Mapping[str, Any]) -> tuple[Path, Path] | None:
    """Move the job's file to removed/; return from where to where, or None when there is none to move."""
    if job["status"] == Status.PROCESSING.value:
        return None
    is_done = job["status"] == Status.DONE.value
    source = filing.finished_path(job, cfg) if is_done else Path(job["config_path"])
    if not job["config_path"] or not source.is_file():
        return None
    target = _free(_folder(job, cfg))
    file_utils.make_folder(target.parent)
    _move(source, target)
    return source, target


def _put_back(moved: tuple[Path, Path] | None) -> None:
    if moved is not None:
        source, target = moved
        with contextlib.suppress(OutputExists):
            file_utils.safe_move(target, source)


def _bring_back(job: Job, target: Path, cfg: Mapping[str, Any]) -> None:
    """Move the removed file back, or write it anew from the row where it is gone."""
    first = _folder(job, cfg)
    for kept in sorted(first.parent.glob(f"{first.stem}*.yaml"), reverse=True):
        if _sha256(kept) == job["config_sha256"]:
            file_utils.safe_move(kept, target)
            return
    file_utils.write_atomically(target, job["source_yaml"].encode(), replace=False)


def _move(source: Path, target: Path) -> None:
    """Rename, which is quick; across filesystems copy and remove."""
    try:
        source.rename(target)
    except OSError:
        file_utils.safe_move(source, target)


def _folder(job: Job, cfg: Mapping[str, Any]) -> Path:
    return Path(cfg["home"]) / "jobs" / "removed" / job["media"] / job["config_name"]


def _free(path: Path) -> Path:
    """Return the path, or the first numbered one beside it that is free."""
    versions = (path if n == 1 else path.with_name(f"{path.stem}_{n}.yaml") for n in count(1))
    return next(version for version in versions if not version.exists())


def _sha256(path: Path) -> str:
    return hashlib.sha256(file_utils.read_regular_file(path, MAX_CONFIG_BYTES)[0]).hexdigest()
