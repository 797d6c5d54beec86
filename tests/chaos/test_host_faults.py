"""Faults of the process around E3: a held GIL, a blocked event loop, a table that is locked at the wrong moment."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import executor, recovery, store
from comfyui_e3.e3_nodes.errors import StoreUnavailable
from comfyui_e3.e3_nodes.runtime import Runtime
from comfyui_e3.e3_nodes.station import Station

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import FakeBackend, Home, opened_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with opened_home(tmp_path / "home", lease_seconds=1, poll_interval_ms=50) as home:
        yield home


@pytest.fixture
def engine(home: Home, tmp_path: Path) -> Iterator[Callable[[FakeBackend], Runtime]]:
    started: list[Runtime] = []

    def start(backend: FakeBackend) -> Runtime:
        runtime = Runtime(home.cfg, backend)
        runtime.workflows.update(home.workflows)
        runtime.start(monitor=False)
        started.append(runtime)
        home.db.close()
        home.db = runtime.db
        return runtime

    yield start
    for runtime in started:
        runtime.stop()


def until(fact: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline, "waited 30 s"
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="sleep() is of the C library of POSIX")
def test_host_faults_held_gil_costs_no_lease_without_a_second_executor(home, engine, tmp_path: Path) -> None:
    backend = FakeBackend(tmp_path / "output")
    succeed = backend.success

    def hold_the_gil(prompt: Any) -> Any:
        ctypes.PyDLL(None).sleep(2)  # a PyDLL keeps the GIL while it is in C
        return succeed(prompt)

    backend.behave = hold_the_gil
    engine(backend)
    job = home.submit()

    until(lambda: home.row(job)["status"] == "done")

    assert len(home.db.list_attempts(home.row(job)["id"])) == 1


def test_host_faults_blocked_event_loop_stops_no_heartbeat(home, engine, tmp_path: Path) -> None:
    runtime = engine(FakeBackend(tmp_path / "output"))

    async def block() -> tuple[int, int]:
        before = runtime.db.list_workers()[0]["heartbeat"]
        time.sleep(1.5)
        return before, runtime.db.list_workers()[0]["heartbeat"]

    before, after = asyncio.run(block())

    assert after > before


def test_host_faults_table_locked_while_a_job_ends_is_mended(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend(tmp_path / "output")
    station = Station(backend)
    home.db.register_worker("me", host="here", lock_path="/nowhere")
    job = home.submit()

    def locked(*_args: Any, **_more: Any) -> bool:
        raise StoreUnavailable("stayed locked by another program", code="db_locked")

    with monkeypatch.context() as patched:
        patched.setattr(home.db, "complete_job", locked)
        patched.setattr(home.db, "complete_jobs", locked)
        executor.run_once(home.cfg, home.workflows, home.db, "me", station=station)
    assert home.row(job)["phase"] == "publishing"

    recovery.reconcile(home.cfg, home.db, "me", station=station)

    row = home.row(job)
    assert (row["status"], row["run_count"], row["crash_count"]) == ("done", 1, 0)
    assert backend.submitted == [job["config_name"]]


def test_host_faults_store_reopened_under_its_users_goes_on(tmp_path: Path) -> None:
    with store.init_db(tmp_path / "e3.sqlite3") as db:
        db.upsert_job({"config_name": "a.yaml", "job_type": "T2I", "workflow_id": "wf"})

        db.reopen()

        assert db.get_job("a.yaml") is not None
