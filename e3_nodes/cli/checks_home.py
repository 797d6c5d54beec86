"""What the doctor looks at on this machine: folders, filesystem, locks, settings, database, workers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import file_utils, locks, recovery
from ..errors import E3Error
from ..file_utils import folders
from ..model import MEDIA, Status
from ..store.opening import check_sqlite_version
from ..store.protocol import JobStore
from . import comfyui, filesystems
from .checks import Check
from .home import Home, workers_of

LITTLE_ROOM = 2 * 1024**3
STALE_SECONDS = 600
FIX = "e3 doctor --fix"


def check_program() -> Iterator[Check]:
    """Look at Python and the packages."""
    try:
        check_sqlite_version(sqlite3.sqlite_version_info)
        python = ".".join(map(str, sys.version_info[:3]))
        yield Check("versions", "ok", f"Python {python}, SQLite {sqlite3.sqlite_version}")
    except E3Error as exc:
        yield Check("versions", "fail", str(exc), "use a newer Python")
    if sys.platform != "linux" and importlib.util.find_spec("watchdog") is None:
        message = "watchdog is not installed: new files are noticed a second later"
        yield Check("watchdog", "warn", message, "pip install watchdog")


def check_folders(cfg: dict[str, Any], *, fix: bool) -> Iterator[Check]:
    """Look at home's folders: there, writable, with room, on a filesystem that E3 can rely on."""
    missing = [folder for folder in _folders(cfg) if not folder.is_dir()]
    if missing and fix:
        try:
            file_utils.ensure_directories(cfg["paths"])
            yield Check("folders", "ok", f"made {len(missing)} folders under {cfg['home']}", is_fixed=True)
        except OSError as exc:
            yield Check("folders", "fail", f"home cannot be made: {exc}", "make it writable, or set E3_HOME")
    elif missing:
        yield Check("folders", "warn", f"{_listed(missing)} not there yet; made at first use", FIX)
    else:
        yield Check("folders", "ok", f"home is {cfg['home']}")
    for name in ("jobs_processing", "jobs_finished"):
        if Path(cfg["paths"][name]).is_dir():
            yield from _check_writable(Path(cfg["paths"][name]))
    yield from _check_place(_first_that_exists(Path(cfg["paths"]["jobs_finished"])))


def check_locks(cfg: dict[str, Any]) -> Iterator[Check]:
    """Find out whether locks hold on home's filesystem, since everything after a crash rests on them."""
    folder = Path(cfg["home"]) / "jobs"
    if not folder.is_dir():
        return
    lock = locks.ProcessLock(folder / f".e3-doctor-{os.getpid()}.lock")
    try:
        if lock.acquire() and not locks.is_free(lock.path):
            yield Check("locks", "ok", "locks hold")
        else:
            message = f"locks do not hold on the filesystem of {folder}"
            yield Check("locks", "fail", message, "set E3_HOME to a folder on a local disk")
    except OSError as exc:
        yield Check("locks", "fail", f"no lock can be made in {folder}: {exc.strerror}", "make it writable")
    finally:
        lock.release()
        lock.path.unlink(missing_ok=True)


def check_database(home: Home) -> Iterator[Check]:
    """Look at the job table, without making one."""
    path = home.cfg["paths"]["database"]
    if "://" not in path and not Path(path).exists():
        yield Check("database", "ok", "there is no job table yet; it is made at first use")
        return
    try:
        damage = home.db.quick_check()
    except E3Error as exc:
        yield Check(exc.code, "fail", str(exc), "e3 doctor names no more until the database can be opened")
        return
    if damage:
        yield Check("db_damaged", "fail", f"{path} is damaged: {damage[0]}", "name another file in paths.database")
    if home.db.notice:
        yield Check("database", "warn", home.db.notice, "set E3_HOME to a folder on a local disk")
    counts = ", ".join(f"{number} {status}" for status, number in home.db.count_by_status().items() if number)
    yield Check("database", "ok", f"the job table holds {counts or 'no jobs'}")
    yield from _check_queue(home.db)


def check_workers(home: Home, *, fix: bool) -> Iterator[Check]:
    """Look for workers that died, for locks that nobody holds, and for anybody who runs jobs."""
    alive, dead = workers_of(home.db)
    waiting = home.db.count_by_status()[Status.PENDING.value]
    if alive:
        yield Check("workers", "ok", f"{len(alive)} at work on this home")
    elif waiting:
        message = f"{waiting} jobs wait, and nobody runs jobs on this home now"
        yield Check("workers", "warn", message, "start ComfyUI with E3 in it (e3 up), or e3 run --loop")
    if dead and fix:
        observer = recovery.Observer(home.cfg["lease_seconds"])
        recovered = recovery.recover(home.cfg, home.db, f"doctor-{os.getpid()}", observer)
        message = f"took {recovered} jobs over from {len(dead)} dead workers"
        yield Check("dead_workers", "ok", message, is_fixed=True)
    elif dead:
        stranded = sum(len(home.db.jobs_of_worker(worker["worker_id"])) for worker in dead)
        message = f"{len(dead)} workers are gone and left {stranded} jobs; the next start goes on with them"
        yield Check("dead_workers", "warn", message, FIX)
    yield from _check_stale_locks(home, fix=fix)


def check_privacy(home: Home) -> Iterator[Check]:
    """Make sure that ComfyUI does not serve or wipe what is private."""
    try:
        place = comfyui.find_comfyui(None)
    except E3Error as exc:
        yield Check(exc.code, "warn", str(exc), "correct COMFYUI_PATH")
        return
    if place is None:
        return
    from ..runtime import check_home_is_private

    try:
        check_home_is_private(home.cfg, [place / name for name in ("input", "output", "temp", "user", "web")])
    except E3Error as exc:
        yield Check("home_public", "fail", str(exc), "set E3_HOME to a folder outside of ComfyUI's")


def _check_queue(db: JobStore) -> Iterator[Check]:
    state, rejected = db.queue_state(), db.count_rejections()
    if state["paused"]:
        why = state["auto_reason"] or "by a person"
        yield Check("paused", "warn", f"the queue is paused ({why}): nothing starts", "e3 queue resume")
    if rejected:
        yield Check("rejections", "warn", f"{rejected} files in processing/ are no jobs", "e3 queue ls rejected")


def _check_stale_locks(home: Home, *, fix: bool) -> Iterator[Check]:
    """A lock file that nobody holds, of no known worker and not brand-new, is what a crash left."""
    known = {Path(worker["lock_path"]) for worker in home.db.list_workers()}
    files = (Path(home.cfg["home"]) / "jobs" / ".locks").glob("*.lock")
    stale = [
        file
        for file in files
        if file not in known and file.name != "monitor.lock" and _is_old(file) and locks.is_free(file)
    ]
    if stale and fix:
        for file in stale:
            file_utils.remove_quietly(file)
        yield Check("stale_locks", "ok", f"removed {len(stale)} stale lock files", is_fixed=True)
    elif stale:
        yield Check("stale_locks", "warn", f"{len(stale)} lock files of dead workers lie about", FIX)


def _is_old(file: Path) -> bool:
    return time.time() - file.stat().st_mtime > STALE_SECONDS


def _check_writable(folder: Path) -> Iterator[Check]:
    """Try what publishing will do: a hidden file, and a second name for it."""
    try:
        with folders.open_folder(folder, [str(folder)]) as opened:
            opened.probe()
        yield Check("writable", "ok", f"files can appear whole in {folder}")
    except E3Error as exc:
        yield Check(exc.code, "fail", str(exc), "make it writable, or set E3_HOME to a folder that is")


def _check_place(folder: Path) -> Iterator[Check]:
    kind = filesystems.filesystem_of(folder)
    if filesystems.is_network(kind):
        message = f"{folder} is on a network filesystem ({kind}): locks and links may not hold there"
        yield Check("filesystem", "warn", message, "set E3_HOME to a local disk, and results to an output root")
    room = shutil.disk_usage(folder).free
    if room < LITTLE_ROOM:
        message = f"{room // 1024**2} MiB are left on the disk of {folder}"
        yield Check("disk_space", "warn", message, "make room: the queue pauses when the disk is full")


def _folders(cfg: dict[str, Any]) -> list[Path]:
    paths = cfg["paths"]
    media = [Path(paths[key]) / medium for key in ("jobs_processing", "jobs_finished") for medium in MEDIA]
    return [*media, Path(paths["workflows"])]


def _first_that_exists(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _listed(missing: list[Path]) -> str:
    return f"{missing[0]} is" if len(missing) == 1 else f"{missing[0]} and {len(missing) - 1} more folders are"
