"""``e3 wait``: a job is a function call for a script."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import file_utils, job_views, queue_manager
from ..model import Status
from ..store.protocol import JobStore
from ..validation import names
from .answers import Answer, Failure, Line
from .home import Home, open_home, unknown_job, workers_of
from .queue_verbs import seconds
from .render import Meter, Screen

POLL_SECONDS = 0.02
FULL_LOOK_SECONDS = 5.0
MOST_CHANGES = 1000
OVERLAP_MS = 2_000
"""A transaction is seen after its rows were stamped: so far back the look goes each time."""

Ended = dict[str, Any]


def run_wait(args: argparse.Namespace, screen: Screen) -> Answer:
    """Wait until jobs have ended."""
    with open_home() as home:
        wanted = [_known_name(home, name) for name in args.names]
        for reason in idle_reasons(home.db):
            screen.note(reason)
        ended = watch(home, wanted, screen, timeout=args.timeout)
        return answer_for(wanted, ended)


def watch(
    home: Home,
    wanted: Sequence[str],
    screen: Screen,
    *,
    timeout: float | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> dict[str, Ended]:
    """Wait for jobs, and show each as it ends.

    Args:
        home: The home.
        wanted: Canonical names of jobs.
        screen: Where progress is shown.
        timeout: Seconds after which it gives up.
        goes_on: Asked between looks; False gives up.

    Returns:
        How each ended, by name; those that have not ended are missing.
    """
    ended: dict[str, Ended] = {}
    until = time.monotonic() + (timeout if timeout is not None else float("inf"))
    with screen.meter(len(wanted), "waiting") as meter:
        for name, outcome in endings(home, wanted, lambda: time.monotonic() < until and goes_on()):
            ended[name] = outcome
            screen.show(_line_of(outcome))
            _show(meter, ended)
    return ended


def endings(
    home: Home,
    wanted: Iterable[str],
    goes_on: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[str, Ended]]:
    """Yield each job as soon as it has ended.

    One number is polled, which any process's commit changes; only jobs that changed are read then. Every few
    seconds all are read, whatever the number and the clocks say.

    Args:
        home: The home.
        wanted: Canonical names.
        goes_on: Asked between looks.
        sleep: Waits between two looks at the number.
    """
    waiting = dict.fromkeys(wanted)
    seen, since, full_look = -1, 0, 0.0
    while waiting:
        counter, is_full = home.db.change_counter(), time.monotonic() >= full_look
        if counter != seen or is_full:
            changes = home.db.changed_since(since - OVERLAP_MS, limit=MOST_CHANGES)
            since = max([since, *(change["updated_at"] for change in changes)])
            changed = [change["config_name"] for change in changes if change["config_name"] in waiting]
            seen, full_look = counter, time.monotonic() + FULL_LOOK_SECONDS if is_full else full_look
            for name in list(waiting) if is_full or len(changes) == MOST_CHANGES else changed:
                outcome = _outcome(home, name)
                if outcome is not None:
                    del waiting[name]
                    yield name, outcome
        if waiting and not goes_on():
            return
        if waiting:
            sleep(POLL_SECONDS)


def answer_for(wanted: Sequence[str], ended: dict[str, Ended]) -> Answer:
    """Tell how the jobs ended, and whether all is well."""
    open_names = [name for name in wanted if name not in ended]
    jobs = [ended.get(name, {"config_name": name, "status": None, "outputs": []}) for name in wanted]
    bad = [job for job in ended.values() if job["status"] != Status.DONE.value]
    data = {"jobs": jobs, "timed_out": bool(open_names)}
    if bad:
        return Answer(data, failure=Failure("job_failed", f"{len(bad)} of {len(wanted)} jobs did not end as done"))
    if open_names:
        message = f"{len(open_names)} of {len(wanted)} jobs have not ended in time"
        return Answer(data, failure=Failure("timeout", message))
    return Answer(data)


def idle_reasons(db: JobStore) -> list[str]:
    """Say why no job would ever end: the queue is paused, or nobody runs jobs."""
    reasons = []
    state = db.queue_state()
    if state["paused"]:
        reasons.append(
            f"the queue is paused ({state['auto_reason'] or 'by a person'}); e3 queue resume lets jobs start"
        )
    if not workers_of(db)[0]:
        reasons.append("nobody runs jobs on this home now; e3 up or e3 run --loop does")
    return reasons


def _known_name(home: Home, name: str) -> str:
    """Return the canonical name of a job, or of a file that was dropped and is not taken in yet."""
    job = home.db.get_job(name)
    if job is not None:
        return job["config_name"]
    canonical = queue_manager.canonical_name(name)
    if _dropped_file(home, canonical) is None:
        raise unknown_job(home.db, name)
    return canonical


def _dropped_file(home: Home, name: str) -> str | None:
    identity = names.identity(name)
    paths = file_utils.list_yaml_under(home.cfg["paths"]["jobs_processing"])
    return next((path for path in paths if names.identity(Path(path).name) == identity), None)


def _outcome(home: Home, name: str) -> Ended | None:
    """Tell how a job has ended; None while it has not."""
    job = home.db.get_job(name)
    if job is None:
        return _outcome_without_row(home, name)
    if not Status(job["status"]).is_terminal:
        return None
    return {
        "config_name": job["config_name"],
        "status": job["status"],
        "duration": job["duration"],
        "outputs": [str(path) for path in job_views.output_paths(job, home.cfg)],
        "error_type": job["error_type"] if job["status"] != Status.DONE.value else None,
        "error": job["error_trace"] if job["status"] != Status.DONE.value else None,
    }


def _outcome_without_row(home: Home, name: str) -> Ended | None:
    """A file that waits to be taken in goes on waiting, a rejected or removed one has ended."""
    path = _dropped_file(home, name)
    why = next((entry for entry in home.db.list_rejections(limit=1000) if entry["path"] == path), None)
    if path is not None and why is None:
        return None
    code, reason = (why["code"], why["reason"]) if why else ("job_unknown", "the job was removed")
    status = "rejected" if why else "removed"
    return {
        "config_name": name,
        "status": status,
        "duration": None,
        "outputs": [],
        "error_type": code,
        "error": reason,
    }


def _line_of(job: Ended) -> Line:
    if job["status"] == Status.DONE.value:
        what = "  ".join(job["outputs"]) or job["config_name"]
        took = f"  ({seconds(job['duration'])})" if job["duration"] is not None else ""
        return Line(f"done       {what}{took}", "done")
    cause = (job["error"] or job["error_type"] or "").split("\n")[0]
    return Line(f"{job['status']:<10} {job['config_name']}: {cause}", job["status"])


def _show(meter: Meter, ended: dict[str, Ended]) -> None:
    bad = sum(job["status"] != Status.DONE.value for job in ended.values())
    meter.show(len(ended), f"{bad} failed" if bad else "")
