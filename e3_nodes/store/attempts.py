"""An attempt's life, T3 to T12: leased, submitted, executing, publishing, and how it ends."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..model import Attempt, Intent, Job, KeptIntent
from . import mapping, rules
from .base import STEP, StoreBase
from .protocol import Promise, Success
from .rules import Ending, Run

MOST_REMEMBERED = 64
"""Of so many leases, more than ever run at once, it is remembered what they told."""


class AttemptStore(StoreBase):
    """The executor's side of the table; ``protocol.JobStore`` says what each method promises."""

    def lease_next_job(self, worker_id: str, lease_seconds: int, *, prompt_id: str | None = None) -> Job | None:
        now = self._now()
        lease = {**_lease(worker_id, now, lease_seconds), "prompt_id": prompt_id}
        rows = self._claim(lease)
        if not rows and self._change("promote_due", waits_for_disk=False, now=now):
            rows = self._claim(lease)
        if not rows:
            return None
        self._remember(rows[0])
        return mapping.job_from(rows[0])

    def _remember(self, leased: sqlite3.Row) -> None:
        """Keep what a lease told that its end needs, so that it need not be read again."""
        kept = ("lease_token", "warnings", "metadata")
        self._leased[leased["lease_token"]] = {name: leased[name] for name in kept}
        if len(self._leased) > MOST_REMEMBERED:
            self._leased.popitem(last=False)

    def _claim(self, lease: Mapping[str, Any]) -> list[sqlite3.Row]:
        # Lost with the power, the job still waits its turn.
        return self._db.run(self._sql["lease_next_job"], lease, waits_for_disk=False)[0]

    def most_urgent(self) -> Job | None:
        found = self._fetch("most_urgent", now=self._now())
        return mapping.job_from(found[0]) if found else None

    def record_submission(self, job_id: int, lease_token: str, prompt_id: str) -> bool:
        owned = {"id": job_id, "lease_token": lease_token, "now": self._now()}
        return self._change("record_submission", waits_for_disk=False, **owned, prompt_id=prompt_id) == 1

    def record_start(self, job_id: int, lease_token: str, start_time: int) -> bool:
        owned = {"id": job_id, "lease_token": lease_token, "now": self._now()}
        # A run that lasts writes its node down, which waits for the disk and takes this with it.
        return self._change("record_start", waits_for_disk=False, **owned, start_time=start_time) == 1

    def record_leaving(self, job_id: int, lease_token: str) -> bool:
        return self._change("record_leaving", id=job_id, lease_token=lease_token, now=self._now()) == 1

    def record_node(self, lease_token: str, node: str) -> bool:
        return self._change("record_node", lease_token=lease_token, node=node) == 1

    def record_intents(self, promises: Sequence[Promise]) -> list[bool]:
        owners = mapping.to_json([_owner(promise) for promise in promises])
        with self._db.transaction() as con:
            kept = self._run(con, "record_publishing", owners=owners, now=self._now()).fetchall()
            held = {row["lease_token"] for row in kept}
            holders = [promise for promise in promises if promise["lease_token"] in held]
            self._run(con, "clear_intents", owners=mapping.to_json([_owner(promise) for promise in holders]))
            intents = [{**intent, **_owner(promise)} for promise in holders for intent in promise["intents"]]
            self._run(con, "add_intents", intents=mapping.to_json(intents))
        return [promise["lease_token"] in held for promise in promises]

    def latest_intents(self, job_id: int) -> list[Intent]:
        return [Intent(**row) for row in self._fetch("latest_intents", job_id=job_id)]

    def list_intents(self, job_id: int) -> list[KeptIntent]:
        return [KeptIntent(**row) for row in self._fetch("list_intents", job_id=job_id)]

    def holds_lease(self, job_id: int, lease_token: str) -> bool:
        return bool(self._fetch("holds_lease", id=job_id, lease_token=lease_token))

    def complete_job(
        self, id: int, *, success: bool, updates: Mapping[str, Any], lease_token: str | None = None
    ) -> bool:
        if success:
            return self.complete_jobs([Success(id=id, lease_token=lease_token, updates=updates)])[0]
        rules.check_updates(updates)
        now = self._now()
        with self._db.transaction() as con:
            run = self._owned(con, id, lease_token)
            return run is not None and self._leave(con, run, rules.failed(run, updates, now, self._policy), now)

    def complete_jobs(self, successes: Sequence[Success]) -> list[bool]:
        for success in successes:
            rules.check_updates(success["updates"])
        now = self._now()
        if len(successes) == 1 and (leased := self._recall(successes[0])) is not None:
            return [self._db.run(self._sql["finish"], _good_end(successes[0], leased, now))[1] == 1]
        with self._db.transaction() as con:
            return [self._succeed(con, success, now) for success in successes]

    def _recall(self, success: Success) -> dict[str, str] | None:
        return self._leased.pop(success["lease_token"] or "", None)

    def _succeed(self, con: sqlite3.Connection, success: Success, now: int) -> bool:
        run = self._recall(success) or self._run(con, "open_run", id=success["id"]).fetchone()
        return run is not None and con.execute(self._sql["finish"], _good_end(success, run, now)).rowcount == 1

    def return_job(
        self,
        job_id: int,
        lease_token: str,
        *,
        reason: str,
        not_before: int | None = None,
        evicted: bool = False,
    ) -> bool:
        now = self._now()
        with self._db.transaction() as con:
            run = self._owned(con, job_id, lease_token)
            if run is None:
                return False
            ending = rules.returned(run, now, not_before=not_before, evicted=evicted)
            return self._leave(con, run, ending, now, reason)

    def abandon_job(self, job_id: int, lease_token: str, *, reason: str) -> bool:
        with self._db.transaction() as con:
            run = self._owned(con, job_id, lease_token)
            return run is not None and self._abandon(con, run, reason)

    def renew_leases(self, worker_id: str, lease_seconds: int) -> int:
        self._db.check_same_file()
        expires_at = self._now() + lease_seconds * 1000
        with self._db.transaction() as con:
            self._run(con, "beat_heart", worker_id=worker_id)
            renewed = self._run(con, "renew_leases", worker_id=worker_id, lease_expires_at=expires_at)
            return renewed.rowcount

    def recover_orphans(self, now: int) -> int:
        return self._requeue("expired_jobs", "the lease ran out", now=now)

    def release_worker(self, worker_id: str) -> int:
        return self._requeue("jobs_of_worker", "its worker is gone", worker_id=worker_id)

    def jobs_of_worker(self, worker_id: str) -> list[Job]:
        return [mapping.job_from(row) for row in self._fetch("jobs_of_worker", worker_id=worker_id)]

    def tokens_in_use(self, tokens: Sequence[str], *, keep_done: bool) -> set[str]:
        found = self._fetch("tokens_in_use", tokens=mapping.to_json(list(tokens)), keep_done=keep_done)
        return {row["lease_token"] for row in found}

    def clamp_backoffs(self) -> int:
        return self._change("clamp_backoffs", latest=self._now() + rules.LONGEST_BACKOFF_MS)

    def steal_job(self, job_id: int, old_token: str, worker_id: str, lease_seconds: int) -> Job | None:
        lease = _lease(worker_id, self._now(), lease_seconds)
        with self._db.transaction() as con:
            row = self._run(con, "steal_job", **lease, id=job_id, old_token=old_token).fetchone()
        return mapping.job_from(row) if row else None

    def list_attempts(self, job_id: int) -> list[Attempt]:
        return [Attempt(**row) for row in self._fetch("list_attempts", job_id=job_id)]

    def register_worker(self, worker_id: str, *, host: str, lock_path: str, output_root: str = "") -> None:
        worker: dict[str, Any] = {
            "worker_id": worker_id,
            "host": host,
            "lock_path": lock_path,
            "output_root": output_root,
        }
        self._change("register_worker", **worker, now=self._now())

    def list_workers(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self._fetch("list_workers")]

    def forget_worker(self, worker_id: str) -> None:
        self._change("forget_worker", worker_id=worker_id)

    def _requeue(self, query: str, reason: str, **values: Any) -> int:
        """Take jobs from owners that are gone; a read comes first, for there are none nearly always."""
        if not self._fetch(query, **values):
            return 0
        with self._db.transaction() as con:
            orphans = [row["id"] for row in self._run(con, query, **values).fetchall()]
            runs = [run for job_id in orphans if (run := self._owned(con, job_id, None)) is not None]
            return sum(self._abandon(con, run, reason) for run in runs)

    def _abandon(self, con: sqlite3.Connection, run: Run, reason: str) -> bool:
        now = self._now()
        ending = rules.orphaned(run, now, self._policy)
        return self._leave(con, run, ending, now, reason)

    def _owned(self, con: sqlite3.Connection, job_id: int, lease_token: str | None) -> Run | None:
        row = self._run(con, "open_run", id=job_id).fetchone()
        run = mapping.run_from(row) if row else None
        return run if run and lease_token in (None, run["lease_token"]) else None

    def _leave(self, con: sqlite3.Connection, run: Run, ending: Ending, now: int, reason: str | None = None) -> bool:
        """Write the outcome of an attempt down that is not done, and end it by the one guarded update."""
        self._leased.pop(run["lease_token"], None)
        outcome = {"outcome": ending.outcome, "error_type": ending.changes.get("error_type")}
        outcome["error"] = reason or ending.changes.get("error_trace")
        self._run(con, "keep_attempt", id=run["id"], lease_token=run["lease_token"], **outcome, now=now)
        left = self._run(con, "leave_processing", **_after(run, ending), now=now).rowcount == 1
        if left and ending.to_the_end:
            self._run(con, "to_the_end", id=run["id"], step=STEP)
        return left


def _owner(promise: Promise) -> dict[str, Any]:
    return {"job_id": promise["job_id"], "lease_token": promise["lease_token"]}


def _good_end(success: Success, run: sqlite3.Row | Mapping[str, str], now: int) -> dict[str, Any]:
    """Say what the end of a run writes that gave its result."""
    updates = success["updates"]
    noted = rules.noted(mapping.notes_from(run), updates)
    return {
        "id": success["id"],
        "lease_token": success["lease_token"] or run["lease_token"],
        "start_time": updates.get("start_time"),
        "end_time": updates.get("end_time") or now,
        "duration": updates.get("duration"),
        "warnings": mapping.to_json(noted["warnings"]),
        "metadata": mapping.to_json(noted["metadata"]),
        "now": now,
    }


def _after(run: Run, ending: Ending) -> dict[str, Any]:
    """Say what a job's columns are after its run has ended."""
    after: dict[str, Any] = {**run, "not_before": None, **ending.changes, "status": ending.status.value}
    return after | {name: mapping.to_json(after[name]) for name in ("metadata", "warnings")}


def _lease(worker_id: str, now: int, lease_seconds: int) -> dict[str, Any]:
    """Say what a new lease is; the id of its job makes the random digits a token."""
    return {
        "worker_id": worker_id,
        "random": os.urandom(10).hex(),
        "lease_expires_at": now + lease_seconds * 1000,
        "now": now,
    }
