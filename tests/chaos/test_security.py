"""What a job must never be able to do (S7 to S9, S14, S18), tried through the engine's own doors."""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import executor, inputs, monitor, outputs, payload
from comfyui_e3.e3_nodes.errors import E3Error, InvalidConfig
from comfyui_e3.e3_nodes.station import Station
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import FakeBackend, Home, opened_home, workflow_of

GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "positive": ["6", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat"}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}
NAMES = st.sampled_from(
    ["text", "seed", "steps", "positive", "6.text", "6_text", "3.positive", "9.images", "9.filename_prefix",
     "class_type", "6.class_type", "__proto__", "inputs", "6.inputs", "66.text", ""]
)  # fmt: skip
VALUES = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.booleans(), st.text(max_size=20), st.none(),
    st.lists(st.one_of(st.text(max_size=3), st.integers(0, 3)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    headers = {"X": "canary-of-a-header"}
    with opened_home(tmp_path / "home", api_token="canary-of-the-token", comfyui={"headers": headers}) as home:
        yield home


@pytest.mark.parametrize("name", ["T2I_20250101120000_7_evil.yaml", "x.yml", "x.png.yaml"])
@pytest.mark.parametrize("folder", ["jobs/processing/image", "jobs/finished/image"])
def test_security_no_job_can_write_a_job_file(home: Home, folder: str, name: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        outputs.final_path(f"{folder}/{name}", home.cfg)

    assert caught.value.code in ("path_outside", "ext_not_allowed")


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_security_no_job_can_rewire_the_graph(given: dict[str, Any]) -> None:
    workflows = {"wf": workflow_of(copy.deepcopy(GRAPH))}
    try:
        graph = payload.build_payload("wf", given, workflows)
    except E3Error:
        return

    def wires(nodes: dict[str, Any]) -> dict[str, Any]:
        return {
            key: (node["class_type"], sorted(node["inputs"]), {k: v for k, v in node["inputs"].items() if _is_wire(v)})
            for key, node in nodes.items()
        }

    assert wires(graph) == wires(GRAPH)


def _is_wire(value: Any) -> bool:
    return isinstance(value, (list, tuple))


@pytest.mark.parametrize(
    "value",
    ["../../../etc/passwd", "/etc/passwd", "x.png [output]", "C:\\Windows\\win.ini", "\\\\host\\share\\x.png",
     "jobs/../../secret.png", "jobs/link.png", "global_config.yaml", "jobs/e3.sqlite3", "jobs/twin.png",
     "jobs/e3.sqlite3-search"],
)  # fmt: skip
def test_security_no_job_reads_files_that_it_should_not(home: Home, tmp_path: Path, value: str) -> None:
    jobs = Path(home.cfg["home"]) / "jobs"
    (tmp_path / "secret.png").write_bytes(b"secret")
    (jobs / "e3.sqlite3").write_bytes(b"the table")
    (jobs / "e3.sqlite3-search").write_bytes(b"its names")
    if os.name == "posix":
        (jobs / "link.png").symlink_to(tmp_path / "secret.png")
        (jobs / "twin.png").hardlink_to(jobs / "e3.sqlite3")
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}}, "9": save}
    slot = {"image": {"node": "1", "field": "image", "type": "file"}}
    workflows = {"wf": workflow_of(graph, inputs=slot)}

    with pytest.raises(InvalidConfig):
        inputs.settle_inputs("wf", {"image": value}, workflows, home.cfg)


def test_security_no_setting_reaches_row_result_file_or_graph(home: Home, tmp_path: Path) -> None:
    job = home.submit()
    backend = FakeBackend(tmp_path / "output")
    station = Station(backend)

    executor.run_once(home.cfg, home.workflows, home.db, "me", station=station)

    [prompt] = backend.prompts.values()
    told = json.dumps([home.row(job), prompt.graph, home.db.list_attempts(home.row(job)["id"])])
    told += "".join(path.read_text("utf-8", "replace") for path in home.finished.iterdir())
    assert home.row(job)["status"] == "done" and "canary" not in told


def test_security_a_flood_of_files_is_taken_in_slices(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(120):
        home.write()
    sizes: list[int] = []
    ingest = home.db.ingest_jobs

    def counted(rows: Iterable[Any]) -> list[Any]:
        taken = ingest(rows)
        sizes.append(len(taken))
        return taken

    monkeypatch.setattr(home.db, "ingest_jobs", counted)

    monitor.scan_once(home.cfg, home.workflows, home.db, sleep=lambda seconds: None)
    if not sizes:
        monitor.take_files(sorted(map(str, home.processing.glob("*.yaml")))[:50], home.cfg, home.workflows, home.db)

    assert sizes and max(sizes) <= 200
