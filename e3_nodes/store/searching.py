"""Finding jobs by a piece of their name: through the search index where it is sure to miss none, else by a walk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from . import mapping
from .base import StoreBase

MOST_BEHIND = 5000
"""So many jobs that the index does not know are looked at one by one."""
LEAST_BEHIND = 1000
"""So many are worth a place in the index."""
MOST_FOUND = 5000
"""So many jobs that a search has found are read by their ids; for more, the lists' indexes are walked."""


class SearchStore(StoreBase):
    """Searching by name; ``protocol.JobStore`` says what each method promises."""

    def index_names(self, seconds: float = 0.5) -> None:
        if self._index is None:
            return
        mark = self._index.mark()
        with self._db.reading() as con:
            newest = self._run(con, "newest_id").fetchone()["id"] or 0
            is_sound = mark is None or self._stands(con, mark)
        if not is_sound or newest - (mark["id"] if mark else 0) >= LEAST_BEHIND:
            self._index.build(seconds)

    def _few_found(self, con: sqlite3.Connection, values: Mapping[str, Any]) -> list[int] | None:
        """Find the jobs that a search means, whatever their state; None where the table has to be walked."""
        q = values["q"]
        if not q or self._index is None or self._run(con, "is_in_a_workflow_id", q=q).fetchone():
            return None
        hints = self._index.hints(q)
        # In this order: what comes after the hints were read is beyond their mark.
        if hints is None or not self._stands(con, hints.mark):
            return None
        limit = {"limit": MOST_BEHIND + 1}
        beside = self._run(con, "found_beside_index", q=q, top=hints.mark["id"], gaps=hints.gaps, **limit).fetchone()
        if beside["looked_at"] > MOST_BEHIND:
            return None
        hinted = mapping.to_json([*hints.ids, *json.loads(beside["ids"])])
        found = [row["id"] for row in self._run(con, "found_by_index", q=q, ids=hinted)]
        return found if len(found) <= MOST_FOUND else None

    def _stands(self, con: sqlite3.Connection, mark: Mapping[str, Any]) -> bool:
        """Tell whether the index is about this very table, and no older state of it."""
        return self._run(con, "mark_stands", **mark).fetchone() is not None
