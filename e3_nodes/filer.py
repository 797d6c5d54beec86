"""Files done jobs beside the lanes, many at a time: nobody's next job waits for the disk to put a YAML away."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import delivery
from .logger import get_logger
from .store.protocol import JobStore

log = get_logger("filer")

MOST_AT_ONCE = 100
GATHER_SECONDS = 0.1
"""How long a done job waits for others to be filed with."""
BRIEF_GATHER_SECONDS = 0.5
"""The same while jobs are so brief that many of them end meanwhile."""


class Filer:
    """Takes the names of done jobs and files them; what it does not come to, the next reconcile does.

    Args:
        cfg: The settings.
        db: The store.
        is_brief: Tells whether jobs are brief just now.
    """

    def __init__(self, cfg: Mapping[str, Any], db: JobStore, is_brief: Callable[[], bool] = lambda: False) -> None:
        self._cfg = cfg
        self._db = db
        self._is_brief = is_brief
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def take(self, config_name: str) -> None:
        """Take a done job over from its lane."""
        self._names.put(config_name)

    def end(self) -> None:
        """File what was taken, then end."""
        self._names.put(None)

    def work(self, stop_event: threading.Event) -> None:
        """File batch after batch until ``end`` is called."""
        is_going_on = True
        while is_going_on:
            names = [self._names.get()]
            stop_event.wait(BRIEF_GATHER_SECONDS if self._is_brief() else GATHER_SECONDS)
            names += self._waiting()
            is_going_on = None not in names
            try:
                rows = self._db.get_jobs([name for name in names if name is not None])
                unfiled = [row for row in rows if row["filed_at"] is None]
                delivery.file_done_jobs(unfiled, self._cfg, self._db)
            except Exception as exc:
                log.warning("Done jobs are filed later: %s", exc)

    def _waiting(self) -> Iterator[str | None]:
        for _ in range(MOST_AT_ONCE):
            try:
                yield self._names.get_nowait()
            except queue.Empty:
                return
