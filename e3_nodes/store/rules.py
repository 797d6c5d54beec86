"""What becomes of a job when an attempt ends: pure decisions, the same for every database."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from .. import errors
from ..model import ErrorType, Phase, Status


class Notes(TypedDict):
    """What a job has to say for itself. While it runs, its owner alone adds to that."""

    warnings: list[str]
    metadata: dict[str, Any]


class Run(Notes):
    """What the end of a run depends on: some columns of the job, among them what it keeps of the open attempt."""

    id: int
    status: str
    phase: str | None
    lease_token: str
    cancel_requested: int
    run_count: int
    retries_attempted: int
    retries_base: int
    retry_limit: int
    crash_count: int
    evict_count: int
    start_time: int | None
    leased_at: int
    node: str | None


_UPDATES = ("start_time", "end_time", "duration", "metadata", "warnings", "error_type", "error_trace")
_NO_TIMES = {"start_time": None, "end_time": None, "duration": None}


@dataclass(frozen=True)
class Policy:
    """How patient the store is.

    Attributes:
        crash_limit: Runs in a row that died with ComfyUI before the job fails.
        jitter: Returns a number from 0 to 1 that spreads retries.
    """

    crash_limit: int = 3
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True)
class Ending:
    """How an attempt ended: the job's next status, the attempt's outcome, the columns that change."""

    status: Status
    outcome: str
    changes: dict[str, Any]
    to_the_end: bool = False


def backoff_ms(retries: int, jitter: float) -> int:
    """Return how long to wait before the next run: 10 s, doubled each time, at most 10 minutes, +-20 %.

    Args:
        retries: How many retries came before this one.
        jitter: 0 to 1.

    Examples:
        >>> backoff_ms(0, 0.5), backoff_ms(2, 0.5), backoff_ms(20, 1.0)
        (10000, 40000, 720000)
    """
    return round(min(600, 10 * 2**retries) * 1000 * (0.8 + 0.4 * jitter))


LONGEST_BACKOFF_MS = backoff_ms(20, 1.0)


def failed(job: Run, updates: Mapping[str, Any], now: int, policy: Policy) -> Ending:
    """Decide for a run that gave none: cancelled, failed, or another try after a while."""
    error_type = error_type_of(updates.get("error_type"))
    if error_type is ErrorType.CRASH:
        return crashed(job, updates.get("error_trace"), now, policy)
    changes = {
        **noted(job, updates),
        "error_type": error_type.value,
        "error_trace": updates.get("error_trace"),
        "crash_count": 0,
        "evict_count": 0,
    }
    ended = changes | _times(job, updates, now)
    if job["cancel_requested"] or error_type is ErrorType.INTERRUPTED:
        return Ending(Status.CANCELLED, "cancelled", ended)
    retries = job["retries_attempted"] - job["retries_base"]
    if error_type.is_permanent or retries >= job["retry_limit"]:
        return Ending(Status.FAILED, "failed", ended)
    again = {
        "retries_attempted": job["retries_attempted"] + 1,
        "not_before": now + backoff_ms(retries, policy.jitter()),
    }
    return Ending(Status.PENDING, "retried", changes | again | _NO_TIMES)


def crashed(job: Run, trace: str | None, now: int, policy: Policy) -> Ending:
    """Decide for a run that died with ComfyUI: no retry is spent, but a job must not kill it for ever."""
    crashes = job["crash_count"] + 1
    where = f"{job['node']} of this job" if job["node"] else "this job"
    said = f"ComfyUI died while it ran {where} ({crashes} in a row, {policy.crash_limit} at most)"
    changes: dict[str, Any] = {
        "error_type": ErrorType.CRASH.value,
        "error_trace": trace or said,
        "crash_count": crashes,
    }
    ended = changes | _times(job, {}, now)
    if job["cancel_requested"]:
        return Ending(Status.CANCELLED, "cancelled", ended)
    if crashes >= policy.crash_limit:
        return Ending(Status.FAILED, "crashed", ended)
    again = {"not_before": now + backoff_ms(crashes - 1, policy.jitter())}
    return Ending(Status.PENDING, "crashed", changes | again | _NO_TIMES, to_the_end=True)


def returned(job: Run, now: int, *, not_before: int | None = None, evicted: bool = False) -> Ending:
    """Decide for an attempt that is given back: it costs nothing, and did not run unless it had begun to."""
    changes: dict[str, Any] = {"evict_count": job["evict_count"] + evicted}
    outcome = "retried" if has_executed(job) else "returned"
    if outcome == "returned":
        changes["run_count"] = job["run_count"] - 1
    if job["cancel_requested"]:
        outcome = "cancelled" if outcome == "retried" else outcome
        return Ending(Status.CANCELLED, outcome, changes | _times(job, {}, now))
    return Ending(Status.PENDING, outcome, changes | _NO_TIMES | {"not_before": not_before})


def orphaned(job: Run, now: int, policy: Policy) -> Ending:
    """Decide for a job whose owner is gone: a crash if it had begun to execute, else as if never leased."""
    if has_executed(job):
        return crashed(job, None, now, policy)
    return returned(job, now)


def has_executed(job: Run) -> bool:
    """Tell whether ComfyUI had begun to run the attempt."""
    return job["phase"] in (Phase.EXECUTING.value, Phase.PUBLISHING.value)


def error_type_of(word: Any) -> ErrorType:
    """Return the error type of a word; one that is not known is a plain error.

    Examples:
        >>> error_type_of("oom").value, error_type_of(None).value, error_type_of("odd").value
        ('oom', 'error', 'error')
    """
    try:
        return ErrorType(word)
    except ValueError:
        return ErrorType.ERROR


def check_updates(updates: Mapping[str, Any]) -> None:
    """Raise InvalidConfig for an update that ``complete_job`` would otherwise drop in silence."""
    unknown = sorted(set(updates) - set(_UPDATES))
    if unknown:
        raise errors.InvalidConfig(f"complete_job knows no update {unknown[0]!r}; it takes {', '.join(_UPDATES)}")


def _times(job: Run, updates: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Say when the run began and ended, by ComfyUI's word where there is one, else from lease to now."""
    start = updates.get("start_time") or job["start_time"] or job["leased_at"]
    end = updates.get("end_time") or now
    return {"start_time": start, "end_time": end, "duration": updates.get("duration", max(0, end - start))}


def noted(job: Notes, updates: Mapping[str, Any]) -> Notes:
    """Add what the run has to say to what the job already carries.

    Examples:
        >>> noted({"warnings": ["a"], "metadata": {"x": 1}}, {"warnings": ["a", "b"], "metadata": {"y": 2}})
        {'warnings': ['a', 'b'], 'metadata': {'x': 1, 'y': 2}}
    """
    fresh = [text for text in updates.get("warnings", ()) if text not in job["warnings"]]
    return Notes(
        warnings=[*job["warnings"], *fresh],
        metadata={**job["metadata"], **updates.get("metadata", {})},
    )
