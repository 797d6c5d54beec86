"""Take so many job files in, as E3 does outside ComfyUI, and tell what it took: ``take_in.py HOME COUNT``.

Says ``ready`` when the folder is watched, and a line of JSON when all are in the table.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from comfyui_e3.e3_nodes import config_loader
from comfyui_e3.e3_nodes.runtime import Runtime


def main(home: str, count: str) -> int:
    """Run the monitor until the table holds them all, or a minute has passed for each 10,000 of them."""
    runtime = Runtime(config_loader.load_global_config(str(Path(home) / config_loader.CONFIG_NAME)))
    runtime.start(executor=False)
    while not runtime.is_monitor:
        time.sleep(0.01)
    time.sleep(0.3)  # the watch begins right after the role is taken
    base, began = _peak_mb(), time.monotonic()
    print("ready", flush=True)
    while (taken := runtime.db.count_by_status()["pending"]) < int(count):
        if time.monotonic() - began > 60 + int(count) / 150:
            break
        time.sleep(0.05)
    page = runtime.db.list_jobs(limit=100)
    told = {"taken": taken, "page": len(page["jobs"]), "seconds": time.monotonic() - began}
    print(json.dumps({**told, "grown_mb": _peak_mb() - base}), flush=True)
    runtime.stop()
    return 0


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
