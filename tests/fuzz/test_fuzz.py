"""The fuzzer in small: every seed of every target, and a short run by coverage where atheris is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import catalogue, limits, run

SCRIPT = Path(__file__).with_name("run.py")
RUNS = {"yaml": 300, "requests": 300, "paths": 500, "workflows": 300, "long": 25}


def test_fuzz_names_every_target() -> None:
    assert tuple(catalogue.TARGETS) == run.NAMES


@pytest.mark.parametrize("name", run.NAMES)
def test_fuzz_target_keeps_its_promise_for_every_seed(name: str, tmp_path: Path) -> None:
    target = catalogue.TARGETS[name](tmp_path)

    for seed in target.seeds():
        cost = limits.cost_of(target, seed)
        if cost.is_too_much:  # once is no proof: something else may have been tidied up
            cost = limits.least_cost_of(target, seed)
        assert not cost.is_too_much, f"{seed[:200]!r} took {cost}"
    target.close()


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
@pytest.mark.parametrize("name", run.NAMES)
def test_fuzz_finds_nothing_in_a_short_run(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--target", name, "--runs", str(RUNS.get(name, 2000)), "--seed", "1"]

    done = subprocess.run([*command, "--corpus", str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
