"""The guard against becoming slower: its judgement, and a quick run against the baseline."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("bench_guard", Path(__file__).with_name("guard.py"))
assert _spec is not None and _spec.loader is not None
guard = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(guard)


@pytest.mark.parametrize(
    ("unit", "ratio", "is_fine"),
    [
        pytest.param("jobs/s", 0.5, True, id="a rate like before"),
        pytest.param("jobs/s", 0.1, False, id="a rate that fell"),
        pytest.param("jobs/s", 5.0, True, id="a rate that rose"),
        pytest.param("ms", 0.6, True, id="a time like before"),
        pytest.param("ms", 1.6, False, id="a time that grew"),
    ],
)
def test_guard_complaints_judge_by_ratio_and_unit(unit: str, ratio: float, is_fine: bool) -> None:
    figures = {"x.y": {"ratio": ratio, "unit": unit}}

    found = guard.complaints(figures, {"x.y": 0.5})

    assert (found == []) == is_fine


def test_guard_complaints_leave_out_what_was_not_measured() -> None:
    assert guard.complaints({}, {"x.y": 0.5}) == []


@pytest.mark.skipif(os.name == "nt", reason="a server is ended there without a chance to tidy its folder up")
def test_guard_quick_run_is_not_slower_than_the_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMFYUI_PATH", raising=False)

    figures = guard.measure()
    baseline = guard.load_baseline()

    assert {name for name in baseline if not name.startswith(guard.OPTIONAL)} <= figures.keys()
    assert guard.complaints(figures, baseline) == []
