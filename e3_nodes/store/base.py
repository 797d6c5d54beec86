"""What the chapters of the SQL store share: the connections, the named queries, the clock."""

from __future__ import annotations

import difflib
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import errors
from ..model import Job
from . import mapping
from .rules import Policy
from .search_index import SearchIndex
from .sqlite import MEMORY, SqliteDatabase

STEP = 2**20
"""How far apart positions lie, so that drag and drop finds room between two of them."""


class StoreBase:
    """Runs named queries; the chapters say which."""

    def __init__(
        self,
        database: SqliteDatabase,
        sql: Mapping[str, str],
        policy: Policy,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._db = database
        self._sql = sql
        self._policy = policy
        self._now = clock or _utc_ms
        self._versions: dict[str, dict[str, Any]] = {}
        self._leased: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._index = self._search_index()

    def _search_index(self) -> SearchIndex | None:
        """Return the index beside the database; none where its reading would keep writers waiting."""
        if self._db.path == MEMORY or self._db.notice is not None:
            return None
        return SearchIndex(self._db.path, self._sql["mark_stands"])

    def _run(self, con: sqlite3.Connection, name: str, **values: Any) -> sqlite3.Cursor:
        return con.execute(self._sql[name], values)

    def _fetch(self, name: str, **values: Any) -> list[sqlite3.Row]:
        with self._db.reading() as con:
            return self._run(con, name, **values).fetchall()

    def _change(self, name: str, *, waits_for_disk: bool = True, **values: Any) -> int:
        """Run one statement in a transaction of its own; return how many rows it changed."""
        return self._db.run(self._sql[name], values, waits_for_disk=waits_for_disk)[1]

    def _find(self, con: sqlite3.Connection, config_name: str) -> Job:
        """Return the whole row by name, or raise UnknownJob with the nearest name."""
        row = self._run(con, "job_by_identity", identity=mapping.identity(config_name)).fetchone()
        if row is None:
            raise errors.UnknownJob(self._unknown(con, config_name))
        return mapping.job_from(row)

    def _unknown(self, con: sqlite3.Connection, config_name: str) -> str:
        near = self._run(con, "names_near", identity=mapping.identity(config_name)).fetchall()
        return f"no job is called {config_name}{_hint(config_name, (row[0] for row in near))}"


def _hint(name: str, near: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(near), n=1, cutoff=0.8)
    return f"; did you mean {matches[0]}?" if matches else ""


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000
