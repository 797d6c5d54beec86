"""Run one job to its end in the folder ``argv[1]``, with every failpoint passed told to whoever traces us.

A marker is a ``stat`` of ``/e3-marker/<name>``, a path that does not exist.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from comfyui_e3.e3_nodes import config_loader, executor, failpoints, monitor, store
from comfyui_e3.e3_nodes.selftest.scene import Scene
from comfyui_e3.e3_nodes.selftest.simulated import SimulatedComfyUI
from comfyui_e3.e3_nodes.station import Station


def mark(name: str) -> None:
    """Tell the tracer that a failpoint was passed."""
    with contextlib.suppress(OSError):
        os.stat(f"/e3-marker/{name}")  # noqa: PTH116


def main(folder: str) -> int:
    """Drop a job, take it in, run it."""
    Path(folder).mkdir()
    scene = Scene(Path(folder))
    name = scene.drop(batch=2)
    workflows = config_loader.load_all_workflows(config_loader.workflow_files_of(scene.cfg))
    with store.open_store(scene.cfg) as db:  # type: ignore[attr-defined]
        monitor.scan_once(scene.cfg, workflows, db, sleep=lambda seconds: None)
        monitor.take_files([str(scene.processing / name)], scene.cfg, workflows, db)
        failpoints.reach = mark
        station = Station(SimulatedComfyUI(scene.output, 1, print))
        executor.run_once(scene.cfg, workflows, db, "w1", station=station)
        job = db.get_job(name)
    return 0 if job is not None and job["status"] == "done" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
