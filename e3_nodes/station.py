"""Where jobs are executed: one ComfyUI, what this process has in hand there, and what it remembers of it."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import adoption
from .backends.base import Backend
from .backends.http import HttpBackend
from .delivery import Made
from .guardrails import Guardrails
from .leases import token_of
from .model import Job
from .store.protocol import JobStore
from .turnstile import Turnstile

ORPHAN_SECONDS = 1.0
"""How often, at most, jobs are looked for whose lease has run out."""
FIT_SECONDS = 60.0
"""How long a folder that was found fit for results is believed to be; publishing finds out anyway."""
REAL_SECONDS = 1.0
"""How long a folder is believed to be where its links led: as long as many brief jobs take, for people move links."""


class InHand:
    """The attempts that lanes of this process work on, so that one which was lost hold of is noticed."""

    def __init__(self) -> None:
        self._hands: Counter[str] = Counter()
        self._lock = threading.Lock()

    def lease(self, db: JobStore, worker_id: str, lease_seconds: int) -> Job | None:
        """Lease the next job and take it in hand, in one step."""
        with self._lock:
            job = db.lease_next_job(worker_id, lease_seconds, prompt_id=str(uuid.uuid4()))
            if job is not None:
                self._hands[token_of(job)] += 1
            return job

    def hold(self, job: Job) -> None:
        """Take an attempt in hand that this process owns already; each hand on it is taken off by itself."""
        with self._lock:
            self._hands[token_of(job)] += 1

    def let_go(self, job: Job) -> None:
        """Take a hand off an attempt, however it ended."""
        with self._lock:
            self._hands -= Counter([token_of(job)])

    def lost(self, db: JobStore, worker_id: str) -> list[Job]:
        """List the jobs that run in this worker's name and that no lane works on."""
        with self._lock:
            return [job for job in db.jobs_of_worker(worker_id) if job.get("lease_token") not in self._hands]


class FitFolders:
    """The folders in which results could appear a moment ago: a job of the same folder need not try again.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: dict[str, float] = {}
        self._real_paths: dict[str, str] = {}
        self._real_since = float("-inf")

    @property
    def real_paths(self) -> dict[str, str]:
        """What ``file_utils.disk.real_text`` has found a moment ago; it adds to that."""
        now = self._clock()
        if now - self._real_since >= REAL_SECONDS:
            self._real_paths, self._real_since = {}, now
        return self._real_paths

    def knows(self, folder: str) -> bool:
        """Tell whether the folder was found fit not long ago."""
        return self._clock() - self._tried.get(folder, float("-inf")) < FIT_SECONDS

    def note(self, folder: str) -> None:
        """Remember that the folder is fit now; what is no news any more is forgotten."""
        self._tried = {known: when for known, when in self._tried.items() if self.knows(known)}
        self._tried[folder] = self._clock()


class Seldom:
    """Lets a thing be done no more often than so, whoever asks; the first time at once.

    Args:
        seconds: From one time to the next.
        clock: Seconds that only grow.

    Examples:
        >>> search = Seldom(60.0)
        >>> search.is_due(), search.is_due()
        (True, False)
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._due = float("-inf")

    def is_due(self) -> bool:
        """Tell whether it is time; whoever hears so does it."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True


@dataclass(frozen=True)
class Station:
    """One ComfyUI, its turnstile, and the wish to stop.

    ``file_later`` takes the name of each job that is done, where a thread of its own files them; else the lane does.
    ``publish_later`` takes the result of a short job, where a thread of its own publishes them, unless it says False.
    """

    backend: Backend
    turnstile: Turnstile = field(default_factory=Turnstile)
    stop_event: threading.Event = field(default_factory=threading.Event)
    guardrails: Guardrails = field(default_factory=Guardrails)
    in_hand: InHand = field(default_factory=InHand)
    adopted: adoption.Adopted = field(default_factory=adoption.Adopted)
    fit_folders: FitFolders = field(default_factory=FitFolders)
    orphan_search: Seldom = field(default_factory=lambda: Seldom(ORPHAN_SECONDS))
    file_later: Callable[[str], None] | None = None
    publish_later: Callable[[Made], bool] | None = None

    @classmethod
    def over_http(cls, cfg: Mapping[str, Any]) -> Station:
        """Make the station of a ComfyUI that is reached by URL."""
        return cls.around(HttpBackend(cfg), cfg)

    @classmethod
    def around(
        cls,
        backend: Backend,
        cfg: Mapping[str, Any],
        stop_event: threading.Event | None = None,
        file_later: Callable[[str], None] | None = None,
    ) -> Station:
        """Make the station of a ComfyUI as the settings want it."""
        turnstile, guardrails = Turnstile.with_lookahead(cfg["lookahead"]), Guardrails(cfg["stop_after_failures"])
        return cls(backend, turnstile, stop_event or threading.Event(), guardrails, file_later=file_later)
