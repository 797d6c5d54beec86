"""Locks that die with their process: whoever can take one knows that its last owner is gone.

A process id proves nothing, since a restart in place keeps it; an exclusive lock of the operating system on a
file is dropped by every end of a process, a kill included.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class ProcessLock:
    """An exclusive lock on a file, held until released or until the process ends.

    Args:
        path: The lock file; it is made if missing, and stays.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "monitor.lock"
        >>> first, second = ProcessLock(path), ProcessLock(path)
        >>> first.acquire(), second.acquire()
        (True, False)
        >>> first.release(); second.acquire()
        True
        >>> second.release()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody holds it; return whether it is ours now."""
        if self._file is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("ab")
        try:
            _lock(file)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let the lock go; nothing happens when it is not ours."""
        if self._file is not None:
            self._file.close()
            self._file = None


def lock_path(home: str, name: str) -> Path:
    """Say where a home keeps the lock file of a role or a worker.

    Examples:
        >>> lock_path("home", "monitor").parts[-2:]
        ('.locks', 'monitor.lock')
    """
    return Path(home, "jobs", ".locks", f"{name}.lock")


def is_free(path: Path) -> bool:
    """Tell whether the owner of a lock file is gone; a missing file has no owner."""
    lock = ProcessLock(path)
    if not path.exists():
        return True
    free = lock.acquire()
    lock.release()
    return free


def _lock(file: IO[bytes]) -> None:
    """Lock without waiting; raise OSError when somebody else holds it."""
    os.set_inheritable(file.fileno(), False)
    if sys.platform == "win32":
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
