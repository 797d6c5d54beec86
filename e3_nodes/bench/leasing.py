"""Lease and complete behind a backlog, against the least SQL of the same durability and against three libraries."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from .. import store
from ..leases import token_of
from ..store.protocol import Success
from . import homes, rivals, tables
from .figures import Figure, Target, median
from .scale import Scale

TOGETHER = 8
"""Jobs whose ends share a commit: about as many as the publisher gathers while they are short."""


def measure(scale: Scale) -> list[Figure]:
    """Measure each backlog in interleaved pairs with the floor, then the jobs in backoff, then the rivals."""
    with tables.temporary() as folder:
        made = tables.Tables(Path(folder))
        figures: list[Figure] = []
        for backlog in scale.backlogs:
            figures.append(_behind(backlog, 0, made, Path(folder), scale))
        figures.append(_behind(scale.backlogs[0], scale.backoffs, made, Path(folder), scale))
        first, last = figures[0], figures[len(scale.backlogs) - 1]
        slower = first.value / last.value
        figures.append(Figure("lease.slower_at_most_rows", slower, "x", None, Target(1.3), "rate at 0 / at the most"))
        return figures + _against_rivals(Path(folder), scale)


def _behind(backlog: int, backoffs: int, made: tables.Tables, folder: Path, scale: Scale) -> Figure:
    ours = made.copy_to(folder / "ours.sqlite3", backlog, backoffs=backoffs)
    least = _least_table(folder / "least.sqlite3", backlog + backoffs + scale.leases)
    per_round = max(1, scale.leases // scale.pairs)
    pairs: list[tuple[float, float]] = []
    with store.init_db(str(ours)) as db:
        if backlog < scale.leases:
            db.ingest_jobs(list(homes.rows(1, scale.leases)))
        for _ in range(scale.pairs):
            pairs.append((_rate(lambda: _lease_and_complete(db), per_round), _rate(lambda: _least(least), per_round)))
    least.close()
    for file in [*folder.glob("ours.*"), *folder.glob("least.*")]:
        file.unlink()
    name = f"lease.backlog_{backlog}" + (f"_backoff_{backoffs}" if backoffs else "")
    rate, ratio = median([one for one, _ in pairs]), median([one / two for one, two in pairs])
    return Figure(name, rate, "jobs/s", rate / ratio, Target(0.7, "ratio", at_least=True))


def _lease_and_complete(db: store.JobStore) -> None:
    job = db.lease_next_job("bench", 60)
    assert job is not None
    db.complete_job(job["id"], success=True, updates={"metadata": {"saved": ["x"]}}, lease_token=job.get("lease_token"))


def _lease_and_complete_together(db: store.JobStore) -> None:
    """Do it as the publisher does while jobs are short: their ends share a commit."""
    jobs = [job for _ in range(TOGETHER) if (job := db.lease_next_job("bench", 60)) is not None]
    updates = {"metadata": {"saved": ["x"]}}
    assert all(db.complete_jobs([Success(id=job["id"], lease_token=token_of(job), updates=updates) for job in jobs]))


def _rate(work: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - began)


def _least_table(path: Path, rows: int) -> sqlite3.Connection:
    """Make the table of the floor: what a queue must keep of a job, one index, the same pragmas."""
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("PRAGMA synchronous = FULL")
    con.execute(
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, name TEXT, priority INTEGER, status TEXT, token TEXT, config TEXT)"
    )
    con.execute("CREATE INDEX ready ON jobs (priority, id) WHERE status = 'pending'")
    config = "x" * 900
    con.execute("BEGIN")
    con.executemany(
        "INSERT INTO jobs (name, priority, status, config) VALUES (?, 50, 'pending', ?)",
        ((homes.name_of(number), config) for number in range(rows)),
    )
    con.execute("COMMIT")
    return con


def _least(con: sqlite3.Connection) -> None:
    con.execute("PRAGMA synchronous = NORMAL")
    con.execute("BEGIN IMMEDIATE")
    row = con.execute(
        "UPDATE jobs SET status = 'processing', token = 't' WHERE id = "
        "(SELECT id FROM jobs WHERE status = 'pending' ORDER BY priority, id LIMIT 1) RETURNING *"
    ).fetchone()
    con.execute("COMMIT")
    con.execute("PRAGMA synchronous = FULL")
    con.execute("BEGIN IMMEDIATE")
    con.execute("UPDATE jobs SET status = 'done', token = NULL WHERE id = ? AND token = 't'", (row[0],))
    con.execute("COMMIT")


def _against_rivals(folder: Path, scale: Scale) -> list[Figure]:
    """Measure take and acknowledge of each library that is installed, beside ours without a backlog.

    Ours ends some jobs in one commit, as the engine does while jobs are short; the libraries know no such thing.
    """
    figures: list[Figure] = []
    for name, make in rivals.RIVALS.items():
        try:
            take_and_complete = make(folder / name, scale.leases)
        except ImportError:
            continue
        with store.init_db(str(folder / f"{name}-ours.sqlite3")) as db:
            db.ingest_jobs(list(homes.rows(0, scale.leases + TOGETHER * scale.pairs)))
            per_round = max(1, scale.leases // scale.pairs)
            pairs = [
                (
                    TOGETHER * _rate(lambda db=db: _lease_and_complete_together(db), max(1, per_round // TOGETHER)),
                    _rate(take_and_complete, per_round),
                )
                for _ in range(scale.pairs)
            ]
        rate, ratio = median([one for one, _ in pairs]), median([one / two for one, two in pairs])
        ahead = Target(1.0, "ratio", at_least=True)
        note = f"{TOGETHER} ends a commit"
        figures.append(Figure(f"lease.against_{name}", rate, "jobs/s", rate / ratio, ahead, note))
    return figures
