"""From the rename into processing/ to the start of the execution, while nothing else is to be done."""

from __future__ import annotations

import time
from pathlib import Path

from . import homes, tables
from .figures import Figure, Target, median, percentile
from .hosts import Host, named_comfyui
from .scale import Scale

APART_SECONDS = 0.5


def measure(scale: Scale) -> list[Figure]:
    """Drop jobs one by one into an idle E3, and look when ComfyUI began with each."""
    with tables.temporary() as folder:
        home = homes.Home(Path(folder, "home"), side=64)
        with Host(Path(folder, "base"), home.folder, named_comfyui()) as host:
            host.wait_for_e3()
            _waits(host, home, 2)
            waits = _waits(host, home, scale.drops)
    return [
        Figure("arrival.median", median(waits), "ms", None, Target(60)),
        Figure("arrival.p95", percentile(waits, 0.95), "ms", None, Target(150)),
    ]


def _waits(host: Host, home: homes.Home, count: int) -> list[float]:
    host.post("/bench/reset")
    dropped: list[float] = []
    for number in range(count):
        hidden = home.make_file()
        # Off the beat of every timer in there.
        time.sleep(APART_SECONDS + number % 7 * 0.013)
        dropped.append(time.time())
        homes.drop_file(hidden)
        while host.get("/bench/count")["ends"] <= number:
            time.sleep(0.02)
    starts = [start for _, start in host.get("/bench/report")["starts"]]
    return [1000 * (start - drop) for drop, start in zip(dropped, starts, strict=True)]
