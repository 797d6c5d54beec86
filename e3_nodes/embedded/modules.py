"""The names under which node packs import ComfyUI, placed in ``sys.modules`` of this process."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from . import VERSION, execution, node_calls, prompt_queue, registry
from .progress import InterruptProcessingException, NodeState, current_node
from .server import PromptServer


def install_modules(server: PromptServer) -> None:
    """Make ``import server``, ``import folder_paths`` and the others find this host.

    Only a process that runs the host may do this: the names are ComfyUI's, and very general.
    """
    for name, content in _contents(server).items():
        module = ModuleType(name, f"The embedded host's {name}.")
        vars(module).update(content)
        sys.modules[name] = module
    for package, child in (name.rsplit(".", 1) for name in _contents(server) if "." in name):
        setattr(sys.modules[package], child, sys.modules[f"{package}.{child}"])


def _contents(server: PromptServer) -> dict[str, dict[str, Any]]:
    return {
        "server": {"PromptServer": PromptServer},
        "execution": {
            "PromptQueue": prompt_queue.PromptQueue,
            "PromptExecutor": execution.PromptExecutor,
            "MAXIMUM_HISTORY_SIZE": prompt_queue.MAXIMUM_HISTORY_SIZE,
        },
        "nodes": _nodes(server),
        "folder_paths": _folder_paths(server),
        "comfyui_version": {"__version__": VERSION},
        "comfy_execution": {"__path__": []},
        "comfy_execution.progress": {
            "get_progress_state": server.progress.get_progress_state,
            "NodeState": NodeState,
        },
        "comfy_execution.graph": {
            "ExecutionBlocker": node_calls.ExecutionBlocker,
            "is_link": registry.is_link,
        },
        "comfy_execution.graph_utils": {"ExecutionBlocker": node_calls.ExecutionBlocker},
        "comfy_execution.utils": {"get_executing_context": current_node.get},
        "comfy": {"__path__": []},
        "comfy.utils": {"ProgressBar": server.progress.make_bar_class()},
        "comfy.model_management": _model_management(server),
    }


def _nodes(server: PromptServer) -> dict[str, Any]:
    return {
        "NODE_CLASS_MAPPINGS": server.registry.classes,
        "NODE_DISPLAY_NAME_MAPPINGS": server.registry.display_names,
        "EXTENSION_WEB_DIRS": server.registry.web_directories,
        "LOADED_MODULE_DIRS": server.registry.module_directories,
        "MAX_RESOLUTION": 16384,
        "interrupt_processing": server.interrupt.request,
        "before_node_execution": server.interrupt.raise_if_requested,
    }


def _folder_paths(server: PromptServer) -> dict[str, Any]:
    folders = server.folders
    return {name: getattr(folders, name) for name in dir(folders) if not name.startswith("_")}


def _model_management(server: PromptServer) -> dict[str, Any]:
    return {
        "InterruptProcessingException": InterruptProcessingException,
        "OOM_EXCEPTION": execution.OutOfMemoryError,
        "interrupt_current_processing": server.interrupt.request,
        "processing_interrupted": server.interrupt.is_requested,
        "throw_exception_if_processing_interrupted": server.interrupt.raise_if_requested,
        "unload_all_models": lambda: None,
        "soft_empty_cache": lambda force=False: None,
    }
