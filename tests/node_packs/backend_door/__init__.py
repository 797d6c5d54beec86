"""A node pack that lends the in-process backend to tests: ``POST /door`` calls one of its methods.

E3 itself is not loaded as a plugin here: its package is found at ``E3_REPO``, and nothing of it is started.
"""

import asyncio
import dataclasses
import os
import sys
import types

from aiohttp import web
from server import PromptServer

if "comfyui_e3" not in sys.modules:
    package = types.ModuleType("comfyui_e3")
    package.__path__ = [os.environ["E3_REPO"]]
    sys.modules["comfyui_e3"] = package

from comfyui_e3.e3_nodes.backends.base import Prompt
from comfyui_e3.e3_nodes.backends.prompt_queue import PromptQueueBackend
from comfyui_e3.e3_nodes.errors import E3Error
from comfyui_e3.e3_nodes.host import ComfyHost

OPENED = {}


def backend():
    """The one backend, made when the host is up."""
    if "backend" not in OPENED:
        OPENED["backend"] = PromptQueueBackend(ComfyHost.running())
    return OPENED["backend"]


def call(method, arguments):
    """Call a method; a Prompt comes as a dict, a Sighting goes as one."""
    arguments = [Prompt(**value) if isinstance(value, dict) else value for value in arguments]
    try:
        value = getattr(backend(), method)(*arguments)
    except E3Error as exc:
        return {"raised": type(exc).__name__, "message": str(exc), "code": exc.code}
    value = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
    return {"value": str(value) if isinstance(value, os.PathLike) else value}


@PromptServer.instance.routes.post("/door")
async def door(request):
    """Answer ``{"method", "arguments"}`` with ``{"value"}`` or ``{"raised", "message", "code"}``."""
    asked = await request.json()
    return web.json_response(await asyncio.to_thread(call, asked["method"], asked["arguments"]))


NODE_CLASS_MAPPINGS = {}
