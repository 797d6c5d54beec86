"""Lease, run, record: every way in which an attempt can end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import executor, outputs
from comfyui_e3.e3_nodes.backends.base import Sighting
from comfyui_e3.e3_nodes.errors import DiskFull, HostUnavailable, PromptRefused
from comfyui_e3.e3_nodes.model import Result
from comfyui_e3.e3_nodes.station import FIT_SECONDS, ORPHAN_SECONDS, FitFolders, Seldom, Station
from comfyui_e3.e3_nodes.turnstile import Turnstile
from fakes import FakeBackend, Home, opened_home


@pytest.fixture
def home(tmp_path: Path):
    with opened_home(tmp_path / "home", poll_interval_ms=50) as home:
        yield home


@pytest.fixture
def backend(tmp_path: Path) -> FakeBackend:
    return FakeBackend(tmp_path / "output")


@pytest.fixture
def run_once(home: Home, backend: FakeBackend) -> Callable[[], bool]:
    station = Station(backend)
    return lambda: executor.run_once(home.cfg, home.workflows, home.db, "w1", station=station)


def _error(error_type: str, trace: str = "node 3 (X): ValueError: no") -> Callable[..., Result]:
    return lambda prompt: Result(outcome="error", error_type=error_type, error_trace=trace)


def test_executor_run_once_without_a_job_is_idle(run_once) -> None:
    assert run_once() is False


def test_executor_run_once_seldom_looks_for_leases_that_ran_out(home, backend, monkeypatch) -> None:
    seconds, looks = [0.0], []
    station = replace(Station(backend), orphan_search=Seldom(ORPHAN_SECONDS, clock=lambda: seconds[0]))
    monkeypatch.setattr(type(home.db), "recover_orphans", lambda _db, now: looks.append(seconds[0]))

    for seconds[0] in (0.0, ORPHAN_SECONDS / 2, ORPHAN_SECONDS, ORPHAN_SECONDS + 0.1):
        executor.run_once(home.cfg, home.workflows, home.db, "w1", station=station)

    assert looks == [0.0, ORPHAN_SECONDS]


def test_executor_run_once_makes_the_file_and_files_the_job(home, run_once) -> None:
    job = home.submit()

    assert run_once() is True

    row = home.row(job)
    stem = job["config_name"].removesuffix(".yaml")
    assert (row["status"], row["run_count"], row["retries_attempted"]) == ("done", 1, 0)
    assert (row["start_time"], row["end_time"], row["duration"]) == (1000, 1250, 250)
    assert row["metadata"]["saved"] == [str(home.finished / f"{stem}.png")]
    assert (home.finished / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    assert (home.finished / f"{stem}.yaml").exists() and not list(home.processing.iterdir())
    told = json.loads((home.finished / f"{stem}.result.json").read_text("utf-8"))
    assert told["status"] == "done" and told["metadata"]["hash"] == row["metadata"]["hash"]


def test_executor_execute_job_runs_a_leased_job(home, backend) -> None:
    home.submit()
    job = home.db.lease_next_job("w1", 60)

    executor.execute_job(job, home.cfg, home.workflows, home.db, station=Station(backend))

    assert home.row(job)["status"] == "done"


def test_executor_execute_job_runs_the_pinned_template(home, backend, run_once) -> None:
    home.submit(inputs={"width": 48})
    home.workflows["wf"]["template"]["1"]["inputs"]["height"] = 999

    run_once()

    (prompt,) = backend.prompts.values()
    assert prompt.graph["1"]["inputs"] == {"width": 48, "height": 64, "batch_size": 1, "color": 0}
    assert prompt.graph["9"]["inputs"]["filename_prefix"].startswith(f"e3/{prompt.token}/")


@pytest.mark.parametrize("error_type", ["error", "oom"])
def test_executor_run_once_requeues_a_failure_until_its_limit(home, backend, run_once, error_type) -> None:
    job = home.submit(retry_limit=1)
    backend.behave = _error(error_type)

    run_once()
    first = home.row(job)
    home.db.retry_now(job["config_name"]) if hasattr(home.db, "retry_now") else _skip_backoff(home)
    run_once()

    assert (first["status"], first["retries_attempted"]) == ("pending", 1) and first["not_before"]
    row = home.row(job)
    assert (row["status"], row["error_type"], row["run_count"]) == ("failed", error_type, 2)
    assert row["error_trace"].startswith("node 3 (X)")
    assert backend.freed == (2 if error_type == "oom" else 0)
    assert (home.processing / job["config_name"]).exists()


def _skip_backoff(home: Home) -> None:
    """Let the clock of the store pass every backoff."""
    home.db._now = lambda: time.time_ns() // 1_000_000 + 3_600_000  # type: ignore[attr-defined]


def test_executor_run_once_fails_a_refused_prompt_at_once(home, backend, run_once) -> None:
    job = home.submit()
    backend.refusal = PromptRefused("ComfyUI refuses the prompt: node 3 (NoSuch): unknown")

    run_once()

    row = home.row(job)
    assert (row["status"], row["error_type"], row["run_count"]) == ("failed", "invalid", 1)
    assert "node 3 (NoSuch)" in row["error_trace"]


@pytest.mark.parametrize(
    ("places", "crashes"), [(["running", "died"], 1), (["pending", "died"], 0)], ids=["while it ran", "while it waited"]
)
def test_executor_run_once_counts_a_comfyui_that_died_over_http(home, backend, run_once, places, crashes) -> None:
    job = home.submit()
    backend.look = lambda prompt: Sighting(places.pop(0))

    run_once()

    row = home.row(job)
    assert (row["status"], row["crash_count"], row["evict_count"]) == ("pending", crashes, 0)
    assert (row["run_count"], row["retries_attempted"]) == (crashes, 0)


@pytest.mark.parametrize("behind", [True, False], ids=["behind another", "first in line"])
def test_executor_run_once_suspects_only_a_prompt_that_was_next(home, backend, run_once, behind) -> None:
    job = home.submit()
    backend.look = lambda prompt: Sighting("died", behind=behind)

    for hours in range(5):
        home.db._now = lambda hours=hours: time.time_ns() // 1_000_000 + hours * 3_600_000
        run_once()

    assert home.row(job)["status"] == ("pending" if behind else "failed")


def test_executor_run_once_fails_a_taken_path_before_it_costs_anything(home, backend, run_once) -> None:
    job = home.submit()
    taken = home.finished / f"{job['config_name'].removesuffix('.yaml')}.png"
    taken.write_bytes(b"mine")

    run_once()

    assert home.row(job)["error_type"] == "output_exists"
    assert backend.submitted == [] and taken.read_bytes() == b"mine"


def test_executor_run_once_says_when_success_made_no_file(home, backend, run_once) -> None:
    job = home.submit(retry_limit=0)
    backend.behave = lambda prompt: Result(outcome="success", artifacts=[])

    run_once()

    assert home.row(job)["error_type"] == "no_outputs"


def test_executor_run_once_returns_a_job_when_comfyui_is_absent(home, backend, run_once) -> None:
    job = home.submit()
    backend.refusal = HostUnavailable("nobody answers")

    run_once()

    row = home.row(job)
    assert (row["status"], row["run_count"], row["retries_attempted"]) == ("pending", 0, 0)
    assert row["not_before"] > row["updated_at"]


def test_executor_run_once_pauses_the_queue_when_the_disk_is_full(home, backend, run_once, monkeypatch) -> None:
    job = home.submit()

    def full(*_args, **_kwargs):
        raise DiskFull("no space left on the disk")

    monkeypatch.setattr(executor.outputs, "plan_outputs", full)
    run_once()

    assert home.db.queue_state()["auto_reason"] == "disk_full"
    assert home.row(job)["status"] == "pending" and home.row(job)["retries_attempted"] == 0


def test_executor_run_once_calls_an_eviction_no_failure(home, backend, run_once) -> None:
    job = home.submit()
    backend.initial_place = "gone"

    run_once()

    row = home.row(job)
    assert (row["status"], row["run_count"], row["evict_count"]) == ("pending", 0, 1)


def test_executor_run_once_takes_the_stop_button_for_a_cancel(home, backend, run_once) -> None:
    job = home.submit(retry_limit=5)
    backend.behave = lambda prompt: Result(outcome="interrupted", error_type="interrupted", error_trace="stopped")

    run_once()

    row = home.row(job)
    assert (row["status"], row["error_type"]) == ("cancelled", "interrupted")


def _in_thread(run: Callable[[], bool]) -> threading.Thread:
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _until(fact: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < deadline, "waited 10 s"
        time.sleep(0.005)


def test_executor_cancel_of_a_running_job_interrupts_it(home, backend, run_once) -> None:
    job = home.submit()
    backend.initial_place = "running"
    backend.hold.clear()
    lane = _in_thread(run_once)
    _until(lambda: home.row(job)["phase"] == "executing")

    home.db.cancel_job(job["config_name"])
    lane.join(10)

    assert home.row(job)["status"] == "cancelled" and backend.interrupted


def test_executor_cancel_of_a_waiting_prompt_takes_it_out(home, backend, run_once) -> None:
    job = home.submit()
    backend.hold.clear()
    lane = _in_thread(run_once)
    _until(lambda: home.row(job)["phase"] == "submitted")

    home.db.cancel_job(job["config_name"])
    lane.join(10)

    assert home.row(job)["status"] == "cancelled" and not backend.places


def test_executor_timeout_interrupts_and_counts_as_a_failure(home, backend, run_once, monkeypatch) -> None:
    job = home.submit(timeout_seconds=1, retry_limit=0)
    backend.initial_place = "running"
    backend.hold.clear()

    run_once()

    row = home.row(job)
    assert (row["status"], row["error_type"]) == ("failed", "timeout")
    assert "timeout_seconds" in row["error_trace"]


def test_executor_pause_takes_a_waiting_prompt_back(home, backend, run_once) -> None:
    job = home.submit()
    backend.hold.clear()
    lane = _in_thread(run_once)
    _until(lambda: home.row(job)["phase"] == "submitted")

    home.db.set_user_paused(True)
    lane.join(10)

    row = home.row(job)
    assert (row["status"], row["run_count"]) == ("pending", 0)
    assert home.db.list_attempts(row["id"])[0]["outcome"] == "returned"


def test_executor_more_urgent_job_takes_a_waiting_ones_place(home, backend, run_once) -> None:
    waiting = home.submit()
    backend.hold.clear()
    lane = _in_thread(run_once)
    _until(lambda: home.row(waiting)["phase"] == "submitted")

    urgent = home.submit(priority=1)
    lane.join(10)
    backend.hold.set()
    run_once()

    assert home.row(waiting)["status"] == "pending"
    assert home.row(urgent)["status"] == "done"


def test_executor_lane_that_lost_its_lease_touches_nothing(home, backend, run_once) -> None:
    job = home.submit()
    backend.initial_place = "running"
    backend.hold.clear()
    lane = _in_thread(run_once)
    _until(lambda: home.row(job)["phase"] == "executing")

    stolen = home.db.steal_job(job["id"], home.row(job)["lease_token"], "w2", 60)
    backend.hold.set()
    lane.join(10)

    row = home.row(job)
    assert row["status"] == "processing" and row["lease_token"] == stolen["lease_token"]
    assert not list(home.finished.glob("*.png"))


def test_executor_turnstile_lets_only_so_many_prompts_stand(home, backend) -> None:
    for _ in range(4):
        home.submit()
    backend.hold.clear()
    station = Station(backend, Turnstile(2))
    run = lambda: executor.run_once(home.cfg, home.workflows, home.db, "w1", station=station)  # noqa: E731
    lanes = [_in_thread(run) for _ in range(2)]
    _until(lambda: len(backend.places) == 2)

    assert run() is False
    assert len(backend.places) == 2

    backend.hold.set()
    for lane in lanes:
        lane.join(10)
    assert len(backend.submitted) == 2


def test_executor_run_loop_stops_when_told_and_drains_before(home, backend) -> None:
    jobs = [home.submit() for _ in range(3)]
    stop = threading.Event()
    loop = _in_thread(
        lambda: executor.run_loop(
            home.cfg, home.workflows, home.db, "w1", stop, station=Station(backend, stop_event=stop)
        )
    )
    _until(lambda: all(home.row(job)["status"] == "done" for job in jobs))

    stop.set()
    loop.join(10)

    assert not loop.is_alive()
    assert backend.submitted == [job["config_name"] for job in jobs]


def test_executor_run_once_recovers_expired_leases_first(home, backend, run_once) -> None:
    job = home.submit()
    home.db.lease_next_job("dead", 0)
    time.sleep(0.01)

    run_once()

    assert home.row(job)["status"] == "done"


def test_executor_tries_a_folder_once_and_again_when_that_is_long_ago(
    home, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []
    monkeypatch.setattr(outputs, "preflight", lambda where, *, is_fit: tried.append(not is_fit))
    clock = [0.0]
    station = Station(backend, fit_folders=FitFolders(lambda: clock[0]))

    for _ in range(2):
        home.submit()
        executor.run_once(home.cfg, home.workflows, home.db, "w1", station=station)
    clock[0] += FIT_SECONDS
    home.submit()
    executor.run_once(home.cfg, home.workflows, home.db, "w1", station=station)

    assert tried == [True, False, True]
