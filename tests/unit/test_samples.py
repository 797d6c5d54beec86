"""The samples: every shipped job fits its workflow, every template has its twin on the canvas."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import payload, validation, workflow_files
from comfyui_e3.e3_nodes.model import MEDIA, Workflow
from comfyui_e3.e3_nodes.parsing import strict_yaml
from comfyui_e3.e3_nodes.payload import graph
from comfyui_e3.e3_nodes.validation import names

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "jobs" / "examples"
JOBS = sorted(EXAMPLES.rglob("*.yaml"))
TEMPLATES = sorted((ROOT / "workflows" / "api").glob("*.json"))


@pytest.fixture(scope="module")
def workflows() -> dict[str, Workflow]:
    return workflow_files.load_workflows(str(ROOT / "workflows"))


def read(path: Path) -> dict[str, Any]:
    document = strict_yaml.read(path.read_bytes(), source=path.name)
    assert document.warnings == []
    return document.data


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_samples_job_is_valid(path: Path, workflows: dict[str, Workflow]) -> None:
    job = read(path)
    name = names.parse_config_name(path.name)

    validation.validate_config_schema(job, workflows)

    assert name["job_type"] == job["job_type"]
    names.check_media(job["job_type"], path.parent.name)
    assert Path(job["outputs"]["file_path"]).with_suffix("").name == path.stem


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_samples_job_names_the_schema_that_init_writes(path: Path) -> None:
    first = path.read_text("utf-8").splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")

    assert (path.parent / schema).resolve() == (ROOT / "jobs" / ".schema" / "job.schema.json").resolve()


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_samples_job_builds_its_payload(path: Path, workflows: dict[str, Workflow]) -> None:
    job = read(path)
    workflow = payload.find_workflow(job["workflow_id"], workflows)
    inputs = payload.resolve_random(workflow, job["inputs"], random.Random(1))

    built = payload.build_payload(job["workflow_id"], inputs, workflows)
    _, targets = payload.prepare_attempt(built, "0" * 32)

    assert targets == ["9"]
    assert not any(graph.is_e3_input(node) for node in built.values())
    for name in payload.file_inputs(workflow, inputs):
        assert (ROOT / inputs[name]).is_file()


def test_samples_cover_every_medium_and_workflow(workflows: dict[str, Workflow]) -> None:
    without_models = {path.parent.name for path in JOBS if "needs_models" not in path.parts}
    with_models = {path.parent.name for path in JOBS if "needs_models" in path.parts}

    assert without_models == with_models == set(MEDIA)
    assert {read(path)["workflow_id"] for path in JOBS} == set(workflows)


def test_samples_say_what_they_need(workflows: dict[str, Workflow]) -> None:
    for path in JOBS:
        needs = workflows[read(path)["workflow_id"]].get("needs", [])
        assert bool(needs) == ("needs_models" in path.parts)
    assert all(workflow.get("description") for workflow in workflows.values())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_samples_template_has_its_twin_on_the_canvas(path: Path) -> None:
    template = json.loads(path.read_text("utf-8"))
    canvas = json.loads((ROOT / "workflows" / path.name).read_text("utf-8"))

    nodes = {str(node["id"]): node["type"] for node in canvas["nodes"]}
    wires = Counter((str(source), slot, str(target)) for _, source, slot, target, _, _ in canvas["links"])

    assert canvas["version"] == 0.4
    assert nodes == {node_id: node["class_type"] for node_id, node in template.items()}
    assert wires == Counter(
        (value[0], value[1], node_id)
        for node_id, node in template.items()
        for value in node["inputs"].values()
        if graph.is_link(value)
    )
    assert all({"pos", "size", "inputs", "outputs"} <= node.keys() for node in canvas["nodes"])


def test_samples_canvas_files_all_have_a_template() -> None:
    assert {path.name for path in (ROOT / "workflows").glob("*.json")} == {path.name for path in TEMPLATES}
