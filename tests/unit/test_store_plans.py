"""Query plans: what is asked often is answered by an index, however many rows there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_e3.e3_nodes.model import Status
from comfyui_e3.e3_nodes.store import lists
from comfyui_e3.e3_nodes.store.queries import load_queries
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

    partial = ("jobs_ready_idx", "jobs_backoff_idx", "jobs_unfiled_idx", "jobs_processing_idx")
    scans = [step for step in plan if re.match(r"SCAN (jobs|attempts|intents)\b", step)]
    assert [step for step in scans if not step.endswith(partial)] == []


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("lease_next_job", "SCAN jobs USING INDEX jobs_ready_idx"),
        ("most_urgent", "SCAN jobs USING INDEX jobs_ready_idx"),
        ("promote_due", "SEARCH jobs USING INDEX jobs_backoff_idx (not_before<?)"),
        ("leave_processing", "SEARCH others USING COVERING INDEX jobs_place_idx (priority=?)"),
        ("insert_job", "SEARCH jobs USING COVERING INDEX jobs_place_idx (priority=?)"),
        ("god_mode", "SEARCH jobs USING COVERING INDEX jobs_place_idx (priority=?)"),
        ("retry_jobs", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("cancel_pending", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("unfiled_jobs", "SCAN jobs USING INDEX jobs_unfiled_idx"),
        ("run_durations", "SEARCH jobs USING INDEX jobs_runs_idx (workflow_id=?)"),
        ("totals_of_search", "SCAN jobs USING COVERING INDEX jobs_name_idx"),
    ],
)
def test_store_plans_hot_statements_use_their_index(database: SqliteDatabase, name: str, step: str) -> None:
    assert step in plan_of(database, SQL[name])


@pytest.mark.parametrize("name", ["lease_next_job", "unfiled_jobs", "run_durations", "recent_failures"])
def test_store_plans_hot_statements_sort_nothing(database: SqliteDatabase, name: str) -> None:
    assert not [step for step in plan_of(database, SQL[name]) if "TEMP B-TREE" in step]


@pytest.mark.parametrize("descending", ["", "-"], ids=["up", "down"])
@pytest.mark.parametrize("sort", lists.SORTS)
@pytest.mark.parametrize(
    "statuses", [["pending"], [status.value for status in Status if status != "processing"]], ids=["one", "most"]
)
def test_store_plans_pages_begin_at_the_cursor_and_sort_nothing(
    database: SqliteDatabase, statuses: list[str], sort: str, descending: str
) -> None:
    columns = lists.SORTS[sort]
    row = {column: "a" if column == "identity" else 1 for column in columns}
    cursor = lists.encode_cursor(descending + sort, row)  # type: ignore[arg-type]

    sql, _ = lists.page_query(SQL, {"sort": descending + sort, "status": statuses}, 100, cursor)

    plan = plan_of(database, sql)
    marks, comparison = ",".join("?" * len(columns)), "<" if descending else ">"
    seek = f"jobs_{sort}_idx (status=? AND ({','.join(columns)}){comparison}({marks}))"
    assert [step for step in plan if "jobs_" in step] == [f"SEARCH jobs USING INDEX {seek}"] * len(statuses)
    assert not [step for step in plan if "TEMP B-TREE" in step]


def test_store_plans_only_the_few_that_process_are_sorted_as_they_come(database: SqliteDatabase) -> None:
    sql, _ = lists.page_query(SQL, {}, 100, None)

    plan = plan_of(database, sql)

    assert [step for step in plan if "jobs_processing_idx" in step] == ["SCAN jobs USING INDEX jobs_processing_idx"]
    assert len([step for step in plan if "jobs_order_idx (status=?)" in step]) == len(Status) - 1
    assert len([step for step in plan if "TEMP B-TREE" in step]) == 1


def test_store_plans_a_bulk_filter_walks_the_order(database: SqliteDatabase) -> None:
    sql, _ = lists.ids_query(SQL, {}, [Status.FAILED, Status.CANCELLED])

    plan = plan_of(database, sql)

    searches = [step for step in plan if "jobs_" in step]
    assert searches == ["SEARCH jobs USING INDEX jobs_order_idx (status=?)"] * 2
    assert not [step for step in plan if "TEMP B-TREE" in step]
