"""Reconcile: what a dead, frozen or stumbling process left behind is brought to its end, once."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import executor, locks, outputs, recovery
from comfyui_e3.e3_nodes.errors import DiskFull, OutputError
from comfyui_e3.e3_nodes.model import Intent
from comfyui_e3.e3_nodes.station import Station
from comfyui_e3.tests.stores import promise
from fakes import PNG, FakeBackend, Home, opened_home

LEASE_SECONDS = 60


class Time:
    """Seconds that the test chooses."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Other:
    """Another process as the table and the disk show it: registered, with a lock that it holds or not."""

    def __init__(self, home: Home, output: Path, worker_id: str = "other") -> None:
        self.home, self.output, self.worker_id = home, output, worker_id
        self.lock = locks.ProcessLock(locks.lock_path(str(home.cfg["home"]), worker_id))
        self.lock.acquire()
        home.db.register_worker(worker_id, host="here", lock_path=str(self.lock.path), output_root=str(output))

    def bring(self, phase: str, **changes: Any) -> Any:
        """Add a job, lease the next one and bring it to a phase, with its files."""
        self.home.submit(**changes)
        job = self.home.db.lease_next_job(self.worker_id, LEASE_SECONDS)
        assert job is not None and job["lease_token"]
        owned = (job["id"], job["lease_token"])
        if phase != "leased":
            assert self.home.db.record_submission(*owned, f"prompt of {job['lease_token']}")
        if phase in ("executing", "publishing"):
            assert self.home.db.record_start(*owned, 1000)
            self.stage(job)
        if phase == "publishing":
            assert promise(self.home.db, *owned, self.intent(job))
        return job

    def staged(self, job: Any) -> Path:
        return self.output / "e3" / job["lease_token"] / "9_00001_.png"

    def final(self, job: Any) -> Path:
        return self.home.finished / f"{job['config_name'].removesuffix('.yaml')}.png"

    def stage(self, job: Any) -> None:
        self.staged(job).parent.mkdir(parents=True)
        self.staged(job).write_bytes(PNG)

    def intent(self, job: Any) -> Intent:
        digest = hashlib.sha256(PNG).hexdigest()
        return Intent(
            number=1,
            staged_path=str(self.staged(job)),
            final_path=str(self.final(job)),
            bytes=len(PNG),
            sha256=digest,
        )

    def die(self) -> None:
        self.lock.release()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with opened_home(tmp_path / "home", lease_seconds=LEASE_SECONDS) as home:
        yield home


@pytest.fixture
def other(home: Home, tmp_path: Path) -> Iterator[Other]:
    other = Other(home, tmp_path / "output")
    yield other
    other.die()


def reconcile(home: Home, **how: Any) -> int:
    return recovery.reconcile(home.cfg, home.db, "me", **how)


# --- who is gone --------------------------------------------------------------------------------------


def test_recovery_observer_takes_a_free_lock_for_death_at_once(home: Home, other: Other) -> None:
    other.die()

    [worker] = home.db.list_workers()

    assert recovery.Observer(LEASE_SECONDS).look(worker) == "dead"


def test_recovery_observer_takes_a_heart_that_stands_still_for_silence(home: Home, other: Other) -> None:
    time = Time()
    observer = recovery.Observer(LEASE_SECONDS, time)
    seen = []
    for _ in range(8):
        seen.append(observer.look(home.db.list_workers()[0]))
        time.now += 10

    assert seen == ["alive"] * 6 + ["silent"] * 2


def test_recovery_observer_lets_a_beating_heart_live(home: Home, other: Other) -> None:
    time = Time()
    observer = recovery.Observer(LEASE_SECONDS, time)
    for _ in range(20):
        assert observer.look(home.db.list_workers()[0]) == "alive"
        home.db.renew_leases(other.worker_id, LEASE_SECONDS)
        time.now += 29


def test_recovery_observer_that_slept_takes_nobody_for_silent(home: Home, other: Other) -> None:
    time = Time()
    observer = recovery.Observer(LEASE_SECONDS, time)
    observer.look(home.db.list_workers()[0])

    time.now += 8 * 3600

    assert observer.look(home.db.list_workers()[0]) == "alive"


def test_recovery_observer_needs_more_than_a_missing_lock_file(home: Home, other: Other) -> None:
    other.lock.path.unlink()

    assert recovery.Observer(LEASE_SECONDS).look(home.db.list_workers()[0]) == "alive"


@pytest.mark.parametrize("jump", [86_400_000, -86_400_000, -1_700_000_000_000, 2_500_000_000_000])
def test_recovery_no_jump_of_the_wall_clock_takes_a_job_from_a_living_worker(
    home: Home, other: Other, jump: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = other.bring("executing")
    now = time.time_ns() // 1_000_000 + jump
    monkeypatch.setattr(home.db, "_now", lambda: now)
    monkeypatch.setattr(executor, "_now_ms", lambda: now)

    recovered = reconcile(home)
    station = Station(FakeBackend(other.output))
    executor.run_once(home.cfg, home.workflows, home.db, "me", station=station)

    assert recovered == 0
    assert home.db.holds_lease(job["id"], job["lease_token"])


# --- what becomes of its jobs -------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "runs", "crashes"), [("leased", 0, 0), ("submitted", 0, 0), ("executing", 1, 1)])
def test_recovery_reconcile_requeues_what_was_not_promised(
    home: Home, other: Other, phase: str, runs: int, crashes: int
) -> None:
    job = other.bring(phase)
    other.die()

    assert reconcile(home) == 1

    row = home.row(job)
    assert (row["status"], row["run_count"], row["crash_count"]) == ("pending", runs, crashes)
    assert row["retries_attempted"] == 0
    assert not other.staged(job).parent.exists()
    assert home.db.list_workers() == [] and not other.lock.path.exists()
    assert reconcile(home) == 0


def test_recovery_reconcile_rolls_a_promise_forward(home: Home, other: Other) -> None:
    job = other.bring("publishing")
    other.die()

    reconcile(home)

    row = home.row(job)
    assert (row["status"], row["run_count"], row["crash_count"]) == ("done", 1, 0)
    assert other.final(job).read_bytes() == PNG
    assert (home.finished / job["config_name"]).exists()
    assert not (home.processing / job["config_name"]).exists()


def test_recovery_reconcile_runs_a_broken_promise_again(home: Home, other: Other) -> None:
    job = other.bring("publishing")
    other.staged(job).unlink()
    other.die()

    reconcile(home)

    assert (home.row(job)["status"], home.row(job)["crash_count"]) == ("pending", 1)
    assert not other.final(job).exists()


def test_recovery_reconcile_gives_way_to_a_stranger(home: Home, other: Other) -> None:
    job = other.bring("publishing")
    other.final(job).write_bytes(b"mine")
    other.die()

    reconcile(home)

    assert (home.row(job)["status"], home.row(job)["error_type"]) == ("failed", "output_exists")
    assert other.final(job).read_bytes() == b"mine"


def test_recovery_reconcile_heeds_a_cancel_of_the_dead(home: Home, other: Other) -> None:
    job = other.bring("submitted")
    home.db.cancel_job(job["config_name"])
    other.die()

    reconcile(home)

    assert home.row(job)["status"] == "cancelled"


def test_recovery_success_beats_a_cancel(home: Home, other: Other) -> None:
    job = other.bring("publishing")
    home.db.cancel_job(job["config_name"])
    other.die()

    reconcile(home)

    assert home.row(job)["status"] == "done"


def test_recovery_reconcile_fences_a_silent_worker_and_does_not_forget_it(home: Home, other: Other) -> None:
    job = other.bring("executing")
    time = Time()
    observer = recovery.Observer(LEASE_SECONDS, time)
    for _ in range(8):
        reconcile(home, observer=observer)
        time.now += 10

    assert home.row(job)["status"] == "pending"
    assert not home.db.holds_lease(job["id"], job["lease_token"])
    assert not promise(home.db, job["id"], job["lease_token"], other.intent(job))
    assert not other.staged(job).parent.exists()
    assert [worker["worker_id"] for worker in home.db.list_workers()] == ["other"]


def test_recovery_reconcile_goes_on_beside_a_job_that_cannot_be_recovered(
    home: Home, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, fine = other.bring("executing"), other.bring("executing")
    other.die()
    fence = outputs.fence_staging

    def held(root: str, token: str) -> bool:
        if token == stuck["lease_token"]:
            raise OutputError("a virus scanner holds it")
        return fence(root, token)

    monkeypatch.setattr(recovery.outputs, "fence_staging", held)
    station = Station(FakeBackend(Path(home.cfg["home"])))

    reconcile(home, station=station)

    assert home.row(fine)["status"] == "pending"
    assert home.row(stuck)["status"] == "pending"


def test_recovery_reconcile_waits_with_a_promise_while_the_disk_is_full(
    home: Home, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = other.bring("publishing")
    other.die()
    deliver = outputs.deliver

    def full(*_args: Any, **_more: Any) -> Any:
        raise DiskFull("no room")

    monkeypatch.setattr(recovery.outputs, "deliver", full)
    station = Station(FakeBackend(Path(home.cfg["home"])))
    reconcile(home, station=station)
    assert home.db.queue_state()["auto_reason"] == "disk_full"
    assert home.row(job)["phase"] == "publishing"

    monkeypatch.setattr(recovery.outputs, "deliver", deliver)
    home.db.set_auto_pause(None)
    reconcile(home, station=station)

    assert home.row(job)["status"] == "done"


def test_recovery_finds_a_job_that_its_own_lane_lost_hold_of(home: Home) -> None:
    home.db.register_worker("me", host="here", lock_path="/nowhere")
    home.submit()
    station = Station(FakeBackend(Path(home.cfg["home"])))
    job = station.in_hand.lease(home.db, "me", LEASE_SECONDS)
    assert job is not None
    reconcile(home, station=station)
    assert home.row(job)["status"] == "processing"

    station.in_hand.let_go(job)
    reconcile(home, station=station)

    row = home.row(job)
    assert (row["status"], row["run_count"], row["crash_count"]) == ("pending", 0, 0)


# --- jobs that kill ComfyUI ---------------------------------------------------------------------------


def _die_again(home: Home, tmp_path: Path, phase: str, number: int) -> None:
    other = Other(home, tmp_path / f"output{number}", f"worker-{number}")
    job = home.db.lease_next_job(other.worker_id, LEASE_SECONDS)
    assert job is not None and job["lease_token"]
    owned = (job["id"], job["lease_token"])
    home.db.record_submission(*owned, f"p{number}")
    if phase in ("executing", "left"):
        home.db.record_start(*owned, 1)
        home.db.record_node(job["lease_token"], "node 3 (KSampler)")
    if phase == "left":
        home.db.record_leaving(*owned)
    other.die()
    reconcile(home)
    home.db._now = lambda: time.time_ns() // 1_000_000 + number * 3_600_000  # type: ignore[attr-defined]


def test_recovery_sets_a_job_aside_that_killed_comfyui_too_often(home: Home, tmp_path: Path) -> None:
    job = home.submit()

    for number in range(1, 4):
        _die_again(home, tmp_path, "executing", number)

    row = home.row(job)
    assert (row["status"], row["error_type"], row["crash_count"]) == ("failed", "crash", 3)
    assert "ComfyUI died while it ran node 3 (KSampler) of this job" in row["error_trace"]


@pytest.mark.parametrize("crash_limit", [1, 3])
def test_recovery_a_job_that_was_left_at_every_stop_is_never_suspected(
    home: Home, tmp_path: Path, crash_limit: int
) -> None:
    job = home.submit()
    home.cfg["crash_limit"] = crash_limit

    for night in range(1, crash_limit + 4):
        _die_again(home, tmp_path, "left", night)

    row = home.row(job)
    assert (row["status"], row["crash_count"], row["run_count"]) == ("pending", 0, 0)


def test_recovery_a_job_behind_one_that_was_left_is_not_suspected(home: Home, tmp_path: Path) -> None:
    home.cfg["crash_limit"] = 1
    jobs = [home.submit(), home.submit()]

    for night in range(1, 5):
        other = Other(home, tmp_path / f"output{night}", f"worker-{night}")
        for is_first in (True, False):
            job = home.db.lease_next_job(other.worker_id, LEASE_SECONDS)
            assert job is not None and job["lease_token"]
            owned = (job["id"], job["lease_token"])
            home.db.record_submission(*owned, f"p{night}{is_first}")
            if is_first:
                home.db.record_start(*owned, 1)
                home.db.record_leaving(*owned)
        other.die()
        reconcile(home)

    assert [home.row(job)["crash_count"] for job in jobs] == [0, 0]


def test_recovery_suspects_a_job_whose_start_was_never_seen(home: Home, tmp_path: Path) -> None:
    job = home.submit()

    for number in range(1, 6):
        _die_again(home, tmp_path, "submitted", number)

    assert (home.row(job)["status"], home.row(job)["error_type"]) == ("failed", "crash")


def test_recovery_blames_nobody_who_waited_behind_another_job(home: Home, tmp_path: Path) -> None:
    for number in range(1, 6):
        other = Other(home, tmp_path / f"output{number}", f"worker-{number}")
        running = other.bring("executing", priority=1)
        waiting = other.bring("submitted")
        other.die()
        reconcile(home)
        home.db.cancel_job(running["config_name"])
        assert home.row(running)["crash_count"] == 1

    assert (home.row(waiting)["crash_count"], home.row(waiting)["status"]) == (0, "pending")


# --- what has time ------------------------------------------------------------------------------------


def test_recovery_tidy_up_collects_staging_of_no_live_attempt(home: Home, other: Other) -> None:
    live = other.bring("executing")
    dead = other.output / "e3" / ("0" * 32)
    dead.mkdir(parents=True)

    recovery.tidy_up(other.output, home.cfg, home.db)

    assert other.staged(live).exists() and not dead.exists()


def test_recovery_collect_parts_removes_part_files_that_a_crash_left_long_ago(home: Home) -> None:
    old, fresh = (home.finished / f".e3-new-{number}23456789abc.part" for number in "01")
    own = home.finished / ".mine.part"
    for path in (old, fresh, own):
        path.touch()
    for path in (old, own):
        os.utime(path, (1, 1))

    recovery.collect_parts(home.cfg)

    assert (old.exists(), fresh.exists(), own.exists()) == (False, True, True)


def test_recovery_tidy_up_shortens_a_wait_that_only_a_clock_set_back_explains(home: Home) -> None:
    job = home.submit()
    leased = home.db.lease_next_job("me", 60)
    assert leased is not None and leased["lease_token"]
    home.db.return_job(leased["id"], leased["lease_token"], reason="x", not_before=time.time_ns() // 1_000_000 + 10**11)

    recovery.tidy_up(None, home.cfg, home.db)

    assert home.row(job)["not_before"] <= time.time_ns() // 1_000_000 + 720_000
