"""Query plans: what is asked often is answered by an index, however many rows there are."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_e3.e3_nodes.model import Status
from comfyui_e3.e3_nodes.store import lists
from comfyui_e3.e3_nodes.store.queries import load_queries, migration_files
from comfyui_e3.e3_nodes.store.sqlite import SqliteDatabase

SQL = load_queries("sqlite")
STATIC = sorted(name for name, sql in SQL.items() if "{" not in sql)
SEARCHES = {"totals_of_search"}  # a search reads an index from end to end, never the table


@pytest.fixture(scope="module")
def database() -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(":memory:")
    yield database
    database.close()


def plan_of(database: SqliteDatabase, sql: str) -> list[str]:
    values: dict[str, Any] = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    values |= {name: "[1]" for name in ("ids", "identities", "tokens") if name in values}
    with database.reading() as con:
        return [row["detail"] for row in con.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


@pytest.mark.parametrize("name", [name for name in STATIC if name not in SEARCHES])
def test_store_plans_no_statement_reads_all_jobs(database: SqliteDatabase, name: str) -> None:
    plan = plan_of(database, SQL[name])

    partial = ("jobs_backoff_idx", "turn_idx")
    scans = [step for step in plan if re.match(r"SCAN (jobs|attempts|intents)\b", step)]
    assert [step for step in scans if not step.endswith(partial)] == []


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("lease_next_job", "SEARCH jobs USING INDEX turn_idx (turn=?)"),
        ("lease_next_job", "SEARCH jobs USING INDEX jobs_backoff_idx (not_before<?)"),
        ("most_urgent", "SEARCH jobs USING INDEX turn_idx (turn=?)"),
        ("promote_due", "SEARCH jobs USING INDEX jobs_backoff_idx (not_before<?)"),
        ("to_the_end", "SEARCH others USING COVERING INDEX jobs_place_idx (priority=?)"),
        ("insert_job", "SEARCH jobs USING COVERING INDEX jobs_place_idx (priority=?)"),
        ("last_place", "SEARCH jobs USING COVERING INDEX jobs_place_idx (priority=?)"),
        ("count_known", "SEARCH jobs USING COVERING INDEX sqlite_autoindex_jobs_2 (identity=?)"),
        ("god_mode", "SEARCH jobs USING COVERING INDEX jobs_place_idx (priority=?)"),
        ("retry_jobs", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("cancel_pending", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("unfiled_jobs", "SEARCH jobs USING INDEX turn_idx (turn=?)"),
        ("expired_jobs", "SEARCH jobs USING INDEX turn_idx (turn=?)"),
        ("renew_leases", "SEARCH jobs USING INDEX turn_idx (turn=?)"),
        ("record_node", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("record_publishing", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("open_run", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("finish", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("clear_intents", "SEARCH intents USING COVERING INDEX sqlite_autoindex_intents_1 (job_id=?)"),
        ("totals", "SEARCH jobs USING INDEX turn_idx (turn=?)"),
        ("ended_since", "SEARCH jobs USING INDEX turn_idx (turn=?)"),
        ("list_attempts", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("list_attempts", "SEARCH attempts USING PRIMARY KEY (job_id=?)"),
        ("tokens_in_use", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("run_durations", "SEARCH jobs USING INDEX closed_ended_idx (status=?)"),
        ("changed_since", "SEARCH jobs USING INDEX jobs_updated_idx (updated_at>?)"),
        ("totals_of_search", "SCAN jobs USING COVERING INDEX closed_name_idx"),
        ("totals_of_found", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("found_by_index", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("found_beside_index", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>?)"),
        ("found_beside_index", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("mark_stands", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("mark_stands", "SEARCH removed_jobs USING INDEX sqlite_autoindex_removed_jobs_1 (identity=?)"),
    ],
)
def test_store_plans_hot_statements_use_their_index(database: SqliteDatabase, name: str, step: str) -> None:
    assert step in plan_of(database, SQL[name])


@pytest.mark.parametrize("name", ["lease_next_job", "recent_failures"])
def test_store_plans_hot_statements_sort_nothing(database: SqliteDatabase, name: str) -> None:
    assert not [step for step in plan_of(database, SQL[name]) if "TEMP B-TREE" in step]


def test_store_plans_few_found_jobs_are_read_by_their_ids(database: SqliteDatabase) -> None:
    queries = [
        lists.page_query(SQL, {"q": "cat", "sort": "-ended"}, 100, None, [1, 2]),
        lists.ids_query(SQL, {"q": "cat"}, [Status.FAILED, Status.CANCELLED], [1, 2]),
    ]

    for sql, _ in queries:
        plan = plan_of(database, sql)
        assert [step for step in plan if "jobs" in step] == ["SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"]


SEARCH = load_queries("search")


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    """An index with the job table attached."""
    con = sqlite3.connect(":memory:", isolation_level=None)
    for path in migration_files("search"):
        con.executescript(path.read_text("utf-8"))
    con.execute("ATTACH ':memory:' AS jobs_database")
    con.execute("CREATE TABLE jobs_database.jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, identity, created_at)")
    yield con
    con.close()


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("named_like", "SCAN names VIRTUAL TABLE INDEX 0:M"),
        ("is_named", "SCAN names VIRTUAL TABLE INDEX 0:="),
        ("last_of_slice", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>?)"),
        ("add_names", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("add_gaps", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("add_samples", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ],
)
def test_store_plans_the_search_index_is_asked_and_filled_by_ids(
    index: sqlite3.Connection, name: str, step: str
) -> None:
    values = dict.fromkeys(re.findall(r":(\w+)", SEARCH[name]), 1)

    plan = [row[3] for row in index.execute(f"EXPLAIN QUERY PLAN {SEARCH[name]}", values)]

    assert [each for each in plan if each.startswith(step)]
    assert not [each for each in plan if each.startswith("SCAN jobs")]


def _parts(plan: list[str]) -> list[str]:
    return [step for step in plan if "_idx" in step]


def _is_sorted(plan: list[str]) -> bool:
    return any("TEMP B-TREE" in step for step in plan)


@pytest.mark.parametrize("descending", ["", "-"], ids=["up", "down"])
@pytest.mark.parametrize("sort", lists.SORTS)
@pytest.mark.parametrize("statuses", [["pending"], ["pending", "failed", "cancelled"]], ids=["one", "most"])
def test_store_plans_pages_begin_at_the_cursor_and_sort_nothing(
    database: SqliteDatabase, statuses: list[str], sort: str, descending: str
) -> None:
    columns = lists.SORTS[sort]
    row = {column: "a" if column == "identity" else 1 for column in columns}
    cursor = lists.encode_cursor(descending + sort, row)  # type: ignore[arg-type]

    sql, _ = lists.page_query(SQL, {"sort": descending + sort, "status": statuses}, 100, cursor)

    plan = plan_of(database, sql)
    marks, comparison = ",".join("?" * len(columns)), "<" if descending else ">"
    seek = f"closed_{sort}_idx (status=? AND ({','.join(columns)}){comparison}({marks}))"
    assert _parts(plan)[1:] == [f"SEARCH jobs USING INDEX {seek}"] * (len(statuses) - 1)
    assert re.match(r"(SEARCH|SCAN) jobs USING INDEX open_(order|created|name)_idx", _parts(plan)[0])
    assert not _is_sorted(plan)


@pytest.mark.parametrize("sort", ["order", "created", "name"])
def test_store_plans_pages_of_waiting_jobs_begin_at_the_cursor(database: SqliteDatabase, sort: str) -> None:
    columns = lists.SORTS[sort]
    cursor = lists.encode_cursor(sort, {column: "a" if column == "identity" else 1 for column in columns})  # type: ignore[arg-type]

    sql, _ = lists.page_query(SQL, {"sort": sort, "status": ["pending"]}, 100, cursor)

    seek = f"open_{sort}_idx (({','.join(columns)})>({','.join('?' * len(columns))}))"
    assert _parts(plan_of(database, sql)) == [f"SEARCH jobs USING INDEX {seek}"]


def test_store_plans_only_the_few_at_work_are_sorted_as_they_come(database: SqliteDatabase) -> None:
    sql, _ = lists.page_query(SQL, {}, 100, None)

    plan = plan_of(database, sql)

    of_status = {step.split(" (")[0].rpartition(" ")[2]: step for step in _parts(plan)}
    assert sorted(of_status) == ["closed_order_idx", "open_order_idx", "turn_idx"]
    assert len(_parts(plan)) == 6  # waiting, processing, done twice, failed, cancelled
    assert len([step for step in plan if "TEMP B-TREE" in step]) == 2


def test_store_plans_what_changed_last_is_found_without_sorting_all_that_changed(database: SqliteDatabase) -> None:
    plan = plan_of(database, SQL["changed_since"])

    at_work = plan.index("SEARCH jobs USING INDEX turn_idx (turn=?)")
    assert plan.index("USE TEMP B-TREE FOR ORDER BY") == at_work + 1
    assert len([step for step in plan if "TEMP B-TREE" in step]) == 1


def test_store_plans_a_bulk_filter_walks_the_order(database: SqliteDatabase) -> None:
    sql, _ = lists.ids_query(SQL, {}, [Status.FAILED, Status.CANCELLED])

    plan = plan_of(database, sql)

    assert _parts(plan) == ["SEARCH jobs USING INDEX closed_order_idx (status=?)"] * 2
    assert not _is_sorted(plan)
