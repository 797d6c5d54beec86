"""What becomes of an attempt whose ComfyUI died: whether it was to blame is told from what was seen before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import ErrorType, Job, Phase
from .store.protocol import JobStore

DIED = "ComfyUI or E3 ended while it was at work"
LEFT = "E3 was stopped while ComfyUI ran the prompt, and ComfyUI does not know it any more"


def record_death(job: Job, cfg: Mapping[str, Any], db: JobStore, *, was_next: bool) -> None:
    """End the attempt: a crash if it had begun to execute, else as if it had never been leased.

    One that E3 left when it was stopped costs nothing, as often as machines are switched off at night.

    Args:
        job: The row as it is now.
        cfg: The settings.
        db: The store.
        was_next: Whether ComfyUI may have begun with it although nobody saw that.
    """
    token = job.get("lease_token") or ""
    if was_left(job):
        db.abandon_job(job["id"], token, reason=LEFT)
    elif was_next and _died_unseen_too_often(job, cfg, db):
        updates = {"error_type": ErrorType.CRASH.value, "error_trace": None}
        db.complete_job(job["id"], success=False, updates=updates, lease_token=token)
    else:
        db.abandon_job(job["id"], token, reason=DIED)


def was_left(job: Job) -> bool:
    """Tell whether E3 was stopped politely while ComfyUI ran the prompt: the start was seen, and taken back."""
    return job["phase"] == Phase.SUBMITTED.value and job["start_time"] is not None


def _died_unseen_too_often(job: Job, cfg: Mapping[str, Any], db: JobStore) -> bool:
    """Tell whether ComfyUI died again and again right after it was given the job, before its start was seen.

    A wait in the queue costs nothing, as often as ComfyUI is restarted; so only a prompt with no other before it
    is suspected, and only after ``crash_limit`` such ends in a row.
    """
    if job["phase"] != Phase.SUBMITTED.value:
        return False
    count = max(1, cfg["crash_limit"] - 1)
    before = db.list_attempts(job["id"])[:-1][-count:]
    died = [attempt["outcome"] == "crashed" or attempt["error"] == DIED for attempt in before]
    return died == [True] * count
