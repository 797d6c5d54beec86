"""Commands on jobs and on the queue, through ``main`` in this process."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from cli_home import CliHome


@pytest.fixture
def home(tmp_path: Path) -> CliHome:
    return CliHome(tmp_path)


def test_cli_queue_ls_lists_in_running_order(home: CliHome) -> None:
    later, urgent = home.job(), home.job(priority=5)

    said = home.e3("queue", "ls")

    assert said.code == 0
    assert said.out.index(urgent) < said.out.index(later)
    assert "2 pending" in said.out


def test_cli_queue_ls_filters_by_status_and_text(home: CliHome) -> None:
    knight, _ = home.job("T2I_20250101120000_1_knight.yaml"), home.job("T2I_20250101120000_2_fox.yaml")

    assert home.e3("queue", "ls", "done", "--json").data["jobs"] == []
    found = home.e3("queue", "ls", "pending", "--search", "knight", "--json").data
    assert [job["config_name"] for job in found["jobs"]] == [knight]


def test_cli_queue_ls_limit_says_what_it_leaves_out(home: CliHome) -> None:
    for _ in range(3):
        home.job()

    said = home.e3("queue", "ls", "--limit", "2")

    assert "1 more with a larger --limit" in said.out


def test_cli_queue_ls_reads_more_than_one_page(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comfyui_e3.e3_nodes.cli.queue_verbs.PAGE", 2)
    names = [home.job() for _ in range(5)]

    data = home.e3("queue", "ls", "--limit", "4", "--json").data

    assert [job["config_name"] for job in data["jobs"]] == names[:4]


def test_cli_queue_ls_tells_a_pause(home: CliHome) -> None:
    home.e3("queue", "pause")

    assert "paused" in home.e3("queue", "ls").out
    assert home.e3("queue", "resume", "--json").data["paused"] is False


def test_cli_queue_ls_rejected_tells_line_and_reason(home: CliHome) -> None:
    with contextlib.closing(home.store()) as db:
        db.record_rejection("/x/a.yaml", "bad_value", "priority must be 1-999", line=3, column=11)

    said = home.e3("queue", "ls", "rejected")

    assert said.out.splitlines()[1].split() == ["3", "11", "/x/a.yaml", "priority", "must", "be", "1-999"]


@pytest.mark.parametrize("ending", ["", ".yaml"])
def test_cli_queue_set_priority_takes_the_name_with_and_without_yaml(home: CliHome, ending: str) -> None:
    name = home.job()

    said = home.e3("queue", "set-priority", name.removesuffix(".yaml") + ending, "7", "--json")

    assert said.data["priority"] == 7
    assert home.row(name)["priority"] == 7


def test_cli_queue_god_mode_puts_a_job_first(home: CliHome) -> None:
    first, second = home.job(priority=1), home.job()

    home.e3("queue", "god-mode", second)

    listed = [job["config_name"] for job in home.e3("queue", "ls", "--json").data["jobs"]]
    assert listed == [second, first]


@pytest.mark.parametrize("verb", [["show"], ["queue", "god-mode"], ["retry"], ["rm"], ["wait"], ["copy"]], ids=" ".join)
def test_cli_unknown_name_gets_a_suggestion(home: CliHome, verb: list[str]) -> None:
    name = home.job("T2I_20250101120000_1_knight.yaml")

    said = home.e3(*verb, "T2I_20250101120000_1_kngiht", "--json")

    assert said.code == 1
    assert said.envelope["error"]["code"] == "job_unknown"
    assert f"did you mean {name}?" in said.envelope["error"]["message"]


def test_cli_unknown_name_finds_a_part_of_it(home: CliHome) -> None:
    name = home.job("T2I_20250101120000_1_knight.yaml")

    assert f"did you mean {name}?" in home.e3("show", "knight").err


def test_cli_show_tells_why_a_job_failed(home: CliHome) -> None:
    name = home.job()
    home.end(name, error="Node 'Load' not found\nsecond line")

    said = home.e3("show", name)

    assert "second line" in said.out and "error (invalid)" in said.out
    data = home.e3("show", name, "--json").data
    assert data["attempts"][0]["outcome"] == "failed"
    assert data["inputs"]["width"] == 32


def test_cli_retry_sends_back_the_named_and_refuses_the_others(home: CliHome) -> None:
    failed, waiting = home.job(priority=1), home.job()
    home.end(failed, error="no")

    said = home.e3("retry", failed, waiting, "--json")

    assert said.code == 1
    assert [job["ok"] for job in said.data["jobs"]] == [True, False]
    assert said.envelope["error"]["code"] == "wrong_state"
    assert home.row(failed)["status"] == "pending"


def test_cli_retry_failed_sends_back_all(home: CliHome) -> None:
    names = [home.job() for _ in range(3)]
    for name in names[:2]:
        home.end(name, error="no")

    said = home.e3("retry", "--failed")

    assert said.out.splitlines() == [f"retried {name}" for name in names[:2]]
    assert home.e3("retry", "--failed").out == "no job has failed\n"


def test_cli_cancel_cancels(home: CliHome) -> None:
    name = home.job()

    assert home.e3("cancel", name).out == f"cancelled {name}\n"
    assert home.row(name)["status"] == "cancelled"


def test_cli_rm_and_restore_take_row_and_file(home: CliHome) -> None:
    name = home.job()
    path = Path(home.row(name)["config_path"])

    assert home.e3("rm", name).code == 0
    assert not path.exists() and home.e3("queue", "ls", "--json").data["jobs"] == []
    assert home.e3("restore", name.removesuffix(".yaml")).code == 0
    assert path.exists() and home.row(name)["status"] == "pending"


def test_cli_copy_reads_values_by_their_type(home: CliHome) -> None:
    name = home.job()

    data = home.e3("copy", name, "--set", "width=64", "--set", "color=255", "--json").data

    assert data["config_name"] != name
    assert home.row(data["config_name"])["config"]["inputs"] == {"width": 64, "height": 32, "color": 255}


@pytest.mark.parametrize(
    ("change", "code"),
    [("width=wide", "bad_type"), ("widht=3", "input_unknown"), ("width=-5", "bad_value")],
)
def test_cli_copy_refuses_what_does_not_fit(home: CliHome, change: str, code: str) -> None:
    said = home.e3("copy", home.job(), "--set", change, "--json")

    assert said.code == 1 and said.envelope["error"]["code"] == code


def test_cli_repin_takes_the_workflow_as_it_is_now(home: CliHome) -> None:
    name = home.job()
    with contextlib.closing(home.store()) as db:
        db.repin_job(name, "0" * 64)

    assert home.e3("repin", name).out == f"repinned {name}\n"
    assert home.row(name)["workflow_sha256"] != "0" * 64


def test_cli_names_lists_what_a_shell_completes(home: CliHome) -> None:
    knight, _ = home.job("T2I_20250101120000_1_knight.yaml"), home.job("T2I_20250101120000_2_fox.yaml")

    assert home.e3("names", "T2I_20250101120000_1").out == f"{knight}\n"
