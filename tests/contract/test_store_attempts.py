"""What every job store must do with an attempt: its phases, its endings, owners that died or froze."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.model import ErrorType
from comfyui_e3.e3_nodes.store.protocol import JobStore, Promise, Success
from comfyui_e3.tests.stores import (
    Clock,
    add_jobs,
    bring_to,
    fail,
    finish,
    job_name,
    lease,
    make_intent,
    make_row,
    names_in_order,
    promise,
    row_of,
    start,
    status_of,
)

DAY_MS = 24 * 3600 * 1000


# --- the phases -------------------------------------------------------------------------------------


def test_store_phases_follow_one_another(db: JobStore) -> None:
    add_jobs(db, 1)
    job = lease(db)
    owned = (job["id"], job["lease_token"])
    phases = [row_of(db, 1)["phase"]]

    assert db.record_submission(*owned, "prompt-1")
    phases.append(row_of(db, 1)["phase"])
    assert db.record_start(*owned, 123)
    phases.append(row_of(db, 1)["phase"])
    assert promise(db, *owned, make_intent(1), make_intent(2))
    row = row_of(db, 1)

    assert [*phases, row["phase"]] == ["leased", "submitted", "executing", "publishing"]
    assert (row["prompt_id"], row["start_time"]) == ("prompt-1", 123)


def test_store_record_submission_only_once_an_attempt(db: JobStore) -> None:
    add_jobs(db, 1)
    job = start(db, "submitted")

    assert not db.record_submission(job["id"], job["lease_token"], "prompt-2")
    assert row_of(db, 1)["prompt_id"] == "prompt-1"


def test_store_record_start_needs_a_submission_and_may_be_said_twice(db: JobStore) -> None:
    add_jobs(db, 1)
    job = lease(db)
    owned = (job["id"], job["lease_token"])
    assert not db.record_start(*owned, 1)
    db.record_submission(*owned, "prompt-1")

    assert db.record_start(*owned, 1)
    assert db.record_start(*owned, 1)


def test_store_record_intents_tells_who_still_owned_its_job(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3)
    first, second, third = (start(db, "executing") for _ in range(3))
    assert promise(db, first["id"], first["lease_token"], make_intent(1), make_intent(2))
    assert db.steal_job(second["id"], second["lease_token"], "another", 60)
    promises = [
        Promise(job_id=job["id"], lease_token=job["lease_token"], intents=[make_intent(9)])
        for job in (first, second, third)
    ]

    assert db.record_intents(promises) == [True, False, True]

    kept = [[intent["number"] for intent in db.list_intents(job["id"])] for job in (first, second, third)]
    assert kept == [[9], [], [9]], "what an attempt promised before is no promise any more"
    assert [row_of(db, number)["phase"] for number in (1, 2, 3)] == ["publishing", "executing", "publishing"]


def test_store_complete_jobs_tells_who_still_owned_its_job(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3)
    jobs = [start(db, "publishing") for _ in range(3)]
    assert db.steal_job(jobs[1]["id"], jobs[1]["lease_token"], "another", 60)
    successes = [
        Success(id=job["id"], lease_token=job["lease_token"], updates={"metadata": {"n": f"\0 {job['id']}"}})
        for job in jobs
    ]

    assert db.complete_jobs(successes) == [True, False, True]

    rows = [row_of(db, number) for number in (1, 2, 3)]
    assert [row["status"] for row in rows] == ["done", "processing", "done"]
    assert [rows[0]["metadata"]["n"], rows[2]["metadata"]["n"]] == [f"\0 {jobs[0]['id']}", f"\0 {jobs[2]['id']}"]
    assert db.complete_jobs(successes) == [False, False, False], "what is done is done once"


def test_store_complete_jobs_of_one_that_was_stolen_ends_nothing(db: JobStore) -> None:
    add_jobs(db, 1)
    job = start(db, "publishing")
    assert db.steal_job(job["id"], job["lease_token"], "another", 60)

    assert db.complete_jobs([Success(id=job["id"], lease_token=job["lease_token"], updates={})]) == [False]

    assert row_of(db, 1)["status"] == "processing"


def test_store_list_intents_tells_those_of_every_attempt(db: JobStore) -> None:
    add_jobs(db, 1)
    first = start(db, "publishing")
    db.recover_orphans(first["lease_expires_at"] + 1)
    db.clamp_backoffs()
    db.retry_job(db.cancel_job(job_name(1))["config_name"])
    second = start(db, "publishing")
    promise(db, second["id"], second["lease_token"], make_intent(2), make_intent(1))

    intents = db.list_intents(first["id"])

    tokens = [first["lease_token"], second["lease_token"], second["lease_token"]]
    assert [intent["lease_token"] for intent in intents] == tokens
    assert db.latest_intents(first["id"]) == [make_intent(1), make_intent(2)]


def test_store_list_intents_of_a_job_without_any_is_empty(db: JobStore) -> None:
    [job_id] = add_jobs(db, 1)

    assert db.list_intents(job_id) == db.latest_intents(job_id) == []


def test_store_record_leaving_takes_a_start_back_and_keeps_its_time(db: JobStore) -> None:
    add_jobs(db, 1)
    job = start(db, "executing")
    owned = (job["id"], job["lease_token"])

    assert db.record_leaving(*owned)
    assert not db.record_leaving(*owned)

    left = row_of(db, 1)
    assert (left["status"], left["phase"], left["start_time"]) == ("processing", "submitted", job["start_time"])
    db.abandon_job(*owned, reason="gone")
    assert (row_of(db, 1)["status"], row_of(db, 1)["crash_count"]) == ("pending", 0)


FENCED: dict[str, Callable[[JobStore, int, str], Any]] = {
    "record_submission": lambda db, id, token: db.record_submission(id, token, "p"),
    "record_start": lambda db, id, token: db.record_start(id, token, 1),
    "record_leaving": lambda db, id, token: db.record_leaving(id, token),
    "record_intents": lambda db, id, token: promise(db, id, token, make_intent(9)),
    "holds_lease": lambda db, id, token: db.holds_lease(id, token),
    "succeed": lambda db, id, token: db.complete_job(id, success=True, updates={}, lease_token=token),
    "fail": lambda db, id, token: db.complete_job(id, success=False, updates={}, lease_token=token),
    "return_job": lambda db, id, token: db.return_job(id, token, reason="late"),
    "abandon_job": lambda db, id, token: db.abandon_job(id, token, reason="late"),
    "steal_job": lambda db, id, token: db.steal_job(id, token, "thief", 60) is not None,
}


@pytest.mark.parametrize("phase", ["leased", "submitted", "executing", "publishing"])
@pytest.mark.parametrize("method", FENCED)
def test_store_a_stale_attempt_is_fenced(db: JobStore, method: str, phase: str) -> None:
    add_jobs(db, 1)
    stale = lease(db)
    db.return_job(stale["id"], stale["lease_token"], reason="frozen")
    current = start(db, phase)

    answer = FENCED[method](db, stale["id"], stale["lease_token"])

    assert answer is False
    assert row_of(db, 1) == current
    assert len(db.list_intents(current["id"])) == (phase == "publishing")


def test_store_holds_lease_only_while_the_attempt_lives(db: JobStore) -> None:
    add_jobs(db, 1)
    job = lease(db)
    assert db.holds_lease(job["id"], job["lease_token"])

    finish(db, job)

    assert not db.holds_lease(job["id"], job["lease_token"])


# --- endings ----------------------------------------------------------------------------------------


def test_store_complete_job_success_records_times_and_metadata(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1, metadata={"creator": "cli"}, warnings=["first"])
    job = start(db)
    result = {"saved": ["/home/a.png"], "bytes": 7, "hash": "ab", "media_type": "image/png"}
    times = {"start_time": clock.now + 1000, "end_time": clock.now + 6500}

    assert finish(db, job, metadata=result, warnings=["saved as .webp"], **times)

    row = row_of(db, 1)
    assert (row["status"], row["duration"]) == ("done", 5500)
    assert row["metadata"] == {"creator": "cli", **result}
    assert row["warnings"] == ["first", "saved as .webp"]


def test_store_complete_job_success_without_times_counts_from_the_lease(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)
    job = lease(db)
    clock.forward(3)

    db.complete_job(job["id"], success=True, updates={})

    row = row_of(db, 1)
    assert (row["status"], row["end_time"], row["duration"]) == ("done", clock.now, 3000)
    assert (row["run_count"], row["retries_attempted"]) == (1, 0)


@pytest.mark.parametrize("ending", ["done", "failed", "retried", "cancelled", "returned", "crashed"])
def test_store_an_ended_attempt_keeps_nothing_of_its_lease(db: JobStore, ending: str) -> None:
    add_jobs(db, 1, retry_limit=1)
    job = start(db, "submitted" if ending == "returned" else "publishing")
    owned = (job["id"], job["lease_token"])
    {
        "done": lambda: finish(db, job),
        "failed": lambda: fail(db, job, "invalid"),
        "retried": lambda: fail(db, job, "error"),
        "cancelled": lambda: fail(db, job, "interrupted"),
        "returned": lambda: db.return_job(*owned, reason="pause"),
        "crashed": lambda: db.abandon_job(*owned, reason="gone"),
    }[ending]()

    row = row_of(db, 1)

    lease_columns = ("worker_id", "lease_token", "lease_expires_at", "prompt_id", "phase")
    assert [row[name] for name in lease_columns] == [None] * 5
    [attempt] = db.list_attempts(job["id"])
    assert attempt["outcome"] == ending and attempt["ended_at"] is not None


def test_store_complete_job_failure_retries_up_to_the_limit(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1, retry_limit=2)
    waits, states = [], []
    for _ in range(3):
        fail(db, lease(db), trace="boom")
        row = row_of(db, 1)
        states.append((row["status"], row["run_count"], row["retries_attempted"]))
        waits.append(row["not_before"] and row["not_before"] - clock.now)
        clock.forward(60)

    assert states == [("pending", 1, 1), ("pending", 2, 2), ("failed", 3, 2)]
    assert waits == [10_000, 20_000, None]
    assert [a["outcome"] for a in db.list_attempts(row["id"])] == ["retried", "retried", "failed"]
    assert (row["error_type"], row["error_trace"]) == ("error", "boom")


@pytest.mark.parametrize("error_type", ErrorType, ids=lambda error_type: error_type.value)
def test_store_complete_job_failure_error_type_decides(db: JobStore, error_type: ErrorType) -> None:
    add_jobs(db, 1, retry_limit=5)

    fail(db, lease(db), error_type.value)

    expected = "failed" if error_type.is_permanent else "pending"
    row = row_of(db, 1)
    assert row["status"] == ("cancelled" if error_type is ErrorType.INTERRUPTED else expected)
    assert row["error_type"] == error_type.value
    assert row["retries_attempted"] == (error_type not in (ErrorType.CRASH,) and row["status"] == "pending")


def test_store_complete_job_crash_waits_behind_others_and_fails_at_the_limit(open_store: Any, clock: Clock) -> None:
    db = open_store(crash_limit=2)
    add_jobs(db, 1, 2, retry_limit=0)
    fail(db, start(db), "crash")
    clock.forward(60)
    assert names_in_order(db) == [job_name(2), job_name(1)]
    finish(db, lease(db))

    fail(db, start(db), "crash")

    row = row_of(db, 1)
    assert (row["status"], row["error_type"], row["crash_count"]) == ("failed", "crash", 2)
    assert row["retries_attempted"] == 0


def test_store_complete_job_a_finished_run_ends_a_series_of_crashes(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)
    fail(db, start(db), "crash")
    clock.forward(60)

    fail(db, lease(db), "error")

    assert row_of(db, 1)["crash_count"] == 0


def test_store_complete_job_of_a_job_that_is_not_leased_changes_nothing(db: JobStore) -> None:
    [job_id] = add_jobs(db, 1)

    assert not db.complete_job(job_id, success=True, updates={})
    assert not db.complete_job(job_id + 1, success=True, updates={})
    assert status_of(db, 1) == "pending"


def test_store_complete_job_names_an_update_that_it_does_not_know(db: JobStore) -> None:
    add_jobs(db, 1)
    job = lease(db)

    with pytest.raises(errors.InvalidConfig, match="knows no update 'metdata'"):
        finish(db, job, metdata={})


def test_store_complete_job_an_unknown_error_type_is_a_plain_error(db: JobStore) -> None:
    add_jobs(db, 1)

    fail(db, lease(db), "odd")

    assert row_of(db, 1)["error_type"] == "error"


def test_store_lease_next_job_clears_the_error_of_the_run_before(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)
    fail(db, lease(db))
    clock.forward(60)

    job = lease(db)

    assert (job["error_type"], job["error_trace"]) == (None, None)
    assert db.list_attempts(job["id"])[0]["error"] == "boom"


@pytest.mark.parametrize(("phase", "runs"), [("leased", 0), ("submitted", 0), ("executing", 1)])
def test_store_return_job_takes_the_run_back_if_it_had_not_executed(db: JobStore, phase: str, runs: int) -> None:
    add_jobs(db, 1)
    job = start(db, phase)

    assert db.return_job(job["id"], job["lease_token"], reason="taken back", not_before=job["updated_at"] + 5)

    row = row_of(db, 1)
    assert (row["status"], row["run_count"], row["retries_attempted"]) == ("pending", runs, 0)
    assert row["not_before"] == job["updated_at"] + 5
    [attempt] = db.list_attempts(row["id"])
    assert (attempt["outcome"], attempt["error"]) == ("retried" if runs else "returned", "taken back")


def test_store_return_job_counts_evictions_in_a_row(db: JobStore) -> None:
    add_jobs(db, 1)
    for _ in range(2):
        job = lease(db)
        db.return_job(job["id"], job["lease_token"], reason="evicted", evicted=True)
    evicted = row_of(db, 1)
    assert (evicted["evict_count"], evicted["retries_attempted"]) == (2, 0)

    finish(db, lease(db))

    assert row_of(db, 1)["evict_count"] == 0


# --- owners that died or froze ----------------------------------------------------------------------


def test_store_renew_leases_pushes_those_of_one_worker_and_beats_its_heart(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1, 2, 3)
    db.register_worker("a", host="here", lock_path="/a.lock")
    for worker in ("a", "a", "b"):
        lease(db, worker)
    clock.forward(30)

    assert db.renew_leases("a", 60) == 2

    expiries = [row_of(db, number)["lease_expires_at"] - clock.now for number in (1, 2, 3)]
    assert expiries == [60_000, 60_000, 30_000]
    [worker] = db.list_workers()
    assert (worker["worker_id"], worker["heartbeat"], worker["lock_path"]) == ("a", 1, "/a.lock")


def test_store_forget_worker_removes_it(db: JobStore) -> None:
    db.register_worker("a", host="here", lock_path="/a.lock")

    db.forget_worker("a")

    assert db.list_workers() == []


@pytest.mark.parametrize(
    ("phase", "runs", "crashes"),
    [("leased", 0, 0), ("submitted", 0, 0), ("executing", 1, 1), ("publishing", 1, 1)],
)
def test_store_recover_orphans_requeues_expired_leases(
    db: JobStore, clock: Clock, phase: str, runs: int, crashes: int
) -> None:
    add_jobs(db, 1)
    start(db, phase)
    clock.forward(61)

    assert db.recover_orphans(clock.now) == 1

    row = row_of(db, 1)
    assert (row["status"], row["run_count"], row["crash_count"]) == ("pending", runs, crashes)
    assert row["retries_attempted"] == 0
    assert db.recover_orphans(clock.now) == 0


def test_store_recover_orphans_leaves_live_leases_alone(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)
    job = lease(db)

    assert db.recover_orphans(job["lease_expires_at"]) == 0
    assert db.holds_lease(job["id"], job["lease_token"])


def test_store_release_worker_requeues_its_jobs_whatever_their_expiry(db: JobStore) -> None:
    add_jobs(db, 1, 2)
    lease(db, "dead")
    alive = lease(db, "alive")
    assert [job["config_name"] for job in db.jobs_of_worker("dead")] == [job_name(1)]

    assert db.release_worker("dead") == 1

    assert status_of(db, 1) == "pending"
    assert db.holds_lease(alive["id"], alive["lease_token"])


def test_store_abandon_job_fails_a_job_that_keeps_killing_comfyui(open_store: Any, clock: Clock) -> None:
    db = open_store(crash_limit=3)
    add_jobs(db, 1)
    for _ in range(3):
        job = start(db)
        assert db.abandon_job(job["id"], job["lease_token"], reason="died")
        clock.forward(3600)

    row = row_of(db, 1)
    assert (row["status"], row["error_type"], row["run_count"]) == ("failed", "crash", 3)
    assert db.lease_next_job("worker", 60) is None


def test_store_abandon_job_names_the_node_that_ran(db: JobStore) -> None:
    add_jobs(db, 1)
    job = start(db)
    assert db.record_node(job["lease_token"], "node 12 (KSampler)")

    db.abandon_job(job["id"], job["lease_token"], reason="died")

    assert "while it ran node 12 (KSampler) of this job" in row_of(db, 1)["error_trace"]
    assert not db.record_node(job["lease_token"], "node 13 (VAEDecode)")


def test_store_steal_job_passes_the_attempt_on_under_a_new_token(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)
    old = start(db, "publishing")

    stolen = db.steal_job(old["id"], old["lease_token"], "thief", 60)

    assert stolen is not None
    assert (stolen["phase"], stolen["worker_id"], stolen["run_count"]) == ("publishing", "thief", 1)
    assert stolen["lease_token"] != old["lease_token"]
    assert not db.holds_lease(old["id"], old["lease_token"])
    assert db.latest_intents(old["id"]) == [make_intent(1)]
    assert finish(db, stolen)
    assert [attempt["outcome"] for attempt in db.list_attempts(old["id"])] == ["done"]


def test_store_tokens_in_use_are_those_of_live_attempts_and_of_done_ones_that_are_kept(db: JobStore) -> None:
    add_jobs(db, 1, 2, 3)
    done, failed, live = lease(db), lease(db), lease(db)
    finish(db, done)
    fail(db, failed)

    tokens = [job["lease_token"] for job in (done, failed, live)] + ["0" * 32]
    assert db.tokens_in_use(tokens, keep_done=True) == {live["lease_token"], done["lease_token"]}
    assert db.tokens_in_use(tokens, keep_done=False) == {live["lease_token"]}


def test_store_tokens_in_use_know_a_done_job_that_was_removed_and_restored(db: JobStore) -> None:
    add_jobs(db, 1)
    done = lease(db)
    finish(db, done)
    attempts = db.list_attempts(done["id"])
    db.remove_job(job_name(1))
    db.restore_job(job_name(1))

    assert db.tokens_in_use([done["lease_token"]], keep_done=True) == {done["lease_token"]}
    assert db.list_attempts(done["id"]) == attempts


def test_store_lease_next_job_gives_the_job_as_it_is_read(db: JobStore) -> None:
    add_jobs(db, 1, metadata={"mood": "calm"}, warnings=["odd"])

    job = lease(db)

    assert job == db.get_job(job_name(1))
    assert not {"turn", "leased_at", "done_token"} & job.keys()


def test_store_list_attempts_number_those_that_ended_and_the_open_one(db: JobStore) -> None:
    add_jobs(db, 1)
    first = lease(db)
    db.return_job(first["id"], first["lease_token"], reason="evicted", evicted=True)
    second = lease(db)
    db.record_node(second["lease_token"], "KSampler")

    attempts = db.list_attempts(first["id"])
    finish(db, second)

    assert [(one["number"], one["lease_token"], one["outcome"], one["node"]) for one in attempts] == [
        (1, first["lease_token"], "returned", None),
        (2, second["lease_token"], None, "KSampler"),
    ]
    done = db.list_attempts(first["id"])[1]
    assert done["ended_at"] is not None
    assert done == {**attempts[1], "outcome": "done", "ended_at": done["ended_at"]}


def test_store_clamp_backoffs_shortens_what_a_clock_set_back_made_long(db: JobStore, clock: Clock) -> None:
    add_jobs(db, 1)
    fail(db, lease(db))
    clock.now -= DAY_MS

    assert db.clamp_backoffs() == 1

    assert row_of(db, 1)["not_before"] == clock.now + 720_000
    assert db.clamp_backoffs() == 0


# --- filing -----------------------------------------------------------------------------------------


def test_store_unfiled_jobs_are_done_jobs_until_they_are_filed(db: JobStore) -> None:
    add_jobs(db, 1, 2)
    job = lease(db)
    assert db.unfiled_jobs() == []
    finish(db, job)
    assert [row["config_name"] for row in db.unfiled_jobs()] == [job_name(1)]

    db.mark_filed(job["id"])
    assert db.unfiled_jobs() == []

    db.mark_unfiled(job["id"])
    assert len(db.unfiled_jobs()) == 1


def test_store_unfiled_jobs_are_also_those_that_came_done_into_the_table(db: JobStore) -> None:
    row_id = db.upsert_job(make_row(1, status="done", end_time=5))

    assert [row["id"] for row in db.unfiled_jobs()] == [row_id]
    assert db.list_attempts(row_id) == []

    db.mark_filed(row_id)
    assert db.unfiled_jobs() == []
    db.mark_unfiled(row_id)
    assert [row["id"] for row in db.unfiled_jobs()] == [row_id]


def test_store_mark_unfiled_leaves_other_jobs_alone(db: JobStore) -> None:
    name = bring_to(db, "failed")
    db.mark_filed(row_of(db, name)["id"])
    before = row_of(db, name)

    db.mark_unfiled(before["id"])

    assert row_of(db, name) == before
