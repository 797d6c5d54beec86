"""Prompts that outlive their agent: who looks them up, who takes them over, and who must wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import adoption, executor, locks, recovery
from comfyui_e3.e3_nodes.backends.base import Prompt, Sighting
from comfyui_e3.e3_nodes.errors import HostUnavailable
from comfyui_e3.e3_nodes.model import Result
from comfyui_e3.e3_nodes.station import Station
from fakes import FakeBackend, Home, opened_home

URL = "http://gpu.lan:8188"
LEASE_SECONDS = 60


class Remote(FakeBackend):
    """A ComfyUI by URL: it can be away, and it keeps what an earlier agent gave it."""

    def __init__(self, folder: Path, address: str = URL) -> None:
        super().__init__(folder)
        self.address = address
        self.is_away = False
        self.problem_asked = 0

    def knows(self, prompt_id: str) -> bool:
        if self.is_away:
            raise HostUnavailable("nobody listens")
        return super().knows(prompt_id)

    def problem(self) -> str | None:
        self.problem_asked += 1
        return "away" if self.is_away else None


class Time:
    """Seconds that the test chooses."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with opened_home(tmp_path / "home", lease_seconds=LEASE_SECONDS) as home:
        yield home


@pytest.fixture
def backend(tmp_path: Path) -> Remote:
    return Remote(tmp_path / "staging")


def left_behind(home: Home, backend: FakeBackend, phase: str = "executing", host: str = URL) -> Any:
    """A job of an agent that died, in a phase; ComfyUI has its prompt."""
    lock = locks.ProcessLock(locks.lock_path(str(home.cfg["home"]), "other"))
    lock.acquire()
    home.db.register_worker("other", host=host, lock_path=str(lock.path), output_root=str(backend.folder))
    home.submit()
    job = home.db.lease_next_job("other", LEASE_SECONDS, prompt_id="p")
    assert job is not None and job["lease_token"]
    if phase == "executing":
        home.db.record_start(job["id"], job["lease_token"], 1000)
    backend.places["p"] = "running" if phase == "executing" else "pending"
    lock.release()
    return job


def recover(home: Home, station: Station | None, observer: recovery.Observer | None = None) -> int:
    return recovery.recover(home.cfg, home.db, "me", observer or recovery.Observer(LEASE_SECONDS), station)


def run_once(home: Home, station: Station) -> bool:
    return executor.run_once(home.cfg, home.workflows, home.db, "me", station=station)


@pytest.mark.parametrize("phase", ["submitted", "executing"])
def test_adoption_takes_a_prompt_over_and_brings_it_to_its_end(home: Home, backend: Remote, phase: str) -> None:
    job = left_behind(home, backend, phase)
    station = Station(backend)

    assert recover(home, station) == 1
    row = home.row(job)
    assert (row["status"], row["phase"], row["worker_id"]) == ("processing", phase, "me")
    assert row["lease_token"] != job["lease_token"]
    assert station.in_hand.lost(home.db, "me") == []

    assert run_once(home, station)
    row = home.row(job)
    assert (row["status"], row["run_count"], row["crash_count"]) == ("done", 1, 0)
    assert [attempt["outcome"] for attempt in home.db.list_attempts(job["id"])] == ["done"]
    assert backend.submitted == []


def test_adoption_fences_the_staging_of_the_agent_before(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)
    half = backend.staging(job["lease_token"]) / ".9.png.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    station = Station(backend)

    recover(home, station)
    run_once(home, station)

    assert home.row(job)["status"] == "done"
    assert not half.parent.exists()
    assert not home.db.holds_lease(job["id"], job["lease_token"])


def test_adoption_lane_is_taken_before_room_and_counts_as_a_prompt(home: Home, backend: Remote) -> None:
    left_behind(home, backend)
    station = Station(backend)
    with station.turnstile.standing():
        recover(home, station)
        seen: list[bool] = []
        succeed = backend.success

        def end(prompt: Prompt) -> Result:
            seen.append(len(station.turnstile._line) == 2)
            return succeed(prompt)

        backend.behave = end

        assert station.adopted
        assert run_once(home, station)

        assert seen == [True]
        assert not station.adopted and len(station.turnstile._line) == 1


def test_adoption_cancel_is_heard_by_the_adopter(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)
    station = Station(backend)
    recover(home, station)
    backend.hold.clear()
    home.db.cancel_job(job["config_name"])

    run_once(home, station)

    assert home.row(job)["status"] == "cancelled"
    assert backend.interrupted == ["p"]


def test_adoption_timeout_counts_from_the_start_of_the_run(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)
    backend.hold.clear()
    station = Station(backend)
    recover(home, station)

    run_once(home, station)

    row = home.row(job)
    assert row["error_type"] == "timeout", "it began in 1970"
    assert row["start_time"] is None or row["start_time"] == 1000


def test_adoption_prompt_that_is_gone_goes_the_way_of_every_other(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)
    backend.places.clear()

    assert recover(home, Station(backend)) == 1

    row = home.row(job)
    assert (row["status"], row["crash_count"]) == ("pending", 1)


def test_adoption_nothing_is_decided_while_comfyui_is_away(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)
    station, time = Station(backend), Time()
    observer = recovery.Observer(LEASE_SECONDS, time)
    backend.is_away = True

    for _ in range(10):
        assert recover(home, station, observer) == 0
        time.now += 30
    assert home.row(job)["lease_token"] == job["lease_token"]
    backend.is_away = False

    assert recover(home, station, observer) == 1
    assert station.adopted


def test_adoption_cancel_does_not_wait_for_comfyui(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)
    backend.is_away = True
    home.db.cancel_job(job["config_name"])

    recover(home, Station(backend))

    assert home.row(job)["status"] == "cancelled"


@pytest.mark.parametrize("has_comfyui", [True, False], ids=["another ComfyUI", "none"])
def test_adoption_others_leave_the_agent_time_to_come_back(
    home: Home, backend: Remote, tmp_path: Path, has_comfyui: bool
) -> None:
    job = left_behind(home, backend)
    station = Station(Remote(tmp_path / "b", "http://b.lan")) if has_comfyui else None
    time = Time()
    observer = recovery.Observer(LEASE_SECONDS, time)

    taken = []
    for _ in range(8):
        taken.append(recover(home, station, observer))
        time.now += 10

    assert taken == [0] * 6 + [1, 0]
    assert home.row(job)["status"] == "pending"
    assert home.db.list_workers() == []


def test_adoption_prompt_is_found_by_another_address_of_the_same_comfyui(home: Home, backend: Remote) -> None:
    left_behind(home, backend, host="http://127.0.0.1:8188")
    station = Station(backend)

    recover(home, station)

    assert station.adopted


def test_adoption_prompts_of_a_plugin_died_with_its_comfyui(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend, host="machine")
    station = Station(backend)

    recover(home, station)

    assert not station.adopted and home.row(job)["status"] == "pending"


def test_adoption_agent_that_wakes_gives_nothing_away(home: Home, backend: Remote) -> None:
    """A frozen agent is asked to stop when it wakes: the prompt is another one's by now."""
    job = left_behind(home, backend, "submitted")
    recover(home, Station(backend))
    backend.hold.clear()
    zombie = Station(backend)
    zombie.stop_event.set()

    executor.execute_job(job, home.cfg, home.workflows, home.db, station=zombie, is_adopted=True)

    assert backend.places == {"p": "pending"}
    assert home.row(job)["worker_id"] == "me"


def test_adoption_host_that_dies_with_an_adopted_prompt_is_counted(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)
    station = Station(backend)
    recover(home, station)
    sightings = [Sighting("running"), Sighting("died")]
    backend.look = lambda prompt: sightings.pop(0)  # type: ignore[method-assign]
    home.row(job)
    home.cfg["comfyui"]["timeout_seconds"] = 10**12

    run_once(home, station)

    row = home.row(job)
    assert (row["status"], row["crash_count"], row["evict_count"]) == ("pending", 1, 0)


def test_adoption_prompt_of_takes_the_template_of_the_pin(home: Home, backend: Remote) -> None:
    job = left_behind(home, backend)

    prompt = adoption.prompt_of(job, home.db)

    assert (prompt.prompt_id, prompt.token, prompt.targets) == ("p", job["lease_token"], ())
    assert prompt.graph["9"]["class_type"] == "SaveImage"
