"""Lease a job, hold the boot lock, then replace this very process by another E3: same id, no lock (F06).

``reborn.py HOME FOLDER [again]``; the second life prints how the job stands after its first look.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from comfyui_e3.e3_nodes import caretaker, config_loader, store


def main(home: str, again: str = "") -> int:
    """Live the first life, or the second."""
    cfg = config_loader.load_global_config(str(Path(home) / config_loader.CONFIG_NAME))
    with store.open_store(cfg) as db:  # type: ignore[attr-defined]
        keeper = caretaker.Caretaker(cfg, db, f"worker-{os.getpid()}-{again or 'first'}")
        keeper.begin()
        if not again:
            job = db.lease_next_job(f"worker-{os.getpid()}-first", 600)
            db.record_submission(job["id"], job["lease_token"], "p")
            db.record_start(job["id"], job["lease_token"], 1)
            os.execv(sys.executable, [sys.executable, __file__, home, "again"])
        [job] = db.list_jobs()["jobs"]
        print(job["status"], job["crash_count"], flush=True)
        keeper.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
