"""Settings: defaults, strictness, variables, paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import config_loader
from comfyui_e3.e3_nodes.errors import InvalidSettings


@pytest.fixture
def load(tmp_path: Path):
    def write_and_load(text: str) -> dict:
        path = tmp_path / "global_config.yaml"
        path.write_text(text, "utf-8")
        return config_loader.load_global_config(str(path))

    return write_and_load


def test_config_loader_load_global_config_without_a_file_gives_the_defaults(tmp_path: Path) -> None:
    cfg = config_loader.load_global_config(str(tmp_path / "global_config.yaml"))

    assert cfg["default_priority"] == 50 and cfg["retry_limit"] == 2
    assert cfg["comfyui"]["timeout_seconds"] == 3600
    assert cfg["paths"]["database"] == str(tmp_path / "jobs" / "e3.sqlite3")
    assert cfg["home"] == str(tmp_path)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "\ufeff"], ids=["empty", "comment", "bom"])
def test_config_loader_load_global_config_of_an_empty_file_gives_the_defaults(load, text: str) -> None:
    assert load(text)["poll_interval_ms"] == 1000


def test_config_loader_load_global_config_merges_sections(load, tmp_path: Path) -> None:
    cfg = load("retry_limit: 5\npaths:\n  jobs_finished: out\n  output_roots: [films, /srv/x]\n")

    assert cfg["retry_limit"] == 5
    assert cfg["paths"]["jobs_finished"] == str(tmp_path / "out")
    assert cfg["paths"]["output_roots"][0] == str(tmp_path / "films")
    assert cfg["paths"]["jobs_processing"] == str(tmp_path / "jobs" / "processing")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retry_limt: 3", "did you mean retry_limit"),
        ("paths:\n  databse: x", "did you mean paths.database"),
        ("retry_limit: 99", "retry_limit must be a whole number from 0 to 20, got 99"),
        ("retry_limit: true", "got True"),
        ("start_paused: 1", "start_paused must be true or false, got 1"),
        ("log_format: xml", "text or json"),
        ("paths: nowhere", "paths must be a mapping"),
        ("job_types: {upscale: image}", "job_types"),
        ("job_types: {UPSCALE: picture}", "job_types"),
        ("allowed_hosts: [1]", "allowed_hosts must be a list of texts"),
        pytest.param(
            "paths: {output_roots: ['~no-such-user/out']}",
            "a user that is not known",
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows guesses a folder for any user"),
        ),
        ("a: [unclosed", "global_config.yaml"),
        ("- a list", "global_config.yaml"),
    ],
)
def test_config_loader_load_global_config_refuses_and_says_what_is_right(load, text: str, said: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(text)

    assert said in str(caught.value) and "global_config.yaml" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_config_loader_load_global_config_expands_variables(load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E3_TEST_TOKEN", "secret")
    monkeypatch.delenv("E3_TEST_NONE", raising=False)

    cfg = load(
        'api_token: "${E3_TEST_TOKEN}"\nretry_limit: "${E3_TEST_NONE:-7}"\nstart_paused: "${E3_TEST_NONE:-true}"\n'
    )

    assert (cfg["api_token"], cfg["retry_limit"], cfg["start_paused"]) == ("secret", 7, True)


def test_config_loader_load_global_config_names_an_unset_variable(load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("E3_TEST_NONE", raising=False)

    with pytest.raises(InvalidSettings, match=r"E3_TEST_NONE.*not set"):
        load('api_token: "${E3_TEST_NONE}"')


def test_config_loader_load_global_config_leaves_a_database_url_alone(load) -> None:
    assert load("paths: {database: postgresql://me@host/db}")["paths"]["database"] == "postgresql://me@host/db"


def test_config_loader_load_global_config_gives_each_caller_containers_of_its_own(load) -> None:
    load("")["allowed_hosts"].append("x")

    assert load("")["allowed_hosts"] == []


def test_config_loader_find_home_is_the_variable_or_the_plugins_folder(tmp_path: Path) -> None:
    assert config_loader.find_home({"E3_HOME": str(tmp_path)}) == tmp_path
    assert (config_loader.find_home({}) / "e3_nodes").is_dir()


def test_config_loader_workflow_files_of_puts_the_users_last(load, tmp_path: Path) -> None:
    user = tmp_path / "workflows" / "user"
    user.mkdir(parents=True)
    for path in (tmp_path / "workflows" / "workflows.yaml", user / "b.yaml", user / "a.yaml"):
        path.write_text("", "utf-8")

    files = config_loader.workflow_files_of(load(""))

    assert [Path(file).name for file in files] == ["workflows.yaml", "workflows.yaml", "a.yaml", "b.yaml"]
