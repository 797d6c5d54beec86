"""``e3 wait``: ends with the last job, with a code that a script can use."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest
from cli_home import CliHome, end_job
from comfyui_e3.e3_nodes.cli import waiting
from comfyui_e3.e3_nodes.cli.home import Home


@pytest.fixture
def home(tmp_path: Path) -> CliHome:
    return CliHome(tmp_path)


def test_cli_wait_for_done_jobs_says_so(home: CliHome) -> None:
    name = home.job()
    home.end(name)

    said = home.e3("wait", name)

    assert said.code == 0 and said.out.startswith("done ")


def test_cli_wait_for_a_failed_job_fails_with_the_cause(home: CliHome) -> None:
    good, bad = home.job(), home.job()
    home.end(good)
    home.end(bad, error="no such node\nmore")

    said = home.e3("wait", good, bad, "--json")

    assert said.code == 1
    assert said.envelope["error"]["code"] == "job_failed"
    assert [job["status"] for job in said.data["jobs"]] == ["done", "failed"]
    assert said.data["jobs"][1]["error"].startswith("no such node")


def test_cli_wait_gives_up_after_its_time(home: CliHome) -> None:
    said = home.e3("wait", home.job(), "--timeout", "0", "--json")

    assert said.code == 1
    assert said.envelope["error"]["code"] == "timeout"
    assert said.data["timed_out"] is True


def test_cli_wait_says_why_nothing_will_happen(home: CliHome) -> None:
    name = home.job()
    home.e3("queue", "pause")

    err = home.e3("wait", name, "--timeout", "0").err

    assert "the queue is paused" in err and "nobody runs jobs on this home now" in err


def test_cli_wait_for_a_dropped_file_that_is_rejected(home: CliHome) -> None:
    folder = home.folder / "jobs" / "processing" / "image"
    folder.mkdir(parents=True)
    dropped = home.draft(workflow_id="nowhere").rename(folder / "T2I_20250101120000_1_test.yaml")
    with contextlib.closing(home.store()) as db:
        db.record_rejection(str(dropped), "workflow_unknown", "there is no workflow")

    said = home.e3("wait", dropped.name, "--json")

    assert said.code == 1 and said.data["jobs"][0]["status"] == "rejected"


def test_cli_wait_ends_with_the_last_of_many_jobs(home: CliHome) -> None:
    names = home.jobs(*(home.draft() for _ in range(30)))

    def work() -> None:
        with contextlib.closing(home.store()) as db:
            for name in names:
                end_job(db, name)

    worker = threading.Thread(target=work)
    worker.start()
    said = home.e3("wait", *names)
    worker.join()

    assert said.code == 0 and len(said.out.splitlines()) == 30


def test_cli_wait_reads_only_jobs_that_changed(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [home.job() for _ in range(5)]
    monkeypatch.setenv("E3_HOME", str(home.folder))
    opened, asked = Home(), []
    outcome = waiting._outcome
    monkeypatch.setattr(waiting, "_outcome", lambda home, name: asked.append(name) or outcome(home, name))
    monkeypatch.setattr(waiting, "OVERLAP_MS", 0)
    steps = iter([lambda: None, lambda: None, lambda: home.end(names[0]), lambda: None])
    time.sleep(0.002)  # the end gets a later stamp than the jobs

    with contextlib.closing(opened):
        found = [name for name, _ in waiting.endings(opened, names, lambda: len(asked) < 6, lambda _: next(steps)())]

    assert found == [names[0]]
    assert asked[:5] == names and names[1] not in asked[5:-1]


def test_cli_wait_notices_a_removed_job(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    name = home.job()
    monkeypatch.setenv("E3_HOME", str(home.folder))
    monkeypatch.setattr(waiting, "FULL_LOOK_SECONDS", 0.0)
    opened = Home()

    with contextlib.closing(opened):
        found = dict(waiting.endings(opened, [name], lambda: True, lambda _: home.e3("rm", name) and None))

    assert found[name]["status"] == "removed"
