"""What only whole processes can show: a restart in place, a lock that a child keeps, a closed log."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import locks

sys.path.insert(0, str(Path(__file__).parents[1]))

from comfyui_e3.e3_nodes import store
from fakes import Home

HERE = Path(__file__).parent


@pytest.mark.skipif(os.name == "nt", reason="Windows starts another process where POSIX replaces this one")
def test_processes_restart_in_place_is_noticed_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path, lease_seconds=600)
    home.db.close()
    home.db = store.init_db(home.cfg["paths"]["database"])
    home.submit()
    home.db.close()

    done = subprocess.run(
        [sys.executable, str(HERE / "reborn.py"), str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["pending", "1"], done.stderr


@pytest.mark.skipif(os.name == "nt", reason="file descriptors are POSIX")
def test_processes_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = locks.ProcessLock(tmp_path / "boot.lock")
    assert lock.acquire()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        deadline = time.monotonic() + 10  # until the child has left the moment between fork and exec
        while not locks.is_free(tmp_path / "boot.lock"):
            assert time.monotonic() < deadline
        child.kill()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_processes_full_log_stops_no_job(tmp_path: Path) -> None:
    (tmp_path / "scene").rmdir() if (tmp_path / "scene").exists() else None
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, str(HERE / "one_job.py"), str(tmp_path / "scene")], stderr=full, check=False
        )

    assert done.returncode in (0, 120)  # 120: Python itself could not flush stderr at its end
    assert list((tmp_path / "scene" / "home" / "jobs" / "finished" / "image").glob("*.result.json"))
