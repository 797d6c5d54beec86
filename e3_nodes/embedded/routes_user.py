"""The routes of the one user: settings and saved files, kept under ``user/default``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from .routes_files import file_headers
from .routes_queue import bind
from .server import PromptServer


def add_user_routes(server: PromptServer) -> None:
    """Add /users, /settings and /userdata to the server's table."""
    for method, path, handler in (
        ("GET", "/users", _users),
        ("GET", "/settings", _get_settings),
        ("POST", "/settings", _post_settings),
        ("GET", "/settings/{id}", _get_setting),
        ("POST", "/settings/{id}", _post_setting),
        ("GET", "/userdata", _list_files),
        ("GET", "/userdata/{file}", _get_file),
        ("POST", "/userdata/{file}", _post_file),
        ("DELETE", "/userdata/{file}", _delete_file),
    ):
        server.routes.route(method, path)(bind(handler, server))


def _root(server: PromptServer) -> Path:
    return Path(server.folders.get_user_directory(), "default")


def _settings_file(server: PromptServer) -> Path:
    return _root(server) / "comfy.settings.json"


def _read_settings(server: PromptServer) -> dict[str, Any]:
    try:
        return json.loads(_settings_file(server).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _write_settings(server: PromptServer, settings: dict[str, Any]) -> None:
    file = _settings_file(server)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings, indent=4), "utf-8")


async def _users(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response({"storage": "server", "migrated": _root(server).exists()})


async def _get_settings(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response(_read_settings(server))


async def _post_settings(server: PromptServer, request: web.Request) -> web.Response:
    _write_settings(server, _read_settings(server) | await request.json())
    return web.Response()


async def _get_setting(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response(_read_settings(server).get(request.match_info["id"]))


async def _post_setting(server: PromptServer, request: web.Request) -> web.Response:
    _write_settings(server, _read_settings(server) | {request.match_info["id"]: await request.json()})
    return web.Response()


def _resolve(server: PromptServer, name: str) -> Path:
    """Place a name under the user's folder.

    Raises:
        aiohttp.web.HTTPForbidden: It leads out of it.
    """
    root = _root(server)
    path = Path(os.path.normpath(root / unquote(name)))
    if not path.is_relative_to(root):
        raise web.HTTPForbidden
    return path


async def _list_files(server: PromptServer, request: web.Request) -> web.Response:
    query = request.rel_url.query
    if not query.get("dir"):
        return web.Response(status=400, text="Directory not provided")
    folder = _resolve(server, query["dir"])
    if not folder.is_dir():
        return web.Response(status=404, text="Directory not found")
    paths = folder.rglob("*") if query.get("recurse", "").lower() == "true" else folder.glob("*")
    files = [path for path in paths if path.is_file()]
    if query.get("full_info", "").lower() == "true":
        return web.json_response([_told(path, folder) for path in files])
    names = [path.relative_to(folder).as_posix() for path in files]
    is_split = query.get("split", "").lower() == "true"
    return web.json_response([[name, *name.split("/")] for name in names] if is_split else names)


def _told(path: Path, folder: Path) -> dict[str, Any]:
    stat = path.stat()
    times = {"modified": int(stat.st_mtime * 1000), "created": int(stat.st_ctime * 1000)}
    return {"path": path.relative_to(folder).as_posix(), "size": stat.st_size, **times}


async def _get_file(server: PromptServer, request: web.Request) -> web.StreamResponse:
    path = _resolve(server, request.match_info["file"])
    if not path.is_file():
        return web.Response(status=404)
    headers = file_headers(path.name)
    if path == _root(server) / "user.css":
        return web.FileResponse(path, headers=headers | {"Content-Type": "text/css"})
    return web.FileResponse(path, headers=headers | {"Content-Disposition": "attachment"})


async def _post_file(server: PromptServer, request: web.Request) -> web.Response:
    path = _resolve(server, request.match_info["file"])
    query = request.rel_url.query
    if query.get("overwrite") == "false" and path.exists():
        return web.Response(status=409, text="File already exists")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(await request.read())
    told = _told(path, _root(server))
    return web.json_response(told if query.get("full_info", "").lower() == "true" else told["path"])


async def _delete_file(server: PromptServer, request: web.Request) -> web.Response:
    path = _resolve(server, request.match_info["file"])
    if not path.is_file():
        return web.Response(status=404)
    path.unlink()
    return web.Response(status=204)
