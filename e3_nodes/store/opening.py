"""Opening a SQLite file: whether it is ours, how it commits, what its schema still lacks. Nothing else opens the
database files; the search index attaches them.
"""

from __future__ import annotations

import sqlite3
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

WRITE_AHEAD = ("journal_mode = WAL", "synchronous = FULL")
ROLLBACK = ("journal_mode = DELETE", "synchronous = EXTRA")
RELAXED = "synchronous = NORMAL"
"""How a commit is that does not wait for the disk; only a write-ahead log survives that."""
_PRAGMAS = (
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "cache_size = -16384",
    "journal_size_limit = 67108864",
)


def check_sqlite_version(version: tuple[int, ...]) -> None:
    """Raise StoreUnavailable for an SQLite that is too old.

    Examples:
        >>> check_sqlite_version((3, 40, 1))
    """
    if version < MINIMUM_VERSION:
        found, needed = (".".join(map(str, numbers)) for numbers in (version, MINIMUM_VERSION))
        raise errors.StoreUnavailable(f"this Python brings SQLite {found}; E3 needs {needed} or newer")


def connect(path: str) -> sqlite3.Connection:
    """Connect to a file, which is made where it is missing; its folder must be there.

    Args:
        path: The file, or ``:memory:``.

    Raises:
        StoreUnavailable: There is no such folder, or the file cannot be opened.
    """
    folder = Path(path).parent
    if path != MEMORY and not folder.is_dir():
        raise errors.StoreUnavailable(f"cannot open the database {path}: there is no folder {folder}")
    with Translated(path):
        con = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        con.row_factory = sqlite3.Row
        try:
            for pragma in _PRAGMAS:
                con.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            con.close()  # an open file could not be set aside on Windows
            raise
    return con


def reader(path: str) -> sqlite3.Connection:
    """Connect to a file so that nothing can be changed in it.

    Args:
        path: The file.

    Raises:
        StoreUnavailable: As ``connect``.
    """
    con = connect(path)
    con.execute("PRAGMA query_only = ON")
    con.execute("PRAGMA cache_size = -4096")  # several of them are open, and the system remembers pages too
    return con


def prepare(con: sqlite3.Connection, path: str) -> str | None:
    """Refuse a foreign or newer file before the first write, then choose the journal and migrate.

    Args:
        con: A connection to the file that may write.
        path: The file, as errors name it.

    Returns:
        What a person should know about the way the file is used, or None.

    Raises:
        StoreUnavailable: The file is another program's, or of a newer version.
    """
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
    if _set_pragmas(con, WRITE_AHEAD) == "wal":
        return None
    _set_pragmas(con, ROLLBACK)
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


@contextmanager
def begun(con: sqlite3.Connection) -> Iterator[None]:
    """Begin at once, commit at the end, roll back on any exception.

    Args:
        con: A connection that has not begun.
    """
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        if con.in_transaction:  # a full disk rolls back by itself
            con.execute("ROLLBACK")
        raise


class Translated:
    """Says in E3's words what SQLite says of a file: StoreUnavailable with a code, or InvalidConfig.

    Args:
        path: The file, as errors name it.
    """

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
