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
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import config_loader, executor, file_events, file_utils, locks, monitor, pulse, rebuilding
from .backends.base import Backend
from .caretaker import Caretaker
from .drop_folder import DropFolder
from .errors import InvalidSettings, InvalidWorkflow
from .filer import Filer
from .logger import get_logger, set_log_format
from .model import Job, Workflow
from .publisher import Publisher
from .station import Station
from .turnstile import most_standing

log = get_logger("runtime")

ROLE_SECONDS = 2.0
PULSE_SECONDS = 0.25
"""How soon a change by another process is noticed; one by this process is at once, but no sooner than"""
SHORTEST_PULSE_SECONDS = 0.05
IDLE_LANE_SECONDS = 30.0
"""How long a lane waits to be woken; only the first one looks every ``poll_interval_ms`` for backoffs that are over."""
PUBLISHING_LANES = 3
"""Lanes besides those whose prompts stand in ComfyUI: short jobs are published while the next ones run."""
_FIXES = {
    "database": "look for another program that holds or moved the file, or for a full disk; E3 goes on trying",
    "rebuilt": "nothing; the old database lies in the folder quarantine beside the new one",
}


class Runtime:
    """E3 at work on one home: the monitor, the lanes of one executor, and what keeps them alive.

    Args:
        cfg: The settings.
        backend: The ComfyUI that jobs run on; None makes a runtime that only takes files in.
        announce: Where changes are pushed to.
        now: UTC milliseconds, for the job table; the system's clock when None.
        monotonic: Seconds, by which files settle.
    """

    def __init__(
        self,
        cfg: dict[str, Any],
        backend: Backend | None = None,
        *,
        announce: pulse.Announce = lambda event, data: None,
        now: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        set_log_format(cfg["log_format"])
        self.cfg = cfg
        self.db, self._is_new_table = rebuilding.open_whole(cfg, now)
        self.workflows: dict[str, Workflow] = {}
        self.workflow_problems: list[str] = []
        self.worker_id = f"{platform.node() or 'worker'}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.stop_event = threading.Event()
        self.announce = announce
        self._filer = Filer(cfg, self.db, self._is_brief)
        self.station: Station | None = None
        self._publisher: Publisher | None = None
        if backend is not None:
            station = Station.around(backend, cfg, self.stop_event, self._filer.take)
            self._publisher = Publisher(cfg, self.db, station)
            self.station = replace(station, publish_later=self._publisher.take)
        self.is_monitor = False
        self._threads: list[threading.Thread] = []
        self._lane_wakes: list[threading.Event] = []
        self._scan_wake = threading.Event()
        self._folder = DropFolder(cfg["paths"]["jobs_processing"], monotonic)
        self._seen_workflow_files: object = None
        self._monitor_lock = locks.ProcessLock(locks.lock_path(cfg["home"], "monitor"))
        self._caretaker = Caretaker(cfg, self.db, self.worker_id, self.station, forget=self._forget_files)
        self.refresh_workflows()

    def start(self, *, monitor: bool = True, executor: bool = True) -> None:
        """Register this process, recover what an earlier one left, then start the threads."""
        if self.cfg["start_paused"]:
            self.db.set_user_paused(True)
        self._caretaker.begin(is_new=self._is_new_table)
        self._start_thread("heartbeat", self._keep_heartbeat)
        self._start_thread("caretaker", self._keep_looking_after)
        self._start_thread("pulse", self._keep_pulse)
        if monitor:
            self._start_thread("monitor", self._keep_monitoring)
        if executor and self.station is not None:
            self._start_thread("filer", lambda: self._filer.work(self.stop_event))
            if self._publisher is not None:
                self._start_thread("publisher", self._publisher.work)
            for number in range(most_standing(self.cfg["lookahead"]) + PUBLISHING_LANES):
                self._start_lane(number)
        log.info("E3 works on %s", self.cfg["home"], extra={"action": "started"})

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Ask every thread to end, give waiting prompts back, and let the locks go."""
        self.stop_event.set()
        self.wake()
        self._scan_wake.set()
        if self._publisher is not None:
            self._publisher.end()
        self._filer.end()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._monitor_lock.release()
        self._caretaker.end()
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

    def submit(self, name: str, data: bytes) -> Job:
        """Take a job file's bytes in at once; see ``monitor.submit_job``."""
        return monitor.submit_job(name, data, self.cfg, self.workflows, self.db)

    def _forget_files(self) -> None:
        """Judge every job file anew, at once: the table was rebuilt."""
        self._folder.forget()
        self._scan_wake.set()

    def problems(self) -> list[dict[str, Any]]:
        """List what is wrong now: code, message, and the way out."""
        found = [
            _problem("workflow_broken", problem, "mend the file; it is read again by itself")
            for problem in self.workflow_problems
        ]
        host_problem = None if self.station is None else self.station.backend.problem()
        if host_problem:
            found.append(_problem("host_dead", host_problem, "restart ComfyUI; no job is lost"))
        for code, message in self._caretaker.troubles.items():
            found.append(_problem(code, message, _FIXES[code]))
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

    def _is_brief(self) -> bool:
        return self.station is not None and self.station.turnstile.is_brief

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
                self.cfg,
                self.workflows,
                self.db,
                self.worker_id,
                self.stop_event,
                station=self.station,
                wake=wake,
                idle_seconds=None if number == 0 else IDLE_LANE_SECONDS,
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
            self.cfg,
            self.workflows,
            self.db,
            self.stop_event,
            folder=self._folder,
            wake=self._scan_wake,
            refresh=self.refresh_workflows,
        )
        stop_watching()

    def _keep_heartbeat(self) -> None:
        while not self.stop_event.wait(self.cfg["lease_seconds"] / 4):
            self._caretaker.beat()

    def _keep_looking_after(self) -> None:
        while not self.stop_event.wait(self._caretaker.tick_seconds):
            self._caretaker.look_after()

    def _keep_pulse(self) -> None:
        """Notice every change of the table, by whichever process, and pass it on."""
        backend = None if self.station is None else self.station.backend
        beats = pulse.Pulse(self.db, backend, self.announce, self.wake)
        while not self.stop_event.is_set():
            is_changed = self.db.wait_for_change(PULSE_SECONDS)
            try:
                beats.beat()
            except Exception as exc:
                log.warning("A change was not passed on: %s", exc)
            if is_changed:
                self.stop_event.wait(SHORTEST_PULSE_SECONDS)


def _problem(code: str, message: str, fix: str) -> dict[str, Any]:
    return {"code": code, "message": message, "fix": fix}


def check_home_is_private(cfg: Mapping[str, Any], public_folders: list[Path]) -> None:
    """Refuse a home that ComfyUI would serve, wipe, or let web pages write into.

    Args:
        cfg: The settings.
        public_folders: What ``host.public_folders`` tells.

    Raises:
        InvalidSettings: Jobs folder, database, settings or workflows lie in one of the public folders, or one
            of them lies in the jobs folder, so that an upload would be a job.
    """
    paths, move = cfg["paths"], "move E3's home elsewhere (E3_HOME)"
    kept = [paths["jobs_processing"], paths["database"], Path(cfg["home"], "global_config.yaml"), paths["workflows"]]
    for folder in public_folders:
        for path in kept:
            if _lies_in(Path(path), folder):
                raise InvalidSettings(f"{path} lies in {folder}, which ComfyUI serves to everybody; {move}")
        jobs = Path(paths["jobs_processing"])
        if _lies_in(folder, jobs):
            raise InvalidSettings(f"{folder}, which web pages can write into, lies in {jobs}; {move}")


def _lies_in(path: Path, folder: Path) -> bool:
    """Tell whether a path lies in a folder, by whichever spelling, link or mount it is named."""
    path, folder = path.resolve(), folder.resolve()
    if path.is_relative_to(folder):
        return True
    return folder.exists() and any(place.exists() and place.samefile(folder) for place in (path, *path.parents))


def _stamp_of(cfg: Mapping[str, Any]) -> object:
    """Reduce the workflow files and their templates to what tells a change: cheaply, for every scan asks."""
    files = config_loader.workflow_files_of(cfg)
    folders = {os.path.dirname(file) for file in files}  # noqa: PTH120 - text, as in stamps
    templates = (stamp for folder in folders for stamp in file_utils.stamps_under(folder, ".json"))
    return {*map(file_utils.stamp_of, files), *templates}
