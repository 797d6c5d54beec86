"""As much of a ComfyUI as the HTTP backend talks to, with every answer open to mischief."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from comfyui_e3.e3_nodes.backends.loop_thread import LoopThread

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeComfyUI:
    """A server on 127.0.0.1 that holds a queue, a history and files, and runs nothing.

    Attributes:
        answers: Overrides by ``"METHOD /path"``.
        asked: Every request as ``"METHOD /path"``, in order.
        headers: The headers of the last request to each path.
    """

    def __init__(self, base_path: str = "", ssl_context: Any = None) -> None:
        self.running: list[str] = []
        self.pending: list[str] = []
        self.history: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.headers: dict[str, dict[str, str]] = {}
        self.bodies: list[Any] = []
        self.sockets: list[web.WebSocketResponse] = []
        self._base_path = base_path
        self._ssl_context = ssl_context
        self._loop = LoopThread("fake-comfyui")
        self.url = self._loop.run(self._start())

    def close(self) -> None:
        """Stop the server."""
        self._loop.run(self._runner.cleanup())
        self._loop.close()

    def say(self, event: dict[str, Any]) -> None:
        """Send an event to every websocket."""
        for socket in self.sockets:
            self._loop.run(socket.send_json(event))

    def hang_up(self) -> None:
        """Close every websocket."""
        for socket in list(self.sockets):
            self._loop.run(socket.close())

    def end(self, prompt_id: str, files: list[str], event: str = "execution_success", **data: Any) -> None:
        """Let a prompt end; ``files`` are paths under the output folder."""
        self.running, self.pending = [], []
        named = [dict(zip(("subfolder", "filename"), file.rsplit("/", 1), strict=True)) for file in files]
        outputs = {"9": {"images": [{**file, "type": "output"} for file in named]}}
        messages = [["execution_start", {"timestamp": 1}], [event, {"timestamp": 2, **data}]]
        self.history[prompt_id] = {"outputs": outputs, "status": {"messages": messages}}

    async def _start(self) -> str:
        app = web.Application(client_max_size=10**8)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._ssl_context).start()
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}{self._base_path}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(self._base_path)
        key = f"{request.method} {path}"
        self.asked.append(key)
        self.headers[path] = dict(request.headers)
        if not request.path.startswith(self._base_path):
            return web.Response(status=404)
        if key in self.answers:
            return await self.answers[key](request)
        if path == "/ws":
            return await self._socket(request)
        if path == "/view":
            return self._view(request)
        if path.startswith("/history/"):
            name = path.removeprefix("/history/")
            return web.json_response({name: self.history[name]} if name in self.history else {})
        if key == "GET /queue":
            items = [[[1, name, {}, {}, []] for name in names] for names in (self.running, self.pending)]
            return web.json_response({"queue_running": items[0], "queue_pending": items[1]})
        return await self._post(key, request)

    async def _post(self, key: str, request: web.Request) -> web.StreamResponse:
        if key == "POST /upload/image":
            form = await request.post()
            name = f"{form['subfolder']}/{form['image'].filename}"  # type: ignore[union-attr]
            self.files[name] = form["image"].file.read()  # type: ignore[union-attr]
            return web.json_response({"name": name.split("/")[1], "subfolder": "e3", "type": "input"})
        body = await request.json()
        self.bodies.append(body)
        if key == "POST /queue":
            self.pending = [name for name in self.pending if name not in body["delete"]]
        if key == "POST /prompt":
            self.pending.append(body["prompt_id"])
            return web.json_response({"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}})
        return web.Response()

    def _view(self, request: web.Request) -> web.StreamResponse:
        content = self.files.get(f"{request.query['subfolder']}/{request.query['filename']}")
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        try:
            await socket.send_json({"type": "status", "data": {}})
            async for _ in socket:
                pass
        finally:
            self.sockets.remove(socket)
        return socket


def says(text: str = "", status: int = 200, **headers: str) -> Answer:
    """Make an answer that is always the same."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, headers=headers, content_type="text/html")

    return answer


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent, then hang up."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


async def hangs(_: web.Request) -> web.StreamResponse:
    """Answer nothing for a long time."""
    await asyncio.sleep(60)
    return web.Response()
