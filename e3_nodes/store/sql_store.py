"""The job table in SQL: its chapters put together, and the database itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .attempts import AttemptStore
from .ingest import IngestStore
from .lists import ListStore
from .operator import OperatorStore
from .panel import PanelStore
from .sqlite import SqliteDatabase
from .stats import StatsStore


class SqlJobStore(IngestStore, AttemptStore, OperatorStore, ListStore, StatsStore, PanelStore):
    """A ``protocol.JobStore`` on any database that has a folder of SQL; ``store.init_db`` makes one."""

    @property
    def notice(self) -> str | None:
        return self._db.notice

    def change_counter(self) -> int:
        return self._db.change_counter()

    def wait_for_change(self, seconds: float) -> bool:
        return self._db.wait_for_change(seconds)

    def quick_check(self) -> list[str]:
        return self._db.quick_check()

    def reopen(self, between: Callable[[], object] = lambda: None) -> None:
        self.close()
        between()
        self._db = SqliteDatabase(self._db.path)
        self._index = self._search_index()
        self._versions = {}
        self._leased.clear()

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
        self._db.close()

    def __enter__(self) -> SqlJobStore:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
