"""Many rows in one statement: the table is then the very same as row by row."""

from __future__ import annotations

import gc
import os
from typing import Any

import pytest
from comfyui_e3.e3_nodes import store
from comfyui_e3.e3_nodes.store import ingest, mapping
from comfyui_e3.e3_nodes.store.sql_store import SqlJobStore
from comfyui_e3.tests.stores import Clock, job_name, make_row
from hypothesis import given, settings
from hypothesis import strategies as st

MANY = 10

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
rows = st.builds(
    make_row,
    number=st.integers(1, 12),
    priority=st.sampled_from([1, 50, 999]),
    config=st.dictionaries(
        texts, st.integers(-(2**63), 2**64 - 1) | texts | st.floats(allow_nan=False, allow_infinity=False)
    ),
    metadata=st.fixed_dictionaries({"said": texts, "'$.x\"": st.none() | st.booleans()}),
    warnings=st.lists(texts, max_size=2),
    source_yaml=texts,
    config_path=texts,
    config_sha256=st.sampled_from(["0", "1e3", "01"]),
    retry_limit=st.integers(0, 20),
    error_trace=st.none() | texts,
)
ended = st.builds(
    make_row,
    number=st.integers(1, 12),
    status=st.sampled_from(["done", "failed", "cancelled"]),
    run_count=st.integers(0, 3),
    start_time=st.none() | st.integers(0, 2**40),
    duration=st.none() | st.integers(0, 2**40),
    filed_at=st.none() | st.integers(0, 2**40),
    error_type=st.none() | texts,
)
batches = st.lists(st.lists(rows | ended, max_size=8), min_size=1, max_size=3)


def made_by(batches: list[list[dict[str, Any]]], *, at_once: bool) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """Take batches in; return what was said of them, and the tables."""
    with store.init_db(":memory:", clock=Clock()) as db:
        if not at_once:
            db._are_new = lambda con, news: False
        for row in batches[0]:
            db.record_rejection(row["config_path"], "bad_value", "it was wrong")
        said = [db.ingest_jobs(batch) for batch in batches]
        return said, [*_rows(db, "jobs"), *_rows(db, "job_counts"), *_rows(db, "rejections")]


def _rows(db: SqlJobStore, table: str) -> list[tuple[Any, ...]]:
    with db._db.reading() as con:
        columns = [row[1] for row in con.execute(f"PRAGMA table_xinfo({table})")]
        shown = ", ".join(f'"{name}", typeof("{name}")' for name in columns)
        return [tuple(row) for row in con.execute(f"SELECT {shown} FROM {table} ORDER BY 1")]


@settings(deadline=None, database=None, derandomize=bool(os.environ.get("CI")), max_examples=60)
@given(batches)
def test_store_ingest_jobs_at_once_is_as_one_by_one(batches: list[list[dict[str, Any]]]) -> None:
    assert made_by(batches, at_once=True) == made_by(batches, at_once=False)


def test_store_ingest_jobs_takes_new_ones_in_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    with store.init_db(":memory:") as db:
        monkeypatch.setattr(db, "_ingest", None)

        said = db.ingest_jobs(make_row(number) for number in range(1, MANY))

        assert [row["id"] for row in said] == [db.get_job(job_name(number))["id"] for number in range(1, MANY)]
        assert {row["outcome"] for row in said} == {"accepted"}


@pytest.mark.parametrize(("length", "statements"), [(1, 2), (101, 10)], ids=["small", "large"])
def test_store_ingest_jobs_binds_large_texts_one_by_one(
    length: int, statements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MOST_TEXT", 100)
    inserts: set[str] = set()  # one is told again for each trigger
    with store.init_db(":memory:") as db, db._db.reading() as con:
        con.set_trace_callback(lambda sql: inserts.add(sql) if sql.startswith("INSERT INTO jobs ") else None)

        said = db.ingest_jobs(make_row(number, source_yaml="x" * length, config={}) for number in range(1, MANY + 1))

        assert [row["outcome"] for row in said] == ["accepted"] * MANY
        assert len(inserts) == statements


def test_store_ingest_jobs_keeps_a_nul_and_what_is_behind_it() -> None:
    with store.init_db(":memory:") as db:
        db.ingest_jobs([make_row(1, error_trace="a\0b"), make_row(2)])

        assert db.get_job(job_name(1))["error_trace"] == "a\0b"


def test_store_ingest_jobs_of_nothing_is_nothing() -> None:
    with store.init_db(":memory:") as db:
        before = db.change_counter()

        assert db.ingest_jobs([]) == []
        assert db.change_counter() == before


def test_store_flat_row_is_no_business_of_the_garbage_collector() -> None:
    flat = mapping.flat_row(make_row(1))

    assert [gc.is_tracked(row) for row in (flat, mapping.columns_of(flat, 5))] == [False, False]


def test_store_flat_row_is_the_same_job() -> None:
    row = make_row(metadata={"mood": "ü"}, warnings=["x"], config_sha256="7")

    assert mapping.columns_of(mapping.flat_row(row), 5) == mapping.columns_of(row, 5)
