"""The operator's verbs, each a guarded statement over a list of ids: one job and a thousand are alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import errors
from ..model import MAX_PRIORITY, MIN_PRIORITY, Job, QueueState, Status
from . import lists, mapping
from .base import STEP
from .protocol import BulkAction, BulkAnswer, JobFilter
from .removal import RemovalStore
from .searching import SearchStore

SLICE = 1000
"""How many jobs of a bulk action share a transaction, so that leases and heartbeats get their turn."""


@dataclass(frozen=True)
class Verb:
    """What an action does: its statements, from which states, and what it is called in an error."""

    queries: tuple[str, ...]
    states: tuple[Status, ...]
    past: str


_OPEN = (Status.PENDING, Status.PROCESSING, Status.FAILED, Status.CANCELLED)
_AT_REST = (Status.PENDING, Status.DONE, Status.FAILED, Status.CANCELLED)
_RUNNABLE = (Status.PENDING, Status.PROCESSING)
_ENDED_BADLY = (Status.FAILED, Status.CANCELLED)

VERBS: dict[str, Verb] = {
    "retry": Verb(("retry_jobs",), _ENDED_BADLY, "retried"),
    "cancel": Verb(("cancel_pending", "cancel_processing", "cancelled_already"), _RUNNABLE, "cancelled"),
    "delete": Verb((), _AT_REST, "removed"),
    "set_priority": Verb(("set_priorities",), _OPEN, "given a priority"),
    "god-mode": Verb(("god_mode",), _OPEN, "put first"),
}


class OperatorStore(RemovalStore, SearchStore):
    """The panel's and the command line's side of the table; ``protocol.JobStore`` says what is promised."""

    def set_priority(self, config_name: str, priority: int) -> Job:
        return self._one("set_priority", config_name, priority)

    def god_mode(self, config_name: str) -> Job:
        return self._one("god-mode", config_name)

    def cancel_job(self, config_name: str) -> Job:
        return self._one("cancel", config_name)

    def retry_job(self, config_name: str) -> Job:
        return self._one("retry", config_name)

    def remove_job(self, config_name: str) -> Job:
        return self._one("delete", config_name)

    def repin_job(self, config_name: str, workflow_sha256: str) -> Job:
        now = self._now()
        with self._db.transaction() as con:
            job = self._find(con, config_name)
            pinned = self._run(con, "repin_job", id=job["id"], workflow_sha256=workflow_sha256, now=now)
            if pinned.rowcount != 1:
                raise _wrong_state(job, "pinned anew", (Status.PENDING, *_ENDED_BADLY))
            return self._find(con, config_name)

    def bulk(
        self,
        action: BulkAction,
        *,
        names: Sequence[str] | None = None,
        where: JobFilter | None = None,
        priority: int | None = None,
    ) -> list[BulkAnswer]:
        verb = _verb(action)
        _check_priority(action, priority)
        if names is not None:
            with self._db.transaction() as con:
                return self._by_name(con, action, names, priority)
        if where is None:
            raise errors.InvalidConfig("a bulk action needs names or a filter; {} is the filter for all jobs")
        ids = self._matching(where, verb)
        slices = [ids[start : start + SLICE] for start in range(0, len(ids), SLICE)]
        if action == "god-mode":
            slices.reverse()  # each slice goes before the one after it
        answers = [self._by_id(action, part, priority) for part in slices]
        return [answer for part in answers for answer in part]

    def queue_state(self) -> QueueState:
        return _queue_state(self._fetch("queue_state")[0])

    def set_user_paused(self, paused: bool) -> QueueState:
        self._change("set_user_paused", paused=paused)
        return self.queue_state()

    def set_auto_pause(self, reason: str | None) -> QueueState:
        self._change("set_auto_pause", reason=reason)
        return self.queue_state()

    def _one(self, action: BulkAction, config_name: str, priority: int | None = None) -> Job:
        """Do it to one job, or say why not; return the row after it (before it, where it is gone)."""
        _check_priority(action, priority)
        with self._db.transaction() as con:
            job = self._find(con, config_name)
            if not self._act(con, action, [job["id"]], priority):
                raise _wrong_state(job, VERBS[action].past, VERBS[action].states)
            return job if action == "delete" else self._find(con, config_name)

    def _by_name(
        self, con: sqlite3.Connection, action: BulkAction, names: Sequence[str], priority: int | None
    ) -> list[BulkAnswer]:
        identities = [mapping.identity(name) for name in names]
        found = self._run(con, "find_jobs", identities=mapping.to_json(identities)).fetchall()
        known = {row["identity"]: row for row in found}
        ids = [known[identity]["id"] for identity in dict.fromkeys(identities) if identity in known]
        changed = self._act(con, action, ids, priority)
        return [_answer(name, known.get(mapping.identity(name)), changed, VERBS[action]) for name in names]

    def _by_id(self, action: BulkAction, ids: Sequence[int], priority: int | None) -> list[BulkAnswer]:
        """Act on jobs that a filter chose; one that changed since is left out, as if it had not matched."""
        with self._db.transaction() as con:
            chosen = self._run(con, "jobs_by_id", ids=mapping.to_json(ids)).fetchall()
            changed = self._act(con, action, ids, priority)
            verb = VERBS[action]
            return [_answer(row["config_name"], row, changed, verb) for row in chosen if row["id"] in changed]

    def _act(self, con: sqlite3.Connection, action: BulkAction, ids: Sequence[int], priority: int | None) -> set[int]:
        """Run the verb's guarded statements; return the ids whose state allowed it."""
        if action == "delete":
            return self._remove(con, ids)
        values: dict[str, Any] = {
            "ids": mapping.to_json(ids),
            "now": self._now(),
            "priority": priority,
            "step": STEP,
        }
        ran = [self._run(con, query, **values).fetchall() for query in VERBS[action].queries]
        return {row["id"] for found in ran for row in found}

    def _matching(self, where: JobFilter, verb: Verb) -> list[int]:
        asked = lists.statuses(where) if where.get("status") else verb.states
        chosen = [status for status in asked if status in verb.states]
        with self._db.reading() as con:
            sql, values = lists.ids_query(self._sql, where, chosen, self._few_found(con, lists.filter_values(where)))
            return [row["id"] for row in con.execute(sql, values)] if sql else []


def _verb(action: str) -> Verb:
    if action not in VERBS:
        raise errors.InvalidConfig(f"action must be one of {', '.join(VERBS)}, got {action!r}")
    return VERBS[action]


def _check_priority(action: str, priority: int | None) -> None:
    is_valid = type(priority) is int and MIN_PRIORITY <= priority <= MAX_PRIORITY
    if action == "set_priority" and not is_valid:
        raise errors.InvalidConfig(f"priority must be {MIN_PRIORITY}-{MAX_PRIORITY}, got {priority!r}")


def _answer(name: str, row: mapping.Row | None, changed: set[int], verb: Verb) -> BulkAnswer:
    if row is None:
        return {"config_name": name, "ok": False, "error": f"no job is called {name}"}
    answer: BulkAnswer = {"config_name": row["config_name"], "config_path": row["config_path"], "ok": True}
    if row["id"] not in changed:
        answer |= {"ok": False, "error": str(_wrong_state(row, verb.past, verb.states))}
    return answer


def _wrong_state(job: mapping.Row | Job, past: str, states: Sequence[Status]) -> errors.WrongState:
    allowed = " or ".join(states)
    return errors.WrongState(f"{job['config_name']} is {job['status']}; only a {allowed} job can be {past}")


def _queue_state(row: mapping.Row) -> QueueState:
    user_paused, reason = bool(row["user_paused"]), row["auto_reason"]
    return {"user_paused": user_paused, "auto_reason": reason, "paused": user_paused or reason is not None}
