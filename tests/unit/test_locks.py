"""Locks that die with their process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from comfyui_e3.e3_nodes import locks

_HOLDER = """
import sys
from pathlib import Path
from comfyui_e3.e3_nodes.locks import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
assert lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_locks_process_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline()
        assert not locks.is_free(path)

        holder.kill()
        holder.wait()

    assert locks.is_free(path)


def test_locks_is_free_of_a_missing_file_makes_none(tmp_path: Path) -> None:
    assert locks.is_free(tmp_path / "none.lock")
    assert not (tmp_path / "none.lock").exists()


def test_locks_process_lock_acquire_twice_is_held_once(tmp_path: Path) -> None:
    lock = locks.ProcessLock(tmp_path / "deep" / "a.lock")

    assert lock.acquire() and lock.acquire()
    lock.release()
    lock.release()

    assert locks.is_free(lock.path)
