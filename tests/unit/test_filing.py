"""Many done jobs are filed together: each whole, none in the way of another, as often as it takes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import outputs, store
from comfyui_e3.e3_nodes.errors import OutputError
from comfyui_e3.e3_nodes.filer import BRIEF_GATHER_SECONDS, GATHER_SECONDS, Filer
from comfyui_e3.e3_nodes.outputs import filing
from comfyui_e3.tests.stores import make_row


class House:
    """Two folders, and done jobs whose files stand in the first."""

    def __init__(self, folder: Path) -> None:
        self.processing, self.finished = folder / "processing" / "image", folder / "finished" / "image"
        self.processing.mkdir(parents=True)
        (folder / "finished").mkdir()
        roots = {"jobs_processing": str(folder / "processing"), "jobs_finished": str(folder / "finished")}
        self.cfg: dict[str, Any] = {"paths": roots}

    def job(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        name = f"T2I_20250809123001_{number}_knight.yaml"
        text = f"job_type: T2I # {number}"
        path = self.processing / name
        path.write_text(text, "utf-8")
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        row = {"config_name": name, "media": "image", "config_path": str(path), "config_sha256": sha256}
        return {**row, "source_yaml": text}, {"config_name": name, "status": "done", "config_sha256": sha256}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, path: Path, code: int) -> None:
    """Have a call of the system fail for one path."""
    real = getattr(os, call)

    def refused(first: str, *args: Any, **more: Any) -> None:
        if str(first) == str(path):
            raise OSError(code, os.strerror(code))
        real(first, *args, **more)

    monkeypatch.setattr(os, call, refused)


def test_filing_file_jobs_moves_all_and_tells_of_each(house: House) -> None:
    jobs = [house.job(number) for number in range(3)]

    faults = outputs.file_jobs(jobs, house.cfg)

    assert faults == {}
    assert not list(house.processing.iterdir())
    for row, content in jobs:
        filed = house.finished / row["config_name"]
        assert filed.read_text("utf-8") == row["source_yaml"]
        assert json.loads(filed.with_suffix(".result.json").read_text("utf-8")) == content
    assert len(list(house.finished.iterdir())) == 6, "no hidden part is left"


def test_filing_file_jobs_again_changes_nothing(house: House) -> None:
    jobs = [house.job(1)]
    outputs.file_jobs(jobs, house.cfg)
    before = {path.name: path.stat().st_mtime_ns for path in house.finished.iterdir()}

    assert outputs.file_jobs(jobs, house.cfg) == {}

    assert {path.name: path.stat().st_mtime_ns for path in house.finished.iterdir()} == before


def test_filing_file_jobs_one_that_cannot_keeps_no_other_waiting(house: House) -> None:
    good, bad = house.job(1), house.job(2)
    house.finished.mkdir()
    stranger = house.finished / "T2I_20250809123001_2_knight.result.json"
    stranger.write_text("somebody's own", "utf-8")

    faults = outputs.file_jobs([bad, good], house.cfg)

    assert list(faults) == [bad[0]["config_name"]]
    assert stranger.read_text("utf-8") == "somebody's own"
    assert Path(bad[0]["config_path"]).exists() and not Path(good[0]["config_path"]).exists()


def test_filing_file_jobs_removes_no_job_file_before_the_folder_is_durable(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [house.job(number) for number in range(2)]

    def fail(folder: Path) -> None:
        raise OutputError(f"{folder} cannot be used")

    monkeypatch.setattr(filing.file_utils, "fsync_dir", fail)
    faults = outputs.file_jobs(jobs, house.cfg)

    assert len(faults) == 2
    assert len(list(house.processing.iterdir())) == 2


def test_filing_file_jobs_leaves_an_edited_file(house: House) -> None:
    row, content = house.job(1)
    Path(row["config_path"]).write_text("job_type: T2V", "utf-8")

    outputs.file_jobs([(row, content)], house.cfg)

    assert Path(row["config_path"]).read_text("utf-8") == "job_type: T2V"
    assert (house.finished / row["config_name"]).read_text("utf-8") == row["source_yaml"]


def test_filing_file_jobs_moves_the_file_itself(house: House) -> None:
    row, content = house.job(1)
    inode = Path(row["config_path"]).stat().st_ino

    outputs.file_jobs([(row, content)], house.cfg)

    filed = (house.finished / row["config_name"]).stat()
    assert (filed.st_ino, filed.st_nlink) == (inode, 1)


@pytest.mark.parametrize("moment", ["before it has its new name", "while it has two names"])
def test_filing_file_jobs_keeps_apart_what_is_edited_at_the_last_moment(
    house: House, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    row, content = house.job(1)
    source, filed = Path(row["config_path"]), house.finished / row["config_name"]
    failpoint = "receipt.after" if moment.startswith("before") else "yaml.linked"

    def edit(name: str) -> None:
        if name == failpoint:
            source.write_text("job_type: T2V", "utf-8")

    monkeypatch.setattr(filing.failpoints, "reach", edit)

    assert outputs.file_jobs([(row, content)], house.cfg) == {}

    assert source.read_text("utf-8") == "job_type: T2V"
    assert filed.read_text("utf-8") == row["source_yaml"]
    assert not source.samefile(filed)
    assert len(list(house.finished.iterdir())) == 2, "no hidden part is left"


def test_filing_file_jobs_parts_two_names_that_a_crash_left(house: House) -> None:
    row, content = house.job(1)
    source, filed = Path(row["config_path"]), house.finished / row["config_name"]
    house.finished.mkdir()
    filed.hardlink_to(source)
    source.write_text("job_type: T2V", "utf-8")

    assert outputs.file_jobs([(row, content)], house.cfg) == {}

    assert (source.read_text("utf-8"), filed.read_text("utf-8")) == ("job_type: T2V", row["source_yaml"])


def test_filing_file_jobs_that_cannot_remove_the_file_leaves_it_one_name(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, content = house.job(1)
    source, filed = Path(row["config_path"]), house.finished / row["config_name"]
    refuse(monkeypatch, "unlink", source, errno.EACCES)

    assert list(outputs.file_jobs([(row, content)], house.cfg)) == [row["config_name"]]

    assert (source.stat().st_nlink, filed.stat().st_nlink) == (1, 1)
    assert source.read_bytes() == filed.read_bytes()


def test_filing_file_jobs_leaves_a_strangers_link_to_the_job_file(house: House) -> None:
    row, content = house.job(1)
    source, stranger = Path(row["config_path"]), house.finished / row["config_name"]
    house.finished.mkdir()
    stranger.symlink_to(source)

    assert outputs.file_jobs([(row, content)], house.cfg) == {}

    assert stranger.is_symlink()
    assert (house.finished / f"{source.stem}_v2.yaml").read_text("utf-8") == row["source_yaml"]


def test_filing_file_jobs_notices_an_edit_that_keeps_size_and_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, content = house.job(1)
    source, filed = Path(row["config_path"]), house.finished / row["config_name"]
    seen = source.stat()

    def edit(name: str) -> None:
        if name == "yaml.linked":
            source.write_text("job_type: T2V # 1", "utf-8")
            os.utime(source, ns=(seen.st_atime_ns, seen.st_mtime_ns))

    monkeypatch.setattr(filing.failpoints, "reach", edit)

    assert outputs.file_jobs([(row, content)], house.cfg) == {}

    assert source.read_text("utf-8") == "job_type: T2V # 1"
    assert filed.read_text("utf-8") == row["source_yaml"]


@pytest.mark.parametrize(
    "code",
    [errno.EXDEV, errno.EACCES, errno.EPERM],
    ids=["another mount of the disk", "another's file", "no links"],
)
def test_filing_file_jobs_copies_what_the_system_lets_nobody_move(
    house: House, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    row, content = house.job(1)
    source, filed = Path(row["config_path"]), house.finished / row["config_name"]
    refuse(monkeypatch, "link", source, code)

    assert outputs.file_jobs([(row, content)], house.cfg) == {}

    assert not source.exists()
    assert filed.read_text("utf-8") == row["source_yaml"]


def test_filing_file_jobs_copies_from_another_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    row, content = house.job(1)
    source, filed = Path(row["config_path"]), house.finished / row["config_name"]
    inode = source.stat().st_ino
    monkeypatch.setattr(filing._Filing, "_is_beside", lambda self: False)

    assert outputs.file_jobs([(row, content)], house.cfg) == {}

    assert not source.exists()
    assert filed.read_text("utf-8") == row["source_yaml"]
    assert filed.stat().st_ino != inode


@pytest.mark.parametrize(("is_brief", "seconds"), [(False, GATHER_SECONDS), (True, BRIEF_GATHER_SECONDS)])
def test_filer_gathers_longer_while_jobs_are_brief(is_brief: bool, seconds: float, house: House) -> None:
    class Stopping(threading.Event):
        def __init__(self) -> None:
            super().__init__()
            self.waits: list[float | None] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout)
            return True

    with store.init_db(":memory:") as db:
        filer = Filer(house.cfg, db, lambda: is_brief)
        filer.end()

        filer.work(stopping := Stopping())

    assert stopping.waits == [seconds]


def test_filer_files_what_it_was_given_before_it_ends(house: House) -> None:
    with store.init_db(":memory:") as db:
        names = []
        for number in range(3):
            row, _ = house.job(number)
            source = {key: row[key] for key in ("config_path", "config_sha256", "source_yaml")}
            db.upsert_job(make_row(number, **{**source, "config_name": row["config_name"], "status": "done"}))
            names.append(row["config_name"])
        filer = Filer(house.cfg, db)
        for name in names:
            filer.take(name)
        filer.end()
        stopping = threading.Event()
        stopping.set()

        filer.work(stopping)

        assert db.unfiled_jobs() == []
        assert not list(house.processing.iterdir())
