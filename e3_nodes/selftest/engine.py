"""What the killed processes do: run E3 on a scene with the simulated ComfyUI, or watch its visible files."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from ..model import Job
from ..runtime import Runtime
from ..store.protocol import JobStore
from ..turnstile import most_standing
from .scene import Scene
from .simulated import SimulatedComfyUI, read_png

OPEN_STATES = ("pending", "processing")


def run_engine(
    scene: Scene,
    *,
    until: Callable[[Runtime], bool] | None = None,
    output: Path | None = None,
    clock_days: int = 0,
) -> None:
    """Run E3 until a fact holds, or for ever.

    Args:
        scene: The home.
        until: Ends the run politely; None runs until the process is killed.
        output: The output folder of its ComfyUI; the scene's own when None.
        clock_days: By how much this process's wall clock is wrong.
    """
    for name in ("e3", "watchdog"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    backend = SimulatedComfyUI(output or scene.output, most_standing(scene.cfg["lookahead"]), scene.complain)
    engine = Runtime(scene.cfg, backend, now=lambda: scene.now(clock_days), monotonic=scene.monotonic)
    _tell_of_robberies(scene, engine.db)
    engine.start()
    while until is None or not until(engine):
        time.sleep(0.01)
    if problem := backend.problem():
        scene.complain(f"I17 {problem}")
    engine.stop()


def _tell_of_robberies(scene: Scene, db: JobStore) -> None:
    """Write down whom each job is taken from, which the table does not keep."""
    steal = db.steal_job

    def noted(job_id: int, old_token: str, worker_id: str, lease_seconds: int) -> Job | None:
        owner = next((one["worker_id"] for one in db.list_attempts(job_id) if one["lease_token"] == old_token), "")
        stolen = steal(job_id, old_token, worker_id, lease_seconds)
        if stolen is not None:
            scene.complain(f"robbed {owner}")
        return stolen

    db.steal_job = noted  # type: ignore[method-assign]


def is_all_ended(scene: Scene) -> Callable[[Runtime], bool]:
    """Make the fact that every file dropped so far has been judged, and every job of them has ended and is filed."""
    names = set(scene.dropped)

    def has_ended(engine: Runtime) -> bool:
        totals = engine.db.count_by_status()
        known = engine.db.count_rejections() >= len(scene.broken) and sum(totals.values()) >= len(names)
        return known and not any(totals[state] for state in OPEN_STATES) and not engine.db.unfiled_jobs()

    return has_ended


def watch_files(scene: Scene) -> None:
    """Look at every visible result all the time; write down each that is not whole, changes, or vanishes."""
    seen: dict[str, tuple[object, str]] = {}
    while True:
        present = set(_visible(scene.finished))
        for name in sorted(present | set(seen)):
            said = _judge(scene.finished / name, seen)
            if said:
                scene.complain(f"I9 {name}: {said}")
        time.sleep(0.003)


def _visible(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.name.endswith(".png") and not entry.name.startswith(".")]


def _judge(path: Path, seen: dict[str, tuple[object, str]]) -> str | None:
    """Compare a file with how it was when it was seen first."""
    try:
        found = path.lstat()
        signature = (found.st_ino, found.st_size, found.st_mtime_ns)
        known = seen.get(path.name)
        if known is not None and known[0] == signature:
            return None
        data = path.read_bytes()
    except OSError as exc:
        return f"it vanished: {exc}" if seen.pop(path.name, None) else None
    digest = hashlib.sha256(data).hexdigest()
    seen[path.name] = (signature, digest)
    if known is not None:
        return None if known[1] == digest and known[0] == signature else "it was written to or replaced"
    if read_png(data) is None and not data.startswith(b"not E3's"):
        return f"it was visible before it was whole ({len(data)} bytes)"
    return None
