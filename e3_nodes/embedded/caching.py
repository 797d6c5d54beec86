"""What a node gave last time, found again by everything that could change it."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from .node_calls import call_over_lists, gather_inputs
from .progress import ExecutionContext
from .registry import Graph, NodeRegistry, is_link


class CacheEntry(NamedTuple):
    """What a node gave: its outputs by socket, and what the browser was shown (None for nothing)."""

    ui: dict[str, Any] | None
    outputs: list[list[Any]]


class OutputCache:
    """The results of the last prompt by signature; a new prompt keeps what it has in common with it."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, CacheEntry] = {}

    def get(self, signature: Hashable) -> CacheEntry | None:
        """Return what a node of this signature gave, if it is still known."""
        return self._entries.get(signature)

    def set(self, signature: Hashable, entry: CacheEntry) -> None:
        """Keep what a node gave."""
        self._entries[signature] = entry

    def keep_only(self, signatures: Iterable[Hashable]) -> None:
        """Forget what a new prompt has no use for."""
        kept = set(signatures)
        self._entries = {key: entry for key, entry in self._entries.items() if key in kept}


async def make_signatures(prompt_id: str, graph: Graph, registry: NodeRegistry) -> dict[str, Hashable]:
    """Return for each node what its result depends on: class, values, and all nodes before it.

    Unknown keys in ``inputs`` count as well, although no node is called with them.
    """
    own = {node_id: await _changes(prompt_id, node_id, graph, registry) for node_id in graph}
    return {node_id: _signature(node_id, graph, registry, own) for node_id in graph}


async def _changes(prompt_id: str, node_id: str, graph: Graph, registry: NodeRegistry) -> Hashable:
    """What ``IS_CHANGED`` says about the node; a value equal to no other when it fails."""
    node = graph[node_id]
    node_class = registry.classes[node["class_type"]]
    if not hasattr(node_class, "IS_CHANGED"):
        return False
    if "is_changed" not in node:
        try:
            inputs = gather_inputs(node_class, node_id, node["inputs"])
            where = ExecutionContext(prompt_id, node_id, None)
            node["is_changed"] = await call_over_lists(node_class, "IS_CHANGED", inputs, where)
        except Exception as error:
            logging.warning("WARNING: %s", error)
            node["is_changed"] = float("nan")
    return _hashable(node["is_changed"])


def _signature(node_id: str, graph: Graph, registry: NodeRegistry, own: Mapping[str, Hashable]) -> Hashable:
    order = {ancestor: index for index, ancestor in enumerate(_ancestors(node_id, graph))}
    parts: list[Hashable] = []
    for member in (node_id, *order):
        if member not in graph:
            parts.append(float("nan"))  # a link into nothing: equal to no other, so never found again
            continue
        node_class = registry.classes[graph[member]["class_type"]]
        hidden = node_class.INPUT_TYPES().get("hidden", {})  # type: ignore[attr-defined]
        is_personal = getattr(node_class, "NOT_IDEMPOTENT", False) or "UNIQUE_ID" in hidden.values()
        inputs = graph[member]["inputs"]
        values = [
            (key, ("ANCESTOR", order[value[0]], value[1]) if is_link(value) else _hashable(value))
            for key, value in sorted(inputs.items())
        ]
        name = graph[member]["class_type"]
        parts.append((name, own[member], member if is_personal else None, tuple(values)))
    return tuple(parts)


def _ancestors(node_id: str, graph: Graph) -> dict[str, None]:
    """Every node before this one, ordered by the inputs through which it is reached, depth first."""
    found: dict[str, None] = {}

    def walk(current: str) -> None:
        inputs = graph[current]["inputs"] if current in graph else {}
        for _, value in sorted(inputs.items()):
            if is_link(value) and value[0] not in found:
                found[value[0]] = None
                walk(value[0])

    walk(node_id)
    return found


def _hashable(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple((key, _hashable(item)) for key, item in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(map(_hashable, value))
    return value if isinstance(value, (int, float, str, bool, bytes, type(None))) else float("nan")
