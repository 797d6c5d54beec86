"""A database that is damaged, gone, replaced or of yesterday: set aside, rebuilt, and nothing runs twice."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import caretaker, executor, monitor, rebuilding, store
from comfyui_e3.e3_nodes.errors import StoreUnavailable
from comfyui_e3.e3_nodes.station import Station
from comfyui_e3.e3_nodes.store import searching
from fakes import FakeBackend, Home


class Disk:
    """A home with its table in a file, one job done and one waiting, and E3 not running."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder, lease_seconds=60)
        self.home.db.close()
        self.home.db = store.init_db(self.path)
        self.backend = FakeBackend(folder / "output")
        self.keeper: caretaker.Caretaker | None = None
        self.done = self.home.submit()
        assert self.run()
        self.waiting = self.home.submit()
        self.home.db.close()

    @property
    def path(self) -> Path:
        return Path(self.home.cfg["paths"]["database"])

    def run(self) -> bool:
        station = Station(self.backend)
        return executor.run_once(self.home.cfg, self.home.workflows, self.home.db, "w1", station=station)

    def open(self) -> bool:
        """Open as a start does; return whether the table is new."""
        self.home.db, is_new = rebuilding.open_whole(self.home.cfg)
        return is_new

    def start(self) -> caretaker.Caretaker:
        """Open and begin as a start does, and scan."""
        is_new = self.open()
        keeper = self.keeper = caretaker.Caretaker(self.home.cfg, self.home.db, "me")
        keeper.begin(is_new=is_new)
        monitor.scan_once(self.home.cfg, self.home.workflows, self.home.db, sleep=lambda seconds: None)
        monitor.take_files(map(str, self.home.processing.iterdir()), self.home.cfg, self.home.workflows, self.home.db)
        return keeper

    def run_all(self) -> list[str]:
        """Run until idle; return the names of what was submitted."""
        self.backend.submitted.clear()
        while self.run():
            pass
        return self.backend.submitted


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    if disk.keeper is not None:
        disk.keeper.boot_lock.release()
    disk.home.db.close()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 97):
        data[at] ^= 0xFF
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "header zeroed": lambda path: path.write_bytes(bytes(100) + path.read_bytes()[100:]),
    "text": lambda path: path.write_text("this is no database, but long enough to be looked at\n" * 50),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: 5 * 4096]),
    "flipped": _flip,
}


def _leave_uncleanly(disk: Disk) -> None:
    """Let a worker be registered that is gone: E3 was killed."""
    with store.init_db(disk.path) as db:
        db.register_worker("gone", host="here", lock_path=str(disk.path.parent / "gone.lock"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_rebuilding_damaged_database_is_set_aside_and_rebuilt(disk: Disk, damage: str) -> None:
    _leave_uncleanly(disk)
    DAMAGES[damage](disk.path)
    damaged = disk.path.read_bytes()

    disk.start()

    [folder] = (disk.path.parent / "quarantine").iterdir()
    assert (folder / disk.path.name).read_bytes() == damaged
    row = disk.home.row(disk.done)
    assert row["status"] == "done" and row["filed_at"]
    assert row["metadata"]["saved"] and row["config"]["inputs"] == {"width": 32}
    assert disk.run_all() == [disk.waiting["config_name"]]


@pytest.mark.parametrize("way", ["gone", "empty"])
def test_rebuilding_missing_database_is_rebuilt(disk: Disk, way: str) -> None:
    disk.path.unlink()
    if way == "empty":
        disk.path.touch()

    disk.start()

    assert disk.home.row(disk.done)["status"] == "done"
    assert disk.run_all() == [disk.waiting["config_name"]]


def test_rebuilding_database_of_yesterday_runs_nothing_twice(disk: Disk) -> None:
    yesterday = disk.path.with_name("yesterday")
    shutil.copy(disk.path, yesterday)
    disk.open()
    assert disk.run_all() == [disk.waiting["config_name"]]
    disk.home.db.close()
    shutil.copy(yesterday, disk.path)

    disk.start()

    assert disk.run_all() == []
    assert disk.home.row(disk.waiting)["status"] == "done"


def test_rebuilding_newer_or_foreign_database_is_refused_untouched(disk: Disk) -> None:
    for pragma, code in (("user_version = 999", "db_newer"), ("application_id = 1", "db_foreign")):
        con = sqlite3.connect(disk.path)
        con.execute(f"PRAGMA {pragma}")
        con.close()
        before = disk.path.read_bytes()

        with pytest.raises(StoreUnavailable) as caught:
            disk.open()

        assert caught.value.code == code and disk.path.read_bytes() == before
        assert not (disk.path.parent / "quarantine").exists()


def test_rebuilding_believes_no_result_file_without_its_job_file(disk: Disk) -> None:
    disk.path.unlink()
    (disk.home.finished / disk.done["config_name"]).unlink()

    disk.start()

    assert disk.home.db.get_job(disk.done["config_name"]) is None


def test_rebuilding_files_the_job_to_which_a_crash_left_both_names(disk: Disk) -> None:
    name = disk.done["config_name"]
    filed, source = disk.home.finished / name, disk.home.processing / name
    source.hardlink_to(filed)
    disk.path.unlink()

    keeper = disk.start()
    keeper.look_after()

    [row] = disk.home.db.list_jobs({"status": ["done"]})["jobs"]
    assert row["config_name"] == name
    assert (filed.exists(), source.exists()) == (True, False)
    assert disk.home.db.list_rejections() == []


def test_rebuilding_twice_is_once(disk: Disk) -> None:
    disk.path.unlink()
    disk.start()

    assert rebuilding.rebuild(disk.home.cfg, disk.home.db) == 0


def test_caretaker_notices_a_database_that_was_taken_away(disk: Disk) -> None:
    keeper = disk.start()
    for companion in ("", "-wal", "-shm"):
        disk.path.with_name(disk.path.name + companion).unlink(missing_ok=True)

    keeper.beat()
    assert "removed or replaced" in keeper.troubles["database"]
    keeper.beat()

    assert "database" not in keeper.troubles and "rebuilt" in keeper.troubles
    assert disk.home.row(disk.done)["status"] == "done"
    assert [worker["worker_id"] for worker in disk.home.db.list_workers()] == ["me"]


def test_caretaker_keeps_the_search_index_at_hand(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LEAST_BEHIND", 1)
    monkeypatch.setattr(caretaker, "FIRST_INDEX_SECONDS", 0.0)
    keeper = disk.start()
    index = disk.path.with_name(f"{disk.path.name}-search")

    keeper.look_after()
    assert index.exists()

    rebuilding.reopen_whole(disk.home.cfg, disk.home.db)
    assert index.exists()
    disk.home.db.reopen(lambda: rebuilding.set_aside(disk.home.cfg))
    assert not index.exists()


def test_caretaker_end_forgets_a_worker_without_jobs(disk: Disk) -> None:
    keeper = disk.start()

    keeper.end()

    assert disk.home.db.list_workers() == [] and not keeper.boot_lock.path.exists()


def test_caretaker_tells_of_a_locked_database_and_goes_on(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = disk.start()

    def locked(*_args: Any) -> int:
        raise StoreUnavailable("stayed locked by another program", code="db_locked")

    with monkeypatch.context() as patched:
        patched.setattr(disk.home.db, "renew_leases", locked)
        keeper.beat()
        assert "locked" in keeper.troubles["database"]

    keeper.beat()

    assert keeper.troubles == {}
