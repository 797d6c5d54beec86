"""SQLite: who writes when, and who shares whose commit.

One writer connection a process stands behind a lock and begins with BEGIN IMMEDIATE; readers come from
a pool, so that in WAL mode no read waits for a write. ``:memory:`` has one connection for everything.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import errors
from .opening import (
    MEMORY,
    RELAXED,
    ROLLBACK,
    WRITE_AHEAD,
    Translated,
    check_sqlite_version,
    connect,
    prepare,
    reader,
)

GATHER_SECONDS = 0.002
"""How long a commit waits, at most, for transactions that are about to begin."""


class SqliteDatabase:
    """The connections to one database file.

    Args:
        path: The file, or ``:memory:``.

    Raises:
        StoreUnavailable: The file cannot be used; it is left as it was.

    Attributes:
        path: The file.
        notice: What a person should know about the way the file is used, or None.
    """

    def __init__(self, path: str) -> None:
        check_sqlite_version(sqlite3.sqlite_version_info)
        self.path = path
        self._translated = Translated(path)
        self._entered = _Door()
        self._group: _Group | None = None
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._watcher_lock = self._entered if path == MEMORY else threading.Lock()
        self._is_closed = False
        self._commits = 0
        self._news = threading.Event()
        self._writer = connect(path)
        self._durability = ""
        try:
            with self._translated:
                self.notice = prepare(self._writer, path)
                self._watcher = self._writer if path == MEMORY else reader(path)
        except BaseException:
            self._writer.close()
            raise
        self._file_id = self._identify()

    @contextmanager
    def transaction(self, *, waits_for_disk: bool = True) -> Iterator[sqlite3.Connection]:
        """Begin at once, commit at the end, roll back on any exception; one at a time in a process.

        Threads that come while another one commits share the next commit, for it is the wait for the disk that
        costs: each is told of its end only when it is durable, and one that fails takes no other one with it.

        Args:
            waits_for_disk: False for what may be as if it never happened after a power failure; the death of a
                process takes nothing either way, and the next commit that waits makes it durable too. A rollback
                journal always waits: without, a power failure could damage the file.

        Raises:
            StoreUnavailable: Locked by another process, disk full, damaged or closed.
            InvalidConfig: A value that a rule of the schema refuses.
        """
        with self._translated:
            with self._entered:
                is_first = self._group is None
                group = self._group = self._group or self._new_group(self._synchronous(waits_for_disk))
                try:
                    with group:
                        yield self._writer
                finally:
                    if group.is_over or not group.is_shared or (is_first and not self._entered.others):
                        self._commit(group)
            if is_first and not group.is_over:
                self._lead(group)
            group.wait()

    def run(self, sql: str, values: Mapping[str, Any], *, waits_for_disk: bool = True) -> tuple[list[sqlite3.Row], int]:
        """Run one statement that changes something; tell its rows, and how many it changed.

        It is a transaction by itself, which spares a BEGIN and a COMMIT: each of them lets other threads of Python go
        first several times. Where a commit is shared just now, or others wait to share one, it joins that.

        Args:
            sql: The statement.
            values: Its named values.
            waits_for_disk: As for ``transaction``.

        Raises:
            StoreUnavailable: As ``transaction``.
            InvalidConfig: As ``transaction``.
        """
        synchronous = self._synchronous(waits_for_disk)
        with self._translated, self._entered:
            if self._group is None and (synchronous == RELAXED or not self._entered.others):
                self._commit_as(synchronous)
                before = self._writer.total_changes
                ran = _ran(self._writer, sql, values)
                self._note_commit(self._writer.total_changes != before)
                return ran
        with self.transaction(waits_for_disk=waits_for_disk) as con:
            return _ran(con, sql, values)

    def _synchronous(self, waits_for_disk: bool) -> str:
        """Choose how a new group commits; without a write-ahead log it always waits for the disk."""
        if self.path == MEMORY:
            return RELAXED
        if self.notice is not None:
            return ROLLBACK[1]
        return WRITE_AHEAD[1] if waits_for_disk else RELAXED

    def _new_group(self, synchronous: str) -> _Group:
        self._commit_as(synchronous)
        return _Group(self._writer, is_shared=synchronous != RELAXED)

    def _commit_as(self, synchronous: str) -> None:
        """Set the pragma that says how the next commit is, where the one before was another."""
        if synchronous != self._durability:
            self._writer.execute(f"PRAGMA {synchronous}")
            self._durability = synchronous

    def _lead(self, group: _Group) -> None:
        """Commit a group once those at the door have joined it."""
        deadline = time.monotonic() + GATHER_SECONDS
        while self._entered.others and not group.is_over and time.monotonic() < deadline:
            time.sleep(GATHER_SECONDS / 10)
        with self._entered:
            self._commit(group)

    def _commit(self, group: _Group) -> None:
        if self._group is group:
            self._group = None
            self._note_commit(group.commit())

    def _note_commit(self, has_changed: bool) -> None:
        if has_changed:
            self._commits += 1
            if not self._news.is_set():
                self._news.set()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that only reads, and never waits for a writer.

        Raises:
            StoreUnavailable: Damaged or closed.
        """
        if self.path == MEMORY:
            with self._entered, self._translated:
                yield self._writer
            return
        with self._translated:
            con = self._borrow()
            try:
                yield con
            finally:
                self._give_back(con)

    def change_counter(self) -> int:
        """Return a number that grows with every commit that changed something, of any process."""
        with self._watcher_lock, self._translated:
            return self._watcher.execute("PRAGMA data_version").fetchone()[0] + self._commits

    def wait_for_change(self, seconds: float) -> bool:
        """Wait until this process has committed a change, or so long; tell whether it has. Others end no wait."""
        is_changed = self._news.wait(seconds)
        if is_changed:
            self._news.clear()
        return is_changed

    def check_same_file(self) -> None:
        """Raise StoreUnavailable if the file was removed or replaced under the open connections."""
        if self._identify() != self._file_id:
            raise errors.StoreUnavailable(
                f"the database {self.path} was removed or replaced while open; restart to use the new one",
                code="db_replaced",
            )

    def quick_check(self) -> list[str]:
        """Return what ``PRAGMA quick_check`` finds wrong; nothing for a sound file."""
        with self.reading() as con:
            # Rules of the schema are no damage, and checking them takes three quarters of the time.
            con.execute("PRAGMA ignore_check_constraints = ON")
            found = [row[0] for row in con.execute("PRAGMA quick_check")]
            con.execute("PRAGMA ignore_check_constraints = OFF")
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Close every connection; further use raises StoreUnavailable."""
        with self._entered, self._idle_lock:
            if self._group is not None:
                self._commit(self._group)
            self._is_closed = True
            for con in {self._writer, self._watcher, *self._idle}:
                con.close()
            self._idle.clear()

    def _borrow(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._is_closed:
                raise sqlite3.ProgrammingError("it is closed")
            if self._idle:
                return self._idle.pop()
        return reader(self.path)

    def _give_back(self, con: sqlite3.Connection) -> None:
        with self._idle_lock:
            if not self._is_closed:
                self._idle.append(con)
                return
        con.close()

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path) if self.path != MEMORY else None  # noqa: PTH116 - a stat, never an open
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None


def _ran(con: sqlite3.Connection, sql: str, values: Mapping[str, Any]) -> tuple[list[sqlite3.Row], int]:
    """Run a statement and read it to its end, which is when it counts what it has changed."""
    cursor = con.execute(sql, values)
    rows = cursor.fetchall()
    return rows, cursor.rowcount


class _Door:
    """The lock of the writer, which a thread may hold twice; it knows whether others wait for it.

    Attributes:
        others: How many threads wait.
    """

    def __init__(self) -> None:
        self.others = 0
        self._lock = threading.RLock()
        self._counting = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._wait()

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def _wait(self) -> None:
        with self._counting:
            self.others += 1
        self._lock.acquire()
        with self._counting:
            self.others -= 1


class _Group:
    """Transactions of several threads that share one BEGIN and one COMMIT.

    Args:
        con: The writer; its lock is held whenever a method but ``wait`` is called.
        is_shared: Whether others may join: a commit that does not wait for the disk is not worth waiting for.

    Attributes:
        is_over: Whether it was committed or rolled back.
    """

    def __init__(self, con: sqlite3.Connection, *, is_shared: bool) -> None:
        self.is_over = False
        self.is_shared = is_shared
        self._running = threading.Lock()
        self._running.acquire()
        self._con = con
        self._members = 0
        self._error: sqlite3.Error | None = None
        self._changes_before = con.total_changes
        con.execute("BEGIN IMMEDIATE")

    def __enter__(self) -> None:
        """Begin the work of one member."""
        if self._members:
            self._con.execute("SAVEPOINT member")

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        """End it; if it failed, its changes alone are taken back."""
        if exc is not None:
            self._take_back(exc)
            return
        if self._members:
            self._con.execute("RELEASE member")
        self._members += 1

    def _take_back(self, exc: BaseException) -> None:
        if self._members and self._con.in_transaction:
            self._con.execute("ROLLBACK TO member")
            self._con.execute("RELEASE member")
            return
        if self._con.in_transaction:  # a full disk rolls everything back by itself
            self._con.execute("ROLLBACK")
        self._end(exc)

    def commit(self) -> bool:
        """Commit what the members did; tell whether anything changed."""
        if self.is_over:
            return False
        try:
            self._con.execute("COMMIT")
        except sqlite3.Error as exc:
            if self._con.in_transaction:
                self._con.execute("ROLLBACK")
            self._end(exc)
            return False
        self._end()
        return self._con.total_changes != self._changes_before

    def _end(self, exc: BaseException | None = None) -> None:
        self._error = exc if isinstance(exc, sqlite3.Error) else None
        if not self.is_over:
            self.is_over = True
            self._running.release()

    def wait(self) -> None:
        """Wait until the group is durable; raise what kept it from that."""
        if not self.is_over:
            with self._running:
                pass
        if self._error is not None:
            raise type(self._error)(*self._error.args) from self._error
