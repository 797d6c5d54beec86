"""Named places where a crash test may kill or freeze the process; asleep unless a test arms one.

``E3_FAILPOINT=publish.before_link:kill`` kills the process there; ``publish.linked:2:stop`` freezes it at
the second passage. The countdown lives in the environment variable itself, so nothing is kept here.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "E3_FAILPOINT"

CATALOGUE: tuple[str, ...] = (
    "settle.observing",
    "scan.seen",
    "scan.before_insert",
    "scan.after_insert",
    "lease.after",
    "submit.before_put",
    "submit.after",
    "exec.started",
    "exec.partial_output",
    "exec.output_written",
    "publish.hashed",
    "publish.intent_committed",
    "publish.before_link",
    "publish.linked",
    "publish.dir_synced",
    "done.committed",
    "receipt.after",
    "staging.removed",
    "yaml.linked",
    "yaml.moved",
    "yaml.recorded",
    "reject.recorded",
    "fail.committed",
    "recover.stolen",
    "recover.intent_adopted",
    "recover.fenced_fs",
    "recover.requeued",
    "migrate.n",
)
"""Every failpoint, in the order of a job's life."""


def reach(name: str) -> None:
    """Pass a failpoint: nothing happens unless ``E3_FAILPOINT`` names it.

    Args:
        name: A name of ``CATALOGUE``.

    Raises:
        ValueError: If the variable is armed with something that cannot be understood.

    Examples:
        >>> reach("publish.before_link")
    """
    armed = os.environ.get(VARIABLE)
    if armed:
        _count_down(name, armed)


def _count_down(name: str, armed: str) -> None:
    wanted, passages, action = _parse(armed)
    if name != wanted:
        return
    if passages > 1:
        os.environ[VARIABLE] = f"{wanted}:{passages - 1}:{action}"
        return
    del os.environ[VARIABLE]
    if action == "stop" and hasattr(signal, "pthread_kill"):
        # To this thread: a signal to the process may let it run on for a moment.
        signal.pthread_kill(threading.get_ident(), _signal(action))
    else:
        os.kill(os.getpid(), _signal(action))


def _parse(armed: str) -> tuple[str, int, str]:
    """Split ``name[:passages]:action``; a typing error must not let a crash test pass unharmed."""
    place, _, action = armed.rpartition(":")
    name, *count = place.split(":")
    known = name in CATALOGUE and action in ("kill", "stop")
    if not known or len(count) > 1 or not all(number.isdecimal() for number in count):
        raise ValueError(f"{VARIABLE} must be name[:passages]:kill or :stop, got {armed!r}")
    return name, int(count[0]) if count else 1, action


def _signal(action: str) -> int:
    """Choose the signal; Windows has neither, and ends a process at once on SIGTERM."""
    return getattr(signal, "SIGSTOP" if action == "stop" else "SIGKILL", signal.SIGTERM)
