"""SQLite: how to connect, begin and migrate. Nothing else opens the database files; the search index attaches them.

One writer connection a process stands behind a lock and begins with BEGIN IMMEDIATE; readers come from
a pool, so that in WAL mode no read waits for a write. ``:memory:`` has one connection for everything.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import errors, failpoints
from .queries import migration_files

APPLICATION_ID = 0x45334A42  # "E3JB"
MINIMUM_VERSION = (3, 35, 0)  # RETURNING
BUSY_SECONDS = 10.0
MEMORY = ":memory:"
GATHER_SECONDS = 0.002
"""How long a commit waits, at most, for transactions that are about to begin."""

_WRITE_AHEAD = ("journal_mode = WAL", "synchronous = FULL")
_RELAXED = "synchronous = NORMAL"
_ROLLBACK = ("journal_mode = DELETE", "synchronous = EXTRA")
_PRAGMAS = (
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "cache_size = -16384",
    "journal_size_limit = 67108864",
)


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
        self._entered = _Door()
        self._group: _Group | None = None
        self._gatherer: int | None = None
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._watcher_lock = self._entered if path == MEMORY else threading.Lock()
        self._is_closed = False
        self._commits = 0
        self._news = threading.Event()
        self._writer = _connect(path)
        self._durability = ""
        try:
            with _Translated(path):
                self.notice = _prepare(self._writer, path)
                self._watcher = self._writer if path == MEMORY else _reader(path)
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
        with _Translated(self.path):
            with self._entered:
                is_first = self._group is None
                group = self._group = self._group or self._new_group(self._synchronous(waits_for_disk))
                try:
                    with group:
                        yield self._writer
                finally:
                    if group.is_over or not group.is_shared or (is_first and not self._entered.others):
                        self._commit(group)
            if self._gatherer == threading.get_ident():
                return  # its end waits for all of them
            if is_first and not group.is_over:
                self._lead(group)
            group.wait()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Give the transactions that this thread begins meanwhile one commit, at the end, which waits for the disk.

        One that fails takes no other one with it. Other threads wait, so nothing slow belongs in here.

        Raises:
            StoreUnavailable: The commit failed: nothing of it is true.
        """
        if self.path == MEMORY:
            yield
            return
        with _Translated(self.path):
            with self._entered:
                group = self._group = self._group or self._new_group(self._synchronous(waits_for_disk=True))
                self._gatherer = threading.get_ident()
                try:
                    yield
                finally:
                    self._gatherer = None
                    self._commit(group)
            group.wait()

    def _synchronous(self, waits_for_disk: bool) -> str:
        """Choose how a new group commits; without a write-ahead log it always waits for the disk."""
        if self.path == MEMORY:
            return _RELAXED
        if self.notice is not None:
            return _ROLLBACK[1]
        return _WRITE_AHEAD[1] if waits_for_disk else _RELAXED

    def _new_group(self, synchronous: str) -> _Group:
        """Begin a group; the pragma that says how it commits is set where the one before was another."""
        if synchronous != self._durability:
            self._writer.execute(f"PRAGMA {synchronous}")
            self._durability = synchronous
        return _Group(self._writer, is_shared=synchronous != _RELAXED)

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
            if group.commit():
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
            with self._entered, _Translated(self.path):
                yield self._writer
            return
        with _Translated(self.path):
            con = self._borrow()
            try:
                yield con
            finally:
                self._give_back(con)

    def change_counter(self) -> int:
        """Return a number that grows with every commit that changed something, of any process."""
        with self._watcher_lock, _Translated(self.path):
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
        return _reader(self.path)

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


def check_sqlite_version(version: tuple[int, ...]) -> None:
    """Raise StoreUnavailable for an SQLite that is too old.

    Examples:
        >>> check_sqlite_version((3, 40, 1))
    """
    if version < MINIMUM_VERSION:
        found, needed = (".".join(map(str, numbers)) for numbers in (version, MINIMUM_VERSION))
        raise errors.StoreUnavailable(f"this Python brings SQLite {found}; E3 needs {needed} or newer")


def apply_migrations(con: sqlite3.Connection, files: Iterable[Path]) -> None:
    """Apply the migrations that the database does not have yet, each whole or not at all."""
    for path in files:
        number = int(path.name[:4])
        if _schema_version(con) >= number:
            continue
        with begun(con):
            if _schema_version(con) < number:  # another process may have been faster
                for statement in split_statements(path.read_text(encoding="utf-8")):
                    con.execute(statement)
                con.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                con.execute(f"PRAGMA user_version = {number}")
                failpoints.reach("migrate.n")


def split_statements(script: str) -> Iterator[str]:
    """Split a script where statements end, so that it can run inside one transaction.

    Examples:
        >>> [s.strip() for s in split_statements("CREATE TABLE a (b);\\nCREATE TABLE c (d);\\n")]
        ['CREATE TABLE a (b);', 'CREATE TABLE c (d);']
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _prepare(con: sqlite3.Connection, path: str) -> str | None:
    """Refuse a foreign or newer file before the first write, then choose the journal and migrate."""
    files = migration_files("sqlite")
    _refuse_foreign(con, path)
    _refuse_newer(con, path, known=int(files[-1].name[:4]))
    notice = _choose_journal(con, path)
    apply_migrations(con, files)
    return notice


def _refuse_foreign(con: sqlite3.Connection, path: str) -> None:
    # In this order: another process may be making the schema right now.
    is_empty = con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    found = con.execute("PRAGMA application_id").fetchone()[0]
    if found != APPLICATION_ID and not (found == 0 and is_empty):
        raise errors.StoreUnavailable(
            f"{path} is the SQLite database of another program (application id {found:#x}, E3's is "
            f"{APPLICATION_ID:#x}); name another file in paths.database",
            code="db_foreign",
        )


def _refuse_newer(con: sqlite3.Connection, path: str, *, known: int) -> None:
    found = _schema_version(con)
    if found > known:
        raise errors.StoreUnavailable(
            f"{path} has schema version {found}, and this E3 knows versions up to {known}; update E3, or "
            "name another file in paths.database",
            code="db_newer",
        )


def _schema_version(con: sqlite3.Connection) -> int:
    return con.execute("PRAGMA user_version").fetchone()[0]


def _choose_journal(con: sqlite3.Connection, path: str) -> str | None:
    """Use a write-ahead log, and a rollback journal on a filesystem that cannot carry one."""
    if path == MEMORY:
        return None
    if _set_pragmas(con, _WRITE_AHEAD) == "wal":
        return None
    _set_pragmas(con, _ROLLBACK)
    return f"the filesystem of {path} cannot carry a write-ahead log: reads and writes wait for each other there"


def _set_pragmas(con: sqlite3.Connection, journal: tuple[str, str]) -> str:
    mode = _patiently(con, f"PRAGMA {journal[0]}")
    con.execute(f"PRAGMA {journal[1]}")
    return mode


def _patiently(con: sqlite3.Connection, statement: str) -> str:
    """Run a change of the journal; SQLite does not wait for others by itself here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return con.execute(statement).fetchone()[0]
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _connect(path: str) -> sqlite3.Connection:
    folder = Path(path).parent
    if path != MEMORY and not folder.is_dir():
        raise errors.StoreUnavailable(f"cannot open the database {path}: there is no folder {folder}")
    with _Translated(path):
        con = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        con.row_factory = sqlite3.Row
        try:
            for pragma in _PRAGMAS:
                con.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            con.close()  # an open file could not be set aside on Windows
            raise
    return con


def _reader(path: str) -> sqlite3.Connection:
    con = _connect(path)
    con.execute("PRAGMA query_only = ON")
    return con


@contextmanager
def begun(con: sqlite3.Connection) -> Iterator[None]:
    """Begin at once, commit at the end, roll back on any exception."""
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        if con.in_transaction:  # a full disk rolls back by itself
            con.execute("ROLLBACK")
        raise


class _Translated:
    """Says in E3's words what SQLite says of a file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, sqlite3.IntegrityError):
            raise errors.InvalidConfig(f"the job table refuses this: {exc}") from exc
        if isinstance(exc, sqlite3.Error):
            code, said = _fault(exc)
            raise errors.StoreUnavailable(f"the database {self._path} {said}: {exc}", code=code) from exc
        if isinstance(exc, UnicodeDecodeError):  # SQLite quotes a damaged schema, byte for byte, in what it says
            said = f"the database {self._path} is damaged: its schema is no text"
            raise errors.StoreUnavailable(said, code="db_damaged") from exc


def _fault(exc: sqlite3.Error) -> tuple[str, str]:
    text = str(exc)
    for needle, code, said in (
        ("locked", "db_locked", f"stayed locked by another program for {BUSY_SECONDS:.0f} s"),
        ("full", "disk_full", "has no room on its disk"),
        ("not a database", "db_damaged", "is no SQLite database"),
        ("malformed", "db_damaged", "is damaged"),
        ("readonly", "db_readonly", "cannot be written"),
    ):
        if needle in text:
            return code, said
    return "store_unavailable", "cannot be used now"
