"""Reconcile: bring what a crash left behind to its end. The same code runs at start and all the time after.

It is idempotent: twice is the same as once, and a crash within it is one more crash to reconcile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from . import adoption, crashes, delivery, endings, failpoints, locks, outputs
from .errors import DiskFull, E3Error, LeaseLost, StagingLost, StoreUnavailable
from .guardrails import DISK_FULL
from .logger import get_logger
from .model import Job, Phase
from .station import Station
from .store.protocol import JobStore

log = get_logger("recovery")

DAY_MS = 86_400_000
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
            return "dead"
        return "silent" if self.stood_still(worker) else "alive"

    def stood_still(self, worker: Mapping[str, Any]) -> bool:
        """Tell whether a worker's heart has stood still for so long that nobody need wait for it any more."""
        worker_id, heartbeat, now = worker["worker_id"], worker["heartbeat"], self._clock()
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
    station: Station | None = None,
) -> int:
    """Recover what other runs left, then put the files of done jobs where they belong.

    Args:
        cfg: The settings.
        db: The store.
        worker_id: Who takes over.
        observer: What earlier looks saw of other workers.
        station: As for ``recover``.

    Returns:
        How many jobs were taken over.
    """
    recovered = recover(cfg, db, worker_id, observer or Observer(cfg["lease_seconds"]), station)
    if unfiled := db.unfiled_jobs():
        delivery.file_done_jobs(unfiled, cfg, db)
    return recovered


def recover(
    cfg: Mapping[str, Any],
    db: JobStore,
    worker_id: str,
    observer: Observer,
    station: Station | None = None,
) -> int:
    """Take over from workers that are gone, and finish what they had promised; cheap when there are none.

    An agent's prompts outlive it in its ComfyUI. Whoever works for the same ComfyUI goes on with those that are
    there still; while it does not answer, their jobs wait. Anybody else leaves the agent ``lease_seconds`` to
    come back.

    Args:
        cfg: The settings.
        db: The store.
        worker_id: Who takes over.
        observer: What earlier looks saw of other workers.
        station: The ComfyUI of this process, and the attempts that it works on; any other one in its name was
            lost hold of.

    Returns:
        How many jobs were taken over.
    """
    recovered = sum(_recover_worker(worker, cfg, db, worker_id, observer, station) for worker in db.list_workers())
    for job in _lost(db, worker_id, station) if station is not None else []:
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
    return outputs.collect_parts([cfg["paths"]["jobs_processing"], *delivery.output_roots(cfg)])


def collect_staging(output_root: Path, cfg: Mapping[str, Any], db: JobStore) -> int:
    """Remove the staging folders of no live attempt; those of done jobs stay while they are ComfyUI's own copies."""
    keep_done = cfg["keep_originals"] != "never"
    return outputs.collect_staging(str(output_root), lambda tokens: db.tokens_in_use(tokens, keep_done=keep_done))


def _recover_worker(
    worker: Mapping[str, Any],
    cfg: Mapping[str, Any],
    db: JobStore,
    worker_id: str,
    observer: Observer,
    station: Station | None,
) -> int:
    """Take over the jobs of a worker that is gone; a dead one is forgotten when it has none left."""
    if worker["worker_id"] == worker_id:
        return 0
    state = observer.look(worker)
    if state == "alive":
        return 0
    jobs = db.jobs_of_worker(worker["worker_id"])
    heir = _Heir(worker, jobs, cfg, db, worker_id, station, has_waited=observer.stood_still(worker))
    taken = sum(_guarded(job, lambda job=job: heir.inherit(job)) for job in jobs)
    if state == "dead" and not db.jobs_of_worker(worker["worker_id"]):
        db.forget_worker(worker["worker_id"])
        Path(worker["lock_path"]).unlink(missing_ok=True)
    return taken


def _lost(db: JobStore, worker_id: str, station: Station) -> list[Job]:
    """List the jobs of this process that no lane works on; what its lanes leave when it stops is for the next one."""
    lost = station.in_hand.lost(db, worker_id)
    return [] if station.stop_event.is_set() else lost


def _guarded(job: Job, step: Callable[[], bool]) -> bool:
    """Do one job's step; a fault of it keeps nobody else waiting, and is tried again at the next look."""
    try:
        return step()
    except (E3Error, OSError) as exc:
        log.warning("%s could not be recovered yet: %s", job["config_name"], exc)
        return False


class _Heir:
    """Takes the jobs of one worker that is gone over, each under a new token (T12)."""

    def __init__(
        self,
        worker: Mapping[str, Any],
        jobs: list[Job],
        cfg: Mapping[str, Any],
        db: JobStore,
        worker_id: str,
        station: Station | None,
        *,
        has_waited: bool,
    ) -> None:
        self._output_root = worker["output_root"]
        self._jobs, self._cfg, self._db, self._worker_id = jobs, cfg, db, worker_id
        self._station, self._has_waited = station, has_waited
        self._fates = adoption.look_up(jobs, worker, None if station is None else station.backend)

    def inherit(self, job: Job) -> bool:
        """Go on with the job's prompt, bring it to an end, or leave it to whoever may come back."""
        fate = self._fates[job["id"]]
        if self._must_wait(job, fate):
            return False
        old_token = job["lease_token"] or ""
        stolen = self._db.steal_job(job["id"], old_token, self._worker_id, self._cfg["lease_seconds"])
        if stolen is None:
            return False
        failpoints.reach("recover.stolen")
        if fate == "here" and self._station is not None and adoption.is_adoptable(stolen):
            self._fence(old_token)
            self._adopt(stolen, self._station)
            return True
        _resolve(stolen, self._cfg, self._db, lambda job, _: self._requeue(job, old_token))
        return True

    def _must_wait(self, job: Job, fate: adoption.Fate) -> bool:
        if job["phase"] == Phase.PUBLISHING.value:
            return False
        if fate == "away":
            return not job["cancel_requested"]
        return fate == "elsewhere" and not self._has_waited

    def _fence(self, old_token: str) -> None:
        if self._output_root:
            outputs.fence_staging(self._output_root, old_token)

    def _adopt(self, job: Job, station: Station) -> None:
        station.in_hand.hold(job)
        station.adopted.put(job)
        log.info("Goes on with %s, which ComfyUI has", job["config_name"], extra={"action": "job_adopted"})

    def _requeue(self, job: Job, old_token: str) -> None:
        self._fence(old_token)
        others = (other for other in self._jobs if other["id"] != job["id"])
        runs = any(other["phase"] == Phase.EXECUTING.value or crashes.was_left(other) for other in others)
        crashes.record_death(job, self._cfg, self._db, was_next=not runs)


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
        updates = {"error_type": endings.error_type_of(exc).value, "error_trace": str(exc)}
        db.complete_job(job["id"], success=False, updates=updates, lease_token=job.get("lease_token"))
    return True


def _roll_forward(job: Job, cfg: Mapping[str, Any], db: JobStore) -> None:
    """Deliver what the intents promise, then commit done; the prompt is not run again."""
    token = job.get("lease_token") or ""
    intents = db.latest_intents(job["id"])
    failpoints.reach("recover.intent_adopted")
    saved = outputs.deliver(
        intents,
        roots=delivery.output_roots(cfg),
        if_exists=job["config"]["outputs"]["if_exists"],
        earlier=db.list_intents(job["id"]),
        holds_lease=lambda: db.holds_lease(job["id"], token),
    )
    del saved["linked"]
    if db.complete_job(job["id"], success=True, updates={"metadata": saved}, lease_token=token):
        failpoints.reach("done.committed")
        if (row := db.get_job(job["config_name"])) is not None:
            delivery.file_done_jobs([row], cfg, db)
        log.info("Finished %s, whose result was already made", job["config_name"], extra={"action": "rolled_forward"})
