"""The chaos run in small: each kind of crash once, in a process of its own.

The whole of it is one command: ``e3 selftest --chaos --runs 1000``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import failpoints
from comfyui_e3.e3_nodes.selftest.processes import CAN_FORK

SCRIPT = Path(__file__).with_name("run_scenario.py")
HALF = len(failpoints.CATALOGUE) // 2

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="the chaos run forks, which this system does not allow")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.parametrize(
    "names", [failpoints.CATALOGUE[:HALF], failpoints.CATALOGUE[HALF:]], ids=["first half", "second half"]
)
def test_chaos_kill_at_every_failpoint(names: tuple[str, ...]) -> None:
    done = run("failpoints", "1", ",".join(names))

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"'at {name}'" in done.stdout for name in names), f"not every place was reached:\n{done.stdout}"


@pytest.mark.parametrize(
    "scenario",
    [
        "every_pair 2 8",
        "woken_while_another_runs 1",
        "strangers_file_at_the_last_moment 1",
        "full_disk 1",
        "poisonous_job 1",
        "two_executors 3",
        "wall_clock_jumps 1",
        "random_kills 4 20",
        "embedded_host 5 2",
    ],
)
def test_chaos_scenario_keeps_the_promise(scenario: str) -> None:
    done = run(*scenario.split())

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("place", ["exec.started", "publish.before_link", "publish.linked"])
def test_chaos_frozen_past_the_lease(place: str) -> None:
    done = run("frozen_at", "1", place)

    assert done.returncode == 0, done.stdout + done.stderr


def test_chaos_is_a_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "comfyui_e3.e3_nodes.cli", "selftest", "--runs", "2", "--seed", "9"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 at a random time" in done.stdout and "0 violations (seed 9)" in done.stdout
