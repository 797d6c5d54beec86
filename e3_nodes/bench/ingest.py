"""Thousands of files at once: how fast they become rows, and what ComfyUI's event loop feels of it."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import yaml

from . import homes, tables
from .figures import Figure, Target, percentile
from .hosts import Host, named_comfyui
from .scale import Scale


def measure(scale: Scale) -> list[Figure]:
    """Take each number of files in, and then do the least with the very same files."""
    return [figure for count in scale.files for figure in _measure(count)]


def _measure(count: int) -> list[Figure]:
    with tables.temporary() as folder:
        home = homes.Home(Path(folder, "home"), {"start_paused": True, "pending_warning_threshold": 10**8})
        with Host(Path(folder, "base"), home.folder, named_comfyui()) as host:
            host.wait_for_e3()
            _listen(host)
            time.sleep(2.0)
            quiet = _lags(host)
            waiting = [home.make_file() for _ in range(count)]
            _listen(host)
            seconds = _taken_in(host, waiting)
            lags = _lags(host)
        paths = [home.processing / homes.name_of(number) for number in range(1, count + 1)]
        floor = count / _least(paths, Path(folder, "least.sqlite3"))
    name = f"ingest.files_{count}"
    return [
        Figure(f"{name}.rate", count / seconds, "files/s", floor, Target(0.5, "ratio", at_least=True)),
        Figure(f"{name}.lag_p99", percentile(lags, 0.99), "ms", percentile(quiet, 0.99), Target(20)),
        Figure(f"{name}.lag_max", max(lags, default=0.0), "ms", max(quiet, default=0.0), Target(50)),
    ]


def _taken_in(host: Host, waiting: list[Path]) -> float:
    """Rename all files into place, and wait until each is a row; return the seconds since the first rename."""
    began = time.perf_counter()
    for hidden in waiting:
        homes.drop_file(hidden)
    while host.get("/e3/jobs?limit=1")["totals"].get("pending", 0) < len(waiting):
        time.sleep(0.1)
    return time.perf_counter() - began


def _listen(host: Host) -> None:
    host.post("/bench/reset")
    time.sleep(0.05)
    host.post("/bench/listen")


def _lags(host: Host) -> list[float]:
    """Return in milliseconds how late the loop was, each time that it was asked."""
    return [1000 * lag for lag in host.get("/bench/report")["lags"]]


def _least(paths: list[Path], database: Path) -> float:
    """Read, parse with libyaml, insert all in one transaction; return the seconds."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    con = sqlite3.connect(database, isolation_level=None)
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("PRAGMA synchronous = FULL")
    con.execute(
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, name TEXT UNIQUE, priority INTEGER, config TEXT, source TEXT)"
    )
    began = time.perf_counter()
    rows = []
    for path in paths:
        text = path.read_text("utf-8")
        job = yaml.load(text, loader)
        rows.append((path.name, job["priority"], json.dumps(job), text))
    con.execute("BEGIN IMMEDIATE")
    con.executemany("INSERT INTO jobs (name, priority, config, source) VALUES (?, ?, ?, ?)", rows)
    con.execute("COMMIT")
    seconds = time.perf_counter() - began
    con.close()
    return seconds
