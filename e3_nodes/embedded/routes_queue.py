"""The routes of prompts: queue them, watch them, stop them, read what became of them."""

from __future__ import annotations

import json
import logging
import time
import uuid
from typing import Any

import aiohttp
from aiohttp import web

from .server import PromptServer
from .validation import validate_prompt

SENSITIVE = ("auth_token_comfy_org", "api_key_comfy_org")
FEATURES = {
    "supports_preview_metadata": True,
    "supports_model_type_tags": True,
    "max_upload_size": 104857600,
    "extension": {"manager": {"supports_v4": True}},
    "node_replacements": True,
    "assets": False,
}


def add_queue_routes(server: PromptServer) -> None:
    """Add /ws, /prompt, /queue, /history, /interrupt and /free to the server's table."""
    for method, path, handler in (
        ("GET", "/ws", _websocket),
        ("GET", "/prompt", _get_prompt),
        ("POST", "/prompt", _post_prompt),
        ("GET", "/queue", _get_queue),
        ("POST", "/queue", _post_queue),
        ("GET", "/history", _get_history),
        ("GET", "/history/{prompt_id}", _get_history_entry),
        ("POST", "/history", _post_history),
        ("POST", "/interrupt", _post_interrupt),
        ("POST", "/free", _post_free),
    ):
        server.routes.route(method, path)(bind(handler, server))


def bind(handler: Any, server: PromptServer) -> Any:
    """Return ``handler(server, request)`` as a handler of the request alone."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(server, request)

    return handle


async def _websocket(server: PromptServer, request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    sid = request.rel_url.query.get("clientId") or uuid.uuid4().hex
    server.sockets[sid] = socket
    server.sockets_metadata[sid] = {"feature_flags": {}}
    try:
        await server.send("status", {"status": server.get_queue_info(), "sid": sid}, sid)
        if server.client_id == sid and server.last_node_id is not None:
            await server.send("executing", {"node": server.last_node_id}, sid)
        async for message in socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                await _answer_flags(server, sid, message.data)
    finally:
        server.sockets.pop(sid, None)
        server.sockets_metadata.pop(sid, None)
    return socket


async def _answer_flags(server: PromptServer, sid: str, text: str) -> None:
    try:
        message = json.loads(text)
    except ValueError:
        logging.warning("Invalid JSON received from client %s: %s", sid, text)
        return
    if isinstance(message, dict) and message.get("type") == "feature_flags":
        server.sockets_metadata[sid]["feature_flags"] = message.get("data", {})
        await server.send("feature_flags", FEATURES, sid)


async def _get_prompt(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response(server.get_queue_info())


async def _post_prompt(server: PromptServer, request: web.Request) -> web.Response:
    body = server.trigger_on_prompt(await request.json())
    number = _take_number(server, body)
    if "prompt" not in body:
        return _refuse("no_prompt", "No prompt provided", "No prompt provided")
    prompt_id = str(uuid.uuid4()) if body.get("prompt_id") is None else body["prompt_id"]
    if not is_canonical_uuid(prompt_id):
        return _refuse(
            "invalid_prompt_id",
            "prompt_id must be a valid UUID",
            "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
            "omit it to let the server generate one",
        )
    targets = body.get("partial_execution_targets")
    is_valid, error, outputs, node_errors = await validate_prompt(prompt_id, body["prompt"], targets, server.registry)
    if not is_valid:
        logging.warning("invalid prompt: %s", error)
        return web.json_response({"error": error, "node_errors": node_errors}, status=400)
    extra_data, sensitive = _extra_data(body, request)
    server.prompt_queue.put((number, prompt_id, body["prompt"], extra_data, outputs, sensitive))
    return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": node_errors})


def _take_number(server: PromptServer, body: dict[str, Any]) -> float:
    """The place in the queue: as asked, or the next one, negative to go in front."""
    if "number" in body:
        return float(body["number"])
    number = -server.number if body.get("front") else server.number
    server.number += 1
    return number


def _extra_data(body: dict[str, Any], request: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    extra = body.get("extra_data", {})
    if "client_id" in body:
        extra["client_id"] = body["client_id"]
    if source := request.headers.get("Comfy-Usage-Source"):
        extra.setdefault("comfy_usage_source", source)
    sensitive = {key: extra.pop(key) for key in SENSITIVE if key in extra}
    extra["create_time"] = int(time.time() * 1000)
    return extra, sensitive


def is_canonical_uuid(value: Any) -> bool:
    """Tell whether a prompt id has the one form that is accepted, since ids are compared as text.

    Examples:
        >>> is_canonical_uuid("6b0c3a3e-3f0b-4b60-8a51-7a1f5d4c2e11"), is_canonical_uuid("mine")
        (True, False)
    """
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _refuse(kind: str, message: str, details: str) -> web.Response:
    error = {"type": kind, "message": message, "details": details, "extra_info": {}}
    return web.json_response({"error": error, "node_errors": {}}, status=400)


async def _get_queue(server: PromptServer, request: web.Request) -> web.Response:
    running, pending = server.prompt_queue.get_current_queue_volatile()
    told = {"queue_running": [i[:5] for i in running], "queue_pending": [i[:5] for i in pending]}
    return web.json_response(told)


async def _post_queue(server: PromptServer, request: web.Request) -> web.Response:
    body = await request.json()
    if body.get("clear"):
        server.prompt_queue.wipe_queue()
    for prompt_id in body.get("delete", []):
        server.prompt_queue.delete_queue_item(lambda item, wanted=prompt_id: item[1] == wanted)
    return web.Response()


async def _get_history(server: PromptServer, request: web.Request) -> web.Response:
    query = request.rel_url.query
    size = int(query["max_items"]) if "max_items" in query else None
    page = server.prompt_queue.get_history(max_items=size, offset=int(query.get("offset", -1)))
    return web.json_response(page)


async def _get_history_entry(server: PromptServer, request: web.Request) -> web.Response:
    return web.json_response(server.prompt_queue.get_history(prompt_id=request.match_info["prompt_id"]))


async def _post_history(server: PromptServer, request: web.Request) -> web.Response:
    body = await request.json()
    if body.get("clear"):
        server.prompt_queue.wipe_history()
    for prompt_id in body.get("delete", []):
        server.prompt_queue.delete_history_item(prompt_id)
    return web.Response()


async def _post_interrupt(server: PromptServer, request: web.Request) -> web.Response:
    try:
        body = await request.json()
    except ValueError:
        body = {}
    if body.get("prompt_id"):
        server.prompt_queue.interrupt_if_running(body["prompt_id"])
    else:
        server.interrupt.request()
    return web.Response()


async def _post_free(server: PromptServer, request: web.Request) -> web.Response:
    body = await request.json()
    for flag in ("unload_models", "free_memory"):
        if body.get(flag):
            server.prompt_queue.set_flag(flag, body[flag])
    return web.Response()
