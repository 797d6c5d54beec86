"""Loading node packs as ComfyUI does: by path, one after the other, none able to stop the others."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
import traceback
from pathlib import Path

from ..logger import get_logger
from .registry import NodeRegistry

log = get_logger("embedded")


def find_packs(custom_nodes: Path, extra: list[Path]) -> list[Path]:
    """Return the packs to load: all of ``custom_nodes``, then those named on the command line."""
    found = [path for path in custom_nodes.iterdir() if path.name != "__pycache__" and _is_pack(path)]
    return [*found, *(path.absolute() for path in extra)]


def _is_pack(path: Path) -> bool:
    return not path.name.endswith(".disabled") and (path.is_dir() or path.suffix == ".py")


async def load_packs(packs: list[Path], registry: NodeRegistry) -> None:
    """Import each pack on this thread, inside the running loop, and say how long each took."""
    builtin = set(registry.classes)
    for path in packs:
        began = time.perf_counter()
        is_loaded = load_pack(path, registry, builtin)
        seconds = time.perf_counter() - began
        failed = "" if is_loaded else " (IMPORT FAILED)"
        log.info("%6.1f seconds%s: %s", seconds, failed, path, extra={"action": "pack_loaded"})


def load_pack(path: Path, registry: NodeRegistry, reserved: set[str]) -> bool:
    """Import one pack under its path-like module name and take its nodes and web folder.

    Args:
        path: A package folder or a single ``.py`` file.
        registry: Gets the nodes; what a pack registered before it failed stays.
        reserved: Names of the host's own nodes, which no pack replaces.

    Returns:
        Whether it came in without an exception and named its nodes.
    """
    is_file = path.is_file()
    key = str(path.with_suffix("")) if is_file else str(path).replace(".", "_x_")
    folder = path.parent if is_file else path
    name = path.stem if is_file else path.name
    try:
        module = _import(key, path if is_file else path / "__init__.py")
        registry.module_directories[name] = str(folder)
        _take_web_directory(module, name, folder, registry)
        classes = getattr(module, "NODE_CLASS_MAPPINGS", None)
        if classes is None:
            logging.warning("Skip %s module for custom nodes due to the lack of NODE_CLASS_MAPPINGS.", path)
            return False
        taken = {node_name: node for node_name, node in classes.items() if node_name not in reserved}
        registry.add(taken, f"custom_nodes.{name}", getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None))
        return True
    except Exception as error:
        logging.warning("%s\nCannot import %s module for custom nodes: %s", traceback.format_exc(), path, error)
        return False


def _import(key: str, file: Path) -> object:
    spec = importlib.util.spec_from_file_location(key, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    spec.loader.exec_module(module)
    return module


def _take_web_directory(module: object, name: str, folder: Path, registry: NodeRegistry) -> None:
    web = getattr(module, "WEB_DIRECTORY", None)
    if web is not None and (folder / web).is_dir():
        registry.web_directories[name] = str((folder / web).resolve())
