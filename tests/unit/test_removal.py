"""Jobs removed and restored together with their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import monitor, removal
from comfyui_e3.e3_nodes.drop_folder import DropFolder
from comfyui_e3.e3_nodes.errors import StoreUnavailable, UnknownJob
from comfyui_e3.e3_nodes.outputs import filing
from fakes import Home
from stores import finish, lease


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.db.close()


def removed_files(home: Home) -> list[str]:
    folder = Path(home.cfg["home"]) / "jobs" / "removed"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))


def test_removal_remove_job_is_not_taken_in_again(home: Home) -> None:
    job = home.submit()

    removal.remove_job(home.db, job["config_name"], home.cfg)
    monitor.scan_once(home.cfg, home.workflows, home.db, sleep=lambda seconds: None)

    assert home.db.get_job(job["config_name"]) is None
    assert removed_files(home) == [f"image/{job['config_name']}"]


def test_removal_remove_job_takes_a_done_jobs_file_from_finished(home: Home) -> None:
    job = home.submit()
    finish(home.db, lease(home.db))
    row = home.row(job)
    assert filing.file_jobs([(row, {"config_name": row["config_name"]})], home.cfg) == {}
    finished = filing.finished_path(row, home.cfg)

    removal.remove_job(home.db, job["config_name"], home.cfg)

    assert not finished.exists() and removed_files(home) == [f"image/{job['config_name']}"]
    restored = removal.restore_job(home.db, job["config_name"], home.cfg)
    assert restored["status"] == "done" and finished.is_file() and removed_files(home) == []


def test_removal_remove_job_without_its_file(home: Home) -> None:
    job = home.submit()
    Path(job["config_path"]).unlink()

    removal.remove_job(home.db, job["config_name"], home.cfg)

    assert home.db.get_job(job["config_name"]) is None


def test_removal_remove_job_puts_the_file_back_when_the_table_refuses(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = home.submit()

    def refuse(name: str) -> Any:
        raise StoreUnavailable("locked")

    monkeypatch.setattr(home.db, "remove_job", refuse)
    with pytest.raises(StoreUnavailable):
        removal.remove_job(home.db, job["config_name"], home.cfg)

    assert Path(job["config_path"]).is_file() and removed_files(home) == []


def test_removal_remove_job_twice_under_one_name_keeps_both_files(home: Home) -> None:
    name = home.submit(priority=1)["config_name"]
    removal.remove_job(home.db, name, home.cfg)
    second = home.submit(name=name, priority=2)
    content = Path(second["config_path"]).read_bytes()
    removal.remove_job(home.db, name, home.cfg)

    assert len(removed_files(home)) == 2
    restored = removal.restore_job(home.db, name, home.cfg)

    assert restored["priority"] == 2
    assert Path(restored["config_path"]).read_bytes() == content


def test_removal_restore_job_leaves_a_file_that_came_meanwhile(home: Home) -> None:
    job = home.submit()
    removal.remove_job(home.db, job["config_name"], home.cfg)
    Path(job["config_path"]).write_text("of somebody else")

    removal.restore_job(home.db, job["config_name"], home.cfg)

    assert Path(job["config_path"]).read_text() == "of somebody else"


def test_removal_restore_job_is_the_same_job_to_the_monitor(home: Home) -> None:
    job = home.submit()
    folder = DropFolder(home.cfg["paths"]["jobs_processing"])
    removal.remove_job(home.db, job["config_name"], home.cfg)
    removal.restore_job(home.db, job["config_name"], home.cfg)

    findings = monitor.take_files([job["config_path"]], home.cfg, home.workflows, home.db, folder=folder)

    assert [finding["status"] for finding in findings] == ["duplicate"]
    assert home.row(job)["status"] == "pending"


def test_removal_restore_job_that_was_not_removed(home: Home) -> None:
    with pytest.raises(UnknownJob):
        removal.restore_job(home.db, "T2I_20250101120000_1_x.yaml", home.cfg)


def test_removal_remove_jobs_by_filter_spans_slices(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "SLICE", 2)
    jobs = [home.submit() for _ in range(5)]
    running = lease(home.db)

    answers = removal.remove_jobs(home.db, home.cfg, where={"media": "image"})

    assert sum(answer["ok"] for answer in answers) == 4  # type: ignore[typeddict-item]
    assert [Path(job["config_path"]).exists() for job in jobs] == [
        job["config_name"] == running["config_name"] for job in jobs
    ]


def test_removal_remove_jobs_by_names_answers_for_each(home: Home) -> None:
    job = home.submit()

    answers = removal.remove_jobs(home.db, home.cfg, names=[job["config_name"], "T2I_nobody.yaml", job["config_name"]])

    assert [answer["ok"] for answer in answers] == [True, False, True]  # type: ignore[typeddict-item]
