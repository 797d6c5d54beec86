"""What every job store must answer: pages in every order, filters, totals, and what the past tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.model import Status
from comfyui_e3.e3_nodes.store.lists import SORTS
from comfyui_e3.e3_nodes.store.protocol import JobStore
from comfyui_e3.tests.stores import Clock, add_jobs, bring_to, fail, finish, job_name, lease, names_in_order, row_of

# --- lists ------------------------------------------------------------------------------------------


def mixed_jobs(db: JobStore, clock: Clock) -> None:
    """Twenty jobs in every state, with ties in every sort."""
    for number in range(1, 21):
        add_jobs(db, number, priority=1 + number % 3, workflow_id=f"wf_{number % 2}")
        clock.forward(number % 2)
    for number in range(8):
        job = lease(db)
        clock.forward(number % 3)
        if number < 6:
            finish(db, job) if number % 2 else fail(db, job, "invalid")
    db.cancel_job(names_in_order(db, status=["pending"])[-1])


@pytest.mark.parametrize("descending", ["", "-"], ids=["up", "down"])
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_store_list_jobs_pages_hold_every_job_once_and_in_order(
    db: JobStore, clock: Clock, sort: str, descending: str, limit: int
) -> None:
    mixed_jobs(db, clock)
    where: Any = {"sort": descending + sort}
    listed, cursor = [], None
    while True:
        page = db.list_jobs(where, limit=limit, cursor=cursor)
        listed += page["jobs"]
        cursor = page["next"]
        if cursor is None:
            break

    keys: dict[str, Callable[[Any], Any]] = {
        "order": lambda job: (job["priority"], job["position"], job["id"]),
        "created": lambda job: (job["created_at"], job["id"]),
        "ended": lambda job: (job["end_time"] or 0, job["id"]),
        "duration": lambda job: (job["duration"] or 0, job["id"]),
        "name": lambda job: job["identity"],
    }
    assert len({job["id"] for job in listed}) == len(listed) == 20
    assert listed == sorted(listed, key=keys[sort], reverse=bool(descending))


def test_store_list_jobs_a_page_survives_changes_before_it(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3, 4)
    first = db.list_jobs(limit=2)

    lease(db)
    second = db.list_jobs(limit=2, cursor=first["next"])

    assert [job["config_name"] for job in second["jobs"]] == [job_name(3), job_name(4)]


def test_store_list_jobs_rows_are_light(db: JobStore) -> None:
    add_jobs(db, 1, 2, metadata={"by": "cli"}, source_yaml="a: 1", retry_limit=0)
    fail(db, lease(db))

    failed, pending = db.list_jobs()["jobs"]

    assert not {"config", "source_yaml", "error_trace"} & set(pending)
    assert (failed["has_error"], failed["error_type"], pending["has_error"]) == (True, "error", False)
    assert pending["metadata"] == {"by": "cli"}
    assert set(row_of(db, 1)) - set(failed) == {"config", "source_yaml", "error_trace"}


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ({}, [1, 2, 3, 4]),
        ({"status": ["pending"]}, [2, 3, 4]),
        ({"status": ["processing", "pending"]}, [1, 2, 3, 4]),
        ({"status": ["done"]}, []),
        ({"media": "image"}, [1, 3]),
        ({"workflow_id": "wf_b"}, [2, 3]),
        ({"media": "image", "workflow_id": "wf_b"}, [3]),
        ({"q": "_4_"}, [4]),
        ({"q": "KNIGHT"}, [1, 2, 3, 4]),
        ({"q": "WF_B"}, [2, 3]),
        ({"q": "%"}, []),
        ({"q": "'; DROP TABLE jobs;--"}, []),
    ],
    ids=str,
)
def test_store_list_jobs_filters(db: JobStore, where: Any, numbers: list[int]) -> None:
    for number, media, workflow_id in (
        (1, "image", "wf_a"),
        (2, "video", "wf_b"),
        (3, "image", "wf_b"),
        (4, "3d", "wf_c"),
    ):
        add_jobs(db, number, media=media, workflow_id=workflow_id)
    lease(db)

    assert names_in_order(db, **where) == [job_name(number) for number in numbers]


@pytest.mark.parametrize(
    "where", [{}, {"media": "image"}, {"workflow_id": "wf_1"}, {"q": "knight"}, {"q": "_1_"}], ids=str
)
def test_store_list_jobs_totals_cover_the_filter_without_status(db: JobStore, clock: Clock, where: Any) -> None:
    mixed_jobs(db, clock)
    every = db.list_jobs(where, limit=1000)
    counted = {status.value: 0 for status in Status}
    for job in every["jobs"]:
        counted[job["status"]] += 1

    assert every["totals"] == counted
    assert db.list_jobs({**where, "status": ["done"]})["totals"] == counted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"where": {"status": ["bogus"]}}, "status must be one of pending"),
        ({"where": {"sort": ";drop"}}, "sort must be one of order"),
        ({"where": {"sort": "--name"}}, "sort must be one of order"),
        ({"where": {"colour": "red"}}, "a filter takes"),
        ({"limit": 0}, "limit must be 1-1000"),
        ({"limit": 1001}, "limit must be 1-1000"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "WyJuYW1lIiwgMV0="}, "cursor"),
        ({"cursor": "MQ=="}, "cursor"),
        ({"cursor": "\u00e4"}, "cursor"),
        ({"cursor": "WyJvcmRlciIsIDEsIDIsIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTldCg=="}, "cursor"),
    ],
    ids=str,
)
def test_store_list_jobs_refuses_what_it_does_not_know(db: JobStore, arguments: Any, message: str) -> None:
    with pytest.raises(errors.InvalidConfig, match=message):
        db.list_jobs(**arguments)


def test_store_count_by_status_names_every_status(db: JobStore) -> None:
    assert db.count_by_status() == {status.value: 0 for status in Status}


# --- the past ---------------------------------------------------------------------------------------


def test_store_duration_quantiles_come_from_the_last_runs_of_a_workflow(db: JobStore, clock: Clock) -> None:
    assert db.duration_quantiles("wf_portrait") is None
    for seconds in (99, 10, 20, 30, 40, 50):
        add_jobs(db, seconds)
        job = lease(db)
        clock.forward(seconds)
        finish(db, job)

    assert db.duration_quantiles("wf_portrait", last=5) == {"count": 5, "p50": 30_000, "p80": 40_000}


def test_store_failure_groups_have_one_cause_each(db: JobStore, clock: Clock) -> None:
    for number, trace in ((1, "no model x\nline 2"), (2, "boom"), (3, "no model x\nline 9")):
        add_jobs(db, number, retry_limit=0)
        clock.forward(1)
        fail(db, lease(db), trace=trace)

    groups = db.failure_groups()

    assert [(group["cause"], group["count"]) for group in groups] == [("no model x", 2), ("boom", 1)]
    assert groups[0]["names"] == [job_name(3), job_name(1)]


def test_store_ended_since_counts_what_got_done(db: JobStore, clock: Clock) -> None:
    bring_to(db, "done", 1)
    clock.forward(3600)
    bring_to(db, "done", 2)
    bring_to(db, "cancelled", 3)

    assert db.ended_since(clock.now - 60_000) == {"done": 1, "failed": 0, "cancelled": 1}
