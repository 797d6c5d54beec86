"""What every job store must do for the operator: verbs by state, places in the queue, many jobs at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.model import Status
from comfyui_e3.e3_nodes.store.protocol import JobStore
from comfyui_e3.tests.stores import (
    Clock,
    add_jobs,
    bring_to,
    fail,
    finish,
    job_name,
    lease,
    leased_numbers,
    make_row,
    names_in_order,
    row_of,
    start,
    status_of,
)

# --- the operator -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [job_name(1), job_name(1).removesuffix(".yaml"), job_name(1).upper()[:-5]])
def test_store_get_job_takes_a_name_however_it_is_written(db: JobStore, name: str) -> None:
    add_jobs(db, 1)

    assert row_of(db, name)["config_name"] == job_name(1)


def test_store_get_job_unknown_is_none(db: JobStore) -> None:
    assert db.get_job("nobody.yaml") is None


def test_store_get_jobs_returns_those_that_there_are(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3)

    found = db.get_jobs([job_name(3).upper()[:-5], "nobody.yaml", job_name(1), job_name(1)])

    assert sorted(job["config_name"] for job in found) == [job_name(1), job_name(3)]
    assert all(job == db.get_job(job["config_name"]) for job in found)
    assert db.get_jobs([]) == []


VERBS: dict[str, Callable[[JobStore, str], Any]] = {
    "retry": lambda db, name: db.retry_job(name),
    "cancel": lambda db, name: db.cancel_job(name),
    "remove": lambda db, name: db.remove_job(name),
    "set_priority": lambda db, name: db.set_priority(name, 7),
    "god_mode": lambda db, name: db.god_mode(name),
    "move": lambda db, name: db.move_job(name, None),
    "repin": lambda db, name: db.repin_job(name, "new"),
}
ALLOWED = {
    "retry": {"failed", "cancelled"},
    "cancel": {"pending", "processing", "cancelled"},
    "remove": {"pending", "done", "failed", "cancelled"},
    "set_priority": {"pending", "processing", "failed", "cancelled"},
    "god_mode": {"pending", "processing", "failed", "cancelled"},
    "move": {"pending"},
    "repin": {"pending", "failed", "cancelled"},
}


@pytest.mark.parametrize("state", [status.value for status in Status])
@pytest.mark.parametrize("verb", VERBS)
def test_store_verbs_keep_to_the_states_they_are_for(db: JobStore, verb: str, state: str) -> None:
    name = bring_to(db, state)
    before = row_of(db, name)

    if state in ALLOWED[verb]:
        VERBS[verb](db, name)
    else:
        with pytest.raises(errors.WrongState, match=f"{name} is {state}"):
            VERBS[verb](db, name)
        assert row_of(db, name) == before


@pytest.mark.parametrize("verb", VERBS)
def test_store_verbs_name_an_unknown_job_and_the_nearest_one(db: JobStore, verb: str) -> None:
    add_jobs(db, 1)

    with pytest.raises(errors.UnknownJob, match=f"did you mean {job_name(1)}"):
        VERBS[verb](db, job_name(1, "knigth"))


def test_store_set_priority_moves_to_the_end_of_the_new_priority(db: JobStore) -> None:
    add_jobs(db, 1, 2, priority=20)
    add_jobs(db, 3)

    job = db.set_priority(job_name(3), 20)

    assert job["priority"] == 20
    assert leased_numbers(db, 3) == [1, 2, 3]


@pytest.mark.parametrize("priority", [0, 1000, -1, 2**63, "1", 1.5, True, None])
def test_store_set_priority_out_of_range_is_refused(db: JobStore, priority: Any) -> None:
    add_jobs(db, 1)

    with pytest.raises(errors.InvalidConfig, match="priority must be 1-999, got"):
        db.set_priority(job_name(1), priority)
    assert row_of(db, 1)["priority"] == 50


def test_store_god_mode_the_last_click_wins(db: JobStore) -> None:
    add_jobs(db, 1, priority=1)
    add_jobs(db, 2, 3, 4)

    db.god_mode(job_name(3))
    job = db.god_mode(job_name(4))

    assert job["priority"] == 1
    assert leased_numbers(db, 4) == [4, 3, 1, 2]


def test_store_god_mode_ends_a_backoff(db: JobStore) -> None:
    add_jobs(db, 1, 2)
    fail(db, lease(db))

    db.god_mode(job_name(1))

    assert leased_numbers(db, 1) == [1]


def test_store_move_job_stands_right_before_the_other_with_its_priority(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3, priority=20)
    add_jobs(db, 4)

    job = db.move_job(job_name(4), job_name(2))

    assert job["priority"] == 20
    assert leased_numbers(db, 4) == [1, 4, 2, 3]


def test_store_move_job_without_a_target_goes_to_the_end_of_its_priority(db: JobStore) -> None:
    add_jobs(db, 1, 2, priority=20)
    add_jobs(db, 3)

    db.move_job(job_name(1), None)

    assert leased_numbers(db, 3) == [2, 1, 3]


def test_store_move_job_before_itself_changes_nothing(db: JobStore) -> None:
    add_jobs(db, 1, 2)

    db.move_job(job_name(1), job_name(1))

    assert leased_numbers(db, 2) == [1, 2]


def test_store_move_job_before_a_job_that_runs_is_refused(db: JobStore) -> None:
    add_jobs(db, 1, 2)
    lease(db)

    with pytest.raises(errors.WrongState, match="is processing; only pending jobs have a place"):
        db.move_job(job_name(2), job_name(1))


def test_store_move_job_hundreds_of_times_into_one_gap_keeps_the_order(db: JobStore) -> None:
    numbers = list(range(1, 121))
    db.ingest_jobs([make_row(number) for number in numbers])
    order = list(numbers)
    for number in [*range(120, 30, -1), *range(2, 30)]:
        db.move_job(job_name(number), job_name(1))
        order.remove(number)
        order.insert(order.index(1), number)

    assert names_in_order(db) == [job_name(number) for number in order][:100]


def test_store_cancel_job_a_running_one_is_asked_to_stop(db: JobStore) -> None:
    add_jobs(db, 1)
    job = lease(db)

    assert db.cancel_job(job_name(1))["cancel_requested"] == 1

    assert status_of(db, 1) == "processing"
    fail(db, job, "error")
    assert status_of(db, 1) == "cancelled"


@pytest.mark.parametrize("way", ["return", "crash", "success"])
def test_store_cancel_job_the_wish_outlives_the_attempt_but_not_a_success(db: JobStore, way: str) -> None:
    add_jobs(db, 1)
    job = start(db)
    db.cancel_job(job_name(1))

    if way == "return":
        db.return_job(job["id"], job["lease_token"], reason="evidence lost")
    elif way == "crash":
        db.abandon_job(job["id"], job["lease_token"], reason="died")
    else:
        finish(db, job)

    row = row_of(db, 1)
    assert row["status"] == ("done" if way == "success" else "cancelled")
    assert row["cancel_requested"] == 1


def test_store_retry_job_keeps_the_counters_and_applies_the_limit_anew(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1, retry_limit=1)
    for _ in range(2):
        fail(db, lease(db))
        clock.forward(60)
    assert status_of(db, 1) == "failed"

    row = db.retry_job(job_name(1))

    assert (row["status"], row["run_count"], row["retries_attempted"], row["retries_base"]) == (
        "pending",
        2,
        1,
        1,
    )
    assert (row["end_time"], row["error_type"]) == (None, "error")
    fail(db, lease(db))
    assert status_of(db, 1) == "pending"
    assert len(db.list_attempts(row["id"])) == 3


def test_store_retry_job_a_cancelled_one_runs_again(db: JobStore) -> None:
    name = bring_to(db, "cancelled")

    db.retry_job(name)

    assert lease(db)["cancel_requested"] == 0


def test_store_repin_job_changes_the_version(db: JobStore) -> None:
    add_jobs(db, 1, workflow_sha256="old")

    assert db.repin_job(job_name(1), "new")["workflow_sha256"] == "new"


@pytest.mark.parametrize("state", ["pending", "done", "failed", "cancelled"])
def test_store_restore_job_brings_a_removed_job_back_as_it_was(db: JobStore, state: str) -> None:
    name = bring_to(db, state)
    before, attempts = row_of(db, name), db.list_attempts(row_of(db, name)["id"])

    assert db.remove_job(name) == before
    assert db.get_job(name) is None
    assert sum(db.count_by_status().values()) == 0

    assert db.restore_job(name) == before
    assert db.list_attempts(before["id"]) == attempts
    assert db.count_by_status()[state] == 1


def test_store_restore_job_after_seven_days_is_too_late(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)
    db.remove_job(job_name(1))
    clock.forward(7 * 24 * 3600 + 1)

    with pytest.raises(errors.UnknownJob, match="removed in the last 7 days"):
        db.restore_job(job_name(1))
    assert db.purge_removed() == 1


def test_store_restore_job_gives_way_to_a_new_job_of_that_name(db: JobStore) -> None:
    add_jobs(db, 1)
    db.remove_job(job_name(1))
    add_jobs(db, 1)

    with pytest.raises(errors.NameConflict, match="another job is called"):
        db.restore_job(job_name(1))


def test_store_purge_done_leaves_what_has_not_been_filed(db: JobStore, clock: Clock) -> None:
    for number in (1, 2):
        bring_to(db, "done", number)
    bring_to(db, "failed", 3)
    db.mark_filed(row_of(db, 1)["id"])

    assert db.purge_done(clock.now) == 0
    assert db.purge_done(clock.now + 1) == 1

    assert db.get_job(job_name(1)) is None
    assert db.count_by_status()["done"] == 1


def test_store_pauses_of_a_person_and_of_e3_are_kept_apart(db: JobStore) -> None:
    assert db.queue_state() == {"user_paused": False, "auto_reason": None, "paused": False}
    db.set_user_paused(True)
    db.set_auto_pause("disk_full")

    lifted = db.set_auto_pause(None)

    assert lifted == {"user_paused": True, "auto_reason": None, "paused": True}
    db.set_auto_pause("evicted")
    assert db.set_user_paused(False) == {"user_paused": False, "auto_reason": None, "paused": False}


# --- many at once -----------------------------------------------------------------------------------


def test_store_bulk_by_name_answers_for_each(db: JobStore) -> None:
    bring_to(db, "failed", 1)
    bring_to(db, "done", 2)

    answers = db.bulk("retry", names=[job_name(1), job_name(2), "nobody.yaml"])

    assert [answer["ok"] for answer in answers] == [True, False, False]
    assert "is done; only a failed or cancelled job can be retried" in answers[1]["error"]
    assert answers[2] == {"config_name": "nobody.yaml", "ok": False, "error": "no job is called nobody.yaml"}
    assert answers[0]["config_path"] == f"/home/jobs/processing/image/{job_name(1)}"


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("retry", "failed", "pending"),
        ("retry", "cancelled", "pending"),
        ("cancel", "pending", "cancelled"),
        ("delete", "failed", None),
    ],
)
def test_store_bulk_by_filter_changes_what_matches(db: JobStore, action: Any, before: str, after: str) -> None:
    bring_to(db, "done", 4)
    for number in (1, 2, 3):
        bring_to(db, before, number)

    answers = db.bulk(action, where={"q": "knight"} if action != "delete" else {"status": [before]})

    assert sorted(answer["config_name"] for answer in answers) == [job_name(number) for number in (1, 2, 3)]
    assert {(db.get_job(job_name(number)) or {"status": None})["status"] for number in (1, 2, 3)} == {after}
    assert status_of(db, 4) == "done"


@pytest.mark.parametrize("count", [3, 2001])
def test_store_bulk_god_mode_by_filter_keeps_the_order(db: JobStore, count: int) -> None:
    db.ingest_jobs([make_row(number, workflow_id="wf_b" if number % 2 else "wf_a") for number in range(1, count + 1)])

    answers = db.bulk("god-mode", where={"workflow_id": "wf_b"})

    assert len(answers) == (count + 1) // 2
    assert leased_numbers(db, 2) == [1, 3]


def test_store_bulk_set_priority_keeps_the_order_of_the_list(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3)

    db.bulk("set_priority", names=[job_name(3), job_name(1)], priority=9)

    assert leased_numbers(db, 3) == [3, 1, 2]


def test_store_bulk_cancel_asks_running_jobs_to_stop(db: JobStore) -> None:
    bring_to(db, "processing", 1)
    add_jobs(db, 2)

    db.bulk("cancel", where={})

    assert (row_of(db, 1)["cancel_requested"], status_of(db, 2)) == (1, "cancelled")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": "explode", "names": []}, "action must be one of"),
        ({"action": "set_priority", "names": []}, "priority must be 1-999, got None"),
        ({"action": "retry", "where": {"status": ["bogus"]}}, "status must be one of"),
        ({"action": "retry", "where": {"colour": "red"}}, "a filter takes"),
        ({"action": "delete"}, "needs names or a filter"),
    ],
    ids=["action", "priority", "status", "filter", "nothing"],
)
def test_store_bulk_refuses_what_it_does_not_know(db: JobStore, arguments: Any, message: str) -> None:
    with pytest.raises(errors.InvalidConfig, match=message):
        db.bulk(**arguments)
