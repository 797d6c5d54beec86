"""How attempts end that gave no result: each is recorded, and its folder cleared."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from typing import Any

from . import crashes, failpoints, outputs
from .errors import (
    AttemptLeft,
    AttemptReturned,
    DiskFull,
    E3Error,
    HostDied,
    HostUnavailable,
    LeaseLost,
    StoreUnavailable,
)
from .guardrails import DISK_FULL
from .leases import token_of
from .logger import get_logger
from .model import ErrorType, Job, Phase
from .station import Station
from .store.protocol import JobStore

log = get_logger("endings")

HOST_RETRY_MS = 10_000


def record_end(job: Job, exc: Exception, cfg: Mapping[str, Any], db: JobStore, station: Station) -> None:
    """Record an attempt that gave no result; which error it was decides what becomes of the job."""
    name, token = job["config_name"], token_of(job)
    if isinstance(exc, LeaseLost):
        log.warning("Left %s alone: %s", name, exc, extra={"action": "job_fenced"})
        return
    if isinstance(exc, AttemptLeft):
        log.info("Left %s: %s", name, exc, extra={"action": "job_left"})
        return
    if isinstance(exc, StoreUnavailable):
        log.warning("How %s ended is recorded later: %s", name, exc, extra={"action": "record_delayed"})
        return
    if isinstance(exc, DiskFull) and _is_promised(job, db):
        db.set_auto_pause(DISK_FULL)
        log.warning("%s is delivered when there is room: %s", name, exc, extra={"action": "disk_full"})
        return
    if isinstance(exc, (AttemptReturned, HostUnavailable, DiskFull)):
        _give_back(job, exc, db, station)
    elif isinstance(exc, HostDied):
        _record_death(job, exc, cfg, db)
    else:
        _record_failure(job, exc, db, station)
    outputs.discard_staging(str(station.backend.staging(token)))


def _record_death(job: Job, exc: HostDied, cfg: Mapping[str, Any], db: JobStore) -> None:
    """Record that ComfyUI died while it had the prompt; the row knows by now whether it had begun."""
    row = db.get_job(job["config_name"])
    if row is not None and row["lease_token"] == token_of(job):
        crashes.record_death(row, cfg, db, was_next=exc.was_next)
        log.warning("%s while it had %s", exc, job["config_name"], extra={"action": "host_died"})


def _is_promised(job: Job, db: JobStore) -> bool:
    """Tell whether the intents are committed: the result is made, and only its delivery is missing."""
    row = db.get_job(job["config_name"])
    return row is not None and row["phase"] == Phase.PUBLISHING.value and row["lease_token"] == token_of(job)


def _record_failure(job: Job, exc: Exception, db: JobStore, station: Station) -> None:
    """End an attempt that failed; the store decides by type and limit whether the job runs again."""
    error_type, trace = error_type_of(exc), trace_of(exc)
    if error_type is ErrorType.OOM:
        station.backend.free_memory()
    updates = {"error_type": error_type.value, "error_trace": trace}
    held = db.complete_job(job["id"], success=False, updates=updates, lease_token=token_of(job))
    failpoints.reach("fail.committed")
    row = db.get_job(job["config_name"])
    if held and row is not None:
        station.guardrails.note_failure(row, trace, db)
    log.warning(
        "Attempt at %s ended: %s",
        job["config_name"],
        trace.splitlines()[0],
        extra={"action": "attempt_failed", "job": job["config_name"], "error_type": error_type.value},
    )


def _give_back(job: Job, exc: AttemptReturned | HostUnavailable | DiskFull, db: JobStore, station: Station) -> None:
    """Return a job that pays nothing; a full disk or an absent ComfyUI is not its fault."""
    delay = exc.delay_ms if isinstance(exc, AttemptReturned) else HOST_RETRY_MS
    evicted = isinstance(exc, AttemptReturned) and exc.evicted
    not_before = time.time_ns() // 1_000_000 + delay if delay else None
    db.return_job(job["id"], token_of(job), reason=str(exc), not_before=not_before, evicted=evicted)
    if isinstance(exc, DiskFull):
        db.set_auto_pause(DISK_FULL)
    if evicted:
        station.guardrails.note_eviction(db)
    log.info("Returned %s: %s", job["config_name"], exc, extra={"action": "job_returned"})


def error_type_of(exc: Exception) -> ErrorType:
    """Tell the job's error type from what an attempt raised.

    Examples:
        >>> error_type_of(E3Error("no time left", code="timeout")).value
        'timeout'
        >>> error_type_of(ZeroDivisionError()).value
        'error'
    """
    code = getattr(exc, "code", "")
    if code in {member.value for member in ErrorType}:
        return ErrorType(code)
    return ErrorType.INVALID if isinstance(exc, E3Error) and isinstance(exc, ValueError) else ErrorType.ERROR


def trace_of(exc: Exception) -> str:
    """Return what a person reads: the message of an error of ours; of any other what it is, then its traceback.

    Examples:
        >>> trace_of(ZeroDivisionError("no")).splitlines()[0]
        'ZeroDivisionError: no'
    """
    if isinstance(exc, E3Error):
        return str(exc)
    head = traceback.format_exception_only(exc)[-1].strip()
    return "\n".join([head, "".join(traceback.format_exception(exc)).rstrip()])
