"""A search index in a file beside the database: names by every three characters in a row.

It is a cache. Whatever is wrong with it - deleted, damaged, locked, no room, an SQLite without FTS5 - costs speed
alone: a search walks the table then. What it says is never more than a hint, which the job table has to confirm.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..logger import get_logger
from . import mapping
from .opening import begun, split_statements
from .queries import load_queries, migration_files

log = get_logger("search")

APPLICATION_ID = 0x45335349  # "E3SI"
FORMAT = 1
ENDING = "-search"
FILES = (ENDING, f"{ENDING}-wal", f"{ENDING}-shm", f"{ENDING}-journal")
"""What the files are called, after the name of the database."""

SLICE = 10_000
"""How many jobs are taken in by one transaction; a stop of E3 waits for no more."""
MOST_HINTS = 5000
"""So many jobs may have the letters of a search; where more have, a walk finds a page soon."""
MOST_GAPS = 2000
"""So many ranges of ids that no job had are looked into by each search; a job may come back there."""
LETTERS_ASKED = 4
LETTERS_WEIGHED = 32
RARE = 10
"""Letters of at most a tenth of the names are rare."""
LEAST_LETTERS = 3
BUSY_SECONDS = 0.05
REST_SECONDS = 300.0
"""How long the index is left alone after a fault."""
_PRAGMAS = ("trusted_schema = OFF", "synchronous = NORMAL", "cache_size = -8192", "journal_size_limit = 16777216")
_LOST = ("malformed", "not a database", "vtable constructor failed", "no such table", "disk is full")
"""What SQLite says of files that are better thrown away; on a full disk the job table has more need of the room."""


class Hints(NamedTuple):
    """Where a text may be found: the mark that has to hold, the ids that no job had, and the ids of what it knows."""

    mark: dict[str, Any]
    gaps: str
    ids: list[int]


class SearchIndex:
    """The index of one database.

    Args:
        database: The job table's file.
        stands: The statement that tells whether the job table has, or had, the job of a mark.
    """

    def __init__(self, database: str, stands: str) -> None:
        self._database = Path(database).absolute()
        self.path = Path(f"{self._database}{ENDING}")
        self._stands = stands
        self._sql = load_queries("search")
        self._lock = threading.RLock()
        self._reader: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._building = threading.Lock()
        self._is_closed = self._is_told = False
        self._rests_until = 0.0

    def hints(self, q: str) -> Hints | None:
        """Say which jobs may have a text in their names.

        Args:
            q: The text, as names are compared.

        Returns:
            The hints; None where the table has to be walked.
        """
        if len(q) < LEAST_LETTERS or "\0" in q:  # where SQLite would take the text to end
            return None
        with self._lock, self._harmless():
            con = self._current_reader()
            return None if con is None else self._hints(con, q)
        return None

    def mark(self) -> dict[str, Any] | None:
        """Return the newest job that the index knows; None without one."""
        with self._lock, self._harmless():
            con = self._current_reader()
            return None if con is None else _mark(con, self._sql)
        return None

    def build(self, seconds: float) -> None:
        """Take in jobs that the index does not know yet, for about so long; other processes may be at it as well."""
        deadline = time.monotonic() + seconds
        if self._rests() or not self._building.acquire(blocking=False):
            return
        try:
            with self._harmless(), closing(self._open("rwc")) as con:
                con.execute("ATTACH :database AS jobs_database", {"database": f"{self._database.as_uri()}?mode=ro"})
                while not self._is_closed and self._add_slice(con) and time.monotonic() < deadline:
                    pass
        finally:
            self._building.release()

    def close(self) -> None:
        """Close the file; what is being built ends with its slice, and nothing is found any more."""
        self._is_closed = True
        with self._building, self._lock:
            self._close_reader()

    # --- reading ----------------------------------------------------------------------------------
    def _hints(self, con: sqlite3.Connection, q: str) -> Hints | None:
        """Ask for the rarest letters of a text; a name that has them all has to be looked at."""
        con.execute("BEGIN")
        try:
            mark = _mark(con, self._sql)
            gaps = con.execute(self._sql["gaps"], {"limit": MOST_GAPS + 1}).fetchone()
            if mark is None or gaps["n"] > MOST_GAPS:
                return None
            asked = {"letters": _all_of(self._rarest(con, q)), "limit": MOST_HINTS + 1}
            ids = [row["id"] for row in con.execute(self._sql["named_like"], asked)]
        finally:
            con.execute("ROLLBACK")
        return None if len(ids) > MOST_HINTS else Hints(mark, gaps["ranges"], ids)

    def _rarest(self, con: sqlite3.Connection, q: str) -> list[str]:
        """Choose the letters that are in few names; of a text that has none of these, the rarest."""
        weighed = mapping.to_json(_letters(q)[:LETTERS_WEIGHED])
        rarest = con.execute(self._sql["rarest"], {"letters": weighed, "limit": LETTERS_ASKED}).fetchall()
        return [row["value"] for row in rarest if row["n"] * RARE <= row["of_all"]] or [rarest[0]["value"]]

    def _current_reader(self) -> sqlite3.Connection | None:
        """Open the index, anew where the file is another one by now; None where there is none."""
        file = _identify(self.path)
        if file != self._file:
            self._close_reader()
        if self._reader is None and file is not None and not self._rests():
            self._reader, self._file = self._open("rw"), file
            self._reader.execute("PRAGMA query_only = ON")
            self._check(self._reader)
        return self._reader

    def _check(self, con: sqlite3.Connection) -> None:
        """Refuse an index whose parts do not belong together, as after the loss of its journal."""
        mark = _mark(con, self._sql)
        letters = _letters(mark["identity"]) if mark else []
        if mark and letters:
            asked = {"letters": _all_of(letters), "id": mark["id"]}
            if con.execute(self._sql["is_named"], asked).fetchone() is None:
                raise sqlite3.DatabaseError(f"malformed: it does not find {mark['identity']}")

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # --- writing ----------------------------------------------------------------------------------
    def _add_slice(self, con: sqlite3.Connection) -> bool:
        """Take in the next jobs, or forget everything where the mark does not hold; tell whether there was one."""
        with begun(con):
            mark = _mark(con, self._sql)
            if mark and con.execute(self._stands, mark).fetchone() is None:
                for name in ("forget_mark", "forget_names", "forget_gaps", "forget_samples"):
                    con.execute(self._sql[name])
                mark = None
            top = mark["id"] if mark else 0
            last = con.execute(self._sql["last_of_slice"], {"top": top, "slice": SLICE}).fetchone()
            if last is not None:
                for name in ("add_names", "add_gaps", "add_samples"):
                    con.execute(self._sql[name], {"top": top, "id": last["id"]})
                con.execute(self._sql["forget_mark"])
                con.execute(self._sql["set_mark"], dict(last))
        return last is not None

    # --- the file ---------------------------------------------------------------------------------
    def _open(self, mode: str) -> sqlite3.Connection:
        """Open the file, and make its tables where it is new."""
        uri = f"{self.path.as_uri()}?mode={mode}"
        con = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            con.row_factory = sqlite3.Row
            for pragma in _PRAGMAS:
                con.execute(f"PRAGMA {pragma}")
            _prepare(con)
        except BaseException:
            con.close()
            raise
        return con

    def _rests(self) -> bool:
        return self._is_closed or time.monotonic() < self._rests_until

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Go on without the index whatever SQLite says of it."""
        try:
            yield
        except sqlite3.Error as exc:
            if "locked" not in str(exc):
                self._give_up(exc)

    def _give_up(self, exc: sqlite3.Error) -> None:
        """Leave the index alone for a while, and throw away what is lost; say so once."""
        with self._lock:
            self._close_reader()
            self._rests_until = time.monotonic() + REST_SECONDS
            if any(needle in str(exc) for needle in _LOST):
                remove_index(self._database)
            if not self._is_told:
                log.warning("Searches are slow for a while: %s: %s", self.path, exc, extra={"action": "search_slow"})
            self._is_told = True


def remove_index(database: Path) -> None:
    """Remove the index of a database; where a process has it open on Windows, it stays."""
    try:
        for ending in FILES:  # the journals last: SQLite drops those of a file that is gone
            Path(f"{database}{ending}").unlink(missing_ok=True)
    except OSError:
        log.debug("%s%s is in use", database, ENDING)


def _prepare(con: sqlite3.Connection) -> None:
    """Make the tables of a new index; refuse what is none."""
    if _is_ready(con):
        return
    con.execute("PRAGMA journal_mode = WAL")
    with begun(con):
        if _is_ready(con):  # another process was faster
            return
        for path in migration_files("search"):
            for statement in split_statements(path.read_text(encoding="utf-8")):
                con.execute(statement)
        con.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        con.execute(f"PRAGMA user_version = {FORMAT}")


def _is_ready(con: sqlite3.Connection) -> bool:
    """Tell whether the tables are there; raise for those of another format or another program."""
    is_empty = con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    found = [con.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if found == [APPLICATION_ID, FORMAT]:
        return True
    if found[0] == APPLICATION_ID:
        raise sqlite3.DatabaseError(f"malformed: it has format {found[1]}, not {FORMAT}")
    if not is_empty or found[0]:
        raise sqlite3.OperationalError("it is the SQLite database of another program")
    return False


def _mark(con: sqlite3.Connection, sql: Mapping[str, str]) -> dict[str, Any] | None:
    found = con.execute(sql["mark"]).fetchone()
    return None if found is None else dict(found)


def _letters(text: str) -> list[str]:
    """List every three characters in a row, each once.

    Examples:
        >>> _letters("ababc")
        ['aba', 'bab', 'abc']
    """
    return list(dict.fromkeys(text[start : start + LEAST_LETTERS] for start in range(len(text) - LEAST_LETTERS + 1)))


def _all_of(letters: Iterable[str]) -> str:
    """Write a question for names that have all of them.

    Examples:
        >>> _all_of(['cat', 'a"t'])
        '"cat" AND "a""t"'
    """
    return " AND ".join('"' + each.replace('"', '""') + '"' for each in letters)


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a stat, never an open
    except OSError:
        return None
    return found.st_dev, found.st_ino
