"""workflows.yaml and the templates that it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import workflow_files
from comfyui_e3.e3_nodes.errors import InvalidWorkflow

TEMPLATE = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 0, "model": ["4", 0]}},
    "4": {"class_type": "Loader", "inputs": {"name": "x"}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}
ENTRY = "wf: {template_path: api/cat.json, required_inputs: [seed]}\n"


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., str]:
    def make(text: str, name: str = "workflows.yaml") -> str:
        (tmp_path / "api").mkdir(exist_ok=True)
        (tmp_path / "api" / "cat.json").write_text(json.dumps(TEMPLATE), "utf-8")
        (tmp_path / name).write_text(text, "utf-8")
        return str(tmp_path / name)

    return make


def test_workflow_files_load_workflows_loads_template_and_entry(make_file: Any) -> None:
    path = make_file(
        "wf:\n  template_path: api/cat.json\n  required_inputs: [seed]\n  description: A cat\n"
        "  needs: [checkpoints/x]\n  inputs:\n    seed: {node: 3, field: seed, type: int, random: true}\n"
    )

    workflow = workflow_files.load_workflows(path)["wf"]

    assert workflow.get("template") == TEMPLATE
    assert workflow.get("required_inputs") == ["seed"]
    assert workflow.get("inputs") == {"seed": {"node": "3", "field": "seed", "type": "int", "random": True}}
    assert workflow.get("source") == path
    assert len(workflow.get("sha256", "")) == 64


def test_workflow_files_load_workflows_takes_the_folder(make_file: Any) -> None:
    path = make_file(ENTRY)

    assert workflow_files.load_workflows(str(Path(path).parent)) == workflow_files.load_workflows(path)


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n", "\ufeff"])
def test_workflow_files_load_workflows_takes_an_empty_file(make_file: Any, text: str) -> None:
    assert workflow_files.load_workflows(make_file(text)) == {}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param("wf: api/cat.json", "must be a mapping", id="no mapping"),
        pytest.param("wf: {required_inputs: []}", "template_path is missing", id="no template"),
        pytest.param("wf: {template_path: api/cat.json}", "required_inputs is missing", id="no required"),
        pytest.param("wf: {template: a, required_inputs: []}", "nearest: template_path", id="unknown key"),
        pytest.param("wf: {template_path: 7, required_inputs: []}", "path of a template, got 7", id="type"),
        pytest.param("wf: {template_path: a, required_inputs: [1]}", "a list of names", id="type in list"),
        pytest.param("wf: {template_path: api/no.json, required_inputs: []}", "cannot be read", id="gone"),
        pytest.param("wf: {template_path: ../x.json, required_inputs: []}", "stay inside", id="W02 above"),
        pytest.param("wf: {template_path: 'api\\..\\..\\x', required_inputs: []}", "stay inside", id="W02 \\"),
        pytest.param("wf: {template_path: /etc/x.json, required_inputs: []}", "stay inside", id="W02 root"),
        pytest.param("wf: {template_path: 'C:x.json', required_inputs: []}", "stay inside", id="W02 drive"),
        pytest.param("wf: {template_path: api/cat.json, required_inputs: [sead]}", "nearest: seed", id="no slot"),
    ],
)
def test_workflow_files_load_workflows_refuses_entries(make_file: Any, entry: str, message: str) -> None:
    path = make_file(f"# first line\n{entry}\n")

    with pytest.raises(InvalidWorkflow, match=message) as caught:
        workflow_files.load_workflows(path)

    assert str(caught.value).startswith(f"{path}: workflow wf: ")
    assert (caught.value.line, caught.value.column) == (2, 1)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        pytest.param("seed", "must be a mapping", id="no mapping"),
        pytest.param("{node: '3'}", "field must be text", id="no field"),
        pytest.param("{node: '3', field: seed, kind: int}", "'kind' is unknown", id="unknown key"),
        pytest.param("{node: '3', field: seed, type: number}", "string, int, float", id="unknown type"),
        pytest.param("{node: '5', field: seed}", "there is no node '5'", id="no such node"),
        pytest.param("{node: '3', field: sead}", "no value in 'sead'", id="no such field"),
        pytest.param("{node: '3', field: model}", "wired to node 4", id="a wire"),
        pytest.param("{node: '9', field: filename_prefix}", "outputs.file_path", id="the prefix"),
        pytest.param("{node: '3', field: seed, min: '0'}", "min must be a number", id="min no number"),
        pytest.param("{node: '3', field: seed, min: 9, max: 1}", "min 9 is above max 1", id="range upside down"),
        pytest.param("{node: '3', field: seed, default: x}", "must be a whole number", id="default of other type"),
        pytest.param("{node: '3', field: seed, default: 9, max: 1}", "to 1, got 9", id="default out of range"),
        pytest.param("{node: '3', field: seed, random: 1}", "random must be true or false", id="random no bool"),
        pytest.param("{node: '4', field: name, random: true}", "only a number can be random", id="random text"),
        pytest.param("{node: '3', field: seed, type: []}", "type must be one of", id="type no text"),
    ],
)
def test_workflow_files_load_workflows_refuses_inputs(make_file: Any, declared: str, message: str) -> None:
    path = make_file(f"wf: {{template_path: api/cat.json, required_inputs: [], inputs: {{x: {declared}}}}}\n")

    with pytest.raises(InvalidWorkflow, match=message):
        workflow_files.load_workflows(path)


def test_workflow_files_load_workflows_refuses_a_template_that_leads_outside(
    make_file: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "cat.json"
    outside.write_text(json.dumps(TEMPLATE), "utf-8")
    path = make_file("wf: {template_path: api/link.json, required_inputs: []}\n")
    try:
        (tmp_path / "api" / "link.json").symlink_to(outside)
    except OSError:
        pytest.skip("this system makes no symbolic links")

    with pytest.raises(InvalidWorkflow, match="leads to"):
        workflow_files.load_workflows(path)


@pytest.mark.parametrize(
    ("text", "code"),
    [("a: [", "yaml_syntax"), ("- a", "not_a_mapping"), ("a: 1\na: 2", "yaml_duplicate_key")],
)
def test_workflow_files_load_workflows_refuses_bad_yaml(make_file: Any, text: str, code: str) -> None:
    path = make_file(text)

    with pytest.raises(InvalidWorkflow) as caught:
        workflow_files.load_workflows(path)

    assert caught.value.code == code
    assert path in str(caught.value)


def test_workflow_files_load_workflows_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflow, match=r"none\.yaml cannot be read"):
        workflow_files.load_workflows(str(tmp_path / "none.yaml"))


def test_workflow_files_load_all_workflows_lets_the_later_file_win(make_file: Any) -> None:
    first = make_file(ENTRY + "other" + ENTRY[2:], "first.yaml")
    second = make_file(ENTRY, "second.yaml")

    workflows = workflow_files.load_all_workflows([first, second])

    assert {name: workflow.get("source") for name, workflow in workflows.items()} == {
        "wf": second,
        "other": first,
    }


def test_workflow_files_load_all_workflows_goes_on_after_a_bad_entry(make_file: Any) -> None:
    bad = make_file("wf: {}\nother" + ENTRY[2:] + "", "bad.yaml")
    errors: list[InvalidWorkflow] = []

    workflows = workflow_files.load_all_workflows([bad, make_file("- a", "worse.yaml")], errors.append)

    assert list(workflows) == ["other"]
    assert len(errors) == 2


def test_workflow_files_load_all_workflows_raises_without_a_listener(make_file: Any) -> None:
    with pytest.raises(InvalidWorkflow, match="template_path is missing"):
        workflow_files.load_all_workflows([make_file("wf: {}")])
