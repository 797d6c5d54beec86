"""Estimates and causes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_e3.e3_nodes import stats, store
from stores import Clock, add_jobs, fail, finish, lease

FAST = {"count": 5, "p50": 1_000, "p80": 2_000}
SLOW = {"count": 5, "p50": 9_000, "p80": 9_000}


@pytest.fixture
def db() -> Iterator[Any]:
    with store.init_db(":memory:", clock=Clock()) as db:
        yield db


def running(start_time: int | None, workflow_id: str = "fast", worker_id: str = "w1") -> Any:
    return {"start_time": start_time, "workflow_id": workflow_id, "worker_id": worker_id}


@pytest.mark.parametrize(
    ("waiting", "jobs", "pace", "expected"),
    [
        ({"fast": 3}, [], {}, None),
        ({}, [], {"fast": FAST}, (0, 0)),
        ({"fast": 4}, [], {"fast": FAST}, (4_000, 6_000)),
        ({"fast": 1, "slow": 1}, [], {"fast": FAST, "slow": SLOW}, (10_000, 11_000)),
        ({"unknown": 2}, [], {"fast": FAST, "slow": SLOW}, (10_000, 10_707)),
        ({"slow": 1}, [running(5_000, "slow")], {"slow": SLOW}, (4_000, 4_000)),
        ({"fast": 1}, [running(1_000)], {"fast": FAST}, (0, 1_000)),
        ({"slow": 1}, [running(None, "slow")], {"slow": SLOW}, (9_000, 9_000)),
        ({"slow": 1}, [running(99_000, "slow")], {"slow": SLOW}, (9_000, 9_000)),
        ({"slow": 4}, [running(None, "slow"), running(None, "slow", "w2")], {"slow": SLOW}, (18_000, 18_000)),
    ],
    ids=[
        "nothing known",
        "empty",
        "spread",
        "two kinds",
        "unknown kind",
        "half done",
        "overdue",
        "not begun",
        "clock jumped",
        "two machines",
    ],
)
def test_stats_eta_of(waiting: Any, jobs: Any, pace: Any, expected: tuple[int, int] | None) -> None:
    eta = stats.eta_of(waiting, jobs, pace, now=10_000)

    assert eta == (None if expected is None else {"p50_ms": expected[0], "p80_ms": expected[1]})


def test_stats_queue_stats_of_an_empty_table(db: Any) -> None:
    found = stats.queue_stats(db, ["wf"], now=0)

    nothing = {"done": 0, "failed": 0, "cancelled": 0}
    assert found == {
        "workflows": {},
        "eta": None,
        "throughput": {"last_hour": nothing, "last_day": nothing},
        "failures": [],
    }


def test_stats_failures_are_grouped_by_cause_most_first(db: Any) -> None:
    add_jobs(db, 1, 2, 3, retry_limit=0)
    for trace in ("no memory\nat line 5", "no memory\nat line 9", "bad node"):
        fail(db, lease(db), trace=trace)

    found = stats.failures_by_cause(db)

    assert [(each["summary"], each["count"], len(each["names"])) for each in found] == [
        ("no memory", 2, 2),
        ("bad node", 1, 1),
    ]


def test_stats_metrics_text_escapes_what_a_workflow_is_called(db: Any) -> None:
    hostile = 'a"b\\c\nd'
    add_jobs(db, 1, 2, workflow_id=hostile)
    finish(db, lease(db), start_time=1000, end_time=3000)

    text = stats.metrics_text(db, "1.0")

    assert 'e3_job_duration_seconds{workflow_id="a\\"b\\\\c\\nd",quantile="0.5"} 2.0\n' in text
    assert all(line.startswith(("#", "e3_")) for line in text.splitlines())
