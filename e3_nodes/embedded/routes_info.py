"""The routes that tell what the host is and has: nodes, machine, models, features."""

from __future__ import annotations

import logging
import os
import platform
import sys
import traceback
from pathlib import Path

from aiohttp import web

from . import NAME, VERSION
from .routes_queue import FEATURES, bind
from .server import PromptServer


def add_info_routes(server: PromptServer) -> None:
    """Add /object_info, /system_stats, /features, /models, /embeddings and their kin."""
    for path, handler in (
        ("/object_info", _all_nodes),
        ("/object_info/{node_class}", _one_node),
        ("/system_stats", _system_stats),
        ("/features", _features),
        ("/models", _model_types),
        ("/models/{folder}", _models),
        ("/experiment/models", _model_folders),
        ("/embeddings", _embeddings),
        ("/node_replacements", _nothing),
        ("/global_subgraphs", _nothing),
        ("/internal/folder_paths", _folder_paths),
    ):
        server.routes.get(path)(bind(handler, server))


async def _all_nodes(server: PromptServer, request: web.Request) -> web.Response:
    told = {}
    for name in server.registry.classes:
        try:
            told[name] = server.registry.info(name)
        except Exception:
            logging.error("cannot describe the node %s:\n%s", name, traceback.format_exc())
    return web.json_response(told)


async def _one_node(server: PromptServer, request: web.Request) -> web.Response:
    name = request.match_info["node_class"]
    known = name in server.registry.classes
    return web.json_response({name: server.registry.info(name)} if known else {})


async def _system_stats(server: PromptServer, request: web.Request) -> web.Response:
    total, free = _memory()
    system = {
        "os": sys.platform,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": VERSION,
        "required_frontend_version": "1.49.6",
        "installed_templates_version": None,
        "required_templates_version": None,
        "comfy_package_versions": [],
        "python_version": sys.version,
        "pytorch_version": "none",
        "embedded_python": False,
        "deploy_environment": "local",
        "argv": sys.argv,
        "embedded_host": NAME,
    }
    memory = {"vram_total": total, "vram_free": free, "torch_vram_total": 0, "torch_vram_free": 0}
    device = {"name": platform.processor() or "cpu", "type": "cpu", "index": None, **memory}
    return web.json_response({"system": system, "devices": [device]})


def _memory() -> tuple[int, int]:
    """Total and free bytes, where the system tells them without another package (0 elsewhere)."""
    if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return 0, 0
    page = os.sysconf("SC_PAGE_SIZE")
    return os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page


async def _features(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response(FEATURES)


async def _model_types(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response(list(server.folders.folder_names_and_paths))


async def _models(server: PromptServer, request: web.Request) -> web.Response:
    folder = request.match_info["folder"]
    if folder not in server.folders.folder_names_and_paths:
        return web.Response(status=404)
    return web.json_response(server.folders.get_filename_list(folder))


async def _model_folders(server: PromptServer, request: web.Request) -> web.Response:
    kinds = server.folders.folder_names_and_paths.items()
    told = [
        {"name": name, "folders": folders, "extensions": sorted(extensions)}
        for name, (folders, extensions) in kinds
        if name != "custom_nodes"
    ]
    return web.json_response(told)


async def _embeddings(server: PromptServer, request: web.Request) -> web.Response:
    names = server.folders.get_filename_list("embeddings")
    return web.json_response([str(Path(name).with_suffix("")) for name in names])


async def _nothing(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response({})


async def _folder_paths(server: PromptServer, request: web.Request) -> web.Response:
    kinds = server.folders.folder_names_and_paths.items()
    return web.json_response({name: folders for name, (folders, _) in kinds})
