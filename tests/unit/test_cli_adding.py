"""``e3 add`` and ``e3 validate``: every problem of every file, all of them or none."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cli_home import CliHome


@pytest.fixture
def home(tmp_path: Path) -> CliHome:
    return CliHome(tmp_path)


def stdin_of(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_cli_add_takes_a_file_in(home: CliHome) -> None:
    path = home.draft()

    said = home.e3("add", str(path), "--json")

    assert said.code == 0
    assert said.data["jobs"][0]["status"] == "pending"
    assert Path(home.row(path.name)["config_path"]).read_bytes() == path.read_bytes()


def test_cli_add_takes_a_folder_in_order(home: CliHome) -> None:
    paths = [home.draft(), home.draft()]

    assert home.e3("add", str(home.drafts)).out == "".join(f"took {path.name}\n" for path in paths)


def test_cli_add_says_every_problem_and_takes_nothing(home: CliHome) -> None:
    good = home.draft()
    bad = home.draft(inputs={"widht": 3, "height": "tall"})
    worse = home.drafts / "T2I_20250101120000_99_worse.yaml"
    worse.write_text("job_type: T2I\nprioritty: 3\n", "utf-8")

    said = home.e3("add", str(good), str(bad), str(worse), "--json")

    assert said.code == 1
    assert said.envelope["error"]["code"] == "rejected"
    problems = said.data["problems"]
    assert [(Path(p["file"]).name, p["code"]) for p in problems] == [
        (bad.name, "input_unknown"),
        (bad.name, "bad_type"),
        (worse.name, "unknown_field"),
        *[(worse.name, "missing_field")] * 3,
    ]
    assert [(p["line"], p["column"]) for p in problems[:3]] == [(5, 3), (6, 3), (2, 1)]
    assert home.e3("queue", "ls", "--json").data["jobs"] == []
    assert list((home.folder / "jobs" / "processing").rglob("*.yaml")) == []


def test_cli_add_problem_lines_read_like_a_compilers(home: CliHome) -> None:
    bad = home.draft(priority="high")

    out = home.e3("add", str(bad)).out

    assert out.startswith(f"{bad}:") and "(bad_type)" in out


def test_cli_add_again_is_no_error(home: CliHome) -> None:
    path = home.draft()
    home.e3("add", str(path))

    said = home.e3("add", str(path))

    assert said.code == 0 and said.out == f"{path.name} is there already (pending)\n"


def test_cli_add_refuses_a_name_that_is_taken(home: CliHome) -> None:
    path = home.draft()
    home.e3("add", str(path))
    path.write_text(path.read_text("utf-8").replace("32", "64"), "utf-8")

    said = home.e3("add", str(path), "--json")

    assert said.code == 1 and said.data["problems"][0]["code"] == "name_conflict"


def test_cli_add_refuses_two_files_of_one_name(home: CliHome) -> None:
    path = home.draft()
    twin = home.drafts / "other" / path.name.upper().replace(".YAML", ".yaml")
    twin.parent.mkdir()
    twin.write_bytes(path.read_bytes())

    said = home.e3("add", str(path), str(twin), "--json")

    assert [problem["code"] for problem in said.data["problems"]] == ["name_conflict"]


def test_cli_add_takes_a_file_that_was_dropped_already(home: CliHome) -> None:
    folder = home.folder / "jobs" / "processing" / "image" / "series"
    folder.mkdir(parents=True)
    path = home.draft()
    dropped = path.rename(folder / path.name)

    assert home.e3("add", str(dropped)).code == 0
    assert home.row(path.name)["config_path"] == str(dropped)


def test_cli_add_stdin_finds_a_name(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin_of(home.draft().read_text("utf-8"), monkeypatch)

    name = home.e3("add", "-", "--json").data["jobs"][0]["config_name"]

    assert name.startswith("T2I_2") and name.endswith("_1_wf_hello_image.yaml")
    assert home.row(name)["status"] == "pending"


def test_cli_add_stdin_takes_a_name(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin_of(home.draft().read_text("utf-8"), monkeypatch)

    said = home.e3("add", "-", "--name", "T2I_20250101120000_7_mine")

    assert said.out == "took T2I_20250101120000_7_mine.yaml\n"


@pytest.mark.parametrize("text", ["", "just text", "job_type: [", "\x00"], ids=["empty", "text", "cut off", "binary"])
def test_cli_add_stdin_says_what_is_no_job(home: CliHome, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    stdin_of(text, monkeypatch)

    said = home.e3("add", "-", "--json")

    assert said.code == 1 and said.data["problems"][0]["file"] == "-"


@pytest.mark.parametrize("command", ["add", "validate"])
def test_cli_add_missing_file_is_named(home: CliHome, command: str) -> None:
    said = home.e3(command, "nowhere.yaml", "--json")

    assert said.code == 1 and "nowhere.yaml" in said.envelope["error"]["message"]


def test_cli_add_empty_folder_says_so(home: CliHome) -> None:
    assert "there is no job file in" in home.e3("add", str(home.drafts)).err


def test_cli_validate_makes_no_table(home: CliHome) -> None:
    said = home.e3("validate", str(home.draft()), "--json")

    assert said.code == 0 and said.data["problems"] == []
    assert not (home.folder / "jobs").exists()


def test_cli_validate_stdin_makes_no_table(home: CliHome, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin_of(home.draft(job_type="T2V").read_text("utf-8"), monkeypatch)

    assert home.e3("validate", "-").code == 0
    assert not (home.folder / "jobs").exists()


def test_cli_validate_tells_warnings(home: CliHome) -> None:
    assert "taken as 999" in home.e3("validate", str(home.draft(priority=5000))).out


def test_cli_validate_finds_a_missing_input_file(home: CliHome) -> None:
    bad = home.draft(workflow_id="wf_scale_image", inputs={"image": "jobs/nowhere.png"})

    said = home.e3("validate", str(bad), "--json")

    assert said.data["problems"][0]["code"] == "path_outside"
    assert said.data["problems"][0]["line"] == 5


def test_cli_validate_takes_a_file_of_comfyuis_input_folder(
    home: CliHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "ComfyUI"
    for name in ("comfy", "input"):
        (place / name).mkdir(parents=True)
    (place / "main.py").touch()
    (place / "input" / "cat.png").write_bytes(b"png")
    monkeypatch.setenv("COMFYUI_PATH", str(place))

    said = home.e3("validate", str(home.draft(workflow_id="wf_scale_image", inputs={"image": "cat.png"})))

    assert said.code == 0, said.out
