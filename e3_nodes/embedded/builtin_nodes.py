"""The host's own nodes: which there are, and which must stay away because a package is missing."""

from __future__ import annotations

import importlib.util

from ..logger import get_logger
from .folder_paths import FolderPaths
from .node_base import Node
from .nodes_3d import MODEL_NODES
from .nodes_audio import AUDIO_NODES
from .nodes_image import IMAGE_NODES
from .nodes_text import TEXT_NODES
from .nodes_video import VIDEO_NODES
from .registry import NodeRegistry

log = get_logger("embedded")


def add_builtin_nodes(registry: NodeRegistry, folders: FolderPaths) -> None:
    """Register the host's nodes; one line says which lack a package and stay away."""
    missing: dict[str, list[str]] = {}
    for name, node in (IMAGE_NODES | AUDIO_NODES | VIDEO_NODES | MODEL_NODES | TEXT_NODES).items():
        absent = [package for package in node.NEEDS if importlib.util.find_spec(package) is None]
        if absent:
            missing.setdefault(" and ".join(absent), []).append(name)
        else:
            registry.add({name: bind_folders(node, folders)}, node.MODULE, {name: node.DISPLAY_NAME or name})
    for packages, names in missing.items():
        told = ", ".join(names)
        log.warning("Without %s there are no nodes %s; install the [standalone] extra", packages, told)


def bind_folders(node: type[Node], folders: FolderPaths) -> type[Node]:
    """Return the node class as it is in one host: with that host's folders."""
    return type(node.__name__, (node,), {"folders": folders, "__module__": node.__module__})
