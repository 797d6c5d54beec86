"""Run sections, and report them: a table for people, JSON for the guard and for later."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import config_loader
from . import api, arrival, dispatch, idle, ingest, leasing, presence
from .figures import Figure
from .hosts import named_comfyui
from .scale import Scale

SECTIONS: Mapping[str, Callable[[Scale], list[Figure]]] = {
    "dispatch": dispatch.measure,
    "arrival": arrival.measure,
    "ingest": ingest.measure,
    "idle": idle.measure,
    "lease": leasing.measure,
    "api": api.measure,
    "presence": presence.measure,
}
COLUMNS = ("what", "E3", "floor", "ratio", "target", "")


def run(scale: Scale, names: Iterable[str], tell: Callable[[str], object] = lambda name: None) -> list[Figure]:
    """Measure sections one after the other.

    Args:
        scale: The sizes.
        names: Which sections.
        tell: Told each section's name before it begins.
    """
    figures: list[Figure] = []
    for name in names:
        tell(name)
        figures += SECTIONS[name](scale)
    return figures


def table(figures: Sequence[Figure]) -> list[list[str]]:
    """Write the rows of a table.

    Examples:
        >>> table([Figure("a.rate", 96.04, "jobs/s", floor=100.0)])
        [['a.rate', '96 jobs/s', '100 jobs/s', '0.960', '', '']]
    """
    return [
        [
            figure.name,
            f"{figure.value:.3g} {figure.unit}",
            "" if figure.floor is None else f"{figure.floor:.3g} {figure.unit}",
            "" if figure.ratio is None else f"{figure.ratio:.3f}",
            "" if figure.target is None else str(figure.target),
            {None: "", True: "met", False: "missed"}[figure.is_met],
        ]
        for figure in figures
    ]


def report(figures: Sequence[Figure], scale: Scale) -> dict[str, Any]:
    """Put the figures together with where and how they were measured."""
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "scale": vars(scale),
        "figures": {
            figure.name: {
                "value": figure.value,
                "unit": figure.unit,
                "floor": figure.floor,
                "ratio": figure.ratio,
                "target": None if figure.target is None else str(figure.target),
                "met": figure.is_met,
                "note": figure.note,
            }
            for figure in figures
        },
    }


def machine() -> dict[str, Any]:
    """Describe the machine, and how busy it is with other things."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "comfyui": named_comfyui() is not None,
        "e3": config_loader.plugin_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def write(path: Path, told: Mapping[str, Any]) -> None:
    """Write a report as JSON."""
    path.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
