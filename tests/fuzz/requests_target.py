"""Requests to E3's real handlers, guard and job table, without a network: nothing is answered with a 5xx.

An input is a request as text: method and path, headers, an empty line, the body. A request that states no Host or
Content-Type gets good ones, so that it comes past the guard.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any
from unittest import mock

import rest
import yarl
from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from bad_input import bytes_of, cases
from comfyui_e3.e3_nodes import outputs
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.parsing import strict_json
from comfyui_e3.e3_nodes.runtime import Runtime
from comfyui_e3.server_routes import routes
from fuzz.targets import Target, check_lies_inside
from multidict import CIMultiDict

LOG = logging.getLogger("e3")
METHODS = ("GET", "POST", "PATCH", "DELETE", "HEAD", "PUT", "OPTIONS")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CHANGES_A_WORLD = 200
STATES = ("pending", "failed", "cancelled", "done", "processing")


class AtOnce(Executor):
    """Works on what it is given before it returns, so that one thread does everything."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as exc:
            future.set_exception(exc)
        return future


class World:
    """A home with a job in every state, and the application that serves it."""

    def __init__(self, folder: Path) -> None:
        self.runtime = Runtime(rest.write_home(folder))
        engine = rest.FakeEngine(self.runtime)
        engine.threads = engine.artists = AtOnce()  # type: ignore[assignment]
        self.app = rest.make_app(engine)
        self.app.freeze()
        self.changes = 0
        client: Any = None
        made = rest.Rest(client, self.runtime, engine)
        self.names = [made.bring_to(state, title=state) for state in STATES[::-1]]

    def close(self) -> None:
        self.runtime.db.close()


class Requests(Target):
    """A request to any route."""

    name = "requests"
    tokens = (
        *(f" /e3{route.path}".encode() for route in routes.ROUTES),
        *(f'"{key}": '.encode() for key in ("priority", "before", "action", "jobs", "names", "inputs", "outputs")),
        *(b"Origin: null\n", b"Content-Type: text/yaml\n", b"Sec-Fetch-Site: none\n", b"Host: [::1]:8188\n"),
        *(b"?limit=", b"&offset=", b"&status=", b"&sort=", b"&search=", b"?name=", b"%00", b"%2f", b"%ff", b"\\u0000"),
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log_level = LOG.level
        LOG.setLevel(logging.CRITICAL + 1)
        self.loop = asyncio.new_event_loop()
        self.worlds = 0
        self.world = self.new_world()

    def new_world(self) -> World:
        """Begin anew, so that an input means the same whenever it comes."""
        self.worlds += 1
        folder = self.folder / f"home{self.worlds}"
        folder.mkdir(parents=True)
        return World(folder)

    def close(self) -> None:
        self.world.close()
        self.loop.close()
        LOG.setLevel(self.log_level)

    def seeds(self) -> Iterator[bytes]:
        name = "T2I_20250101120000_1_processing"
        for route in routes.ROUTES:
            for job in self.world.names if "{config_name}" in route.path else [name]:
                path = re.sub(r"\{path.*\}", "js/e3.js", route.path.replace("{config_name}", job).replace("{n}", "0"))
                query = "&".join(f"{key}=1" for key in route.query or {})
                yield f"{route.method} /e3{path}?{query}\n\n{{}}".encode()
                yield f"{route.method} /e3{path}\n\n".encode()
        good = {"job_type": "T2I", "workflow_id": "wf_text", "inputs": {"text": "a"}}
        good = {**good, "outputs": {"file_path": "jobs/finished/image/new.png"}}
        text = json.dumps(good)
        yield f"POST /e3/jobs?name=T2I_20250101120000_9_new.yaml\n\n{text}".encode()
        odd = {"inputs": {"text": "\u2028\x85\ufeff\U0001f600 # ' \""}, "metadata": {"\x85 a": ["1e3", 1.0]}}
        yield f"POST /e3/jobs\n\n{json.dumps({**good, **odd})}".encode()
        yield f"POST /e3/jobs\nContent-Type: application/yaml\n\n{text}".encode()
        yield f'PATCH /api/e3/jobs/{name}\n\n{{"priority": 7}}'.encode()
        yield f'PATCH /e3/jobs/{name}\n\n{{"before": null}}'.encode()
        yield f'PATCH /e3/jobs/{self.world.names[-1]}\n\n{{"before": "{self.world.names[0]}"}}'.encode()
        for action in ("retry", "cancel", "remove", "restore", "priority"):
            body = {"action": action, "names": self.world.names, "priority": 3}
            yield f"POST /e3/jobs/bulk\n\n{json.dumps(body)}".encode()
        yield f'POST /e3/jobs/{name}/copy\n\n{{"inputs": {{"text": "b"}}, "name": "x"}}'.encode()
        yield b"GET /e3/jobs?status=pending&limit=5&offset=0&search=a&sort=priority\n\n"
        for header in ("Origin: null", "Origin: http://[::1", "Host: evil.example", "Sec-Fetch-Site: cross-site"):
            yield f"POST /e3/queue/pause\n{header}\n\n{{}}".encode()
        for case in cases("json.json"):
            yield b"POST /e3/jobs\n\n" + bytes_of(case)[:2000]
        for case in cases("paths.json"):
            told = json.dumps({**good, "outputs": {"file_path": case["path"]}})
            yield f"POST /e3/jobs\n\n{told}".encode()

    def __call__(self, data: bytes) -> None:
        request = self.request_of(data)
        if request is None:
            return
        db = self.world.runtime.db
        before = db.change_counter()
        response = self.loop.run_until_complete(self.answer(request))
        assert response.status < 500, f"{request.method} {request.rel_url} was answered with {response.status}"
        self.check(response, data.partition(b"\n\n")[2])
        if request.method in ("GET", "HEAD", "OPTIONS") or response.status >= 400:
            assert db.change_counter() == before, "a request that may change nothing did"
        else:
            self.world.changes += 1
        if self.world.changes >= CHANGES_A_WORLD:
            self.world.close()
            self.world = self.new_world()

    def request_of(self, data: bytes) -> web.Request | None:
        """Read a request, or nothing where aiohttp's own parser would let none pass."""
        head, _, body = data.partition(b"\n\n")
        first, *lines = head.decode("utf-8", "surrogateescape").split("\n")
        method, _, path = first.partition(" ")
        if method not in METHODS or not path.startswith("/") or re.search("[\x00-\x20\x7f\ud800-\udfff]", path):
            return None
        headers = CIMultiDict[str]()
        for line in lines:
            key, colon, value = line.partition(":")
            if colon and TOKEN.fullmatch(key) and not re.search("[\x00-\x08\x0a-\x1f\x7f]", value):
                headers.add(key, value.strip())
        headers.setdefault("Host", "127.0.0.1:8188")
        if method not in ("GET", "HEAD"):
            headers.setdefault("Content-Type", "application/json")
        try:
            yarl.URL.build(path=path.partition("?")[0], encoded=True)
            request = make_mocked_request(method, path, headers, payload=self.payload(body))
            _ = request.path, request.query  # what aiohttp could not read does not come to E3
        except ValueError:
            return None
        return request

    def payload(self, body: bytes) -> StreamReader:
        """Give the body as it comes from a socket."""
        protocol: Any = mock.Mock(_reading_paused=False)
        stream = StreamReader(protocol, 2**16, loop=self.loop)
        stream.feed_data(body)
        stream.feed_eof()
        return stream

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Let the application answer, as the server does."""
        try:
            return await self.world.app._handle(request)
        except web.HTTPException as exc:
            return exc

    def check(self, response: web.StreamResponse, sent: bytes) -> None:
        """Check an answer, and the job that it has made."""
        if not isinstance(response, web.Response) or isinstance(response, web.HTTPException):
            return
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        if response.content_type != "application/json":
            return
        body: Any = response.body
        told = json.loads(body, parse_constant=_refuse) if body else None
        if response.status >= 400:
            assert told is None or {"type", "message", "details"} == told["error"].keys()
        elif response.status == 201:
            row = self.world.runtime.db.get_job(told["config_name"])
            assert row is not None
            cfg = self.world.runtime.cfg
            check_lies_inside(outputs.final_path(row["config"]["outputs"]["file_path"], cfg), cfg)
            self.check_same(row, sent)

    def check_same(self, row: Any, sent: bytes) -> None:
        """A body in JSON becomes a job file in YAML, and must say the same in it."""
        try:
            asked = strict_json.read_json(sent)
        except InvalidConfig:  # it came as YAML
            return
        if "workflow_id" in asked:  # else a copy: only what it changes was sent
            assert row["config"]["metadata"] == (asked.get("metadata") or {})
            assert row["config"]["inputs"]["text"] == asked["inputs"]["text"]


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")
