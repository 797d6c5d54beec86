"""Keeps one process's part of the promise: its heartbeat, what others left behind, the health of the database."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import guardrails, locks, rebuilding, recovery
from .errors import E3Error, StoreUnavailable
from .logger import get_logger
from .station import Station
from .store.protocol import JobStore

log = get_logger("caretaker")

RECONCILE_SECONDS = 30.0
CHORES_SECONDS = 3600.0
FIRST_SWEEP_SECONDS = 60.0
FIRST_INDEX_SECONDS = 5.0
LONGEST_TICK_SECONDS = 2.0


class Caretaker:
    """What a process does besides its jobs, so that no job is lost with it or with another one.

    Args:
        cfg: The settings.
        db: The store.
        worker_id: This process, as its jobs name it.
        station: The ComfyUI of this process, if there is one.
        forget: Called when the table was rebuilt: every job file has to be judged anew.
    """

    def __init__(
        self,
        cfg: Mapping[str, Any],
        db: JobStore,
        worker_id: str,
        station: Station | None = None,
        *,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self.boot_lock = locks.ProcessLock(locks.lock_path(cfg["home"], worker_id))
        self.troubles: dict[str, str] = {}
        self._cfg = cfg
        self._db = db
        self._worker_id = worker_id
        self._station = station
        self._output_root = None if station is None else station.backend.staging("x").parent.parent
        self._forget = forget
        self._observer = recovery.Observer(cfg["lease_seconds"])
        self._is_database_gone = False
        self._next_reconcile = self._next_chores = 0.0
        self._next_sweep = time.monotonic() + FIRST_SWEEP_SECONDS
        self._indexes_from = time.monotonic() + FIRST_INDEX_SECONDS

    @property
    def tick_seconds(self) -> float:
        """How often to look after things."""
        return min(LONGEST_TICK_SECONDS, self._cfg["lease_seconds"] / 4)

    def begin(self, *, is_new: bool = False) -> None:
        """Register this process, judge the database after an unclean stop, and recover; before any lane starts.

        Args:
            is_new: Whether the table was made just now, and has to be rebuilt from the files.
        """
        self.boot_lock.acquire()
        if not is_new and self._was_stopped_uncleanly() and self._is_damaged():
            self._mend()
        elif is_new:
            self._rebuild()
        self._register()
        self.look_after()

    def end(self) -> None:
        """Let the boot lock go; with no job left in its name, this process need not be remembered."""
        self.boot_lock.release()
        if not self._db.jobs_of_worker(self._worker_id):
            self._db.forget_worker(self._worker_id)
            self.boot_lock.path.unlink(missing_ok=True)

    def beat(self) -> None:
        """Renew this process's leases; notice a database that was taken away, and mend it."""
        try:
            if self._is_database_gone:
                self._mend()
            self._db.renew_leases(self._worker_id, self._cfg["lease_seconds"])
            self.troubles.pop("database", None)
        except StoreUnavailable as exc:
            self._is_database_gone |= exc.code in ("db_replaced", "db_damaged")
            self.troubles["database"] = str(exc)
            log.warning("The heartbeat was not written: %s", exc, extra={"action": "heartbeat_missed"})
        except (E3Error, OSError) as exc:
            log.warning("The heartbeat was not written: %s", exc, extra={"action": "heartbeat_missed"})

    def look_after(self) -> None:
        """Recover what others left, and do the rest where it is due; a fault is tried again at the next tick."""
        now = time.monotonic()
        try:
            if now >= self._next_reconcile:
                recovered = self._reconcile()
                self._next_reconcile = now + RECONCILE_SECONDS
            else:
                recovered = recovery.recover(*self._who(), self._observer, self._station)
            if now >= self._next_chores:
                recovery.tidy_up(self._output_root, self._cfg, self._db)
                self._next_chores = now + CHORES_SECONDS
            if now >= self._next_sweep:
                recovery.collect_parts(self._cfg)
                self._next_sweep = now + CHORES_SECONDS
            if now >= self._indexes_from:
                self._db.index_names()
        except (E3Error, OSError) as exc:
            log.warning("Recovery is tried again: %s", exc, extra={"action": "reconcile_failed"})
            return
        if recovered:
            log.info("Took over %d jobs of another run", recovered, extra={"action": "recovered"})

    def _reconcile(self) -> int:
        guardrails.resume_if_disk_has_room(self._cfg, self._output_root, self._db)
        return recovery.reconcile(*self._who(), observer=self._observer, station=self._station)

    def _who(self) -> tuple[Mapping[str, Any], JobStore, str]:
        return self._cfg, self._db, self._worker_id

    def _register(self) -> None:
        root = "" if self._output_root is None else str(self._output_root)
        address = "" if self._station is None else self._station.backend.address
        self._db.register_worker(
            self._worker_id, lock_path=str(self.boot_lock.path), host=address or platform.node(), output_root=root
        )

    def _was_stopped_uncleanly(self) -> bool:
        return any(locks.is_free(Path(worker["lock_path"])) for worker in self._db.list_workers())

    def _is_damaged(self) -> bool:
        try:
            return bool(self._db.quick_check())
        except StoreUnavailable as exc:
            return exc.code == "db_damaged"

    def _mend(self) -> None:
        """Open a sound table in place of one that is gone or damaged, and fill it from the files."""
        rebuilding.reopen_whole(self._cfg, self._db)
        self._rebuild()
        self._register()
        self._is_database_gone = False

    def _rebuild(self) -> None:
        count = rebuilding.rebuild(self._cfg, self._db)
        self._forget()
        if count:
            self.troubles["rebuilt"] = f"the database was gone or damaged; {count} done jobs came back from their files"
