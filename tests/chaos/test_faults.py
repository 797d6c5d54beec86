"""The table of faults is complete, and names tests that exist."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import faults

TESTS = Path(__file__).parents[1]


def test_faults_every_one_is_made() -> None:
    assert list(faults.FAULTS) == [f"F{number:02}" for number in range(1, 55)]


def test_faults_every_impossibility_is_tried() -> None:
    assert list(faults.IMPOSSIBLE) == [f"S{number}" for number in range(1, 22)]


@pytest.mark.parametrize(
    "named", sorted({test for tests in [*faults.FAULTS.values(), *faults.IMPOSSIBLE.values()] for test in tests})
)
def test_faults_named_tests_exist(named: str) -> None:
    file, _, function = named.partition("::")
    text = (TESTS / file).read_text("utf-8")

    assert not function or f"def {function}(" in text or f"class {function}(" in text
