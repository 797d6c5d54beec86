"""Waiting for a prompt's end, and what is heard meanwhile. More of it is in test_executor.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import watching
from comfyui_e3.e3_nodes.backends.base import Prompt, Sighting
from comfyui_e3.e3_nodes.errors import AttemptFailed, AttemptLeft, AttemptReturned, DiskFull, HostDied, LeaseLost
from comfyui_e3.e3_nodes.model import Progress, Result
from fakes import GRAPH, FakeBackend, Home, opened_home


class Script(FakeBackend):
    """A backend that shows the places of a script, one a look, and stays at the last."""

    def __init__(self, folder: Path, *sightings: Sighting, node: str = "") -> None:
        super().__init__(folder)
        self.sightings = list(sightings)
        self.node = node

    def look(self, prompt: Prompt) -> Sighting:
        return self.sightings.pop(0) if len(self.sightings) > 1 else self.sightings[0]

    def progress(self, prompt_id: str) -> Progress | None:
        return Progress(node=self.node) if self.node else None


PENDING, RUNNING = Sighting("pending"), Sighting("running")


def ended(**result: Any) -> Sighting:
    return Sighting("ended", Result(**result))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with opened_home(tmp_path / "home") as home:
        yield home


def watch(
    home: Home,
    backend: FakeBackend,
    stop: threading.Event | None = None,
    is_first: threading.Event | None = None,
    **more: Any,
) -> Result:
    home.submit()
    job = home.db.lease_next_job("me", 60)
    assert job is not None and job["lease_token"]
    home.db.record_submission(job["id"], job["lease_token"], "p")
    prompt = Prompt("p", job["lease_token"], GRAPH, ["9"], job["config_name"])
    return watching.watch(prompt, job, home.cfg, home.db, backend, stop or threading.Event(), is_first, **more)


def test_watching_returns_a_success_with_its_files(home: Home, tmp_path: Path) -> None:
    backend = Script(tmp_path, PENDING, RUNNING, ended(outcome="success", artifacts=[{"node": "9", "path": "x"}]))

    assert watch(home, backend)["outcome"] == "success"

    [job] = home.db.list_jobs()["jobs"]
    assert job["phase"] == "executing"


@pytest.mark.parametrize(
    "trace",
    [
        "node 9 (SaveImage): OSError: [Errno 28] No space left on device: '/out/x.png'",
        "node 9 (SaveImage): OSError: [Errno 122] Disk quota exceeded",
        "node 9 (SaveVideo): OSError: [WinError 112] There is not enough space on the disk",
    ],
)
def test_watching_tells_a_full_disk_from_a_failure_of_the_job(home: Home, tmp_path: Path, trace: str) -> None:
    with pytest.raises(DiskFull):
        watch(home, Script(tmp_path, ended(outcome="error", error_type="error", error_trace=trace)))


def test_watching_reads_only_the_first_line_for_a_full_disk(home: Home, tmp_path: Path) -> None:
    trace = "node 3 (X): ValueError: bad\n  File x, line 1\nOSError: [Errno 28] once upon a time"

    with pytest.raises(AttemptFailed):
        watch(home, Script(tmp_path, ended(outcome="error", error_type="error", error_trace=trace)))


def test_watching_calls_a_vanished_prompt_an_eviction(home: Home, tmp_path: Path) -> None:
    with pytest.raises(AttemptReturned) as caught:
        watch(home, Script(tmp_path, PENDING, Sighting("gone")))

    assert caught.value.evicted and caught.value.delay_ms == watching.EVICTED_RETRY_MS


def test_watching_notes_the_node_that_runs(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LISTEN_SECONDS", 0.0)

    watch(home, Script(tmp_path, RUNNING, ended(outcome="success", artifacts=[{}]), node="9"))

    [job] = home.db.list_jobs()["jobs"]
    assert home.db.list_attempts(job["id"])[0]["node"] == "node 9 (SaveImage)"


def test_watching_writes_the_node_down_only_now_and_then(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(watching, "LISTEN_SECONDS", 0.0)
    monkeypatch.setattr(home.db, "record_node", lambda token, node: written.append(node) or True)
    backend = Script(tmp_path, *[RUNNING] * 40, ended(outcome="success", artifacts=[{}]))
    names = iter(str(number) for number in range(1000))
    monkeypatch.setattr(backend, "progress", lambda prompt_id: Progress(node=next(names)))

    watch(home, backend)

    assert len(written) <= 2


def test_watching_gives_a_running_job_back_when_e3_stops(home: Home, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(AttemptReturned):
        watch(home, Script(tmp_path, RUNNING), stop)


def test_watching_a_job_that_is_being_stopped_ends_as_that_though_e3_stops(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    backend = Script(tmp_path, *[RUNNING] * 9)
    backend.address = "http://127.0.0.1:8188"
    home.cfg["comfyui"]["timeout_seconds"] = 0
    monkeypatch.setattr(watching, "LISTEN_SECONDS", 0.0)
    monkeypatch.setattr(backend, "interrupt", lambda prompt_id: stop.set() or True)

    with pytest.raises(AttemptFailed) as raised:
        watch(home, backend, stop)

    assert raised.value.code == "timeout"


def test_watching_leaves_a_running_job_to_a_comfyui_that_outlives_e3(home: Home, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    backend = Script(tmp_path, RUNNING)
    backend.address = "http://127.0.0.1:8188"

    with pytest.raises(AttemptLeft):
        watch(home, backend, stop)

    [job] = home.db.list_jobs()["jobs"]
    assert (job["status"], job["phase"]) == ("processing", "submitted")
    assert job["start_time"] is not None


@pytest.mark.parametrize("behind", [True, False])
def test_watching_says_that_comfyui_died_and_whether_the_prompt_was_next(
    home: Home, tmp_path: Path, behind: bool
) -> None:
    with pytest.raises(HostDied) as caught:
        watch(home, Script(tmp_path, PENDING, Sighting("died", behind=behind)))

    assert caught.value.was_next is not behind


def test_watching_notes_the_last_node_of_a_comfyui_that_died(home: Home, tmp_path: Path) -> None:
    with pytest.raises(HostDied):
        watch(home, Script(tmp_path, RUNNING, Sighting("died"), node="9"))

    [job] = home.db.list_jobs()["jobs"]
    assert home.db.list_attempts(job["id"])[0]["node"] == "node 9 (SaveImage)"


def test_watching_leaves_a_job_that_another_worker_took(home: Home, tmp_path: Path) -> None:
    class Thief(Script):
        def look(self, prompt: Prompt) -> Sighting:
            [job] = home.db.list_jobs()["jobs"]
            home.db.steal_job(job["id"], prompt.token, "thief", 60)
            return RUNNING

    with pytest.raises(LeaseLost):
        watch(home, Thief(tmp_path, RUNNING))


class _Told(threading.Event):
    """Notes how long it is waited for; it is set the second time, unless told otherwise."""

    def __init__(self, set_at: int | None = 2) -> None:
        super().__init__()
        self.set_at = set_at
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if len(self.waits) == self.set_at:
            self.set()
        return self.is_set()


def test_watching_hardly_looks_at_a_prompt_behind_others_of_ours(home: Home, tmp_path: Path) -> None:
    done = ended(outcome="success", artifacts=[{"node": "9", "path": "x"}])
    backend = Script(tmp_path, PENDING, PENDING, PENDING, RUNNING, done)
    is_first = _Told()

    watch(home, backend, is_first=is_first)

    assert is_first.waits == [watching.BEHIND_LOOK_SECONDS] * 2


def test_watching_gives_a_prompt_behind_others_back_when_e3_stops(home: Home, tmp_path: Path) -> None:
    backend = Script(tmp_path, PENDING)
    backend.places["p"] = "pending"
    stop = threading.Event()
    stop.set()

    with pytest.raises(AttemptReturned):
        watch(home, backend, stop, is_first=_Told())


@pytest.mark.parametrize(
    ("least", "rest"),
    [
        (0.0, watching.SHORTEST_LOOK_SECONDS),
        (0.03, 0.03),
        (9.0, watching.LONGEST_LOOK_SECONDS),
    ],
    ids=["nothing stands behind it", "ComfyUI has enough to do", "never for longer than usual"],
)
def test_watching_looks_no_sooner_than_comfyui_may_run_dry(
    home: Home, tmp_path: Path, least: float, rest: float
) -> None:
    stop = _Told(set_at=None)
    first = threading.Event()
    first.set()
    script = Script(tmp_path, RUNNING, ended(outcome="success", artifacts=[{"node": "9", "path": "a"}]))

    watch(home, script, stop, first, least_rest=lambda: least)

    assert stop.waits == [pytest.approx(rest, abs=0.005)]
