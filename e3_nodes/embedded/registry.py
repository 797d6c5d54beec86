"""Which nodes there are, what they take and give, and how they are told to the browser."""

from __future__ import annotations

from typing import Any, NamedTuple

Graph = dict[str, dict[str, Any]]
"""A prompt in API format: node id to ``{"class_type", "inputs", "_meta"}``."""


class InputInfo(NamedTuple):
    """One declared input: its type, ``required`` / ``optional`` / ``hidden``, and its options."""

    type: Any
    category: str
    options: dict[str, Any]


class NodeRegistry:
    """The node classes of the host and of every loaded pack, under the names that graphs use."""

    def __init__(self) -> None:
        self.classes: dict[str, type] = {}
        self.display_names: dict[str, str] = {}
        self.web_directories: dict[str, str] = {}
        self.module_directories: dict[str, str] = {}

    def add(self, classes: dict[str, type], module: str, names: dict[str, str] | None = None) -> None:
        """Add classes that come from ``module`` (``nodes``, ``custom_nodes.mine``)."""
        for name, node_class in classes.items():
            node_class.RELATIVE_PYTHON_MODULE = module  # type: ignore[attr-defined]
            self.classes[name] = node_class
        self.display_names.update(names or {})

    def is_output(self, class_type: str) -> bool:
        """Tell whether a class saves or shows something, and so may end a graph."""
        return getattr(self.classes[class_type], "OUTPUT_NODE", False) is True

    def info(self, class_type: str) -> dict[str, Any]:
        """Describe one class as ``/object_info`` does."""
        node = self.classes[class_type]
        inputs, outputs = node.INPUT_TYPES(), node.RETURN_TYPES  # type: ignore[attr-defined]
        told = {
            "input": inputs,
            "input_order": {category: list(fields) for category, fields in inputs.items()},
            "is_input_list": getattr(node, "INPUT_IS_LIST", False),
            "output": outputs,
            "output_is_list": getattr(node, "OUTPUT_IS_LIST", [False] * len(outputs)),
            "output_name": getattr(node, "RETURN_NAMES", outputs),
            "name": class_type,
            "display_name": self.display_names.get(class_type, class_type),
            "description": getattr(node, "DESCRIPTION", ""),
            "python_module": getattr(node, "RELATIVE_PYTHON_MODULE", "nodes"),
            "category": getattr(node, "CATEGORY", "sd"),
            "output_node": self.is_output(class_type),
            "has_intermediate_output": getattr(node, "HAS_INTERMEDIATE_OUTPUT", False),
            "search_aliases": getattr(node, "SEARCH_ALIASES", []),
        }
        return told | _optional_marks(node)


def _optional_marks(node: type) -> dict[str, Any]:
    told: dict[str, Any] = {
        key.lower(): True for key in ("DEPRECATED", "EXPERIMENTAL", "DEV_ONLY") if getattr(node, key, False)
    }
    for key in ("OUTPUT_TOOLTIPS", "API_NODE", "ESSENTIALS_CATEGORY"):
        if hasattr(node, key):
            told[key.lower()] = getattr(node, key)
    return told


def input_types(node_class: type, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the declared inputs of a class for these values.

    A class whose inputs depend on one another (``format`` decides whether ``format.codec`` is wanted)
    has ``INPUT_TYPES_FOR``; all others have the same inputs always.
    """
    depends = getattr(node_class, "INPUT_TYPES_FOR", None)
    return depends(values) if depends is not None else node_class.INPUT_TYPES()  # type: ignore[attr-defined]


def input_info(declared: dict[str, dict[str, Any]], name: str) -> InputInfo | None:
    """Look up one input among the declared ones; None when the class has no such input."""
    for category in ("required", "optional", "hidden"):
        if name in declared.get(category, {}):
            config = declared[category][name]
            return InputInfo(config[0], category, config[1] if len(config) > 1 else {})
    return None


def is_link(value: Any) -> bool:
    """Tell whether an input's value points at another node's output.

    Examples:
        >>> is_link(["4", 0]), is_link(["a", "b"]), is_link("4")
        (True, False, False)
    """
    return (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (int, float))
    )


def links_of(graph: Graph, node_id: str) -> list[tuple[str, int]]:
    """Return the (node id, output index) pairs that a node takes, in the order of its inputs."""
    return [(value[0], int(value[1])) for value in graph[node_id]["inputs"].values() if is_link(value)]


def full_type_name(kind: type) -> str:
    """Return ``module.Name``, or the bare name of a builtin.

    Examples:
        >>> full_type_name(ValueError), full_type_name(InputInfo).rpartition(".")[2]
        ('ValueError', 'InputInfo')
    """
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"
