"""What is made from the parser: the manual and the completions."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_home import REPO, CliHome
from comfyui_e3.e3_nodes.cli import catalogue, completion, manual


def test_cli_manual_is_docs_cli_md() -> None:
    told = (REPO / "docs" / "cli.md").read_text("utf-8")

    assert told == manual.manual(), "regenerate it: python -m comfyui_e3.e3_nodes.cli docs > docs/cli.md"


def test_cli_manual_tells_every_command() -> None:
    text = manual.manual()

    for command in catalogue.COMMANDS:
        assert (f"\n## e3 {command.path}\n" in text) is not command.is_hidden


def test_cli_manual_service_runs_a_command_that_is_right(tmp_path: Path) -> None:
    from comfyui_e3.e3_nodes.cli import parser

    text = (REPO / "docs" / "e3.service").read_text("utf-8")
    line = next(line for line in text.splitlines() if line.startswith("ExecStart="))

    assert parser.parse(line.split(" e3 ")[1].split()).loop


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_cli_completion_names_every_command(tmp_path: Path, shell: str) -> None:
    script = CliHome(tmp_path).e3("completion", shell).out

    for word in ("set-priority", "god-mode", "validate", "rejected"):
        assert word in script


def test_cli_completion_places_know_where_names_of_jobs_go() -> None:
    found = {place.path: place for place in completion.places()}

    assert found["show"].takes_names and found["queue set-priority"].takes_names
    assert not found["queue ls"].takes_names
    assert list(found[""].words)[:2] == ["--help", "--version"]


def test_cli_completion_bash_completes(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None or os.name == "nt":
        pytest.skip("there is no bash here")
    script = CliHome(tmp_path).e3("completion", "bash").out
    script += 'try() { COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _e3; echo "${COMPREPLY[*]}"; }\n'
    script += "try e3 q; try e3 queue s; try e3 queue ls d; try e3 doctor --f; try e3 completion f\n"

    said = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=True)

    assert said.stdout.splitlines() == ["queue", "set-priority", "done", "--fix", "fish"]


@pytest.mark.parametrize(("shell", "option"), [("zsh", "-n"), ("fish", "--no-execute")])
def test_cli_completion_script_is_sound(tmp_path: Path, shell: str, option: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    script = tmp_path / "script"
    script.write_text(CliHome(tmp_path).e3("completion", shell).out, "utf-8")

    subprocess.run([program, option, str(script)], check=True)
