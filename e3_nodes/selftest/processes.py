"""Processes to be killed: forked where the system can, so that a round takes a fraction of a second."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

from ..failpoints import VARIABLE

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""The chaos run forks; macOS forbids a forked process much of what E3 does."""


class Child:
    """A forked process that runs a function, and is killed, frozen or waited for.

    Args:
        work: What it does; its process ends with it.
        failpoint: What ``E3_FAILPOINT`` says in it.
    """

    def __init__(self, work: Callable[[], None], failpoint: str | None = None) -> None:
        self.status: int | None = None
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run(work, failpoint, parent)

    def kill(self) -> None:
        """End it as a crash does, and wait until nothing of it runs."""
        self.signal(signal.SIGKILL)
        self.wait(10.0)

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.status is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it has ended."""
        return _until(self._has_ended, seconds)

    def wait_frozen(self, seconds: float) -> bool:
        """Wait until it is stopped by SIGSTOP, or has ended; return whether it is stopped."""
        return _until(self._is_frozen, seconds) and self.status is None

    @property
    def was_killed(self) -> bool:
        """Tell whether it died of SIGKILL."""
        return self.status is not None and os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def has_failed(self) -> bool:
        """Tell whether it ended by itself with an error."""
        return self.status is not None and os.WIFEXITED(self.status) and os.WEXITSTATUS(self.status) != 0

    def _has_ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def _is_frozen(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return True
            self.status = status if pid else None
        return self.status is not None


def _run(work: Callable[[], None], failpoint: str | None, parent: int) -> None:
    """Be the child; it never returns into the parent's code, and does not outlive the parent."""
    code = 1
    try:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        os.environ.pop(VARIABLE, None)
        if failpoint is not None:
            os.environ[VARIABLE] = failpoint
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _until(fact: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True
