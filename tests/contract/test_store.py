"""What every job store must do: files become rows, rows are leased in order, the database tells of itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.store.protocol import JobStore
from comfyui_e3.tests.stores import (
    Clock,
    add_jobs,
    bring_to,
    fail,
    job_name,
    lease,
    leased_numbers,
    make_row,
    names_in_order,
    row_of,
)

# --- files to rows ----------------------------------------------------------------------------------


def test_store_upsert_job_a_minimal_row_gets_defaults(db: JobStore) -> None:
    row = {
        "config_name": "a.yaml",
        "job_type": "T2V",
        "workflow_id": "wf",
        "priority": 5,
        "status": "pending",
    }

    job_id = db.upsert_job(row)

    job = row_of(db, "a.yaml")
    assert job["id"] == job_id
    assert (job["media"], job["priority"], job["status"], job["retry_limit"]) == ("video", 5, "pending", 2)
    assert (job["config"], job["metadata"], job["warnings"]) == ({}, {}, [])


def test_store_upsert_job_twice_is_one_row(db: JobStore) -> None:
    first, second = db.upsert_job(make_row()), db.upsert_job(make_row())

    assert first == second
    assert db.count_by_status()["pending"] == 1


@pytest.mark.parametrize("twin", ["t2i_20250809123001_1_KNIGHT.yaml", "T2I_20250809123001_1_knight"])
def test_store_upsert_job_names_that_differ_in_case_are_one_job(db: JobStore, twin: str) -> None:
    first = db.upsert_job(make_row())

    assert db.upsert_job(make_row(config_name=twin)) == first


def test_store_upsert_job_names_in_two_normal_forms_are_one_job(db: JobStore) -> None:
    composed, decomposed = "T2I_20250809123001_1_m\u00fcller.yaml", "T2I_20250809123001_1_mu\u0308ller.yaml"

    ids = {db.upsert_job(make_row(config_name=name)) for name in (decomposed, composed)}

    assert len(ids) == 1
    assert row_of(db, decomposed)["config_name"] == composed


@pytest.mark.parametrize("state", ["processing", "done"])
def test_store_ingest_jobs_other_bytes_conflict_with_a_job_that_runs_or_is_done(db: JobStore, state: str) -> None:
    name = bring_to(db, state)
    before = row_of(db, name)

    [ingested] = db.ingest_jobs([make_row(config_sha256="f" * 64, config={"new": 1})])

    assert ingested == {"id": before["id"], "config_name": name, "outcome": "name_conflict"}
    assert row_of(db, name) == before


@pytest.mark.parametrize("state", ["pending", "failed", "cancelled"])
def test_store_ingest_jobs_other_bytes_renew_a_job_that_is_not_leased(db: JobStore, state: str) -> None:
    name = bring_to(db, state)

    [ingested] = db.ingest_jobs([make_row(config_sha256="f" * 64, config={"new": 1}, retry_limit=7)])

    job = row_of(db, name)
    assert ingested["outcome"] == "updated"
    assert (job["config"], job["retry_limit"], job["status"]) == ({"new": 1}, 7, state)


def test_store_ingest_jobs_an_edit_keeps_the_place_unless_the_priority_is_new(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3)
    db.ingest_jobs([make_row(1, config_sha256="e" * 64)])
    assert names_in_order(db) == [job_name(1), job_name(2), job_name(3)]

    db.ingest_jobs([make_row(2, config_sha256="e" * 64, priority=51)])

    assert names_in_order(db) == [job_name(1), job_name(3), job_name(2)]


def test_store_ingest_jobs_the_same_bytes_elsewhere_refresh_the_path(db: JobStore) -> None:
    add_jobs(db, 1)

    [ingested] = db.ingest_jobs([make_row(config_path="/elsewhere/a.yaml", priority=3)])

    job = row_of(db, 1)
    assert ingested["outcome"] == "duplicate"
    assert (job["config_path"], job["priority"]) == ("/elsewhere/a.yaml", 50)


def test_store_ingest_jobs_says_what_became_of_each(db: JobStore) -> None:
    add_jobs(db, 1)

    found = db.ingest_jobs([make_row(1), make_row(2), make_row(1, config_sha256="f" * 64)])

    assert [ingested["outcome"] for ingested in found] == ["duplicate", "accepted", "updated"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"priority": 0}, "priority"),
        ({"priority": 1000}, "priority"),
        ({"priority": 5.5}, "priority"),
        ({"retry_limit": 21}, "retry_limit"),
        ({"workflow_id": ""}, "needs workflow_id"),
        ({"status": "waiting"}, "status must be one of"),
        ({"status": "processing"}, "only a lease"),
        ({"lease_token": "x"}, "cannot set 'lease_token'"),
    ],
    ids=lambda value: str(value),
)
def test_store_upsert_job_refuses_a_row_that_breaks_a_rule(db: JobStore, columns: Any, message: str) -> None:
    with pytest.raises(errors.InvalidConfig, match=message):
        db.upsert_job(make_row(**columns))
    assert db.count_by_status()["pending"] == 0


def test_store_upsert_job_imports_a_done_row_whole(db: JobStore) -> None:
    db.upsert_job(make_row(status="done", start_time=10, end_time=30, duration=20, metadata={"saved": ["a"]}))

    job = row_of(db, 1)
    assert (job["status"], job["start_time"], job["end_time"], job["duration"]) == ("done", 10, 30, 20)
    assert db.lease_next_job("worker", 60) is None


def test_store_rejections_one_a_path_and_the_newest_reason_wins(db: JobStore, clock: Clock) -> None:
    db.record_rejection("a.yaml", "yaml_syntax", "bad", line=3, column=7)
    clock.forward(1)
    db.record_rejection("b.yaml", "bad_value", "odd")
    clock.forward(1)
    db.record_rejection("a.yaml", "too_large", "huge")

    listed = db.list_rejections()

    assert [(r["path"], r["code"], r["line"]) for r in listed] == [
        ("a.yaml", "too_large", None),
        ("b.yaml", "bad_value", None),
    ]
    assert db.count_rejections() == 2
    db.clear_rejection("a.yaml")
    assert [rejection["path"] for rejection in db.list_rejections(limit=1)] == ["b.yaml"]


def test_store_workflow_versions_are_kept_once_and_never_change(db: JobStore) -> None:
    db.keep_workflow_version("abc", {"template": {"1": {}}})
    db.keep_workflow_version("abc", {"template": "other"})

    assert db.workflow_version("abc") == {"template": {"1": {}}}
    assert db.workflow_version("unknown") is None


# --- leasing ----------------------------------------------------------------------------------------


def test_store_lease_next_job_takes_priority_then_arrival(db: JobStore) -> None:
    for number, priority in ((1, 50), (2, 20), (3, 50), (4, 20)):
        add_jobs(db, number, priority=priority)

    assert leased_numbers(db, 4) == [2, 4, 1, 3]
    assert db.lease_next_job("worker", 60) is None


def test_store_lease_next_job_returns_the_whole_leased_row(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1, metadata={"by": "cli"}, warnings=["odd"], source_yaml="a: 1")

    job = lease(db, "worker-1", 60)

    assert job == db.get_job(job_name(1))
    assert (job["status"], job["phase"], job["run_count"], job["worker_id"]) == (
        "processing",
        "leased",
        1,
        "worker-1",
    )
    assert job["lease_expires_at"] == clock.now + 60_000
    assert len(job["lease_token"]) == 32
    assert (job["config"], job["metadata"], job["warnings"]) == (
        {"inputs": {"seed": 1}},
        {"by": "cli"},
        ["odd"],
    )


def test_store_lease_next_job_opens_an_attempt(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)

    job = lease(db)

    [attempt] = db.list_attempts(job["id"])
    assert (attempt["number"], attempt["lease_token"], attempt["started_at"]) == (
        1,
        job["lease_token"],
        clock.now,
    )
    assert (attempt["ended_at"], attempt["outcome"]) == (None, None)


def test_store_lease_next_job_every_attempt_has_its_own_token(db: JobStore) -> None:
    add_jobs(db, 1)
    tokens = set()
    for _ in range(3):
        job = lease(db)
        tokens.add(job["lease_token"])
        db.return_job(job["id"], job["lease_token"], reason="pause")

    assert len(tokens) == 3


@pytest.mark.parametrize("pause", ["user", "auto"])
def test_store_lease_next_job_gives_nothing_in_a_pause(db: JobStore, pause: str) -> None:
    add_jobs(db, 1)
    if pause == "user":
        db.set_user_paused(True)
    else:
        db.set_auto_pause("disk_full")

    assert db.lease_next_job("worker", 60) is None
    assert db.most_urgent() is None

    db.set_user_paused(False)
    assert db.lease_next_job("worker", 60) is not None


def test_store_lease_next_job_promotes_a_backoff_when_it_is_over(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1, priority=1)
    add_jobs(db, 2, 3)
    fail(db, lease(db))

    assert leased_numbers(db, 1) == [2]
    clock.forward(10)
    assert leased_numbers(db, 2) == [1, 3]


def test_store_most_urgent_shows_what_the_lease_gives_and_changes_nothing(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1, priority=1)
    add_jobs(db, 2)
    fail(db, lease(db))
    assert db.most_urgent()["config_name"] == job_name(2)  # type: ignore[index]
    clock.forward(10)

    shown = db.most_urgent()

    assert shown is not None and shown["status"] == "pending"
    assert lease(db)["config_name"] == shown["config_name"] == job_name(1)


def test_store_lease_next_job_two_stores_share_500_jobs_without_a_double(open_store: Any) -> None:
    stores = [open_store(), open_store()]
    stores[0].ingest_jobs([make_row(number) for number in range(500)])
    taken: list[list[int]] = [[] for _ in range(4)]

    def work(lane: int) -> None:
        while (job := stores[lane % 2].lease_next_job(f"worker-{lane}", 60)) is not None:
            taken[lane].append(job["id"])

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = [job_id for lane in taken for job_id in lane]
    assert len(ids) == len(set(ids)) == 500
    assert stores[1].count_by_status()["processing"] == 500


def test_store_lease_next_job_of_two_at_once_one_wins(open_store: Any) -> None:
    stores = [open_store(), open_store()]
    add_jobs(stores[0], 1)
    won: list[Any] = []
    gate = threading.Barrier(2)

    def race(db: JobStore) -> None:
        gate.wait()
        won.append(db.lease_next_job("worker", 60))

    threads = [threading.Thread(target=race, args=(db,)) for db in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [job is None for job in won].count(False) == 1


# --- the database itself ----------------------------------------------------------------------------


def test_store_change_counter_grows_with_a_change_of_any_store(open_store: Any) -> None:
    here = open_store()
    there = open_store()
    before = here.change_counter()
    assert here.change_counter() == before
    assert here.lease_next_job("worker", 60) is None
    assert here.change_counter() == before

    add_jobs(there, 1)

    assert here.change_counter() > before


def test_store_quick_check_finds_nothing_in_a_sound_store(db: JobStore) -> None:
    add_jobs(db, 1)

    assert db.quick_check() == []


def test_store_a_closed_store_says_so(db: JobStore) -> None:
    db.close()

    with pytest.raises(errors.StoreUnavailable):
        db.upsert_job(make_row())
    with pytest.raises(errors.StoreUnavailable):
        db.count_by_status()
