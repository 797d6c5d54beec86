"""Files to rows: what lies in processing/ becomes a pending job or a rejection, and nothing is lost.

The scan is the truth; file events only shorten the wait. A file is read when it is whole: unchanged between two
looks, or known to have arrived by a rename (see ``drop_folder``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from . import failpoints, file_utils, job_rows, store
from .drop_folder import LOOK_SECONDS, DropFolder
from .errors import E3Error, InvalidConfig, NameConflict, OutputExists
from .logger import get_logger
from .model import Job, Workflow
from .store.protocol import JobStore

log = get_logger("monitor")

GATHER_SECONDS = 0.01
"""How long a file event waits for others that came with it."""

SLICE = 50
"""Files judged in a row; between slices other threads, ComfyUI's loop above all, get their turn."""

BATCH = 500
"""Files a transaction."""

MOST_SAID = 20
"""Files that a scan names one by one in the log; of more it gives the number."""


class _Judgement(TypedDict):
    path: str
    status: Literal["accepted", "rejected", "settling", "duplicate"]


class Finding(_Judgement, total=False):
    """What a scan says of one file; ``code`` and ``reason`` say why one was rejected."""

    config_name: str
    code: str
    reason: str
    line: int | None
    column: int | None


def scan_once(
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    *,
    folder: DropFolder | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Finding]:
    """Look at processing/ once, and take what is whole.

    Args:
        cfg: The settings.
        workflows: The workflows that jobs may name.
        db: The store.
        folder: What earlier scans saw; without it the scan takes its two looks itself, two seconds apart.
        sleep: Waits between those two looks.

    Returns:
        A finding for each file that is new or changed since the folder was looked at last.
    """
    if folder is None:
        folder = DropFolder(cfg["paths"]["jobs_processing"])
        folder.look()
        sleep(LOOK_SECONDS)
    return list(_scan(cfg, workflows, db, folder))


def _scan(
    cfg: Mapping[str, Any], workflows: Mapping[str, Workflow], db: JobStore, folder: DropFolder
) -> Iterator[Finding]:
    """Take what is whole, and say of each file what became of it as soon as that is known."""
    ready = folder.look()
    if ready:
        failpoints.reach("scan.seen")
    for start in range(0, len(ready), BATCH):
        try:
            yield from take_files(ready[start : start + BATCH], cfg, workflows, db, folder=folder)
        except BaseException:  # also where nobody wants to hear more
            for path in ready[start:]:  # they were not taken: look at them again
                folder.unsettle(path)
            raise
    for path in folder.take_gone():
        db.clear_rejection(path)
    yield from (Finding(path=path, status="settling") for path in folder.settling())


def run_monitor_loop(
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    stop_event: threading.Event,
    *,
    folder: DropFolder | None = None,
    wake: threading.Event | None = None,
    refresh: Callable[[], bool] | None = None,
) -> None:
    """Scan, then wait ``poll_interval_ms`` or until a file event wakes the loop; until told to stop.

    Args:
        cfg: The settings.
        workflows: The workflows, which ``refresh`` may update in place.
        db: The store.
        stop_event: Ends the loop.
        folder: What earlier scans saw.
        wake: Set by file events, and by the owner of ``stop_event`` to end the wait at once.
        refresh: Reloads ``workflows`` if their files changed; True lets refused files be judged again.
    """
    folder = folder or DropFolder(cfg["paths"]["jobs_processing"])
    wake = wake or stop_event
    while not stop_event.is_set():
        try:
            if refresh is not None and refresh():
                folder.judge_again()
            _say(_scan(cfg, workflows, db, folder))
        except Exception:
            log.exception("The scan of %s failed; it is tried again", cfg["paths"]["jobs_processing"])
        wake.wait(folder.seconds_to_next_look(cfg["poll_interval_ms"] / 1000))
        if wake is not stop_event:
            stop_event.wait(GATHER_SECONDS)
            wake.clear()


def take_files(
    paths: Iterable[str],
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    *,
    folder: DropFolder | None = None,
) -> list[Finding]:
    """Read whole files and make rows of them in one transaction; record why each other one is no job."""
    folder = folder or DropFolder(cfg["paths"]["jobs_processing"])
    desk = job_rows.Desk(cfg, workflows)
    rows: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for number, path in enumerate(paths, 1):
        if number % SLICE == 0:
            time.sleep(0)
        try:
            row, signature = desk.read(path)
            folder.judged(path, signature)
            rows.append(store.flat_row(row))
        except FileNotFoundError:
            continue  # removed, or taken, run and filed by another process already
        except file_utils.FileChanging:
            folder.unsettle(path)
        except E3Error as exc:
            folder.refuse(path)
            findings.append(_reject(path, exc, db))
    return findings + _ingest(rows, workflows, db)


def submit_job(name: str, data: bytes, cfg: Mapping[str, Any], workflows: Mapping[str, Workflow], db: JobStore) -> Job:
    """Judge a job, write its file into processing/ and take it in at once, in any process.

    Args:
        name: The job's name, with or without ``.yaml``.
        data: The bytes of its file.
        cfg: The settings.
        workflows: The workflows that it may name.
        db: The store.

    Returns:
        The job's row.

    Raises:
        InvalidConfig: It breaks a rule; nothing was written.
        NameConflict: A job or a file of that name is there already.
    """
    row = job_rows.check_job(name, data, cfg, workflows)
    name = row["config_name"]
    path = Path(cfg["paths"]["jobs_processing"]) / row["media"] / name
    if db.get_job(name) is not None:
        raise _taken(name)
    file_utils.make_folder(path.parent)
    try:
        file_utils.write_atomically(path, data, replace=False)
    except OutputExists as exc:
        raise _taken(name) from exc
    for finding in take_files([str(path)], cfg, workflows, db):
        if finding["status"] == "rejected":
            raise InvalidConfig(finding.get("reason", ""), code=finding.get("code"))
    job = db.get_job(name)
    if job is None:
        raise InvalidConfig(f"{name} changed while it was taken in; look for it in the list of jobs", code="changed")
    return job


def _taken(name: str) -> NameConflict:
    return NameConflict(f"a job called {name} is there already; give this one another name or number")


def _ingest(rows: list[dict[str, Any]], workflows: Mapping[str, Workflow], db: JobStore) -> list[Finding]:
    if not rows:
        return []
    for sha256, workflow_id in {row["workflow_sha256"]: row["workflow_id"] for row in rows}.items():
        db.keep_workflow_version(sha256, workflows[workflow_id])
    failpoints.reach("scan.before_insert")
    paths, names = [row["config_path"] for row in rows], [row["config_name"] for row in rows]
    taken = db.ingest_jobs(rows.pop(0) for _ in paths)  # handed over, and not held twice
    failpoints.reach("scan.after_insert")
    return [
        _finding(path, name, ingested["id"], ingested["outcome"], db)
        for path, name, ingested in zip(paths, names, taken, strict=True)
    ]


def _finding(path: str, name: str, job_id: int, outcome: str, db: JobStore) -> Finding:
    """Say what became of a file; that of a job which is done already is filed once more."""
    if outcome == "name_conflict":
        return _reject(path, _conflict(name), db)
    if outcome == "duplicate" and Path(path).exists():  # it may have been filed since it was read
        db.mark_unfiled(job_id)
    status = "duplicate" if outcome == "duplicate" else "accepted"
    return Finding(path=path, status=status, config_name=name)


def _conflict(name: str) -> InvalidConfig:
    return InvalidConfig(
        f"another job called {name} runs or is done, with other content; give this file a new name, "
        "for instance another number",
        code="name_conflict",
    )


def _reject(path: str, exc: E3Error, db: JobStore) -> Finding:
    db.record_rejection(path, exc.code, str(exc), line=exc.line, column=exc.column)
    failpoints.reach("reject.recorded")
    return Finding(path=path, status="rejected", code=exc.code, reason=str(exc), line=exc.line, column=exc.column)


def _say(findings: Iterable[Finding]) -> None:
    accepted = 0
    for finding in findings:
        if finding["status"] == "rejected":
            log.warning("Rejected %s: %s", finding["path"], finding.get("reason"), extra={"action": "job_rejected"})
        elif finding["status"] == "accepted":
            accepted += 1
            if accepted <= MOST_SAID:
                log.info("Took %s", finding.get("config_name"), extra={"action": "job_accepted"})
    if accepted > MOST_SAID:
        log.info("Took %d more jobs", accepted - MOST_SAID, extra={"action": "job_accepted"})
