"""A graph against what a ComfyUI says of its nodes (``GET /object_info``): what it would refuse, and why.

Pure: a graph and the answer in, problems out. Only what ComfyUI itself refuses is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..payload.graph import Graph, is_link
from ..payload.slots import FILE_FIELDS
from ..validation.names import nearest

_UPLOADS = ("image_upload", "audio_upload", "video_upload", "file_upload", "image_folder", "upload", "remote")
_FOLDERS = {
    "ckpt_name": "checkpoints",
    "unet_name": "diffusion_models",
    "lora_name": "loras",
    "vae_name": "vae",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "control_net_name": "controlnet",
    "style_model_name": "style_models",
}


@dataclass(frozen=True)
class Refusal:
    """Something that ComfyUI would refuse.

    ``code`` is ``node_missing``, ``value_missing``, ``input_missing`` or ``bad_value``.
    """

    code: str
    message: str
    fix: str


def refusals(graph: Graph, nodes: Mapping[str, Any]) -> Iterator[Refusal]:
    """Yield what a ComfyUI would refuse of a graph that is ready to run.

    Args:
        graph: A graph in API format without E3 Input nodes.
        nodes: The answer of ``/object_info``.

    Examples:
        >>> list(refusals({"1": {"class_type": "KSampler", "inputs": {}}}, {"KSamplerAdvanced": {}}))[0].code
        'node_missing'
    """
    missing = {key: node["class_type"] for key, node in graph.items() if node["class_type"] not in nodes}
    if missing:
        yield _missing_nodes(missing, nodes)
    for node_id, node in graph.items():
        if node_id not in missing:
            yield from _node_refusals(node_id, node, nodes[node["class_type"]].get("input") or {})


def ignored_inputs(graph: Graph, nodes: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that ComfyUI would ignore, because the node's inputs have changed.

    Examples:
        >>> nodes = {"KSampler": {"input": {"required": {"steps": ["INT"]}}}}
        >>> list(ignored_inputs({"3": {"class_type": "KSampler", "inputs": {"stepz": 9}}}, nodes))
        ['node 3 (KSampler) has no input stepz (there is steps): its value is ignored']
    """
    for node_id, node in graph.items():
        specs = (nodes.get(node["class_type"]) or {}).get("input") or {}
        known = [field for part in ("required", "optional") for field in specs.get(part) or {}]
        for field, value in node["inputs"].items():
            if field not in known and field.split(".")[0] not in known and not is_link(value) and known:
                near = nearest(field, known)
                hint = f" (there is {near})" if near else ""
                yield f"node {node_id} ({node['class_type']}) has no input {field}{hint}: its value is ignored"


def _missing_nodes(missing: Mapping[str, str], nodes: Mapping[str, Any]) -> Refusal:
    """Tell all missing nodes together: they often come from one pack."""
    names = sorted(set(missing.values()))
    near = nearest(names[0], nodes) if len(names) == 1 else None
    hint = f" (there is {near})" if near else ""
    ids = ", ".join(missing)
    message = f"this ComfyUI has no {', '.join(names)}{hint}, which the graph uses (nodes {ids})"
    return Refusal("node_missing", message, "install the node pack that brings it, or update ComfyUI")


def _node_refusals(node_id: str, node: Mapping[str, Any], specs: Mapping[str, Any]) -> Iterator[Refusal]:
    required, optional = specs.get("required") or {}, specs.get("optional") or {}
    for field, spec in required.items():
        if field not in node["inputs"] and not _is_dynamic(spec):
            yield _missing_input(node_id, node, field)
    for field, spec in {**optional, **required}.items():
        if field in node["inputs"]:
            yield from _value_refusals(node_id, node, field, spec)


def _is_dynamic(spec: Any) -> bool:
    """A growing or a dynamic input appears under names of its own, such as ``format.quality``, or not at all."""
    return bool(spec) and isinstance(spec[0], str) and spec[0].startswith("COMFY_")


def _missing_input(node_id: str, node: Mapping[str, Any], field: str) -> Refusal:
    where = f"node {node_id} ({node['class_type']})"
    message = f"{where} has no {field}, which this ComfyUI requires: the node has changed"
    return Refusal("input_missing", message, "open the workflow in ComfyUI and export it again")


def _value_refusals(node_id: str, node: Mapping[str, Any], field: str, spec: Any) -> Iterator[Refusal]:
    value = node["inputs"][field]
    if is_link(value) or not isinstance(spec, (list, tuple)) or not spec:
        return
    kind, options = spec[0], spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    where = f"{field} of node {node_id} ({node['class_type']})"
    if _is_combo(kind):
        choices = kind if isinstance(kind, list) else options.get("options")
        is_fixed = not any(options.get(word) for word in _UPLOADS)
        is_file = (node["class_type"], field) in FILE_FIELDS
        if choices is not None and is_fixed and not is_file and not _is_among(value, choices):
            yield _missing_value(where, field, value, choices)
    elif kind in ("INT", "FLOAT") and isinstance(value, (int, float)):
        yield from _range_refusals(where, value, options)


def _is_combo(kind: Any) -> bool:
    return isinstance(kind, list) or kind == "COMBO"


def _is_among(value: Any, choices: list[Any]) -> bool:
    values = value["__value__"] if isinstance(value, dict) and "__value__" in value else value
    return all(one in choices for one in values) if isinstance(values, list) else values in choices


def _missing_value(where: str, field: str, value: Any, choices: list[Any]) -> Refusal:
    near = nearest(str(value), [str(choice) for choice in choices])
    hint = f" (there is {near})" if near else ""
    message = f"{where}: {value!r} is not there{hint}"
    folder = _FOLDERS.get(field)
    where_to = f"put it into models/{folder}/" if folder else "choose one of the values that ComfyUI offers"
    return Refusal("value_missing", message, where_to)


def _range_refusals(where: str, value: float, options: Mapping[str, Any]) -> Iterator[Refusal]:
    low, high = options.get("min"), options.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        yield Refusal("bad_value", f"{where} must be {low} to {high}, got {value}", "change it in the job or workflow")
