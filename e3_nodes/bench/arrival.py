"""How soon things are noticed: a dropped job by ComfyUI, while nothing else is to be done, and an end by `e3 wait`."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from . import homes, tables
from .figures import Figure, Target, median, percentile
from .hosts import Host, named_comfyui
from .scale import Scale

APART_SECONDS = (0.3, 0.9)
"""How far apart jobs are dropped, at random: ComfyUI collects garbage every 10 s (``gc_collect_interval``
in its ``main.py``) and stands still for it, which a steady beat would meet always or never."""
WAIT_SECONDS = 300


def measure(scale: Scale) -> list[Figure]:
    """Drop jobs one by one into an idle E3, and look when ComfyUI began with each; then wait for many at once."""
    with tables.temporary() as folder:
        home = homes.Home(Path(folder, "home"), work=homes.Work(side=64))
        with Host(Path(folder, "base"), home.folder, named_comfyui()) as host:
            host.wait_for_e3()
            _waits(host, home, 2)
            waits = _waits(host, home, scale.drops)
            late = [_after_the_last(host, home, scale.awaited) for _ in range(scale.pairs)]
    return [
        Figure("arrival.median", median(waits), "ms", None, Target(60)),
        Figure("arrival.p95", percentile(waits, 0.95), "ms", None, Target(150)),
        Figure("arrival.wait_ends", median(late), "ms", None, Target(200), f"after the last of {scale.awaited} jobs"),
    ]


def _waits(host: Host, home: homes.Home, count: int) -> list[float]:
    host.post("/bench/reset")
    dropped: list[float] = []
    for number in range(count):
        hidden = home.make_file()
        time.sleep(random.uniform(*APART_SECONDS))
        dropped.append(time.time())
        homes.drop_file(hidden)
        while host.get("/bench/count")["ends"] <= number:
            time.sleep(0.02)
    starts = [start for _, start in host.get("/bench/report")["starts"]]
    return [1000 * (start - drop) for drop, start in zip(dropped, starts, strict=True)]


def _after_the_last(host: Host, home: homes.Home, count: int) -> float:
    """Return how many milliseconds after the last of some jobs has ended `e3 wait` ends."""
    known = _rows(host)
    names = home.drop(count)
    while _rows(host) < known + count:
        time.sleep(0.02)
    command = [sys.executable, "-m", "comfyui_e3.e3_nodes.cli", "wait", "--timeout", str(WAIT_SECONDS), *names]
    subprocess.run(command, check=True, env={**os.environ, "E3_HOME": str(home.folder)}, stdout=subprocess.DEVNULL)
    ended = time.time()
    last = host.get("/e3/jobs?limit=1&status=done&sort=-ended")["jobs"][0]["end_time"]
    return 1000 * ended - last


def _rows(host: Host) -> int:
    return sum(host.get("/e3/jobs?limit=1")["totals"].values())
