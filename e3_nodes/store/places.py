"""Where a job stands among those of its priority: drag and drop between two neighbours."""

from __future__ import annotations

import sqlite3

from .. import errors
from ..model import Job, Status
from . import mapping
from .base import STEP, StoreBase

_FIRST_WINDOW = 32


class PlaceStore(StoreBase):
    """Moving jobs; ``protocol.JobStore`` says what each method promises."""

    def move_job(self, config_name: str, before: str | None) -> Job:
        with self._db.transaction() as con:
            job = self._waiting(con, config_name)
            if before is None:
                ids = mapping.to_json([job["id"]])
                values = {"ids": ids, "priority": job["priority"], "step": STEP, "now": self._now()}
                self._run(con, "set_priorities", **values).fetchall()
            else:
                target = self._waiting(con, before)
                if target["id"] != job["id"]:
                    self._put_before(con, job, target)
            return self._find(con, config_name)

    def _waiting(self, con: sqlite3.Connection, config_name: str) -> Job:
        job = self._find(con, config_name)
        if job["status"] != Status.PENDING:
            raise errors.WrongState(f"{job['config_name']} is {job['status']}; only pending jobs have a place")
        return job

    def _put_before(self, con: sqlite3.Connection, job: Job, target: Job) -> None:
        """Place a job; where the gap is too small, spread just as many neighbours as it takes."""
        window = 1
        while True:
            left, low = self._side(con, "pending_before", job, target, window)
            right, high = self._side(con, "pending_from", job, target, window)
            ids = [*reversed(left), job["id"], *right]
            positions = spread(low, high, len(ids))
            if positions is not None:
                break
            window = max(_FIRST_WINDOW, window * 4)
        for job_id, position in zip(ids, positions, strict=True):
            place = {"priority": target["priority"], "position": position}
            self._run(con, "place_job", **place, id=job_id, now=self._now())

    def _side(
        self, con: sqlite3.Connection, query: str, job: Job, target: Job, window: int
    ) -> tuple[list[int], int | None]:
        """Return the neighbours that may move, nearest first, and where the first one that stays stands."""
        place = {"priority": target["priority"], "position": target["position"], "id": target["id"]}
        found = self._run(con, query, **place, moved=job["id"], limit=window).fetchall()
        ids = [row["id"] for row in found]
        return (ids[:-1], found[-1]["position"]) if len(found) == window else (ids, None)


def spread(low: int | None, high: int | None, count: int) -> list[int] | None:
    """Return ``count`` positions between two others, evenly; None when there is no room.

    Args:
        low: The position before them; None when nothing stands there.
        high: The position after them; None when nothing stands there.
        count: How many are wanted.

    Examples:
        >>> spread(0, 8, 3), spread(4, 5, 1)
        ([2, 4, 6], None)
        >>> spread(None, 0, 1) == [-STEP], spread(0, None, 2) == [STEP, 2 * STEP]
        (True, True)
    """
    if high is None:
        return [(low or 0) + STEP * number for number in range(1, count + 1)]
    if low is None:
        return [high - STEP * number for number in range(count, 0, -1)]
    gap = (high - low) // (count + 1)
    return [low + gap * number for number in range(1, count + 1)] if gap else None
