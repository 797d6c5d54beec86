"""Smoke tests of the benchmarks: every section runs at small size and says what it promises."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes.bench import run
from comfyui_e3.e3_nodes.bench.figures import Figure, Target, percentile
from comfyui_e3.e3_nodes.bench.scale import Scale
from comfyui_e3.e3_nodes.cli import main

TINY = Scale(
    jobs=4, gpu_jobs=2, pairs=1, side=32, drops=1, files=(20,), rows=50, waiting_files=5, idle_seconds=0.2,
    backlogs=(0, 20), backoffs=20, leases=5, requests=2, bulk=10, starts=1,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _embedded_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMFYUI_PATH", raising=False)


@pytest.mark.skipif(os.name == "nt", reason="the scratch servers use links, which Windows may refuse")
@pytest.mark.parametrize(
    ("section", "figure"),
    [
        ("dispatch", "dispatch.embedded.rate"),
        ("arrival", "arrival.median"),
        ("ingest", "ingest.files_20.rate"),
        ("lease", "lease.backlog_20"),
        ("api", "api.first_page.p50"),
    ],
)
def test_bench_run_measures_a_section(section: str, figure: str) -> None:
    figures = run.run(TINY, [section])

    assert figure in {each.name for each in figures}
    assert all(each.value >= 0 for each in figures)


def test_bench_report_is_strict_json_with_ratios() -> None:
    figures = [Figure("a.rate", 50.0, "jobs/s", floor=100.0, target=Target(0.7, "ratio", at_least=True))]

    told = json.loads(json.dumps(run.report(figures, TINY), allow_nan=False))

    assert told["figures"]["a.rate"]["ratio"] == 0.5
    assert told["figures"]["a.rate"]["met"] is False


def test_bench_command_refuses_an_unknown_section() -> None:
    assert main(["bench", "--only", "dispach"]) == 2


def test_bench_percentile_of_nothing_is_nothing() -> None:
    assert percentile([], 0.99) == 0.0


def test_bench_write_leaves_a_file(tmp_path: Path) -> None:
    run.write(tmp_path / "report.json", run.report([], TINY))

    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["figures"] == {}
