"""A route as the catalogue describes it, and a request as handlers see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from ..e3_nodes.runtime import Runtime
from ..e3_nodes.store.protocol import JobStore
from ..e3_nodes.validation import names
from . import responses
from .engine import Engine

T = TypeVar("T")

Schema = Mapping[str, Any]
"""A JSON Schema in the words that ``job_schema.violations`` knows."""


@dataclass(frozen=True)
class Call:
    """A request that the guard has let through.

    Attributes:
        request: The request itself; its body is read already.
        engine: E3, which may be starting or broken.
        body: The JSON body; bytes where it came as YAML.
        query: The query's values, each of the type that the route's schema names.
    """

    request: web.Request
    engine: Engine
    body: Any = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runtime(self) -> Runtime:
        """The engine at work; raises the reason when it is not."""
        return self.engine.runtime

    @property
    def db(self) -> JobStore:
        """The job table."""
        return self.runtime.db

    @property
    def cfg(self) -> dict[str, Any]:
        """The settings."""
        return self.runtime.cfg

    @property
    def config_name(self) -> str:
        """The job that the path names, with or without ``.yaml``."""
        return names.canonical_config_name(self.request.match_info["config_name"])

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Cross to the engine: run a function in a thread, so that ComfyUI's event loop never waits."""
        return await asyncio.get_running_loop().run_in_executor(self.engine.threads, function, *args)

    async def draw(self, function: Callable[..., T], *args: Any) -> T:
        """Do as ``run`` does, among those who draw pictures."""
        return await asyncio.get_running_loop().run_in_executor(self.engine.artists, function, *args)

    async def answer(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
        """Do as ``run`` does, and write what comes back as JSON in the thread as well: a list may be long."""
        return await self.run(lambda: responses.encode(function(*args, **kwargs)))


Handler = Callable[[Call], Awaitable["bytes | web.StreamResponse"]]
"""Returns the JSON answer as bytes, or a whole response."""


@dataclass(frozen=True)
class Route:
    """One line of the catalogue: what is served, what it wants, what it gives.

    Attributes:
        method: GET, POST, PATCH or DELETE.
        path: The path under ``/e3``.
        handler: What answers.
        summary: One line for people.
        query: Schemas of the query's parameters; None lets any pass, for pages and their assets.
        body: Schema of the body of a change.
        returns: Schema of the answer, or the media type of one that is no JSON.
        status: The status of success.
        needs_body: Whether an empty body is malformed rather than ``{}``.
        takes_yaml: Whether the body may be YAML as well.
        is_open: Whether it is served without the token: a page cannot send one before it has loaded.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    query: Mapping[str, Schema] | None = field(default_factory=dict)
    body: Schema | None = None
    returns: Schema | str = field(default_factory=dict)
    status: int = 200
    needs_body: bool = False
    takes_yaml: bool = False
    is_open: bool = False

    @property
    def is_change(self) -> bool:
        """Tell whether the route changes something; a GET never does."""
        return self.method != "GET"
