"""What a workflow's inputs could be called: a proposal read off its graph, for people to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..model import WorkflowInput
from .graph import E3_INPUTS, Graph, is_e3_input, is_link, natural_key
from .slots import FILE_FIELDS

SEEDS = ("seed", "noise_seed")
TEXTS = ("text", "prompt", "t5xxl", "clip_l", "clip_g", "tags", "lyrics", "text_g", "text_l")
NUMBERS: dict[str, str] = {
    "steps": "int",
    "cfg": "float",
    "guidance": "float",
    "denoise": "float",
    "width": "int",
    "height": "int",
    "length": "int",
    "seconds": "float",
    "duration": "float",
    "fps": "float",
    "batch_size": "int",
}
MODELS: dict[str, str] = {"ckpt_name": "checkpoint", "unet_name": "model", "lora_name": "lora"}
NAMES: dict[str, str] = {"file": "video", "model_file": "model", "length": "frames", "duration": "seconds"}

Found = tuple[str, str, str, WorkflowInput]
"""Name, node, field, and the entry of the inputs map."""


def propose_inputs(template: Graph) -> dict[str, WorkflowInput]:
    """Propose names for what a job would want to set.

    Texts go by the sampler's positive and negative wires, seeds are drawn, files are files. E3 Input nodes
    have names already; only a seed among them gets an entry, which says that it is drawn.

    Args:
        template: A checked graph in API format.

    Returns:
        An ``inputs`` map for the workflow's entry.

    Examples:
        >>> propose_inputs({"3": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 20}}})["seed"]
        {'node': '3', 'field': 'seed', 'type': 'int', 'min': 0, 'random': True}
    """
    proposed: dict[str, WorkflowInput] = {}
    places: set[tuple[str, str]] = set()
    described = {node["inputs"]["name"] for node in template.values() if is_e3_input(node)}
    for name, node_id, field, entry in (*_e3_seeds(template), *_candidates(template)):
        if (node_id, field) in places or (name in described and template[node_id]["class_type"] not in E3_INPUTS):
            continue
        places.add((node_id, field))
        proposed[_free(name, proposed)] = entry
    return proposed


def required_inputs(proposed: Mapping[str, WorkflowInput]) -> list[str]:
    """Say which of the proposed inputs a job should have to give: the prompt, and every file.

    Examples:
        >>> required_inputs({"image": {"type": "file"}, "steps": {"type": "int"}})
        ['image']
    """
    return [name for name, entry in proposed.items() if name == "prompt" or entry.get("type") == "file"]


def _e3_seeds(template: Graph) -> Iterator[Found]:
    for node_id, node in template.items():
        if node["class_type"] == "E3InputInteger" and node["inputs"]["name"] in SEEDS:
            yield (
                node["inputs"]["name"],
                node_id,
                "value",
                {"node": node_id, "field": "value", "random": True},
            )


def _candidates(template: Graph) -> Iterator[Found]:
    nodes = sorted((key for key, node in template.items() if not is_e3_input(node)), key=natural_key)
    yield from _prompts(template, nodes)
    yield from _other_texts(template, nodes)
    for node_id in nodes:
        yield from _files(node_id, template[node_id])
    for node_id in nodes:
        yield from _numbers(node_id, template[node_id])
    for node_id in nodes:
        for field, name in MODELS.items():
            if isinstance(template[node_id]["inputs"].get(field), str):
                yield name, node_id, field, {"node": node_id, "field": field, "type": "string"}


def _prompts(template: Graph, nodes: list[str]) -> Iterator[Found]:
    """Follow the wires of every sampler, or guider, back to the text that they begin with."""
    for wire, name in (("positive", "prompt"), ("conditioning", "prompt"), ("negative", "negative_prompt")):
        for node_id in nodes:
            link = template[node_id]["inputs"].get(wire)
            if is_link(link):
                yield from _texts_behind(template, link[0], name)


def _texts_behind(template: Graph, node_id: str, name: str) -> Iterator[Found]:
    """Yield the texts of the nearest node upstream that holds one."""
    seen: set[str] = set()
    waiting = [node_id]
    while waiting:
        current = waiting.pop(0)
        if current in seen or current not in template:
            continue
        seen.add(current)
        texts = list(_texts_of(current, template[current], name))
        if texts:
            yield from texts
            return
        links = [value[0] for value in template[current]["inputs"].values() if is_link(value)]
        waiting += links


def _texts_of(node_id: str, node: Mapping[str, Any], name: str) -> Iterator[Found]:
    fields = [field for field in TEXTS if isinstance(node["inputs"].get(field), str)]
    for field in fields:
        own = field if field in ("tags", "lyrics") else name
        yield own, node_id, field, {"node": node_id, "field": field, "type": "string"}


def _other_texts(template: Graph, nodes: list[str]) -> Iterator[Found]:
    """Yield texts that no sampler's wire leads to, such as what a voice is to say."""
    for node_id in nodes:
        for field in ("text", "prompt", "tags", "lyrics"):
            if isinstance(template[node_id]["inputs"].get(field), str):
                yield field, node_id, field, {"node": node_id, "field": field, "type": "string"}


def _files(node_id: str, node: Mapping[str, Any]) -> Iterator[Found]:
    for field, value in node["inputs"].items():
        if (node["class_type"], field) in FILE_FIELDS and isinstance(value, str):
            yield NAMES.get(field) or field, node_id, field, {"node": node_id, "field": field, "type": "file"}


def _numbers(node_id: str, node: Mapping[str, Any]) -> Iterator[Found]:
    for field, value in node["inputs"].items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if field in SEEDS:
            entry: WorkflowInput = {"node": node_id, "field": field, "type": "int", "min": 0, "random": True}
            yield "seed", node_id, field, entry
        elif field in NUMBERS:
            kind = NUMBERS[field]
            is_float = kind == "float" or isinstance(value, float)
            yield (
                NAMES.get(field) or field,
                node_id,
                field,
                {
                    "node": node_id,
                    "field": field,
                    "type": "float" if is_float else "int",
                },
            )


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
