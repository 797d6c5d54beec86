"""Reconcile: bring what a crash left behind to its end. The same code runs at start and all the time after.

It is idempotent: twice is the same as once, and a crash within it is one more crash to reconcile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from . import executor, failpoints, locks, outputs
from .errors import DiskFull, E3Error, LeaseLost, StagingLost, StoreUnavailable
from .guardrails import DISK_FULL
from .logger import get_logger
from .model import ErrorType, Job, Phase
from .store.protocol import JobStore

log = get_logger("recovery")

DAY_MS = 86_400_000
DIED = "ComfyUI or E3 ended while it was at work"
LOST = "E3 could not record how the attempt ended"


class Observer:
    """Tells which other workers are gone; no wall clock and no process id has a say in it.

    A worker whose lock can be had is dead. One that holds its lock, or whose lock file somebody removed, is
    silent when its heartbeat has not changed for ``lease_seconds`` of this process's own time. A look adds at
    most half of that, so that a machine which slept takes nobody for silent.

    Args:
        lease_seconds: The setting.
        clock: Monotonic seconds.
    """

    def __init__(self, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = lease_seconds
        self._clock = clock
        self._seen: dict[str, tuple[int, float, float]] = {}

    def look(self, worker: Mapping[str, Any]) -> Literal["alive", "dead", "silent"]:
        """Look at a worker once.

        Args:
            worker: As ``db.list_workers`` tells it.
        """
        lock_path = Path(worker["lock_path"])
        if lock_path.exists() and locks.is_free(lock_path):
            self._seen.pop(worker["worker_id"], None)
            return "dead"
        return "silent" if self._stands_still(worker["worker_id"], worker["heartbeat"]) else "alive"

    def _stands_still(self, worker_id: str, heartbeat: int) -> bool:
        now = self._clock()
        known, stood, looked_at = self._seen.get(worker_id, (-1, 0.0, now))
        stood = stood + min(now - looked_at, self._patience / 2) if heartbeat == known else 0.0
        self._seen[worker_id] = (heartbeat, stood, now)
        return stood >= self._patience


def reconcile(
    cfg: Mapping[str, Any],
    db: JobStore,
    worker_id: str,
    *,
    observer: Observer | None = None,
    in_hand: executor.InHand | None = None,
) -> int:
    """Recover what other runs left, then put the files of done jobs where they belong.

    Args:
        cfg: The settings.
        db: The store.
        worker_id: Who takes over.
        observer: What earlier looks saw of other workers.
        in_hand: As for ``recover``.

    Returns:
        How many jobs were taken over.
    """
    recovered = recover(cfg, db, worker_id, observer or Observer(cfg["lease_seconds"]), in_hand)
    if unfiled := db.unfiled_jobs():
        executor.file_done_jobs(unfiled, cfg, db)
    return recovered


def recover(
    cfg: Mapping[str, Any],
    db: JobStore,
    worker_id: str,
    observer: Observer,
    in_hand: executor.InHand | None = None,
) -> int:
    """Take over from workers that are gone, and finish what they had promised; cheap when there are none.

    Args:
        cfg: The settings.
        db: The store.
        worker_id: Who takes over.
        observer: What earlier looks saw of other workers.
        in_hand: The attempts that this process works on; any other one in its name was lost hold of.

    Returns:
        How many jobs were taken over.
    """
    recovered = sum(_recover_worker(worker, cfg, db, worker_id, observer) for worker in db.list_workers())
    for job in in_hand.lost(db, worker_id) if in_hand is not None else []:
        _guarded(job, lambda job=job: _resolve(job, cfg, db, _give_back))
    return recovered


def tidy_up(output_root: Path | None, cfg: Mapping[str, Any], db: JobStore) -> None:
    """Do what has time: forget what is old, shorten impossible waits, remove what dead attempts left.

    Args:
        output_root: ComfyUI's output folder; None where there is no ComfyUI.
        cfg: The settings.
        db: The store.
    """
    db.clamp_backoffs()
    db.purge_removed()
    if cfg["keep_done_days"]:
        db.purge_done(time.time_ns() // 1_000_000 - cfg["keep_done_days"] * DAY_MS)
    if output_root is not None:
        collect_staging(output_root, cfg, db)


def collect_parts(cfg: Mapping[str, Any]) -> int:
    """Remove the hidden part files that a crash left long ago; the walk may be long where roots are large."""
    return outputs.collect_parts([cfg["paths"]["jobs_processing"], *executor.output_roots(cfg)])


def collect_staging(output_root: Path, cfg: Mapping[str, Any], db: JobStore) -> int:
    """Remove the staging folders of no live attempt; those of done jobs stay while they are ComfyUI's own copies."""
    # The kept ones first: an attempt that ends meanwhile is in one of the two sets.
    live = db.live_tokens()
    kept = set() if cfg["keep_originals"] == "never" else db.done_tokens()
    return outputs.collect_staging(str(output_root), live | db.live_tokens(), kept)


def _recover_worker(
    worker: Mapping[str, Any], cfg: Mapping[str, Any], db: JobStore, worker_id: str, observer: Observer
) -> int:
    """Take over the jobs of a worker that is gone; a dead one is forgotten when it has none left."""
    if worker["worker_id"] == worker_id:
        return 0
    state = observer.look(worker)
    if state == "alive":
        return 0
    jobs = db.jobs_of_worker(worker["worker_id"])
    taken = sum(_guarded(job, lambda job=job: _take_over(job, jobs, worker, cfg, db, worker_id)) for job in jobs)
    if state == "dead" and not db.jobs_of_worker(worker["worker_id"]):
        db.forget_worker(worker["worker_id"])
        Path(worker["lock_path"]).unlink(missing_ok=True)
    return taken


def _guarded(job: Job, step: Callable[[], bool]) -> bool:
    """Do one job's step; a fault of it keeps nobody else waiting, and is tried again at the next look."""
    try:
        return step()
    except (E3Error, OSError) as exc:
        log.warning("%s could not be recovered yet: %s", job["config_name"], exc)
        return False


def _take_over(
    job: Job,
    siblings: list[Job],
    worker: Mapping[str, Any],
    cfg: Mapping[str, Any],
    db: JobStore,
    worker_id: str,
) -> bool:
    """Steal the attempt under a new token (T12), fence its files off, and bring it to an end."""
    old_token = job.get("lease_token") or ""
    is_unseen_poison = _died_unseen_too_often(job, siblings, cfg, db)
    stolen = db.steal_job(job["id"], old_token, worker_id, cfg["lease_seconds"])
    if stolen is None:
        return False
    failpoints.reach("recover.stolen")

    def requeue(job: Job, db: JobStore) -> None:
        if worker["output_root"]:
            outputs.fence_staging(worker["output_root"], old_token)
        if is_unseen_poison:
            updates = {"error_type": ErrorType.CRASH.value, "error_trace": None}
            db.complete_job(job["id"], success=False, updates=updates, lease_token=job.get("lease_token"))
        else:
            db.abandon_job(job["id"], job.get("lease_token") or "", reason=DIED)

    _resolve(stolen, cfg, db, requeue)
    return True


def _died_unseen_too_often(job: Job, siblings: list[Job], cfg: Mapping[str, Any], db: JobStore) -> bool:
    """Tell whether ComfyUI died again and again right after it was given the job, before its start was seen.

    A wait in the queue costs nothing, as often as ComfyUI is restarted; so only a prompt with no other of E3
    before it is suspected, and only after ``crash_limit`` such ends in a row.
    """
    if job["phase"] != Phase.SUBMITTED.value or any(other["phase"] == Phase.EXECUTING.value for other in siblings):
        return False
    count = max(1, cfg["crash_limit"] - 1)
    before = db.list_attempts(job["id"])[:-1][-count:]
    died = [attempt["outcome"] == "crashed" or attempt["error"] == DIED for attempt in before]
    return died == [True] * count


def _give_back(job: Job, db: JobStore) -> None:
    """Return a job whose end could not be recorded: not its fault, so it costs nothing."""
    db.return_job(job["id"], job.get("lease_token") or "", reason=LOST)


def _resolve(job: Job, cfg: Mapping[str, Any], db: JobStore, requeue: Callable[[Job, JobStore], None]) -> bool:
    """Finish a publication that was promised; every other attempt goes back to the queue."""
    if job.get("phase") != Phase.PUBLISHING.value:
        requeue(job, db)
        failpoints.reach("recover.requeued")
        return True
    if db.queue_state()["auto_reason"] == DISK_FULL:
        return False
    try:
        _roll_forward(job, cfg, db)
    except (LeaseLost, StoreUnavailable):
        raise
    except StagingLost as exc:
        log.warning("%s is run again: %s", job["config_name"], exc)
        requeue(job, db)
        failpoints.reach("recover.requeued")
    except DiskFull:
        db.set_auto_pause(DISK_FULL)
    except E3Error as exc:
        updates = {"error_type": executor.error_type_of(exc).value, "error_trace": str(exc)}
        db.complete_job(job["id"], success=False, updates=updates, lease_token=job.get("lease_token"))
    return True


def _roll_forward(job: Job, cfg: Mapping[str, Any], db: JobStore) -> None:
    """Deliver what the intents promise, then commit done; the prompt is not run again."""
    token = job.get("lease_token") or ""
    intents = db.latest_intents(job["id"])
    failpoints.reach("recover.intent_adopted")
    saved = outputs.deliver(
        intents,
        roots=executor.output_roots(cfg),
        if_exists=job["config"]["outputs"]["if_exists"],
        earlier=db.list_intents(job["id"]),
        holds_lease=lambda: db.holds_lease(job["id"], token),
    )
    del saved["linked"]
    if db.complete_job(job["id"], success=True, updates={"metadata": saved}, lease_token=token):
        failpoints.reach("done.committed")
        if (row := db.get_job(job["config_name"])) is not None:
            executor.file_done_jobs([row], cfg, db)
        log.info("Finished %s, whose result was already made", job["config_name"], extra={"action": "rolled_forward"})
