"""What a browser loads: the frontend where there is one, the plugins' scripts, translations and templates."""

from __future__ import annotations

import html
import importlib.util
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from . import NAME
from .routes_queue import bind
from .server import PromptServer

# The folders of a plugin that ComfyUI publishes as workflow templates.
TEMPLATE_FOLDERS = ("example_workflows", "example", "examples", "workflow", "workflows")

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{name}</title>
<body style="font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em">
<h1>{name}</h1>
<p>A small ComfyUI-compatible server for trying and testing E3. It runs real graphs of a few nodes that
need no model ({count} node classes are loaded); it is not ComfyUI.</p>
<p><a href="/e3/">Open the E3 panel</a> &middot; <a href="/system_stats">What is running here</a></p>
"""


def find_web_root(front_end_root: Path | None) -> Path | None:
    """Return the unpacked frontend: the folder named, else the installed package's, else None.

    Raises:
        FileNotFoundError: The folder named holds no ``index.html``.
    """
    if front_end_root is not None:
        if not (front_end_root / "index.html").is_file():
            raise FileNotFoundError(f"--front-end-root wants a folder with an index.html, got {front_end_root}")
        return front_end_root.resolve()
    spec = importlib.util.find_spec("comfyui_frontend_package")
    places = [Path(place) / "static" for place in (spec.submodule_search_locations or [])] if spec else []
    return next((place for place in places if (place / "index.html").is_file()), None)


def add_page_routes(server: PromptServer) -> None:
    """Add /, /extensions, /i18n and /workflow_templates to the server's table."""
    server.routes.get("/")(bind(_page, server))
    server.routes.get("/extensions")(bind(_extensions, server))
    server.routes.get("/i18n")(bind(_translations, server))
    server.routes.get("/workflow_templates")(bind(_templates, server))


def add_static_routes(server: PromptServer) -> None:
    """Serve the plugins' templates and, last of all, the frontend's files."""
    for name, directory in server.registry.module_directories.items():
        for folder in _template_folders(Path(directory)):
            server.app.add_routes([web.static(f"/api/workflow_templates/{name}", folder)])
    if server.web_root is not None:
        server.app.add_routes([web.static("/", server.web_root)])


async def _page(server: PromptServer, request: web.Request) -> web.StreamResponse:
    headers = {"Cache-Control": "no-store, must-revalidate", "Pragma": "no-cache", "Expires": "0"}
    if server.web_root is not None:
        return web.FileResponse(server.web_root / "index.html", headers=headers)
    page = _PAGE.format(name=html.escape(NAME), count=len(server.registry.classes))
    return web.Response(text=page, content_type="text/html", headers=headers)


async def _extensions(server: PromptServer, request: web.Request) -> web.Response:
    scripts: list[str] = []
    if server.web_root is not None:
        found = (server.web_root / "extensions").rglob("*.js")
        scripts += [f"/{path.relative_to(server.web_root).as_posix()}" for path in found]
    for name, directory in server.registry.web_directories.items():
        found = Path(directory).rglob("*.js")
        scripts += [f"/extensions/{quote(name)}/{path.relative_to(directory).as_posix()}" for path in found]
    return web.json_response(scripts)


def _plugin_directories(server: PromptServer) -> list[Path]:
    """Every folder of custom_nodes, loaded or not, and those named on the command line."""
    loaded = [Path(directory) for directory in server.registry.module_directories.values()]
    lists = [Path(folder).glob("*/") for folder in server.folders.get_folder_paths("custom_nodes")]
    found = [path for paths in lists for path in sorted(paths) if path.is_dir()]
    return list(dict.fromkeys([*found, *loaded]))


def _template_folders(plugin: Path) -> list[Path]:
    return [plugin / name for name in TEMPLATE_FOLDERS if (plugin / name).is_dir()]


async def _templates(server: PromptServer, request: web.Request) -> web.Response:
    told: dict[str, list[str]] = {}
    for plugin in _plugin_directories(server):
        for folder in _template_folders(plugin):
            names = [path.stem for path in folder.glob("*.json")]
            if names:
                told.setdefault(plugin.name, []).extend(names)
    return web.json_response(told)


async def _translations(server: PromptServer, request: web.Request) -> web.Response:
    told: dict[str, dict[str, Any]] = {}
    for plugin in _plugin_directories(server):
        for language in (plugin / "locales").glob("*/"):
            _merge(told.setdefault(language.name, {}), _language(language))
    return web.json_response(told)


def _language(folder: Path) -> dict[str, Any]:
    texts = _read_json(folder / "main.json")
    for part in ("nodeDefs", "commands", "settings"):
        if more := _read_json(folder / f"{part}.json"):
            texts[part] = more
    return texts


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _merge(base: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
