"""A prompt outlives the agent that submitted it: whoever comes back looks it up, and goes on with it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .backends.base import Backend, Prompt
from .errors import HostUnavailable
from .model import Job, Phase
from .store.protocol import JobStore

Fate = Literal["here", "gone", "away", "elsewhere"]


class Adopted:
    """Jobs whose prompts were found in ComfyUI, until a lane of this process takes them up."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Tell whether a lane is wanted."""
        return bool(self._jobs)

    def put(self, job: Job) -> None:
        """Leave a job, which this process owns by now, for a lane."""
        with self._lock:
            self._jobs.append(job)

    def take(self) -> Job | None:
        """Take the next one up; None when there is none."""
        with self._lock:
            return self._jobs.popleft() if self._jobs else None


def look_up(jobs: Sequence[Job], worker: Mapping[str, Any], backend: Backend | None) -> dict[int, Fate]:
    """Tell what became of the prompts of a worker that is gone.

    A prompt that is found is that job's, by whichever address ComfyUI is reached: prompt ids are unique. One that
    is not found is gone only if this is the ComfyUI that had it.

    Args:
        jobs: What the worker had in hand.
        worker: As ``db.list_workers`` tells it.
        backend: The ComfyUI of this process, if it has one.

    Returns:
        By job id: ``here``; ``gone``; ``away``: its ComfyUI does not answer now; ``elsewhere``: another ComfyUI
        had it, and whoever reaches that one may come back.
    """
    if "://" not in worker["host"]:
        return {job["id"]: "gone" for job in jobs}
    is_same = backend is not None and backend.address == worker["host"]
    missing: Fate = "gone" if is_same else "elsewhere"
    try:
        return {job["id"]: "here" if backend is not None and _stands_in(backend, job) else missing for job in jobs}
    except HostUnavailable:
        return {job["id"]: "away" if is_same else "elsewhere" for job in jobs}


def is_adoptable(job: Job) -> bool:
    """Tell whether ComfyUI may still have the job's prompt, and nothing of its result is promised yet."""
    return bool(job["prompt_id"]) and job["phase"] in (Phase.SUBMITTED.value, Phase.EXECUTING.value)


def prompt_of(job: Job, db: JobStore) -> Prompt:
    """Return the prompt that an earlier agent submitted, as the owner of now watches it.

    Its token is the one of now: the fence, and our own folder for what is fetched. The folder that ComfyUI
    writes into is told by its history.

    Args:
        job: The row under its new token.
        db: The store.
    """
    pinned = db.workflow_version(job["workflow_sha256"]) or {}
    return Prompt(job["prompt_id"] or "", job["lease_token"] or "", pinned.get("template", {}), (), job["config_name"])


def _stands_in(backend: Backend, job: Job) -> bool:
    return is_adoptable(job) and backend.knows(job["prompt_id"] or "")
