"""Transactions of several threads share a commit: each is durable when told so, and none fails with another."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.store.sqlite import SqliteDatabase

WAIT = 10.0


@pytest.fixture
def database(tmp_path: Path):
    database = SqliteDatabase(str(tmp_path / "e3.sqlite3"))
    with database.transaction() as con:
        con.execute("CREATE TABLE notes (word TEXT NOT NULL)")
    yield database
    database.close()


def words(database: SqliteDatabase) -> list[str]:
    with database.reading() as con:
        return sorted(row[0] for row in con.execute("SELECT word FROM notes"))


def write(database: SqliteDatabase, word: str | None) -> None:
    with database.transaction() as con:
        con.execute("INSERT INTO notes VALUES (?)", (word,))


def test_store_group_commit_whoever_is_told_reads_its_own_change(database: SqliteDatabase) -> None:
    missing: list[str] = []

    def work(name: str) -> None:
        for number in range(20):
            word = f"{name}-{number}"
            write(database, word)
            missing.extend([word] if word not in words(database) else [])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)

    assert missing == []
    assert len(words(database)) == 80


def write_alone(database: SqliteDatabase, word: str) -> None:
    database.run("INSERT INTO notes VALUES (:word)", {"word": word})


@pytest.mark.parametrize("write", [write, write_alone], ids=["transactions", "single statements"])
def test_store_group_commit_shares_a_commit(
    database: SqliteDatabase, write: Callable[[SqliteDatabase, str], None]
) -> None:
    began, threads = database.change_counter(), []
    with database.transaction() as con:
        con.execute("INSERT INTO notes VALUES ('first')")
        threads = [threading.Thread(target=write, args=(database, f"w{n}")) for n in range(3)]
        for thread in threads:
            thread.start()
        while database._entered.others < len(threads):
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join(WAIT)

    assert words(database) == ["first", "w0", "w1", "w2"]
    assert database.change_counter() - began < 2 * 4, "four commits would count eight: once here, once as seen"


def test_store_group_commit_a_single_statement_alone_is_a_transaction(database: SqliteDatabase) -> None:
    assert database.run("INSERT INTO notes VALUES (:word) RETURNING word", {"word": "alone"})[0][0]["word"] == "alone"
    with pytest.raises(errors.InvalidConfig):
        database.run("INSERT INTO notes VALUES (:word)", {"word": None})

    assert words(database) == ["alone"]
    assert not database._writer.in_transaction


@pytest.mark.parametrize("good_first", [True, False], ids=["joins a good one", "is joined by a good one"])
def test_store_group_commit_a_failure_takes_nobody_with_it(database: SqliteDatabase, good_first: bool) -> None:
    failures: list[Exception] = []

    def fail() -> None:
        try:
            write(database, None)
        except errors.InvalidConfig as exc:
            failures.append(exc)

    steps = [lambda: write(database, "good"), fail]
    threads = [threading.Thread(target=step) for step in (steps if good_first else reversed(steps))]
    with database.transaction() as con:
        con.execute("INSERT INTO notes VALUES ('held')")
        for thread in threads:
            thread.start()
            while database._entered.others < threads.index(thread) + 1:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join(WAIT)

    assert words(database) == ["good", "held"]
    assert len(failures) == 1


def test_store_group_commit_a_failed_commit_is_told_and_undone(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __init__(self, con: sqlite3.Connection) -> None:
            self._con = con

        def __getattr__(self, name: str) -> object:
            return getattr(self._con, name)

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return self._con.execute(sql, *values)

    real = database._writer
    monkeypatch.setattr(database, "_writer", Full(real))
    with pytest.raises(errors.StoreUnavailable) as caught:
        write(database, "lost")
    monkeypatch.setattr(database, "_writer", real)

    assert caught.value.code == "disk_full"
    assert words(database) == []
    write(database, "next")
    assert words(database) == ["next"]


def test_store_group_commit_wait_for_change_ends_with_a_commit(database: SqliteDatabase) -> None:
    database.wait_for_change(0)
    write(database, "news")

    before = threading.Event()
    waiting = threading.Thread(target=lambda: (database.wait_for_change(WAIT), before.set()))
    waiting.start()

    assert before.wait(WAIT)
