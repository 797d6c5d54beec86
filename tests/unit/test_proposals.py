"""Which names are proposed for the inputs of an exported workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import config_loader
from comfyui_e3.e3_nodes.payload import proposals, slots

SHIPPED = config_loader.load_workflows(str(Path(config_loader.__file__).parents[1] / "workflows"))


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def places(template: dict[str, Any]) -> dict[str, str]:
    found = proposals.propose_inputs(template).items()
    return {name: f"{entry.get('node')}.{entry.get('field')}" for name, entry in found}


def test_proposals_follow_the_samplers_wires() -> None:
    template = {
        "1": node("CLIPTextEncode", text="ugly"),
        "2": node("CLIPTextEncode", text="a cat"),
        "5": node("FluxGuidance", conditioning=["2", 0], guidance=3.5),
        "3": node("KSampler", positive=["5", 0], negative=["1", 0], seed=1),
    }

    assert places(template) == {
        "prompt": "2.text",
        "negative_prompt": "1.text",
        "seed": "3.seed",
        "guidance": "5.guidance",
    }


def test_proposals_one_text_for_both_wires_is_the_prompt() -> None:
    template = {
        "2": node("CLIPTextEncode", text="a cat"),
        "4": node("ConditioningZeroOut", conditioning=["2", 0]),
        "3": node("KSampler", positive=["2", 0], negative=["4", 0]),
    }

    assert places(template) == {"prompt": "2.text"}


def test_proposals_e3_inputs_keep_their_names_and_seeds_are_drawn() -> None:
    template = {
        "1": node("E3InputText", name="prompt", value="a cat"),
        "2": node("E3InputInteger", name="seed", value=0),
        "3": node("KSampler", seed=["2", 0], steps=20),
        "4": node("CLIPTextEncode", text="another"),
    }

    proposed = proposals.propose_inputs(template)

    assert proposed["seed"] == {"node": "2", "field": "value", "random": True}
    assert "prompt" not in proposed and proposed["text"]["node"] == "4"


def test_proposals_several_of_a_kind_are_numbered() -> None:
    template = {
        "3": node("KSampler", seed=1),
        "10": node("KSampler", seed=2),
        "9": node("LoadImage", image="a.png"),
        "11": node("LoadImage", image="b.png"),
    }

    assert places(template) == {"seed": "3.seed", "seed_2": "10.seed", "image": "9.image", "image_2": "11.image"}


def test_proposals_numbers_that_take_fractions_say_so() -> None:
    proposed = proposals.propose_inputs({"3": node("KSampler", cfg=8, steps=20, denoise=1)})

    assert {name: entry.get("type") for name, entry in proposed.items()} == {
        "cfg": "float",
        "steps": "int",
        "denoise": "float",
    }


@pytest.mark.parametrize("workflow_id", sorted(SHIPPED))
def test_proposals_for_shipped_templates_can_be_resolved(workflow_id: str) -> None:
    template = SHIPPED[workflow_id].get("template", {})

    proposed = proposals.propose_inputs(template)

    workflow: Any = {"template": template, "inputs": proposed}
    for name in proposed:
        slots.resolve(workflow, name)


@pytest.mark.parametrize(
    ("workflow_id", "names"),
    [
        (
            "wf_realistic_portrait",
            {"prompt", "negative_prompt", "seed", "steps", "cfg", "width", "height", "checkpoint"},
        ),
        ("wf_wan22_image_to_video", {"prompt", "negative_prompt", "image", "seed", "steps", "frames"}),
        ("wf_ace_step_music", {"tags", "lyrics", "seconds", "seed", "steps"}),
        ("wf_hunyuan3d_image_to_3d", {"image", "seed", "steps"}),
        ("wf_kokoro_speech", {"text"}),
    ],
)
def test_proposals_name_what_our_own_workflows_name(workflow_id: str, names: set[str]) -> None:
    assert names <= set(proposals.propose_inputs(SHIPPED[workflow_id].get("template", {})))
