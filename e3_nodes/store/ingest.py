"""Files to rows: jobs taken in, files that are none, workflows that jobs are pinned to."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from ..model import Job, Rejection, Status
from . import mapping
from .base import STEP, StoreBase
from .protocol import Ingested

MOST_TEXT = 2**18
"""Characters that one statement binds, more or less: meanwhile no other thread runs, ComfyUI's loop neither."""

MOST_ROWS = 64
"""Rows that one statement inserts; it is kept prepared, as are those of half as many, and so on down to one."""

MOST_VERSIONS = 16
"""Pinned workflows that are kept parsed: a night's jobs share a few of them, and each may be large."""


class IngestStore(StoreBase):
    """The monitor's side of the table; ``protocol.JobStore`` says what each method promises."""

    def upsert_job(self, row: Mapping[str, Any]) -> int:
        return self.ingest_jobs([row])[0]["id"]

    def ingest_jobs(self, rows: Iterable[Mapping[str, Any]]) -> list[Ingested]:
        now = self._now()
        news = [{**mapping.columns_of(row, now), "now": now, "step": STEP} for row in rows]
        if not news:
            return []
        with self._db.transaction() as con:
            if self._are_new(con, news):
                return self._ingest_new(con, news)
            return [self._ingest(con, columns) for columns in news]

    def _are_new(self, con: sqlite3.Connection, news: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether no two rows are the same job, and none is known."""
        identities = {columns["identity"] for columns in news}
        if len(identities) < len(news):
            return False
        return not self._run(con, "count_known", identities=mapping.to_json(list(identities))).fetchone()["n"]

    def _ingest_new(self, con: sqlite3.Connection, news: list[dict[str, Any]]) -> list[Ingested]:
        """Do in a few statements what ``_ingest`` would do row by row."""
        self._place_last(con, news)
        last_id = self._insert(con, news)
        if self._run(con, "any_rejection").fetchone():
            con.executemany(self._sql["clear_rejection"], [{"path": columns["config_path"]} for columns in news])
        return [
            Ingested(id=number, config_name=columns["config_name"], outcome="accepted")
            for number, columns in enumerate(news, last_id - len(news) + 1)  # ids are given in order
        ]

    def _place_last(self, con: sqlite3.Connection, news: Iterable[dict[str, Any]]) -> None:
        """Give each row its place behind all others of its priority."""
        places: dict[int, int] = {}
        for columns in news:
            priority = columns["priority"]
            if priority not in places:
                places[priority] = self._run(con, "last_place", priority=priority).fetchone()["position"]
            places[priority] += STEP
            columns["position"] = places[priority]

    def _insert(self, con: sqlite3.Connection, news: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows, many by one statement; return the id of the last."""
        last_id = 0
        text = sum(len(columns["config"]) + len(columns["source_yaml"]) for columns in news)
        for rows in _portions(news, most=MOST_TEXT * len(news) // (text + 1)):
            statement, names = _repeated(self._sql["insert_jobs"], len(rows))
            values = chain.from_iterable(map(itemgetter(*names), rows))
            last_id = con.execute(statement, [*values]).lastrowid or 0
        return last_id

    def _ingest(self, con: sqlite3.Connection, columns: Mapping[str, Any]) -> Ingested:
        inserted = self._run(con, "insert_job", **columns).fetchone()
        if inserted is not None:
            self._run(con, "clear_rejection", path=columns["config_path"])
            return Ingested(id=inserted["id"], config_name=columns["config_name"], outcome="accepted")
        known = self._run(con, "known_job", identity=columns["identity"]).fetchone()
        outcome = self._meet_again(con, known, columns)
        if outcome != "name_conflict":
            self._run(con, "clear_rejection", path=columns["config_path"])
        return Ingested(id=known["id"], config_name=known["config_name"], outcome=outcome)

    def _meet_again(self, con: sqlite3.Connection, known: sqlite3.Row, columns: Mapping[str, Any]) -> Any:
        """Take a file of a known name: the same bytes, new content, or a conflict."""
        if known["config_sha256"] == columns["config_sha256"]:
            self._run(con, "refresh_path", id=known["id"], config_path=columns["config_path"])
            return "duplicate"
        if known["status"] in (Status.PROCESSING, Status.DONE):
            return "name_conflict"
        self._run(con, "update_content", **{**columns, "id": known["id"]})
        return "updated"

    def record_rejection(
        self, path: str, code: str, reason: str, *, line: int | None = None, column: int | None = None
    ) -> None:
        now = self._now()
        self._change("record_rejection", path=path, code=code, reason=reason, line=line, column=column, now=now)

    def clear_rejection(self, path: str) -> None:
        self._change("clear_rejection", path=path)

    def list_rejections(self, *, limit: int = 100) -> list[Rejection]:
        return [Rejection(**row) for row in self._fetch("list_rejections", limit=limit)]

    def count_rejections(self) -> int:
        return self._fetch("count_rejections")[0]["n"]

    def keep_workflow_version(self, sha256: str, workflow: Mapping[str, Any]) -> None:
        if not self._fetch("workflow_version", sha256=sha256):
            self._change("keep_workflow_version", sha256=sha256, workflow=mapping.to_json(workflow), now=self._now())

    def workflow_version(self, sha256: str) -> dict[str, Any] | None:
        known = self._versions.get(sha256)
        if known is None and (found := self._fetch("workflow_version", sha256=sha256)):
            known = json.loads(found[0]["workflow"])
            self._versions = dict([*self._versions.items(), (sha256, known)][-MOST_VERSIONS:])
        return known

    def mark_filed(self, *job_ids: int) -> None:
        # One statement: of several in a transaction SQLite would write down in a file how to undo each.
        self._change("mark_filed", ids=mapping.to_json(list(job_ids)), now=self._now())

    def mark_unfiled(self, job_id: int) -> None:
        self._change("mark_unfiled", id=job_id)

    def unfiled_jobs(self, *, limit: int = 200) -> list[Job]:
        return [mapping.job_from(row) for row in self._fetch("unfiled_jobs", limit=limit)]


def _portions(news: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    """Split rows into portions of few sizes, for each of which a statement is prepared.

    Examples:
        >>> [len(portion) for portion in _portions(range(200), most=100)]
        [64, 64, 64, 8]
        >>> [len(portion) for portion in _portions(range(5), most=3)]
        [2, 2, 1]
    """
    start, size = 0, MOST_ROWS
    while start < len(news):
        while size > 1 and size > min(most, len(news) - start):
            size //= 2
        yield news[start : start + size]
        start += size


@lru_cache(maxsize=16)
def _repeated(insert: str, times: int) -> tuple[str, list[str]]:
    """Repeat the row of values of an INSERT; return it with the names of a row's values, in order.

    Examples:
        >>> _repeated("INSERT INTO t (a, b) VALUES (:a, :b)", 2)
        ('INSERT INTO t (a, b) VALUES (?, ?), (?, ?)', ['a', 'b'])
    """
    head, row = insert.split("VALUES ")
    marks = re.sub(r":\w+", "?", row)
    return f"{head}VALUES {', '.join([marks] * times)}", re.findall(r":(\w+)", row)
