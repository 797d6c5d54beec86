"""What E3 costs while it has nothing to do, with a full folder and a full table."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from . import homes, tables
from .figures import Figure, Target, median, seconds_of
from .hosts import Host, named_comfyui
from .scale import Scale

SETTLE_SECONDS = 5.0
QUIET_SHARE = 0.02
MOST_SETTLING = 60
"""What a start brings, such as the search index of a table that has none, is over once no more of a core is used; the
wait for that ends after so many looks."""
STRACE_SECONDS = 10.0


def measure(scale: Scale) -> list[Figure]:
    """Idle with the plugin, and without it on the same machine in the same run."""
    with tables.temporary() as folder:
        home = homes.Home(Path(folder, "home"), {"start_paused": True, "pending_warning_threshold": 10**8})
        home.drop(scale.waiting_files)
        tables.Tables(Path(folder)).copy_to(home.folder / "jobs" / "e3.sqlite3", scale.rows, mixed=True)
        scan = median([seconds_of(lambda: _scan(home.processing)) for _ in range(3)])
        with Host(Path(folder, "bare"), None, named_comfyui()) as host:
            bare = _share(host, min(scale.idle_seconds, 60.0))
        with Host(Path(folder, "base"), home.folder, named_comfyui()) as host:
            host.wait_for_e3()
            _wait_until_quiet(host)
            share = _share(host, scale.idle_seconds)
            calls = _system_calls(host.process.pid, min(scale.idle_seconds, STRACE_SECONDS))
    note = f"one bare scandir with stat of {scale.waiting_files} files takes {1000 * scan:.0f} ms"
    figures = [Figure("idle.cpu", 100 * (share - bare), "% of a core", None, Target(0.5), note)]
    return figures + ([Figure("idle.system_calls", calls, "1/s")] if calls is not None else [])


def _scan(folder: Path) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            entry.stat(follow_symlinks=False)


def _wait_until_quiet(host: Host) -> None:
    """Wait until the files are taken in and what else comes with a start is done."""
    before = None
    time.sleep(SETTLE_SECONDS)
    while (now := host.get("/e3/jobs?limit=1")["totals"]) != before:
        before = now
        time.sleep(SETTLE_SECONDS)
    for _ in range(MOST_SETTLING):
        if _share(host, SETTLE_SECONDS) <= QUIET_SHARE:
            return


def _share(host: Host, seconds: float) -> float:
    """Return the share of a core that the process uses."""
    host.post("/bench/reset")
    began = time.perf_counter()
    time.sleep(seconds)
    return host.get("/bench/report")["cpu_seconds"] / (time.perf_counter() - began)


def _system_calls(pid: int, seconds: float) -> float | None:
    """Count system calls a second, where strace is installed and allowed."""
    if shutil.which("strace") is None:
        return None
    command = ["timeout", "-s", "INT", str(seconds), "strace", "-f", "-c", "-U", "calls,name", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    total = [line.split()[0] for line in said.splitlines() if line.strip().endswith("total")]
    return int(total[0]) / seconds if total and total[0].isdigit() else None
