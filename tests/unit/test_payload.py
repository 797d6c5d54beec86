"""From inputs to the graph that runs."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from comfyui_e3.e3_nodes import payload
from comfyui_e3.e3_nodes.errors import InvalidConfig
from hypothesis import given, settings
from hypothesis import strategies as st


def node(class_type: str = "KSampler", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


WORKFLOW: Any = {
    "template": {
        "3": node(seed=0, steps=20, cfg=7.5, positive=["6", 0]),
        "6": node("CLIPTextEncode", text="a dog"),
        "9": {**node("SaveImage", images=["3", 0], filename_prefix="x"), "_meta": {"title": "Keep"}},
    },
    "required_inputs": ["prompt", "seed", "steps"],
    "inputs": {
        "prompt": {"node": "6", "field": "text", "type": "string"},
        "seed": {"node": "3", "field": "seed", "type": "int", "min": 0, "random": True},
        "steps": {"node": "3", "field": "steps", "type": "int", "default": 30},
    },
}
AUTHORED: Any = {
    "template": {
        "1": node("E3InputInteger", name="size", value=512, required=True, min=64, max=2048),
        "2": node("E3InputInteger", name="copy", value=["1", 0], required=False),
        "3": node("E3InputText", name="unused", value="x", required=False),
        "4": node("E3InputFile", name="image", value="example.png", required=False),
        "5": node("EmptyImage", width=["1", 0], height=["2", 0]),
        "6": node("LoadImage", image=["4", 0]),
        "7": node("SaveImage", images=["5", 0], filename_prefix="x"),
        "8": node("SaveImage", images=["6", 0], filename_prefix=["3", 0]),
    },
}


def build(inputs: dict[str, Any], workflow: Any = WORKFLOW) -> Any:
    return payload.build_payload("wf", inputs, {"wf": workflow})


# -- build_payload ---------------------------------------------------------------------------------------


def test_payload_build_payload_fills_the_template() -> None:
    graph = build({"prompt": "a cat", "seed": 7, "cfg": 4})

    assert graph["6"]["inputs"] == {"text": "a cat"}
    assert graph["3"]["inputs"] == {"seed": 7, "steps": 30, "cfg": 4, "positive": ["6", 0]}


def test_payload_build_payload_gives_every_node_a_title() -> None:
    graph = build({"prompt": "a cat"})

    assert {node_id: node["_meta"] for node_id, node in graph.items()} == {
        "3": {"title": "KSampler"},
        "6": {"title": "CLIPTextEncode"},
        "9": {"title": "Keep"},
    }


def test_payload_build_payload_leaves_the_template_alone() -> None:
    before = copy.deepcopy(WORKFLOW)

    graph = build({"prompt": "a cat"})
    graph["9"]["inputs"]["images"].append("x")
    graph["9"]["_meta"]["title"] = "changed"

    assert before == WORKFLOW


def test_payload_build_payload_folds_e3_inputs_into_every_consumer() -> None:
    graph = build({"size": 640, "image": "e3/ab.png"}, AUTHORED)

    assert graph["5"]["inputs"] == {"width": 640, "height": 640}
    assert graph["6"]["inputs"] == {"image": "e3/ab.png"}
    assert graph["8"]["inputs"]["filename_prefix"] == "x"
    assert set(graph) == {"5", "6", "7", "8"}


def test_payload_build_payload_folds_a_wire_into_an_e3_input_through() -> None:
    template = {
        "1": node("PrimitiveInt", value=4),
        "2": node("E3InputInteger", name="steps", value=["1", 0], required=True),
        "3": node(steps=["2", 0], filename_prefix="x"),
    }

    assert build({}, {"template": template})["3"]["inputs"]["steps"] == ["1", 0]


@pytest.mark.parametrize(
    ("inputs", "workflow", "missing"),
    [
        pytest.param({}, WORKFLOW, "prompt", id="required_inputs"),
        pytest.param({"6.text": "a cat"}, WORKFLOW, "prompt", id="by name, not by another way"),
        pytest.param({}, AUTHORED, "size", id="E3 Input that is required"),
    ],
)
def test_payload_build_payload_names_missing_inputs(inputs: Any, workflow: Any, missing: str) -> None:
    with pytest.raises(InvalidConfig, match=f"needs {missing} among") as caught:
        build(inputs, workflow)

    assert caught.value.code == "missing_field"


def test_payload_build_payload_refuses_two_inputs_for_one_place() -> None:
    with pytest.raises(InvalidConfig, match=r"inputs seed and 3_seed both set 3\.seed"):
        build({"prompt": "a cat", "seed": 1, "3_seed": 2})


def test_payload_build_payload_lets_an_address_replace_a_default() -> None:
    assert build({"prompt": "a cat", "3.steps": 5})["3"]["inputs"]["steps"] == 5


@pytest.mark.parametrize("workflow_id", ["wf_portrat", "../../x", None])
def test_payload_build_payload_refuses_unknown_workflows(workflow_id: Any) -> None:
    with pytest.raises(InvalidConfig, match="wf_portrait") as caught:
        payload.build_payload(workflow_id, {}, {"wf_portrait": WORKFLOW})

    assert caught.value.code == "workflow_unknown"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
names = st.sampled_from(["prompt", "seed", "3.cfg", "9.images", "6_text", "class_type", "9", "3"]) | st.text()


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(names, json_values, max_size=4))
def test_payload_build_payload_never_rewires(inputs: dict[str, Any]) -> None:
    try:
        graph = build(inputs)
    except InvalidConfig:
        return

    template = WORKFLOW["template"]
    assert {i: n["class_type"] for i, n in graph.items()} == {i: n["class_type"] for i, n in template.items()}
    assert graph["3"]["inputs"].keys() == template["3"]["inputs"].keys()
    assert graph["3"]["inputs"]["positive"] == ["6", 0]
    assert graph["9"]["inputs"] == template["9"]["inputs"]


# -- resolve_random, file_inputs -------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [{"prompt": "x"}, {"prompt": "x", "seed": -1}], ids=["absent", "-1"])
def test_payload_resolve_random_draws(inputs: dict[str, Any]) -> None:
    before = dict(inputs)

    drawn = payload.resolve_random(WORKFLOW, inputs, random.Random(1))

    assert drawn == payload.resolve_random(WORKFLOW, inputs, random.Random(1))
    assert 0 <= drawn["seed"] < 2**53
    assert inputs == before
    assert build(drawn)["3"]["inputs"]["seed"] == drawn["seed"]


@pytest.mark.parametrize("inputs", [{"seed": 0}, {"3.seed": 5}, {"steps": -1, "seed": 4}])
def test_payload_resolve_random_keeps_what_is_given(inputs: dict[str, Any]) -> None:
    assert payload.resolve_random(WORKFLOW, inputs, random.Random(1)) == inputs


def test_payload_resolve_random_draws_fractions_within_the_range() -> None:
    declared: Any = {"cfg": {"node": "3", "field": "cfg", "random": True, "min": 2, "max": 3}}

    drawn = payload.resolve_random({**WORKFLOW, "inputs": declared}, {}, random.Random(1))

    assert 2 <= drawn["cfg"] <= 3


def test_payload_file_inputs_names_files_only() -> None:
    assert payload.file_inputs(AUTHORED, {"size": 64, "image": "jobs/cat.png"}) == ["image"]
