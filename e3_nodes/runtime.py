"""The one place where parts are chosen and wired, and threads started and stopped.

Correctness after a crash rests on locks and leases; stopping politely is a courtesy.
"""

from __future__ import annotations

import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import config_loader, executor, file_events, guardrails, locks, monitor, pulse, recovery, store
from .backends.base import Backend
from .drop_folder import DropFolder
from .errors import E3Error, InvalidSettings, InvalidWorkflow
from .logger import get_logger, set_log_format
from .model import Workflow
from .store.protocol import JobStore

log = get_logger("runtime")

RECONCILE_SECONDS = 30.0
COLLECT_SECONDS = 3600.0
ROLE_SECONDS = 2.0
PULSE_SECONDS = 0.05


class Runtime:
    """E3 at work on one home: the monitor, the lanes of one executor, and what keeps them alive.

    Args:
        cfg: The settings.
        backend: The ComfyUI that jobs run on; None makes a runtime that only takes files in.
        announce: Where changes are pushed to.
    """

    def __init__(
        self,
        cfg: dict[str, Any],
        backend: Backend | None = None,
        *,
        announce: pulse.Announce = lambda event, data: None,
    ) -> None:
        set_log_format(cfg["log_format"])
        self.cfg = cfg
        self.db: JobStore = store.open_store(cfg)
        self.workflows: dict[str, Workflow] = {}
        self.workflow_problems: list[str] = []
        self.worker_id = f"{platform.node() or 'worker'}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.stop_event = threading.Event()
        self.announce = announce
        self.station = None if backend is None else executor.Station.around(backend, cfg, self.stop_event)
        self.is_monitor = False
        self._threads: list[threading.Thread] = []
        self._lane_wakes: list[threading.Event] = []
        self._scan_wake = threading.Event()
        self._folder = DropFolder(cfg["paths"]["jobs_processing"])
        self._seen_workflow_files: object = None
        self._next_collection = 0.0
        self._boot_lock = locks.ProcessLock(self._lock_path(self.worker_id))
        self._monitor_lock = locks.ProcessLock(self._lock_path("monitor"))
        self.refresh_workflows()

    def start(self, *, monitor: bool = True, executor: bool = True) -> None:
        """Register this process, recover what an earlier one left, then start the threads."""
        self._boot_lock.acquire()
        self.db.register_worker(self.worker_id, lock_path=str(self._boot_lock.path), host=platform.node())
        if self.cfg["start_paused"]:
            self.db.set_user_paused(True)
        self.reconcile()
        self._start_thread("heartbeat", self._keep_heartbeat)
        self._start_thread("reconcile", self._keep_reconciling)
        self._start_thread("pulse", self._keep_pulse)
        if monitor:
            self._start_thread("monitor", self._keep_monitoring)
        if executor and self.station is not None:
            for number in range(self.cfg["lookahead"] + 2):
                self._start_lane(number)
        log.info("E3 works on %s", self.cfg["home"], extra={"action": "started"})

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Ask every thread to end, give waiting prompts back, and let the locks go."""
        self.stop_event.set()
        self.wake()
        self._scan_wake.set()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._monitor_lock.release()
        self._boot_lock.release()
        if not self.db.jobs_of_worker(self.worker_id):
            self.db.forget_worker(self.worker_id)
            self._boot_lock.path.unlink(missing_ok=True)
        self.db.close()

    def wake(self) -> None:
        """Let idle lanes look for a job at once."""
        for event in self._lane_wakes:
            event.set()

    def refresh_workflows(self) -> bool:
        """Load the workflows anew if their files changed; one that cannot be used is left out and told.

        Returns:
            Whether the workflows are others than before.
        """
        stamp = _stamp_of(self.cfg)
        if stamp == self._seen_workflow_files:
            return False
        self._seen_workflow_files = stamp
        broken: list[InvalidWorkflow] = []
        loaded = config_loader.load_all_workflows(config_loader.workflow_files_of(self.cfg), broken.append)
        for problem in broken:
            log.error("Left out %s", problem, extra={"action": "workflow_broken"})
        self.workflow_problems = [str(problem) for problem in broken]
        self.workflows.clear()
        self.workflows.update(loaded)
        return True

    def submit(self, name: str, data: bytes) -> dict[str, Any]:
        """Take a job file's bytes in at once; see ``monitor.submit_job``."""
        return monitor.submit_job(name, data, self.cfg, self.workflows, self.db)

    def reconcile(self) -> None:
        """Run one reconcile; a fault in it is logged and tried again half a minute later."""
        root = None if self.station is None else self.station.backend.staging("x").parent.parent
        try:
            recovered = recovery.reconcile(self.cfg, self.db, self.worker_id)
            if root is not None and self._is_collection_due():
                recovery.collect_staging(root, self.cfg, self.db)
            guardrails.resume_if_disk_has_room(self.cfg, root, self.db)
        except (E3Error, OSError):
            log.exception("Reconcile failed; it is tried again")
            return
        if recovered:
            log.info("Took over %d jobs of an earlier run", recovered, extra={"action": "recovered"})

    def _is_collection_due(self) -> bool:
        """Tell whether an hour has passed: the walk over kept originals is long where there are many."""
        now = time.monotonic()
        is_due = now >= self._next_collection
        if is_due:
            self._next_collection = now + COLLECT_SECONDS
        return is_due

    def problems(self) -> list[dict[str, Any]]:
        """List what is wrong now: code, message, and the way out."""
        found = [
            _problem("workflow_broken", problem, "mend the file; it is read again by itself")
            for problem in self.workflow_problems
        ]
        host_problem = None if self.station is None else self.station.backend.problem()
        if host_problem:
            found.append(_problem("host_dead", host_problem, "restart ComfyUI; no job is lost"))
        if not self.is_monitor:
            found.append(
                _problem("standby", "another process on this home takes job files in", "nothing: this one takes over")
            )
        waiting = self.db.count_by_status()["pending"]
        if waiting > self.cfg["pending_warning_threshold"]:
            found.append(
                _problem("backpressure", f"{waiting} jobs wait", "add GPUs, or raise pending_warning_threshold")
            )
        return found

    # --- threads ----------------------------------------------------------------------------------
    def _start_thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=f"e3-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _start_lane(self, number: int) -> None:
        wake = threading.Event()
        self._lane_wakes.append(wake)
        self._start_thread(
            f"lane-{number}",
            lambda: executor.run_loop(
                self.cfg, self.workflows, self.db, self.worker_id, self.stop_event,
                station=self.station, wake=wake,
            ),
        )

    def _keep_monitoring(self) -> None:
        """Wait for the monitor's role, of which there is one a home, then scan for ever."""
        while not self._monitor_lock.acquire():
            if self.stop_event.wait(ROLE_SECONDS):
                return
        self.is_monitor = True
        root = self.cfg["paths"]["jobs_processing"]
        stop_watching = file_events.watch_folder(root, self._folder, self._scan_wake)
        monitor.run_monitor_loop(
            self.cfg, self.workflows, self.db, self.stop_event,
            folder=self._folder, wake=self._scan_wake, refresh=self.refresh_workflows,
        )
        stop_watching()

    def _keep_heartbeat(self) -> None:
        while not self.stop_event.wait(self.cfg["lease_seconds"] / 4):
            try:
                self.db.renew_leases(self.worker_id, self.cfg["lease_seconds"])
            except (E3Error, OSError) as exc:
                log.warning("The heartbeat was not written: %s", exc)

    def _keep_reconciling(self) -> None:
        while not self.stop_event.wait(RECONCILE_SECONDS):
            self.reconcile()

    def _keep_pulse(self) -> None:
        """Notice every change of the table, by whichever process, and pass it on."""
        backend = None if self.station is None else self.station.backend
        beats = pulse.Pulse(self.db, backend, self.announce, self.wake)
        while not self.stop_event.wait(PULSE_SECONDS):
            try:
                beats.beat()
            except Exception as exc:
                log.warning("A change was not passed on: %s", exc)

    def _lock_path(self, name: str) -> Path:
        return Path(self.cfg["home"]) / "jobs" / ".locks" / f"{name}.lock"


def _problem(code: str, message: str, fix: str) -> dict[str, Any]:
    return {"code": code, "message": message, "fix": fix}


def check_home_is_private(cfg: Mapping[str, Any], public_folders: list[Path]) -> None:
    """Refuse a home that ComfyUI would serve, wipe, or let web pages write into.

    Raises:
        InvalidSettings: Jobs folder, database or settings lie in one of the public folders.
    """
    kept = [cfg["paths"]["jobs_processing"], cfg["paths"]["database"], str(Path(cfg["home"]) / "global_config.yaml")]
    for path in kept:
        for folder in public_folders:
            if Path(path).resolve().is_relative_to(folder.resolve()):
                raise InvalidSettings(
                    f"{path} lies in {folder}, which ComfyUI serves to everybody; move E3's home elsewhere (E3_HOME)"
                )


def _stamp_of(cfg: Mapping[str, Any]) -> object:
    """Reduce the workflow files and their templates to what tells a change."""
    files = [Path(file) for file in config_loader.workflow_files_of(cfg)]
    folders = {file.parent for file in files}
    templates = [path for folder in folders for path in sorted(folder.glob("**/*.json"))]
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in [*files, *templates])
