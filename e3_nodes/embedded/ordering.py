"""Which nodes of a prompt run, and which of those that are ready comes next."""

from __future__ import annotations

import inspect
from typing import Any

from .registry import Graph, NodeRegistry, links_of


def nodes_to_run(graph: Graph, outputs: list[str], known: set[str]) -> dict[str, set[str]]:
    """Return the nodes that the outputs need, each with the nodes it waits for.

    Args:
        graph: The prompt in API format.
        outputs: The output nodes asked for; they always run (a known one just tells its result again).
        known: Nodes whose results are at hand; nothing before them runs.
    """
    waiting: dict[str, set[str]] = {}
    pending = list(outputs)
    while pending:
        node_id = pending.pop()
        if node_id in waiting:
            continue
        sources = set() if node_id in known else {source for source, _ in links_of(graph, node_id)} - known
        waiting[node_id] = sources
        pending += sources
    return waiting


def next_node(graph: Graph, waiting: dict[str, set[str]], registry: NodeRegistry) -> str:
    """Pick a ready node: outputs first, then what stands one or two steps before an output.

    Args:
        graph: The prompt in API format.
        waiting: As ``nodes_to_run`` returned it, less the nodes that have run.
        registry: Tells which nodes are outputs.
    """
    ready = [node_id for node_id, sources in waiting.items() if not sources & waiting.keys()]
    followers: dict[str, list[str]] = {node_id: [] for node_id in waiting}
    for node_id, sources in waiting.items():
        for source in sources & waiting.keys():
            followers[source].append(node_id)

    def rank(node_id: str) -> int:
        if _is_urgent(graph[node_id]["class_type"], registry):
            return 0
        after = followers[node_id]
        if any(registry.is_output(graph[follower]["class_type"]) for follower in after):
            return 1
        beyond = [far for follower in after for far in followers[follower]]
        return 2 if any(registry.is_output(graph[far]["class_type"]) for far in beyond) else 3

    return min(ready, key=rank)


def _is_urgent(class_type: str, registry: NodeRegistry) -> bool:
    """An output shows something early; an async node can wait while others work."""
    node_class: Any = registry.classes[class_type]
    return registry.is_output(class_type) or inspect.iscoroutinefunction(getattr(node_class, node_class.FUNCTION))
