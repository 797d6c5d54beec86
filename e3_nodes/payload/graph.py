"""Graphs in ComfyUI's API format, and what is done to each before it runs.

A graph is ``{node_id: {"class_type": str, "inputs": {field: value or link}, "_meta": {"title": str}}}``;
a link is ``[node_id, output index]``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidConfig

Graph = dict[str, dict[str, Any]]

E3_INPUTS: dict[str, str] = {
    "E3InputText": "string",
    "E3InputInteger": "int",
    "E3InputNumber": "float",
    "E3InputSwitch": "bool",
    "E3InputFile": "file",
}
"""The classes of the E3 Input nodes, and the type of the value that each holds."""

PREFIX = "filename_prefix"


def is_link(value: object) -> bool:
    """Tell whether ComfyUI would read a value as a wire to another node.

    Args:
        value: Any value of a node's ``inputs``.

    Returns:
        True for a list of a node id and an output index.

    Examples:
        >>> is_link(["4", 0]), is_link("4"), is_link(["4", 0, 1])
        (True, False, False)
    """
    return (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (int, float))
    )


def natural_key(node_id: str) -> list[tuple[int, int, str]]:
    """Give the sort key under which node 9 comes before node 10, and 57:3 before 57:12.

    Args:
        node_id: The id of a node.

    Returns:
        A key for ``sorted``.

    Examples:
        >>> sorted(["10", "57:12", "9", "57:3"], key=natural_key)
        ['9', '10', '57:3', '57:12']
    """
    parts = re.findall(r"0*([0-9]+)|([^0-9]+)", node_id)  # as text: Python turns no endless digits into a number
    return [(0, len(digits), digits) if digits else (1, 0, other) for digits, other in parts]


def save_nodes(graph: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """List the nodes that write files: those with a ``filename_prefix``.

    Args:
        graph: A graph in API format.

    Returns:
        Their ids in natural order.

    Examples:
        >>> save_nodes({"10": {"inputs": {"filename_prefix": ""}}, "9": {"inputs": {"filename_prefix": ""}}})
        ['9', '10']
    """
    return sorted((node_id for node_id, node in graph.items() if PREFIX in node["inputs"]), key=natural_key)


def is_e3_input(node: Mapping[str, Any]) -> bool:
    """Tell whether a node is one of the E3 Input nodes.

    Examples:
        >>> is_e3_input({"class_type": "E3InputText"}), is_e3_input({"class_type": "KSampler"})
        (True, False)
    """
    return node["class_type"] in E3_INPUTS


def with_own_inputs(graph: Mapping[str, Mapping[str, Any]]) -> Graph:
    """Copy a graph as deep as values are set in it; the values themselves are shared.

    Examples:
        >>> template = {"9": {"class_type": "SaveText", "inputs": {"text": ""}}}
        >>> with_own_inputs(template)["9"]["inputs"]["text"] = "hello"
        >>> template
        {'9': {'class_type': 'SaveText', 'inputs': {'text': ''}}}
    """
    return {node_id: {**node, "inputs": {**node["inputs"]}} for node_id, node in graph.items()}


def finish(graph: Graph) -> Graph:
    """Make a template ready to run: E3 Input nodes folded away, a title on every node.

    The value of an E3 Input goes into each node that it is wired to; one that nobody uses is dropped.

    Args:
        graph: A checked graph; it is not changed.

    Returns:
        A graph without any E3 node.

    Examples:
        >>> finish({"1": {"class_type": "E3InputInteger", "inputs": {"name": "steps", "value": 8}},
        ...         "3": {"class_type": "KSampler", "inputs": {"steps": ["1", 0]}}})
        {'3': {'class_type': 'KSampler', 'inputs': {'steps': 8}, '_meta': {'title': 'KSampler'}}}
    """
    finished = {}
    for node_id, node in graph.items():
        if is_e3_input(node):
            continue
        inputs = {field: _fold(value, graph) for field, value in node["inputs"].items()}
        finished[node_id] = {**node, "inputs": inputs, "_meta": {"title": node["class_type"], **node.get("_meta", {})}}
    return finished


def _fold(value: Any, graph: Graph) -> Any:
    """Follow a wire through E3 Input nodes to the value, or to the wire, that stands at its start."""
    while is_link(value) and is_e3_input(graph[value[0]]):
        value = graph[value[0]]["inputs"]["value"]
    return copy.deepcopy(value)


def prepare_attempt(graph: Graph, token: str, nodes: list[str] | None = None) -> tuple[Graph, list[str]]:
    """Point every save node at the attempt's own folder, and say which nodes are to run.

    A prefix of its own makes each attempt write its files even where ComfyUI has the graph in its cache,
    and keeps a stale attempt away from the result. The id of the node stands before the first ``_`` of
    the file's name.

    Args:
        graph: What ``payload.build_payload`` returned; it is not changed.
        token: The attempt's token.
        nodes: The output nodes that the job names, in its order; None for all.

    Returns:
        The graph to submit, and the ids of the output nodes to execute.

    Raises:
        InvalidConfig: If ``nodes`` names a node that saves nothing.

    Examples:
        >>> graph = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI"}}}
        >>> prepared, targets = prepare_attempt(graph, "ab12")
        >>> prepared["9"]["inputs"]["filename_prefix"], targets
        ('e3/ab12/9', ['9'])
    """
    savers = save_nodes(graph)
    for node_id in nodes or []:
        if node_id not in savers:
            raise InvalidConfig(
                f"outputs.nodes names {node_id!r}, which saves nothing; the nodes that save are {', '.join(savers)}"
            )
    prepared = with_own_inputs(graph)
    for node_id in savers:
        prepared[node_id]["inputs"][PREFIX] = f"e3/{token}/{safe_node_id(node_id)}"
    return prepared, list(dict.fromkeys(nodes)) if nodes else savers


def safe_node_id(node_id: str) -> str:
    """Spell a node id with letters, digits and hyphens only, differently for different ids on any disk.

    Args:
        node_id: The id of a node, such as ``57:3``.

    Returns:
        The id, in which every other character is its code between hyphens.

    Examples:
        >>> safe_node_id("9"), safe_node_id("57:3"), safe_node_id("57-3")
        ('9', '57-3a-3', '57-2d-3')
    """
    return re.sub(r"[^0-9a-z]", lambda found: f"-{ord(found[0]):x}-", node_id)
