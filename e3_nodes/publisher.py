"""Publishes what ComfyUI made, and records how each job ended; results of short jobs together, beside the lanes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from . import delivery, endings
from .delivery import Made
from .logger import get_logger
from .model import Job
from .station import Station
from .store.protocol import JobStore

log = get_logger("publisher")

MOST_AT_ONCE = 32
"""Results that wait at most; a lane with one more waits too, so that a slow disk holds the GPU's work up in time."""
GATHER_SECONDS = 0.15
"""How long a result waits for others to be published with, while more of ours run in ComfyUI."""


class Publisher:
    """Takes the results of short jobs over from the lanes.

    Args:
        cfg: The settings.
        db: The store.
        station: Where they were made.
    """

    def __init__(self, cfg: Mapping[str, Any], db: JobStore, station: Station) -> None:
        self._cfg = cfg
        self._db = db
        self._station = station
        self._waiting: deque[Made] = deque()
        self._changed = threading.Condition()
        self._is_over = False

    def take(self, made: Made) -> bool:
        """Take a result over, once there is room; False when it is too late for that."""
        with self._changed:
            while len(self._waiting) >= MOST_AT_ONCE and not self._is_over:
                self._station.turnstile.call_another()
                self._changed.wait()
            if self._is_over:
                return False
            self._station.in_hand.hold(made.job)
            self._waiting.append(made)
            if len(self._waiting) == 1 or not self._is_worth_waiting():
                self._changed.notify_all()
            return True

    def end(self) -> None:
        """Publish what was taken, then end."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def work(self) -> None:
        """Publish batch after batch until ``end`` is called."""
        while made := self._gather():
            try:
                publish(made, self._cfg, self._db, self._station)
            except Exception:
                log.exception("The publisher stumbled; it goes on")
            finally:
                for one in made:
                    self._station.in_hand.let_go(one.job)

    def _gather(self) -> list[Made]:
        """Wait for results, and a moment for more of them; nothing when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or bool(self._waiting))
            deadline = time.monotonic() + GATHER_SECONDS
            while self._is_worth_waiting() and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            made = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return made

    def _is_worth_waiting(self) -> bool:
        return not self._is_over and len(self._waiting) < MOST_AT_ONCE and self._station.turnstile.is_busy


def publish(made: Sequence[Made], cfg: Mapping[str, Any], db: JobStore, station: Station) -> None:
    """Publish results, and record how each job ended.

    Args:
        made: The results.
        cfg: The settings.
        db: The store.
        station: Where they were made.
    """
    for one, end in zip(made, delivery.publish(made, cfg, db), strict=True):
        if isinstance(end, Exception):
            endings.record_end(one.job, end, cfg, db, station)
        else:
            note_done(one.job, one.saved, cfg, db, station)


def note_done(job: Job, saved: Mapping[str, Any], cfg: Mapping[str, Any], db: JobStore, station: Station) -> None:
    """Say that a job is done, and have its job file put away.

    Args:
        job: The job.
        saved: What was saved.
        cfg: The settings.
        db: The store.
        station: Where it was made.
    """
    station.guardrails.note_success()
    log.info("Done %s: %s", job["config_name"], saved["saved"][0], extra={"action": "job_done"})
    if station.file_later is not None:
        station.file_later(job["config_name"])
    elif (row := db.get_job(job["config_name"])) is not None:
        delivery.file_done_jobs([row], cfg, db)
