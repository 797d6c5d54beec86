"""What is pushed, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_e3.e3_nodes import pulse, store
from stores import Clock, add_jobs, bring_to, fail, finish, job_name, start


class Watcher:
    """Remembers what was pushed and when; and plays the ComfyUI whose jobs make progress."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.events: list[tuple[float, str, dict[str, Any]]] = []
        self.wakes = 0
        self.value = 0.0

    def announce(self, event: str, data: Any) -> None:
        self.events.append((self.seconds, event, dict(data)))

    def wake(self) -> None:
        self.wakes += 1

    def progress(self, prompt_id: str) -> Any:
        return {"node": "3", "value": self.value, "max": 30.0}

    def named(self, event: str) -> list[dict[str, Any]]:
        return [data for _, name, data in self.events if name == event]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(clock: Clock) -> Iterator[Any]:
    with store.init_db(":memory:", clock=clock) as db:
        yield db


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def beats(db: Any, watcher: Watcher, clock: Clock) -> pulse.Pulse:
    """A pulse that has told the empty table already."""
    beats = pulse.Pulse(
        db,
        watcher,
        watcher.announce,
        watcher.wake,
        clock=lambda: watcher.seconds,
        now=clock,  # type: ignore[arg-type]
    )
    beats.beat()
    watcher.seconds += 10
    watcher.events.clear()
    watcher.wakes = 0
    return beats


def test_pulse_beat_tells_a_change_at_once(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    add_jobs(db, 1)

    beats.beat()

    assert watcher.wakes == 1
    assert watcher.named("e3.queue") == [
        {
            "user_paused": False,
            "auto_reason": None,
            "paused": False,
            "totals": {"pending": 1, "processing": 0, "done": 0, "failed": 0, "cancelled": 0},
        }
    ]
    assert watcher.named("e3.job") == [{"jobs": [{"config_name": job_name(1), "status": "pending", "phase": None}]}]


def test_pulse_beat_wakes_no_lane_while_the_queue_is_paused(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    db.set_user_paused(True)
    add_jobs(db, 1)

    beats.beat()
    paused = watcher.wakes
    db.set_user_paused(False)
    beats.beat()

    assert (paused, watcher.wakes) == (0, 1)
    assert watcher.named("e3.job") == [{"jobs": [{"config_name": job_name(1), "status": "pending", "phase": None}]}]


def test_pulse_beat_wakes_the_lanes_while_a_job_is_in_hand(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    add_jobs(db, 1)
    start(db, "leased")
    db.set_user_paused(True)

    beats.beat()

    assert watcher.wakes == 1


def test_pulse_beat_without_a_change_says_nothing(beats: pulse.Pulse, watcher: Watcher) -> None:
    for _ in range(100):
        watcher.seconds += 1
        beats.beat()

    assert (watcher.events, watcher.wakes) == ([], 0)


def test_pulse_beat_is_silent_about_a_renewed_lease(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    add_jobs(db, 1)
    job = start(db, "leased")
    beats.beat()
    watcher.seconds += 10
    watcher.events.clear()

    db.renew_leases(job["worker_id"], 60)
    beats.beat()

    assert watcher.events == []


def test_pulse_beat_tells_each_step_of_a_job_once(beats: pulse.Pulse, db: Any, watcher: Watcher, clock: Clock) -> None:
    add_jobs(db, 1)
    for step in ("leased", "executing"):
        job = start(db, step) if step == "leased" else db.get_job(job_name(1))
        if step == "executing":
            db.record_submission(job["id"], job["lease_token"], "prompt-1")
            db.record_start(job["id"], job["lease_token"], clock())
        watcher.seconds += 1
        beats.beat()
        beats.beat()
        clock.forward(1)
    finish(db, db.get_job(job_name(1)))
    watcher.seconds += 1
    beats.beat()

    told = [each for data in watcher.named("e3.job") for each in data["jobs"]]
    assert [(each["status"], each["phase"]) for each in told] == [
        ("processing", "leased"),
        ("processing", "executing"),
        ("done", None),
    ]


@pytest.mark.parametrize("change", ["priority", "god mode", "cancel", "retry"])
def test_pulse_beat_tells_what_a_person_changed(
    beats: pulse.Pulse, db: Any, watcher: Watcher, clock: Clock, change: str
) -> None:
    name = bring_to(db, "failed" if change == "retry" else "pending")
    beats.beat()
    watcher.seconds += 10
    clock.forward(10)
    watcher.events.clear()
    verbs = {"cancel": db.cancel_job, "retry": db.retry_job, "god mode": db.god_mode}

    verbs.get(change, lambda name: db.set_priority(name, 7))(name)
    beats.beat()

    assert [each["config_name"] for each in watcher.named("e3.job")[0]["jobs"]] == [name]


def test_pulse_beat_tells_a_pause_and_a_removal(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    name = bring_to(db, "pending")
    beats.beat()
    watcher.events.clear()

    db.set_user_paused(True)
    watcher.seconds += 1
    beats.beat()
    db.remove_job(name)
    watcher.seconds += 1
    beats.beat()

    paused, removed = watcher.named("e3.queue")
    assert paused["user_paused"] and paused["paused"]
    assert removed["totals"]["pending"] == 0


def test_pulse_beat_tells_a_pause_that_is_over_before_the_next_push(
    beats: pulse.Pulse, db: Any, watcher: Watcher
) -> None:
    add_jobs(db, 1)
    beats.beat()
    watcher.events.clear()

    for is_paused in (True, False):
        db.set_user_paused(is_paused)
        watcher.seconds += 0.1
        beats.beat()
    watcher.seconds += 1
    beats.beat()

    assert [each["paused"] for each in watcher.named("e3.queue")] == [False]


def test_pulse_beat_names_few_jobs_and_counts_many(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    add_jobs(db, *range(1, pulse.MOST_JOBS + 1))
    beats.beat()
    add_jobs(db, *range(1000, 1000 + 3 * pulse.MOST_JOBS))
    watcher.seconds += 1
    beats.beat()

    few, many = watcher.named("e3.job")
    assert len(few["jobs"]) == pulse.MOST_JOBS
    assert many == {"many": True}


def test_pulse_beat_pushes_at_most_ten_events_a_second(
    beats: pulse.Pulse, db: Any, watcher: Watcher, clock: Clock
) -> None:
    add_jobs(db, 1)
    start(db)
    for number in range(2, 402):
        add_jobs(db, number)
        watcher.value = number
        watcher.seconds += 0.01
        clock.forward(0.01)
        beats.beat()

    times = [when for when, _, _ in watcher.events]
    assert max(sum(1 for when in times if start <= when < start + 1) for start in times) <= 10
    watcher.seconds += 1
    beats.beat()
    assert watcher.named("e3.queue")[-1]["totals"]["pending"] == 400


def test_pulse_beat_tells_progress_between_changes(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    add_jobs(db, 1)
    start(db)
    beats.beat()

    for value in (1.0, 1.0, 2.0):
        watcher.value = value
        watcher.seconds += 1
        beats.beat()

    told = [(each["config_name"], each["node"], each["value"], each["max"]) for each in watcher.named("e3.progress")]
    assert told == [(job_name(1), "3", value, 30.0) for value in (0.0, 1.0, 2.0)]


def test_pulse_beat_gives_each_running_job_its_turn(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    for number in (1, 2, 3):
        add_jobs(db, number)
        start(db)

    for value in range(6):
        watcher.value = value
        watcher.seconds += 1
        beats.beat()

    names = [each["config_name"] for each in watcher.named("e3.progress")]
    assert {name: names.count(name) for name in names} == {job_name(number): 2 for number in (1, 2, 3)}


def test_pulse_beat_ends_progress_with_the_job(beats: pulse.Pulse, db: Any, watcher: Watcher) -> None:
    add_jobs(db, 1, retry_limit=0)
    job = start(db)
    beats.beat()
    fail(db, job)
    watcher.seconds += 1
    beats.beat()
    watcher.events.clear()

    watcher.value = 9.0
    watcher.seconds += 1
    beats.beat()

    assert watcher.named("e3.progress") == []


def test_pulse_beat_survives_a_clock_that_jumps_back(
    beats: pulse.Pulse, db: Any, watcher: Watcher, clock: Clock
) -> None:
    clock.forward(-86_400)
    add_jobs(db, 1)
    beats.beat()
    clock.forward(10)
    add_jobs(db, 2)
    watcher.seconds += 1
    beats.beat()

    told = [each["config_name"] for data in watcher.named("e3.job") for each in data["jobs"]]
    assert told == [job_name(1), job_name(2)]
