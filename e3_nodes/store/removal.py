"""Jobs taken out of the table, kept for a while, and brought back; rows that have had their time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from .. import errors
from ..model import Job
from . import mapping
from .places import PlaceStore

KEEP_REMOVED_MS = 7 * 24 * 3600 * 1000


class RemovalStore(PlaceStore):
    """Removing and restoring; ``protocol.JobStore`` says what each method promises."""

    def restore_job(self, config_name: str) -> Job:
        identity = mapping.identity(config_name)
        with self._db.transaction() as con:
            since = self._now() - KEEP_REMOVED_MS
            kept = self._run(con, "removed_job", identity=identity, since=since).fetchone()
            if kept is None:
                raise errors.UnknownJob(f"no job called {config_name} was removed in the last 7 days")
            if self._run(con, "known_job", identity=identity).fetchone() is not None:
                raise errors.NameConflict(f"another job is called {config_name} by now; remove that one first")
            con.executemany(self._sql["restore_job"], [json.loads(kept["job"])])
            con.executemany(self._sql["restore_attempt"], json.loads(kept["attempts"]))
            self._run(con, "forget_removed", identity=identity)
            return self._find(con, config_name)

    def purge_removed(self, before: int | None = None) -> int:
        limit = self._now() - KEEP_REMOVED_MS if before is None else before
        return self._change("purge_removed", before=limit)

    def purge_done(self, before: int, *, limit: int = 1000) -> int:
        return self._change("purge_done", before=before, limit=limit)

    def _remove(self, con: sqlite3.Connection, ids: Sequence[int]) -> set[int]:
        """Put whole rows with their attempts aside and delete them; running jobs stay."""
        listed = mapping.to_json(ids)
        jobs = self._run(con, "removable_jobs", ids=listed).fetchall()
        for row in jobs:
            attempts = [dict(one) for one in self._run(con, "list_attempts", job_id=row["id"])]
            kept = {"job": mapping.to_json(dict(row)), "attempts": mapping.to_json(attempts)}
            self._run(con, "keep_removed", **kept, identity=row["identity"], now=self._now())
        self._run(con, "delete_jobs", ids=listed)
        return {row["id"] for row in jobs}
