"""What the panel reads: bulky columns in brief, what changed lately, what is still to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_e3.e3_nodes import store
from stores import Clock, add_jobs, bring_to, fail, job_name, lease, row_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(clock: Clock) -> Iterator[Any]:
    with store.init_db(":memory:", clock=clock) as db:
        yield db


def test_store_panel_job_summaries_keep_every_value_as_it_is(db: Any) -> None:
    inputs = {"seed": 2**64 - 1, "cfg": 7.5e-7, "prompt": 'a "cat"\n☃', "on": True, "$.x": "y"}
    ids = add_jobs(db, 1, config={"inputs": inputs}) + add_jobs(db, 2, config={})

    summaries = db.job_summaries(ids)

    assert summaries == {
        ids[0]: {"inputs": inputs, "error_summary": None},
        ids[1]: {"inputs": {}, "error_summary": None},
    }


@pytest.mark.parametrize(
    ("trace", "summary"),
    [("one line", "one line"), ("first\nsecond", "first"), ("", None), ("x" * 1000, "x" * 300)],
    ids=["one line", "two lines", "empty", "long"],
)
def test_store_panel_job_summaries_tell_the_first_line(db: Any, trace: str, summary: str | None) -> None:
    (job_id,) = add_jobs(db, 1, retry_limit=0)
    fail(db, lease(db), trace=trace)

    assert db.job_summaries([job_id])[job_id]["error_summary"] == summary


def test_store_panel_changed_since_lists_the_latest_first(db: Any, clock: Clock) -> None:
    add_jobs(db, 1, 2)
    clock.forward(1)
    since = clock()
    db.cancel_job(job_name(1))
    clock.forward(1)
    lease(db)

    found = db.changed_since(since)

    assert [(change["config_name"], change["status"], change["phase"]) for change in found] == [
        (job_name(2), "processing", "leased"),
        (job_name(1), "cancelled", None),
    ]
    assert db.changed_since(since, limit=1) == found[:1]


def test_store_panel_changed_since_knows_jobs_in_every_state(db: Any, clock: Clock) -> None:
    since = clock()
    states = ["processing", "done", "failed", "cancelled", "done", "pending", "pending"]
    for number, state in enumerate(states, 1):
        clock.forward(1)
        bring_to(db, state, number)
    db.mark_filed(row_of(db, 5)["id"])
    clock.forward(1)
    db.set_priority(job_name(6), 7)

    found = db.changed_since(since)

    assert [change["config_name"] for change in found] == [job_name(number) for number in (6, 7, 5, 4, 3, 2, 1)]
    assert [change["status"] for change in found] == ["pending", "pending", *states[4::-1]]
    assert db.changed_since(clock()) == found[:1]


def test_store_panel_open_by_workflow_counts_what_waits_and_runs(db: Any) -> None:
    for number, state in enumerate(("done", "failed", "processing"), 1):
        bring_to(db, state, number)
    add_jobs(db, 4, 5, workflow_id="wf_other")

    assert db.open_by_workflow() == {"wf_portrait": 1, "wf_other": 2}
