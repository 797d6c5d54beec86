"""Notices what changed in the table, by whichever process, and pushes it: at most ten events a second.

However many jobs change, ``e3.queue`` and ``e3.job`` go out at most every 0.3 s and ``e3.progress`` every
0.5 s; what happens in between goes out together. The first change goes out at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from . import job_views
from .backends.base import Backend
from .model import LightJob, Phase, Status
from .store.protocol import JobChange, JobFilter, JobStore

STATE_SECONDS = 0.3
PROGRESS_SECONDS = 0.5
MOST_JOBS = 50
OVERLAP_MS = 2_000
"""A transaction is seen after its rows were stamped: so far back the look goes each time."""

Announce = Callable[[str, Mapping[str, Any]], None]
"""Pushes an event with ids and states to whoever watches."""


class Pulse:
    """Beats many times a second, and pushes what is new.

    Args:
        db: The store.
        backend: The ComfyUI of this process, which knows the progress of its jobs.
        announce: Where events go.
        wake: Called at once on every change, so that idle lanes look for a job; not while the queue is paused and
            no job is in hand, or each batch of a flood of files would wake them for nothing.
        clock: Monotonic seconds.
        now: UTC milliseconds.
    """

    def __init__(
        self,
        db: JobStore,
        backend: Backend | None,
        announce: Announce,
        wake: Callable[[], None] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._db = db
        self._backend = backend
        self._announce = announce
        self._wake = wake
        self._clock = clock
        self._now = now
        self._counter = -1
        self._is_news = self._is_new_queue = False
        self._seen_until = now()
        self._known: dict[str, JobChange] = {}
        self._queue: dict[str, Any] = {}
        self._running: list[LightJob] = []
        self._progress: dict[str, dict[str, Any]] = {}
        self._state_due = self._progress_due = float("-inf")

    def beat(self) -> None:
        """Look once: wake the lanes on a change, and push what is due."""
        counter = self._db.change_counter()
        if counter != self._counter:
            self._look_at_queue()
            self._counter, self._is_news = counter, True
            if not self._queue["paused"] or self._queue["totals"][Status.PROCESSING.value]:
                self._wake()
        now = self._clock()
        if self._is_news and now >= self._state_due:
            self._is_news = False
            if self._push_state():
                self._state_due = now + STATE_SECONDS
        if self._running and now >= self._progress_due and self._push_progress():
            self._progress_due = now + PROGRESS_SECONDS

    def _look_at_queue(self) -> None:
        """Notice each state of the queue, also one that is over before the next push: somebody may have read it."""
        queue = {**self._db.queue_state(), "totals": self._db.count_by_status()}
        self._is_new_queue = self._is_new_queue or queue != self._queue
        self._queue = queue

    def _push_state(self) -> bool:
        """Push what is new since the last push; tell whether anything was."""
        is_new_queue, self._is_new_queue = self._is_new_queue, False
        if is_new_queue:
            self._announce("e3.queue", self._queue)
        self._look_at_running(self._queue["totals"])
        changes = self._changes()
        if changes:
            self._announce("e3.job", _told(changes))
        return is_new_queue or bool(changes)

    def _changes(self) -> list[JobChange]:
        """List the jobs that changed since the last look; one more than told when there are many."""
        now = self._now()
        since = min(self._seen_until, now) - OVERLAP_MS
        found = self._db.changed_since(since, limit=MOST_JOBS * 2)
        fresh = [change for change in found if self._known.get(change["config_name"]) != change]
        self._known = {change["config_name"]: change for change in found}
        self._seen_until = now
        return fresh

    def _look_at_running(self, totals: Mapping[str, int]) -> None:
        """Remember which jobs execute here: their progress is pushed between changes of the table."""
        self._running = []
        if self._backend is not None and totals[Status.PROCESSING.value]:
            where = JobFilter(status=[Status.PROCESSING.value])
            jobs = self._db.list_jobs(where, limit=job_views.MOST_RUNNING)["jobs"]
            self._running = [job for job in jobs if job["phase"] == Phase.EXECUTING.value]
        names = {job["config_name"] for job in self._running}
        self._progress = {name: told for name, told in self._progress.items() if name in names}

    def _push_progress(self) -> bool:
        """Push the progress of one job that has come further, each in its turn."""
        for job in list(self._running):
            self._running.append(self._running.pop(0))
            name = job["config_name"]
            progress = job_views.progress_of(job, self._backend)
            if progress and progress != self._progress.get(name):
                self._progress[name] = progress
                self._announce("e3.progress", {"config_name": name, **progress})
                return True
        return False


def _told(changes: list[JobChange]) -> dict[str, Any]:
    """Name the jobs and where they stand; beyond a number only that there are many.

    Examples:
        >>> change = JobChange(config_name="a.yaml", status="done", phase=None, updated_at=5)
        >>> _told([change])
        {'jobs': [{'config_name': 'a.yaml', 'status': 'done', 'phase': None}]}
        >>> _told([change] * 51)
        {'many': True}
    """
    if len(changes) > MOST_JOBS:
        return {"many": True}
    return {"jobs": [{key: change[key] for key in ("config_name", "status", "phase")} for change in changes]}
