"""The same kills in whole processes: the embedded host with E3 loaded as a plugin, as ComfyUI loads it.

A witness is loaded before E3, and tells what E3 does to its host; see ``witness``.
"""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import config_loader
from . import invariants
from .invariants import View
from .rounds import LONGEST_RUN_SECONDS, Report, home
from .scene import Scene

KILLS_A_HOME = 5
LONGEST_LIFE_SECONDS = 1.5
WITNESS = Path(__file__).parent / "witness"
ASKED = ("/e3/jobs", "/e3/health", "/e3/queue", "/e3/workflows", "/e3/stats")
_NEEDED = ("PIL", "numpy")


def embedded_host(report: Report, chance: random.Random, kills: int) -> None:
    """Kill whole embedded hosts with E3 in them, at random times."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        report.say(f"  left out: {', '.join(missing)} is not installed (the extra 'standalone' brings it)")
        return
    for start in range(0, kills, KILLS_A_HOME):
        with home(report) as scene:
            for _ in range(min(KILLS_A_HOME, kills - start)):
                with running(scene, report) as host:
                    scene.drop_some(chance)
                    ask_for(scene, chance, chance.uniform(0.0, LONGEST_LIFE_SECONDS))
                    host.kill()
                    scene.bury(host.pid)
                    report.kills["of an embedded host"] += 1
                report.check(scene, "after an embedded host was killed")
            _settle(scene, report)


def _settle(scene: Scene, report: Report) -> None:
    """Let the host run until nothing is left to do, and start once more, so that it tidies up."""
    with running(scene, report) as host:
        deadline = time.monotonic() + LONGEST_RUN_SECONDS
        while not _is_idle(scene) and time.monotonic() < deadline:
            time.sleep(0.2)
    scene.bury(host.pid)
    with running(scene, report):
        time.sleep(1.0)
    report.check(scene, "after the kills of embedded hosts", invariants.SETTLED)


def _is_idle(scene: Scene) -> bool:
    view = View.of(scene)
    filed = all(job["filed_at"] for _, job in view.done())
    ended = all(job["status"] in ("done", "failed", "cancelled") for job in view.jobs.values())
    return filed and ended and set(scene.dropped) <= set(view.jobs)


def ask_for(scene: Scene, chance: random.Random, seconds: float) -> None:
    """Ask E3 this and that for a while, as an open panel does."""
    port, deadline = int((scene.output.parent / "port").read_text()), time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        with suppress(OSError, urllib.error.URLError):
            url = f"http://127.0.0.1:{port}{chance.choice(ASKED)}"
            urllib.request.urlopen(url, timeout=max(left, 0.1)).close()
        time.sleep(min(0.02, max(0.0, left)))


@contextmanager
def running(scene: Scene, report: Report) -> Iterator[subprocess.Popen[bytes]]:
    """Run a host until the block ends; ComfyUI itself must answer, whatever state E3 is in."""
    base = scene.output.parent
    port_file = base / "port"
    port_file.unlink(missing_ok=True)
    plugin = config_loader.plugin_folder()
    command = [sys.executable, str(plugin / "e3_nodes" / "embedded"), "--base-directory", str(base), "--port", "0"]
    command += ["--port-file", str(port_file)]
    command += ["--custom-node", str(WITNESS), "--custom-node", str(plugin)]
    environ = {**os.environ, "E3_HOME": str(scene.home), "E3_WITNESS": str(scene.watch_log)}
    with (base / "host.log").open("ab") as log:
        host = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        if not _answers(port_file, host):
            report.violate(f"I17 the host does not answer:\n{(base / 'host.log').read_text('utf-8')[-2000:]}")
        yield host
    finally:
        host.kill()
        host.wait()


def _answers(port_file: Path, host: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + LONGEST_RUN_SECONDS
    while host.poll() is None and time.monotonic() < deadline:
        try:
            url = f"http://127.0.0.1:{int(port_file.read_text())}/system_stats"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except (OSError, ValueError, urllib.error.URLError):
            time.sleep(0.02)
    return False
