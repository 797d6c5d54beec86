"""The schema carries the rules: words, ranges, what belongs together, and counts that are kept."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest
from comfyui_e3.e3_nodes import model
from comfyui_e3.e3_nodes.store import init_db, queries
from comfyui_e3.e3_nodes.store.mapping import columns_of
from comfyui_e3.e3_nodes.store.opening import split_statements
from comfyui_e3.tests.stores import make_row


@pytest.fixture
def con() -> Iterator[sqlite3.Connection]:
    """A bare connection with the schema, so that nothing but the schema guards it."""
    con = sqlite3.connect(":memory:", isolation_level=None)
    for path in queries.migration_files("sqlite"):
        for statement in split_statements(path.read_text(encoding="utf-8")):
            con.execute(statement)
    yield con
    con.close()


def insert(con: sqlite3.Connection, **columns: object) -> None:
    row = columns_of(make_row(), 1) | {"step": 1, "now": 1} | columns
    con.execute(queries.load_queries("sqlite")["insert_job"], row).fetchall()


def words_of_check(con: sqlite3.Connection, table: str, column: str) -> set[str]:
    [sql] = con.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
    found = re.search(rf"CHECK \(({column} = '\w+'(?:\s+OR {column} = '\w+')*)\)", sql)
    assert found is not None
    return set(re.findall(r"'(\w+)'", found[1]))


@pytest.mark.parametrize(("column", "enum"), [("status", model.Status), ("phase", model.Phase)])
def test_store_schema_checks_list_the_words_of_the_model(
    con: sqlite3.Connection, column: str, enum: type[Enum]
) -> None:
    assert words_of_check(con, "jobs", column) == {member.value for member in enum}


@pytest.mark.parametrize(
    ("table", "record"),
    [
        ("jobs", model.Job),
        ("attempts", model.Attempt),
        ("rejections", model.Rejection),
        ("queue_state", model.QueueState),
    ],
)
def test_store_schema_columns_are_those_of_the_model(con: sqlite3.Connection, table: str, record: type) -> None:
    derived = {"paused"}  # from the two columns of queue_state; its id is always 1
    own = {"closed", "leased_at", "node", "done_at", "done_by", "done_token"} if table == "jobs" else set[str]()

    columns = {row[1] for row in con.execute(f"PRAGMA table_info({table})")}

    assert columns - own - ({"id"} - set(record.__annotations__)) == set(record.__annotations__) - derived


@pytest.mark.parametrize(
    ("changes", "is_closed"),
    [
        ({}, 0),
        ({"status": "done", "end_time": 5}, 0),
        ({"status": "done", "end_time": 5, "filed_at": 6}, 1),
        ({"status": "failed", "end_time": 5}, 1),
        ({"status": "cancelled", "end_time": 5}, 1),
    ],
    ids=["pending", "done", "filed", "failed", "cancelled"],
)
def test_store_schema_a_job_is_closed_when_nothing_is_left_to_do(
    con: sqlite3.Connection, changes: dict[str, Any], is_closed: int
) -> None:
    insert(con)
    insert(con, config_name="T2I_20250101120000_2_test.yaml", identity="t2i_20250101120000_2_test", **changes)

    con.execute(f"UPDATE jobs SET {', '.join(f'{name} = :{name}' for name in {'priority': 5, **changes})} WHERE id = 1",
                {"priority": 5, **changes})  # fmt: skip

    assert [row[0] for row in con.execute("SELECT closed FROM jobs ORDER BY id")] == [is_closed] * 2


def test_store_schema_a_job_that_is_opened_again_is_listed_as_open(con: sqlite3.Connection) -> None:
    insert(con, status="failed", end_time=5)

    con.execute("UPDATE jobs SET status = 'pending', end_time = NULL")

    found = con.execute("SELECT status FROM jobs INDEXED BY open_order_idx WHERE closed = 0").fetchall()
    assert [tuple(row) for row in found] == [("pending",)]


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "waiting"},
        {"status": "processing"},
        {"status": "done"},
        {"end_time": 5},
        {"priority": 0},
        {"priority": 1000},
        {"priority": 1.5},
        {"retry_limit": 21},
        {"run_count": -1},
        {"duration": -1},
    ],
    ids=str,
)
def test_store_schema_refuses_what_makes_no_sense(con: sqlite3.Connection, columns: dict[str, object]) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        insert(con, **columns)


@pytest.mark.parametrize("status", ["pending", "failed", "cancelled"])
def test_store_schema_a_done_job_stays_done(con: sqlite3.Connection, status: str) -> None:
    insert(con, status="done", end_time=5)

    with pytest.raises(sqlite3.IntegrityError, match="a done job stays done"):
        con.execute("UPDATE jobs SET status = ?", [status])
    con.execute("UPDATE jobs SET status = 'done', filed_at = 9")
    con.execute("DELETE FROM jobs")


def test_store_schema_counts_follow_every_change(con: sqlite3.Connection) -> None:
    for number in range(9):
        insert(con, config_name=f"{number}", identity=f"{number}", workflow_id=f"wf_{number % 2}")
    insert(con, config_name="filed", identity="filed", status="done", end_time=1, filed_at=1)
    con.execute("UPDATE jobs SET status = 'cancelled', end_time = 1 WHERE id < 4")
    con.execute("UPDATE jobs SET status = 'pending', end_time = NULL WHERE id = 2")
    con.execute("UPDATE jobs SET media = 'video' WHERE id = 5")
    con.execute("UPDATE jobs SET priority = 9")
    con.execute("UPDATE jobs SET status = 'done', end_time = 1 WHERE id IN (7, 8)")
    con.execute("UPDATE jobs SET filed_at = 1 WHERE id = 8")
    con.execute("DELETE FROM jobs WHERE id IN (1, 6)")

    kept = con.execute("SELECT * FROM job_counts WHERE n <> 0").fetchall()
    counted = con.execute(
        "SELECT iif(closed, status, 'open'), media, workflow_id, count(*) FROM jobs GROUP BY 1, 2, 3"
    ).fetchall()

    assert sorted(kept) == sorted(counted)


def test_store_schema_names_of_blocks_are_unique() -> None:
    texts = [path.read_text(encoding="utf-8") for path in queries.query_files("sqlite")]
    names = [name for text in texts for name, _ in queries.named_blocks(text)]

    assert len(names) == len(set(names)) > 50


def test_store_schema_every_block_is_asked_by_name_in_the_code() -> None:
    folder = queries.SQL_FOLDER.parent
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))

    unused = [name for name in queries.load_queries("sqlite") if f'"{name}"' not in code]

    assert unused == []


def test_store_schema_statements_take_values_by_name_only() -> None:
    assert [name for name, sql in queries.load_queries("sqlite").items() if "?" in sql or "%" in sql] == []


def test_store_schema_init_db_again_changes_nothing(tmp_path: object) -> None:
    path = f"{tmp_path}/e3.sqlite3"
    with init_db(path) as db:
        db.upsert_job(make_row())
        before = db.list_jobs()

    with init_db(path) as db:
        assert db.list_jobs() == before
