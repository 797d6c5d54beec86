"""Pauses the queue before one bad night burns a hundred jobs, and lets it go on when the cause is gone."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import OutputError
from .file_utils import linking
from .model import ErrorType, Job, Status
from .store.protocol import JobStore

EVICTIONS_IN_A_ROW = 3
SAME_FAULT_JOBS = 3
DISK_FULL, EVICTED, FAILURES, HOST_FAULT = "disk_full", "evicted", "failures", "host_fault"
_PROBE = [b"\0" * 65_536] * 16
_FAULT_OF_THE_HOST = re.compile(
    r"not in list|missing[_ ]node|does not exist|cannot execute because node"
    r"|CUDA (error|driver)|not compiled with CUDA|cuDNN|HIP error|no kernel image|device-side assert",
    re.IGNORECASE,
)
"""What failures say that are no job's own: a model, a node or the GPU is missing or broken."""


class Guardrails:
    """Counts what goes wrong in a row on one ComfyUI.

    Args:
        failure_limit: Pause after so many failed jobs in a row of one error type; 0 = never.
    """

    def __init__(self, failure_limit: int = 0) -> None:
        self._limit = failure_limit
        self._kind: str | None = None
        self._failures = 0
        self._fault: str | None = None
        self._sufferers: set[int] = set()
        self._evictions = 0
        self._lock = threading.Lock()

    def note_success(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self._kind, self._failures, self._evictions = None, 0, 0
            self._fault, self._sufferers = None, set()

    def note_failure(self, row: Job, trace: str, db: JobStore) -> None:
        """Count a failed attempt; pause at the limit of failed jobs, or when ComfyUI itself is at fault.

        Args:
            row: The job as it stands after its attempt.
            trace: Why the attempt failed.
            db: The store.
        """
        reason = self._count_fault(row["id"], trace.partition("\n")[0])
        if row["status"] == Status.FAILED.value:
            reason = self._count_failure(str(row["error_type"] or ErrorType.ERROR.value)) or reason
        if reason is not None:
            db.set_auto_pause(reason)

    def note_eviction(self, db: JobStore) -> None:
        """Count a prompt that somebody removed from ComfyUI's queue; the third in a row is a wish to stop."""
        with self._lock:
            self._evictions += 1
            is_enough = self._evictions >= EVICTIONS_IN_A_ROW
            self._evictions = 0 if is_enough else self._evictions
        if is_enough:
            db.set_auto_pause(f"{EVICTED}: somebody clears ComfyUI's queue")

    def _count_failure(self, kind: str) -> str | None:
        with self._lock:
            self._failures = self._failures + 1 if kind == self._kind else 1
            self._kind = kind
            if 0 < self._limit <= self._failures:
                return f"{FAILURES}: {self._failures} jobs in a row failed with {kind}"
        return None

    def _count_fault(self, job_id: int, cause: str) -> str | None:
        """Count different jobs in a row that suffer from one fault of the host; then begin anew."""
        with self._lock:
            fault = cause if _FAULT_OF_THE_HOST.search(cause) else None
            if fault != self._fault:
                self._fault, self._sufferers = fault, set()
            if fault is None:
                return None
            self._sufferers.add(job_id)
            if len(self._sufferers) < SAME_FAULT_JOBS:
                return None
            self._sufferers = set()
        return f"{HOST_FAULT}: {SAME_FAULT_JOBS} jobs in a row failed with: {cause}"


def resume_if_disk_has_room(cfg: Mapping[str, Any], staging_root: Path | None, db: JobStore) -> bool:
    """Lift the pause of a full disk once a megabyte can be written where results go; return whether it was lifted."""
    if db.queue_state()["auto_reason"] != DISK_FULL:
        return False
    folders = [
        Path(cfg["paths"]["jobs_finished"]),
        *map(Path, cfg["paths"]["output_roots"]),
        Path(cfg["home"]) / "jobs",
        staging_root,
    ]
    if not all(_has_room(folder) for folder in folders if folder is not None and folder.is_dir()):
        return False
    db.set_auto_pause(None)
    return True


def _has_room(folder: Path) -> bool:
    try:
        with linking.hidden_file(_PROBE, folder, stem="probe"):
            return folder.is_dir()
    except OutputError:
        return False
