"""Opening a database file: what is made, what is refused untouched, and what a fault is called."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.store import attempts, init_db, lists, opening
from comfyui_e3.e3_nodes.store.protocol import JobStore
from comfyui_e3.e3_nodes.store.queries import migration_files
from comfyui_e3.e3_nodes.store.sqlite import SqliteDatabase
from comfyui_e3.tests.stores import make_row

SCHEMA = int(migration_files("sqlite")[-1].name[:4])
"""The version that the newest migration makes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "e3.sqlite3"


def pragma(path: Path, name: str) -> object:
    con = sqlite3.connect(path)
    try:
        return con.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        con.close()


def foreign_keys_broken(path: Path) -> list[object]:
    con = sqlite3.connect(path)
    try:
        return con.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        con.close()


def run_sql(path: Path, *statements: str) -> None:
    con = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        con.execute(statement)
    con.close()


def test_store_sqlite_init_db_marks_the_file_as_its_own(path: Path) -> None:
    init_db(path).close()

    assert pragma(path, "application_id") == opening.APPLICATION_ID
    assert pragma(path, "user_version") == SCHEMA
    assert pragma(path, "journal_mode") == "wal"


def test_store_sqlite_connections_are_durable_and_strict(path: Path) -> None:
    database = SqliteDatabase(str(path))
    with database.transaction() as con:
        values = {
            name: con.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "foreign_keys", "trusted_schema", "busy_timeout")
        }
    database.close()

    assert values == {"synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "busy_timeout": 10_000}


@pytest.mark.parametrize(("waits", "level"), [(True, 2), (False, 1), (True, 2)], ids=["waits", "does not", "again"])
def test_store_sqlite_a_transaction_says_whether_it_waits_for_the_disk(path: Path, waits: bool, level: int) -> None:
    database = SqliteDatabase(str(path))
    with database.transaction(waits_for_disk=not waits) as con:
        con.execute("UPDATE queue_state SET auto_reason = NULL")

    with database.transaction(waits_for_disk=waits) as con:
        assert con.execute("PRAGMA synchronous").fetchone()[0] == level
    database.close()


def newer_schema(path: Path) -> None:
    init_db(path).close()
    run_sql(path, "PRAGMA user_version = 99")


def foreign_database(path: Path) -> None:
    run_sql(path, "PRAGMA application_id = 7", "CREATE TABLE notes (text)")


def unmarked_database(path: Path) -> None:
    run_sql(path, "CREATE TABLE notes (text)")


def text_file(path: Path) -> None:
    path.write_text("these are my notes, not a database\n" * 100)


def zeroed_header(path: Path) -> None:
    init_db(path).close()
    path.write_bytes(bytes(100) + path.read_bytes()[100:])


@pytest.mark.parametrize(
    ("make", "message", "code"),
    [
        (newer_schema, f"schema version 99, and this E3 knows versions up to {SCHEMA}", "db_newer"),
        (foreign_database, "another program", "db_foreign"),
        (unmarked_database, "another program", "db_foreign"),
        (text_file, "is no SQLite database", "db_damaged"),
        (zeroed_header, "is no SQLite database", "db_damaged"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_store_sqlite_init_db_refuses_a_strange_file_and_leaves_it_as_it_was(
    path: Path, make: Callable[[Path], None], message: str, code: str
) -> None:
    make(path)
    before = path.read_bytes()

    with pytest.raises(errors.StoreUnavailable, match=message) as refusal:
        init_db(path)

    assert refusal.value.code == code
    assert path.read_bytes() == before
    assert sorted(found.name for found in path.parent.iterdir()) == [path.name]


def test_store_sqlite_init_db_names_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreUnavailable, match="there is no folder"):
        init_db(tmp_path / "missing" / "e3.sqlite3")


def test_store_sqlite_init_db_takes_an_empty_file(path: Path) -> None:
    path.touch()

    with init_db(path) as db:
        assert db.count_by_status()["pending"] == 0


def test_store_sqlite_check_sqlite_version_names_the_version() -> None:
    with pytest.raises(errors.StoreUnavailable, match=r"brings SQLite 3.34.1; E3 needs 3.35.0"):
        opening.check_sqlite_version((3, 34, 1))


def test_store_sqlite_apply_migrations_each_whole_or_not_at_all(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_one.sql").write_text("CREATE TABLE one (a);\n")
    (folder / "0002_two.sql").write_text("CREATE TABLE two (a);\nINSERT INTO one VALUES (1);\nBROKEN;\n")
    con = sqlite3.connect(path, isolation_level=None)

    with pytest.raises(sqlite3.OperationalError):
        opening.apply_migrations(con, sorted(folder.iterdir()))

    tables = con.execute("SELECT name FROM sqlite_master").fetchall()
    assert (tables, con.execute("SELECT count(*) FROM one").fetchone()) == ([("one",)], (0,))
    (folder / "0002_two.sql").write_text("CREATE TABLE two (a);\n")
    opening.apply_migrations(con, sorted(folder.iterdir()))
    assert con.execute("PRAGMA user_version").fetchone() == (2,)
    con.close()


FIRST_VERSION_ROW = """
INSERT INTO jobs (id, config_name, identity, job_type, media, workflow_id, priority, position, status, retry_limit,
                  run_count, end_time, filed_at, worker_id, lease_token, lease_expires_at, phase, created_at,
                  updated_at)
VALUES (:id, 'T2I_20250101120000_' || :id || '_old.yaml', 't2i_20250101120000_' || :id || '_old', 'T2I', 'image', 'w',
        50, :id, :status, 2, 1, iif(:status IN ('pending', 'processing'), NULL, 7), :filed_at,
        iif(:status = 'processing', 'me', NULL), iif(:status = 'processing', 'token-' || :id, NULL),
        iif(:status = 'processing', 9, NULL), iif(:status = 'processing', 'leased', NULL), 1, 1)
"""


def test_store_sqlite_a_table_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    statuses = ["pending", "processing", "done", "done", "failed", "cancelled"]
    con = sqlite3.connect(path, isolation_level=None)
    opening.apply_migrations(con, migration_files("sqlite")[:1])
    for number, status in enumerate(statuses, 1):
        con.execute(FIRST_VERSION_ROW, {"id": number, "status": status, "filed_at": 8 if number == 3 else None})
        attempt = (number, f"token-{number}", *((None, None) if status == "processing" else (7, "done")))
        con.execute(
            "INSERT INTO attempts (job_id, number, lease_token, worker_id, started_at, ended_at, outcome)"
            " VALUES (?, 1, ?, 'me', 1, ?, ?)",
            attempt,
        )
    for number in (2, 1, 3):
        con.execute("INSERT INTO intents VALUES (2, ?, 0, 's', 'f', 1, 'h')", [f"token-{number}"])
    con.execute("UPDATE sqlite_sequence SET seq = 90")
    con.close()

    with init_db(path) as db:
        listed = {sort: [job["status"] for job in db.list_jobs({"sort": sort})["jobs"]] for sort in lists.SORTS}
        [unfiled] = db.unfiled_jobs()
        attempts = [db.list_attempts(number)[0]["lease_token"] for number in range(1, 7)]
        kept = db.tokens_in_use(attempts, keep_done=True)
        intents = [intent["lease_token"] for intent in db.list_intents(2)]
        ended = db.complete_job(2, success=True, updates={}, lease_token="token-2")
        totals = db.count_by_status()
        newest = db.upsert_job(make_row())

    assert pragma(path, "user_version") == SCHEMA
    assert {sort: sorted(found) for sort, found in listed.items()} == dict.fromkeys(lists.SORTS, sorted(statuses))
    assert (unfiled["id"], attempts, ended) == (4, [f"token-{number}" for number in range(1, 7)], True)
    assert (kept, intents, newest) == (set(attempts), ["token-2", "token-1", "token-3"], 91)
    assert totals == {"pending": 1, "processing": 0, "done": 3, "failed": 1, "cancelled": 1}
    assert foreign_keys_broken(path) == []


def test_store_sqlite_a_run_writes_few_pages(path: Path) -> None:
    with init_db(path) as db:
        db.ingest_jobs([make_row(number) for number in range(200)])
        for _ in range(50):
            _lease_and_complete(db)
        run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        for _ in range(20):
            _lease_and_complete(db)
        pages = path.with_name(f"{path.name}-wal").stat().st_size / 4120  # a page of 4096 bytes, and its header

    assert pages / 20 < 3.5  # two of the lease, one of the end


def _lease_and_complete(db: JobStore) -> None:
    job = db.lease_next_job("me", 60)
    assert job is not None
    assert db.complete_job(job["id"], success=True, updates={}, lease_token=job["lease_token"])


@pytest.mark.parametrize("ended_by", ["who leased", "another process"])
def test_store_sqlite_an_end_adds_to_what_the_job_says_of_itself(path: Path, ended_by: str) -> None:
    with init_db(path, clock=lambda: 1_000) as db, init_db(path, clock=lambda: 9_000) as other:
        db.upsert_job(make_row(metadata={"mood": "calm"}, warnings=["odd"]))
        job = db.lease_next_job("me", 60, prompt_id="p")
        assert job is not None
        db.record_start(job["id"], job["lease_token"] or "", 2_400)
        ender = db if ended_by == "who leased" else other
        updates = {"metadata": {"saved": ["a.png"]}, "warnings": ["new", "odd"], "end_time": 2_900}
        assert ender.complete_job(job["id"], success=True, updates=updates, lease_token=job["lease_token"])
        row = other.get_job(job["config_name"])

    assert row is not None
    assert (row["metadata"], row["warnings"]) == ({"mood": "calm", "saved": ["a.png"]}, ["odd", "new"])
    assert (row["start_time"], row["end_time"], row["duration"]) == (2_400, 2_900, 500)


def test_store_sqlite_remembers_no_more_leases_than_it_should(path: Path) -> None:
    with init_db(path) as db:
        db.ingest_jobs([make_row(number) for number in range(attempts.MOST_REMEMBERED + 9)])
        leased = [db.lease_next_job("me", 60) for _ in range(attempts.MOST_REMEMBERED + 9)]
        ended = [
            db.complete_job(job["id"], success=True, updates={}, lease_token=job["lease_token"])
            for job in leased
            if job is not None
        ]

    assert ended == [True] * len(leased)


def test_store_sqlite_split_statements_keeps_a_trigger_whole() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n    DELETE FROM b;\n    DELETE FROM c;\nEND;\n"

    assert list(opening.split_statements(f"CREATE TABLE a (x);\n{trigger}")) == [
        "CREATE TABLE a (x);\n",
        trigger,
    ]


def test_store_sqlite_init_db_many_at_once_on_a_new_file(path: Path) -> None:
    faults: list[Exception] = []
    gate = threading.Barrier(4)

    def open_it() -> None:
        gate.wait()
        try:
            init_db(path).close()
        except Exception as exc:
            faults.append(exc)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []


def test_store_sqlite_a_failed_transaction_leaves_nothing(path: Path) -> None:
    with init_db(path) as db:
        with pytest.raises(errors.InvalidConfig):
            db.ingest_jobs([make_row(1), make_row(2, priority=0)])
        assert db.count_by_status()["pending"] == 0

        db.upsert_job(make_row(1))
        assert db.count_by_status()["pending"] == 1


def test_store_sqlite_a_read_never_waits_for_a_write(path: Path) -> None:
    database = SqliteDatabase(str(path))
    with database.transaction() as writer:
        writer.execute("UPDATE queue_state SET user_paused = 1")
        with database.reading() as reader:
            seen = reader.execute("SELECT user_paused FROM queue_state").fetchone()[0]
    database.close()

    assert seen == 0


def test_store_sqlite_a_reader_cannot_write(path: Path) -> None:
    database = SqliteDatabase(str(path))

    with pytest.raises(errors.StoreUnavailable, match="cannot be written"), database.reading() as con:
        con.execute("UPDATE queue_state SET user_paused = 1")
    database.close()


def test_store_sqlite_a_lock_held_elsewhere_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.01)
    with init_db(path) as db:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")

        with pytest.raises(errors.StoreUnavailable, match="stayed locked") as fault:
            db.upsert_job(make_row())
        holder.close()

        assert fault.value.code == "db_locked"
        assert db.upsert_job(make_row()) == 1


def test_store_sqlite_a_full_disk_is_named_and_loses_nothing(path: Path) -> None:
    with init_db(path) as db:
        db.upsert_job(make_row(1))
        with db._db.transaction() as con:
            pages = con.execute("PRAGMA page_count").fetchone()[0]
            con.execute(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(errors.StoreUnavailable) as fault:
            db.upsert_job(make_row(2, source_yaml="x" * 200_000))

        assert fault.value.code == "disk_full"
        assert (db.count_by_status()["pending"], db.quick_check()) == (1, [])


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let go of an open file")
def test_store_sqlite_a_file_that_is_gone_is_noticed_by_the_heartbeat(path: Path) -> None:
    with init_db(path) as db:
        db.renew_leases("worker", 60)
        path.unlink()

        with pytest.raises(errors.StoreUnavailable, match="removed or replaced") as fault:
            db.renew_leases("worker", 60)

    assert fault.value.code == "db_replaced"


def test_store_sqlite_quick_check_tells_of_damage(path: Path) -> None:
    with init_db(path) as db:
        db.ingest_jobs([make_row(number, source_yaml="x" * 3000) for number in range(50)])
    content = bytearray(path.read_bytes())
    content[-40_000:-30_000] = bytes(10_000)
    path.write_bytes(content)

    with init_db(path) as db:
        try:
            found = db.quick_check()
        except errors.StoreUnavailable as exc:
            found = [str(exc)]

    assert found


def test_store_sqlite_a_filesystem_without_a_write_ahead_log_gets_a_rollback_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WRITE_AHEAD", ("journal_mode = TRUNCATE", "synchronous = FULL"))

    with init_db(path) as db:
        notice = db.notice
        with db._db.transaction() as con:
            modes = [con.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]

    assert modes == ["delete", 3]
    assert notice is not None and "write-ahead log" in notice
