"""What the plugin adds to ComfyUI's start and to its memory, with an empty table and with a full one."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..file_utils import fsync_file
from . import homes, tables
from .figures import Figure, Target, median
from .hosts import Host, named_comfyui
from .scale import Scale

KINDS = ("without", "empty", "full")


def measure(scale: Scale) -> list[Figure]:
    """Start in turn without the plugin, with an empty table, with a full one."""
    with tables.temporary() as folder:
        made = tables.Tables(Path(folder))
        seen: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
        for number in range(scale.starts + 1):
            round_folder = Path(folder, str(number))
            homes_of = {kind: _home(round_folder / kind, kind, made, scale) for kind in KINDS}
            # Each kind begins in its turn: the start after a copy of a gigabyte is the slower one, whoever's it is.
            for turn in range(len(KINDS)):
                kind = KINDS[(number + turn) % len(KINDS)]
                start = _start(round_folder / kind, homes_of[kind])
                seen[kind] += [start] if number else []  # the first one fills caches
            shutil.rmtree(round_folder)
    # Of the starts the quickest: whatever else the machine does only ever adds to one.
    bare, empty, full = (
        [min(start[0] for start in seen[kind]), median([start[1] for start in seen[kind]])] for kind in KINDS
    )
    return [
        Figure("start.added", 1000 * (full[0] - bare[0]), "ms", None, Target(100), f"{scale.rows} rows"),
        Figure("start.added_empty", 1000 * (empty[0] - bare[0]), "ms"),
        Figure("memory.added", full[1] - empty[1], "MB", None, Target(40), f"{scale.rows} rows against none"),
        Figure("memory.added_empty", empty[1] - bare[1], "MB"),
    ]


def _home(folder: Path, kind: str, made: tables.Tables, scale: Scale) -> Path | None:
    if kind == "without":
        return None
    home = homes.Home(folder / "home", {"start_paused": True, "pending_warning_threshold": 10**8}).folder
    if kind == "full":
        # Else the start would wait for the disk that still writes the copy.
        fsync_file(made.copy_to(home / "jobs" / "e3.sqlite3", scale.rows, mixed=True))
    return home


def _start(folder: Path, home: Path | None) -> tuple[float, float]:
    """Return the seconds until the server answered, and its memory once E3 has worked."""
    with Host(folder / "base", home, named_comfyui()) as host:
        if home is not None:
            host.wait_for_e3()
            for path in ("/e3/jobs?limit=1000", "/e3/jobs?status=pending&sort=-created", "/e3/queue", "/e3/stats"):
                host.get(path)
        return host.started_in, host.get("/bench/report")["rss_mb"]
