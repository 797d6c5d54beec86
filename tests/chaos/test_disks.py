"""Real disks that are full, read-only, or another one: small file systems in memory, where they can be mounted."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import executor, guardrails, monitor, recovery, store
from comfyui_e3.e3_nodes.errors import StoreUnavailable
from comfyui_e3.e3_nodes.station import Station

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import PNG, FakeBackend, Home

Mount = Callable[..., Path]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount a file system of a size on a folder; all of them go at the end."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            pytest.skip("there is no mount here")
        if done.returncode != 0:
            pytest.skip("file systems cannot be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def homes() -> Iterator[Callable[[Path], Home]]:
    opened: list[Home] = []

    def make(folder: Path) -> Home:
        folder.mkdir(exist_ok=True)
        opened.append(Home(folder))
        return opened[-1]

    yield make
    for home in opened:
        home.db.close()


def fill(folder: Path) -> Path:
    """Leave no room in a file system."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


def run(home: Home, backend: FakeBackend) -> bool:
    station = Station(backend)
    return executor.run_once(home.cfg, home.workflows, home.db, "me", station=station)


def test_disks_other_filesystem_gets_whole_copies(mount: Mount, homes: Callable, tmp_path: Path) -> None:
    backend = FakeBackend(mount(tmp_path / "output", "1m"))
    home = homes(tmp_path / "home")
    job = home.submit()

    run(home, backend)

    [saved] = home.row(job)["metadata"]["saved"]
    assert Path(saved).read_bytes() == PNG and not list((tmp_path / "output" / "e3").iterdir())


def test_disks_full_output_folder_pauses_and_goes_on(mount: Mount, homes: Callable, tmp_path: Path) -> None:
    output = mount(tmp_path / "output", "2m")
    home = homes(tmp_path / "home")
    job = home.submit(retry_limit=0)
    ballast = fill(output)
    backend = FakeBackend(output)
    succeed = backend.success

    def as_comfyui(prompt):
        try:
            return succeed(prompt)
        except OSError as exc:
            return {"outcome": "error", "error_type": "error", "error_trace": f"node 9 (SaveImage): OSError: {exc}"}

    backend.behave = as_comfyui

    run(home, backend)
    assert home.db.queue_state()["auto_reason"] == "disk_full"
    assert not guardrails.resume_if_disk_has_room(home.cfg, output, home.db)
    assert not run(home, backend)
    ballast.unlink()
    assert guardrails.resume_if_disk_has_room(home.cfg, output, home.db)
    home.db._now = lambda: time.time_ns() // 1_000_000 + 60_000  # type: ignore[attr-defined]
    run(home, backend)

    assert (home.row(job)["status"], home.row(job)["retries_attempted"]) == ("done", 0)


def test_disks_full_finished_folder_delivers_when_there_is_room(mount: Mount, homes: Callable, tmp_path: Path) -> None:
    finished = mount(tmp_path / "home" / "jobs" / "finished", "2m")
    home = homes(tmp_path / "home")
    backend = FakeBackend(tmp_path / "output")
    job = home.submit(retry_limit=0)
    succeed, ballast = backend.success, []

    def while_the_disk_fills(prompt):
        result = succeed(prompt)
        ballast.append(fill(finished))
        return result

    backend.behave = while_the_disk_fills

    run(home, backend)
    row = home.row(job)
    assert (row["status"], row["phase"]) == ("processing", "publishing")
    assert home.db.queue_state()["auto_reason"] == "disk_full"
    assert not list(finished.rglob("*.png")) and not list(finished.rglob("*.part"))
    ballast[0].unlink()
    guardrails.resume_if_disk_has_room(home.cfg, tmp_path / "output", home.db)
    recovery.reconcile(home.cfg, home.db, "me", station=Station(backend))

    assert (home.row(job)["status"], home.row(job)["run_count"]) == ("done", 1)
    assert len(backend.submitted) == 1


def test_disks_full_database_disk_claims_nothing_and_goes_on(mount: Mount, homes: Callable, tmp_path: Path) -> None:
    home = homes(tmp_path / "home")
    folder = mount(tmp_path / "database", "3m")
    home.db.close()
    home.db = store.init_db(folder / "e3.sqlite3")
    backend = FakeBackend(tmp_path / "output")
    job = home.submit()
    succeed, ballast = backend.success, []

    def while_the_disk_fills(prompt):
        ballast.append(fill(folder))
        return succeed(prompt)

    backend.behave = while_the_disk_fills

    try:
        run(home, backend)
    except StoreUnavailable as exc:
        assert exc.code == "disk_full"
    assert home.row(job)["status"] == "processing"
    ballast[0].unlink()
    assert home.db.quick_check() == []
    backend.behave = succeed
    recovery.reconcile(home.cfg, home.db, "me", station=Station(backend))
    home.db._now = lambda: time.time_ns() // 1_000_000 + 60_000  # type: ignore[attr-defined]
    while run(home, backend):
        pass

    assert (home.row(job)["status"], home.row(job)["retries_attempted"]) == ("done", 0)


def test_disks_read_only_processing_runs_jobs_and_runs_none_twice(
    mount: Mount, homes: Callable, tmp_path: Path
) -> None:
    processing = mount(tmp_path / "home" / "jobs" / "processing", "1m")
    home = homes(tmp_path / "home")
    backend = FakeBackend(tmp_path / "output")
    job = home.submit()
    subprocess.run(["mount", "-o", "remount,ro", str(processing)], check=True)

    run(home, backend)
    monitor.take_files([str(home.processing / job["config_name"])], home.cfg, home.workflows, home.db)
    assert not run(home, backend)
    assert (home.row(job)["status"], home.row(job)["filed_at"]) == ("done", None)
    subprocess.run(["mount", "-o", "remount,rw", str(processing)], check=True)
    recovery.reconcile(home.cfg, home.db, "me")

    assert home.row(job)["filed_at"] and not list(home.processing.iterdir())
    assert len(backend.submitted) == 1
