"""ComfyUI's door: inert without ComfyUI, attached once with it, harmless when E3 cannot work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[2]

_LOAD = """
import importlib.util, sys
path = sys.argv[1]
name = path.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, path + "/__init__.py", submodule_search_locations=[path])
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
"""

_SERVER = """
import asyncio, types
from aiohttp import web

class Queue:
    pass

class Server:
    def __init__(self):
        self.routes, self.app, self.prompt_queue = web.RouteTableDef(), web.Application(), Queue()
        self.hooks = []
    def add_on_prompt_handler(self, handler):
        self.hooks.append(handler)

server = types.ModuleType("server")
server.PromptServer = type("PromptServer", (), {"instance": Server()})
sys.modules["server"] = server
for name in ("folder_paths", "nodes"):
    sys.modules[name] = types.ModuleType(name)
"""


def _python(code: str) -> str:
    """Run code in a fresh interpreter, and return what it prints."""
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(REPO)], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_plugin_door_is_inert_outside_comfyui() -> None:
    said = _python(
        _LOAD
        + "before = set(sys.modules)\n"
        + "spec.loader.exec_module(module)\n"
        + "print(sorted(set(sys.modules) - before), module.NODE_CLASS_MAPPINGS, module.WEB_DIRECTORY)"
    )

    assert said == "[] {} ./web/js"


def test_plugin_door_attaches_in_comfyui() -> None:
    said = _python(
        _LOAD
        + _SERVER
        + "instance = server.PromptServer.instance\n"
        + "before = len(instance.app.on_startup)\n"
        + "spec.loader.exec_module(module)\n"
        + "paths = {(route.method, route.path) for route in instance.routes}\n"
        + "assert len(paths) == len(list(instance.routes))\n"
        + "assert all(not route.kwargs for route in instance.routes), 'kwargs break the start of ComfyUI'\n"
        + "assert all(path.split('/')[1] == 'e3' for _, path in paths), paths\n"
        + "print(len(module.NODE_CLASS_MAPPINGS), ('*', '/e3/jobs') in paths, len(instance.app.on_startup) - before)"
    )

    assert said == "5 True 1"


def test_plugin_door_second_copy_stays_inert() -> None:
    said = _python(
        _LOAD
        + _SERVER
        + "spec.loader.exec_module(module)\n"
        + "count = len(list(server.PromptServer.instance.routes))\n"
        + "copy = importlib.util.spec_from_file_location('copy', path + '/__init__.py', "
        + "submodule_search_locations=[path])\n"
        + "sys.modules['copy'] = again = importlib.util.module_from_spec(copy)\n"
        + "copy.loader.exec_module(again)\n"
        + "print(len(list(server.PromptServer.instance.routes)) == count, len(again.NODE_CLASS_MAPPINGS))"
    )

    assert said == "True 5"


def test_plugin_door_starts_the_engine_with_the_server_and_not_at_import() -> None:
    said = _python(
        _LOAD
        + _SERVER
        + "import asyncio, threading\n"
        + "plugin = importlib.import_module(spec.name + '.server_routes.plugin').Plugin\n"
        + "started = threading.Event()\n"
        + "plugin._start = lambda self: started.set()\n"
        + "spec.loader.exec_module(module)\n"
        + "before = started.wait(0.2)\n"
        + "start = server.PromptServer.instance.app.on_startup[-1]\n"
        + "asyncio.run(start(None))\n"
        + "print(before, started.wait(10))"
    )

    assert said == "False True"
