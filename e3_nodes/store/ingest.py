"""Files to rows: jobs taken in, files that are none, workflows that jobs are pinned to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..model import Job, Rejection, Status
from . import mapping
from .base import STEP, StoreBase
from .protocol import Ingested

MOST_VERSIONS = 16
"""Pinned workflows that are kept parsed: a night's jobs share a few of them, and each may be large."""


class IngestStore(StoreBase):
    """The monitor's side of the table; ``protocol.JobStore`` says what each method promises."""

    def upsert_job(self, row: Mapping[str, Any]) -> int:
        return self.ingest_jobs([row])[0]["id"]

    def ingest_jobs(self, rows: Sequence[Mapping[str, Any]]) -> list[Ingested]:
        with self._db.transaction() as con:
            return [self._ingest(con, row) for row in rows]

    def _ingest(self, con: sqlite3.Connection, row: Mapping[str, Any]) -> Ingested:
        now = self._now()
        columns: dict[str, Any] = {**mapping.columns_of(row, now), "now": now, "step": STEP}
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
        now = self._now()
        with self._db.transaction() as con:
            for job_id in job_ids:
                self._run(con, "mark_filed", id=job_id, now=now)

    def mark_unfiled(self, job_id: int) -> None:
        self._change("mark_unfiled", id=job_id)

    def unfiled_jobs(self, *, limit: int = 200) -> list[Job]:
        return [mapping.job_from(row) for row in self._fetch("unfiled_jobs", limit=limit)]
