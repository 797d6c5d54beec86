"""The server: one object that nodes and plugins know as ``PromptServer.instance``."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from .folder_paths import FolderPaths
from .middleware import cache_control, origin_only
from .progress import Interrupt, ProgressTracker
from .prompt_queue import PromptQueue
from .registry import NodeRegistry

MAX_UPLOAD_BYTES = 100 * 1024 * 1024


class PromptServer:
    """Queue, sockets and routes of the host, with the attributes that ComfyUI's own server has.

    Args:
        loop: The event loop that the server will run in.
        folders: Where everything is.
        web_root: The unpacked frontend; None serves a plain page.
    """

    instance: ClassVar[PromptServer | None] = None

    def __init__(self, loop: asyncio.AbstractEventLoop, folders: FolderPaths, web_root: Path | None = None) -> None:
        PromptServer.instance = self
        self.loop = loop
        self.folders = folders
        self.web_root = web_root
        self.registry = NodeRegistry()
        self.interrupt = Interrupt()
        self.progress = ProgressTracker(self.interrupt, self._send_to_client)
        self.prompt_queue = PromptQueue(lambda: self.queue_updated(), self.interrupt.request)
        self.messages: asyncio.Queue[tuple[str, Any, str | None]] = asyncio.Queue()
        self.number = 0
        self.client_id: str | None = None
        self.last_node_id: str | None = None
        self.last_prompt_id: str | None = None
        self.client_session: aiohttp.ClientSession | None = None
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.sockets_metadata: dict[str, dict[str, Any]] = {}
        self.on_prompt_handlers: list[Callable[[dict[str, Any]], dict[str, Any]]] = []
        self.supports = ["custom_nodes_from_web"]
        self.routes = web.RouteTableDef()
        self.app = web.Application(client_max_size=MAX_UPLOAD_BYTES, middlewares=[cache_control, origin_only])

    def add_routes(self) -> None:
        """Put every route of the table on the app, at its own path and under ``/api``.

        Called once, after the node packs have added theirs; theirs stand behind the host's own.
        """
        prefixed = web.RouteTableDef()
        for route in self.routes:
            if isinstance(route, web.RouteDef):
                # Not built as a RouteDef: ComfyUI fails on a route with options, and so must this host.
                prefixed.route(route.method, "/api" + route.path)(route.handler, **route.kwargs)  # type: ignore[call-arg]
        self.app.add_routes(prefixed)
        self.app.add_routes(self.routes)
        for name, directory in self.registry.web_directories.items():
            self.app.add_routes([web.static(f"/extensions/{name}", directory)])

    async def listen(self, address: str, port: int) -> None:
        """Open the socket; ``port`` 0 takes a free one, which ``self.port`` tells afterwards.

        Raises:
            OSError: The port is taken.
        """
        self.client_session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        runner = web.AppRunner(self.app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, address, port).start()
        except OSError:
            await self.client_session.close()
            raise
        self.address = address
        self.port = runner.addresses[0][1]

    async def publish_loop(self) -> None:
        """Send what other threads left in ``messages``, in their order, for ever."""
        while True:
            await self.send(*await self.messages.get())

    def send_sync(self, event: str, data: Any, sid: str | None = None) -> None:
        """Send an event from any thread: to one client, or to all when ``sid`` is None."""
        self.loop.call_soon_threadsafe(self.messages.put_nowait, (event, data, sid))

    def _send_to_client(self, event: str, data: Any) -> None:
        self.send_sync(event, data, self.client_id)

    def queue_updated(self) -> None:
        """Tell all clients how many prompts are left."""
        self.send_sync("status", {"status": self.get_queue_info()})

    def get_queue_info(self) -> dict[str, Any]:
        """Return the number of prompts that wait or run, in the shape of ``GET /prompt``."""
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}

    async def send(self, event: str, data: Any, sid: str | None = None) -> None:
        """Send an event on the loop; a client that has gone is passed over."""
        await self.send_json(event, data, sid)

    async def send_json(self, event: str, data: Any, sid: str | None = None) -> None:
        """Send ``{"type", "data"}`` to one socket, or to all when ``sid`` is None."""
        sockets = [self.sockets.get(sid)] if sid is not None else list(self.sockets.values())
        for socket in sockets:
            if socket is not None:
                await _send_or_warn(socket, {"type": event, "data": data})

    def add_on_prompt_handler(self, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let ``handler`` rewrite the body of each ``POST /prompt``."""
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, json_data: dict[str, Any]) -> dict[str, Any]:
        """Pass a body through all handlers; one that raises is skipped."""
        for handler in self.on_prompt_handlers:
            try:
                json_data = handler(json_data)
            except Exception:
                logging.warning("an on_prompt handler failed:\n%s", traceback.format_exc())
        return json_data


async def _send_or_warn(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    try:
        await socket.send_json(message)
    except (aiohttp.ClientError, ConnectionError) as error:
        logging.warning("send error: %s", error)
