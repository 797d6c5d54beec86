"""Templates: which graphs E3 can run at all, and the fingerprint that pins a job to one."""

from __future__ import annotations

import graphlib
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidWorkflow
from .graph import Graph, is_e3_input, is_link, save_nodes

MAX_TEMPLATE_BYTES = 16 * 1024 * 1024


def workflow_sha256(template: Graph, entry: Mapping[str, Any]) -> str:
    """Fingerprint a template together with its entry in ``workflows.yaml``.

    Args:
        template: The graph in API format.
        entry: What ``workflows.yaml`` says about it.

    Returns:
        64 hexadecimal digits that do not depend on the order of keys.

    Examples:
        >>> workflow_sha256({"1": {}, "2": {}}, {}) == workflow_sha256({"2": {}, "1": {}}, {})
        True
    """
    text = json.dumps({"entry": dict(entry), "template": template}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_template(data: bytes, source: str) -> Graph:
    """Read a template from the bytes of its file.

    Args:
        data: The file's content.
        source: The name of the file, for messages.

    Returns:
        A graph that ``check_template`` has found usable.

    Raises:
        InvalidWorkflow: If it is too large, no JSON, or no usable graph.

    Examples:
        >>> data = b'{"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}'
        >>> list(parse_template(data, "cat.json"))
        ['9']
    """
    _check_size(len(data), source)
    try:
        template = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:
        raise InvalidWorkflow(f"{source} is no JSON: {exc}") from exc
    check_template(template, source)
    return template


def check_template(template: Any, source: str) -> None:
    """Refuse a template that could never give a result.

    Args:
        template: What the file holds.
        source: The name of the file, for messages.

    Raises:
        InvalidWorkflow: If it is no graph in API format, has a broken wire or a circle, holds a value
            that is no JSON, or saves nothing.

    Examples:
        >>> check_template({"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}, "cat.json")
    """
    _check_shape(template, source)
    _check_json(template, source)
    _check_links(template, source)
    _check_e3_inputs(template, source)
    if not save_nodes(template):
        raise InvalidWorkflow(
            f"{source} saves nothing: no node has a filename_prefix; end it with a node such as Save Image"
        )


def _check_shape(template: Any, source: str) -> None:
    if not isinstance(template, dict) or not template:
        raise InvalidWorkflow(f"{source} must be a mapping of node ids to nodes, as Workflow > Export (API) writes it")
    if isinstance(template.get("nodes"), list):
        raise InvalidWorkflow(
            f"{source} is a workflow in canvas format; E3 runs the API format: "
            "open it in ComfyUI and use Workflow > Export (API)"
        )
    for node_id, node in template.items():
        _check_node(node_id, node, source)


def _check_node(node_id: Any, node: Any, source: str) -> None:
    where = f"{source}: node {node_id!r}"
    if not isinstance(node_id, str) or not node_id:
        raise InvalidWorkflow(f"{where}: a node id must be text")
    if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
        raise InvalidWorkflow(f"{where} has no class_type; export it with Workflow > Export (API)")
    if not isinstance(node.get("inputs"), dict):
        raise InvalidWorkflow(f"{where}: inputs must be a mapping of fields to values")
    if not isinstance(node.get("_meta", {}), dict):
        raise InvalidWorkflow(f"{where}: _meta must be a mapping")


def _check_json(template: Graph, source: str) -> None:
    try:
        size = len(json.dumps(template, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidWorkflow(f"{source} holds a value that JSON cannot carry, such as NaN: {exc}") from exc
    _check_size(size, source)


def _check_size(size: int, source: str) -> None:
    if size > MAX_TEMPLATE_BYTES:
        raise InvalidWorkflow(f"{source} has {size:,} bytes; a template may have {MAX_TEMPLATE_BYTES:,}")


def _check_links(template: Graph, source: str) -> None:
    upstream = {node_id: _linked_nodes(node) for node_id, node in template.items()}
    for node_id, others in upstream.items():
        for other in others - template.keys():
            raise InvalidWorkflow(f"{source}: node {node_id} is wired to node {other}, which is not there")
    try:
        graphlib.TopologicalSorter(upstream).prepare()
    except graphlib.CycleError as exc:
        raise InvalidWorkflow(f"{source}: the nodes {' -> '.join(exc.args[1])} are wired in a circle") from exc


def _linked_nodes(node: dict[str, Any]) -> set[str]:
    return {value[0] for value in node["inputs"].values() if is_link(value)}


def _check_e3_inputs(template: Graph, source: str) -> None:
    names: dict[str, str] = {}
    for node_id, node in template.items():
        if not is_e3_input(node):
            continue
        name = node["inputs"].get("name")
        if not isinstance(name, str) or not name.strip():
            raise InvalidWorkflow(f"{source}: the {node['class_type']} node {node_id} needs a name")
        if name in names:
            raise InvalidWorkflow(f"{source}: the nodes {names[name]} and {node_id} are both the input {name!r}")
        if "value" not in node["inputs"]:
            raise InvalidWorkflow(f"{source}: the {node['class_type']} node {node_id} has no value")
        names[name] = node_id
