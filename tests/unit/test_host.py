"""What E3 knows of ComfyUI's insides, on a small copy of them; real ones are in ``tests/contract``."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from comfyui_e3.e3_nodes import host as host_module
from comfyui_e3.e3_nodes.backends.loop_thread import LoopThread
from comfyui_e3.e3_nodes.errors import HostUnavailable
from comfyui_e3.e3_nodes.host import ComfyHost, progress_of


class Queue:
    """The parts of ComfyUI's PromptQueue that host.py uses."""

    def __init__(self) -> None:
        self.mutex = threading.RLock()
        self.queue: list[Any] = []
        self.currently_running: dict[int, Any] = {}
        self.history: dict[str, Any] = {}
        self.flags: dict[str, Any] = {}

    def delete_queue_item(self, function: Callable[[Any], bool]) -> bool:
        kept = [item for item in self.queue if not function(item)]
        self.queue, removed = kept, len(self.queue) - len(kept)
        return removed > 0

    def set_flag(self, name: str, value: Any) -> None:
        self.flags[name] = value

    def get_tasks_remaining(self) -> int:
        return len(self.queue) + len(self.currently_running)


class Nodes:
    """ComfyUI's module ``nodes``: the one interrupt that stops whatever runs."""

    def __init__(self) -> None:
        self.interrupts = 0

    def interrupt_processing(self) -> None:
        self.interrupts += 1


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with closing(LoopThread("comfyui")) as thread:
        yield thread


@pytest.fixture
def server() -> SimpleNamespace:
    return SimpleNamespace(prompt_queue=Queue(), routes=web.RouteTableDef())


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def host(server: SimpleNamespace, nodes: Nodes, tmp_path: Path) -> ComfyHost:
    kinds = ("output", "input", "temp", "user")
    folders = {f"get_{kind}_directory": lambda kind=kind: str(tmp_path / kind) for kind in kinds}
    return ComfyHost(server, SimpleNamespace(**folders), nodes)


def item(prompt_id: str) -> tuple[Any, ...]:
    return (1.0, prompt_id, {}, {}, [])


# --- finding ComfyUI ---
def test_host_running_outside_comfyui_is_none() -> None:
    assert ComfyHost.running() is None


def test_host_running_finds_what_is_imported_already(server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ModuleType("server")
    found.PromptServer = SimpleNamespace(instance=server)  # type: ignore[attr-defined]
    for name, module in {"server": found, "folder_paths": ModuleType("f"), "nodes": ModuleType("n")}.items():
        monkeypatch.setitem(sys.modules, name, module)

    assert isinstance(ComfyHost.running(), ComfyHost)


@pytest.mark.parametrize("instance", [None, SimpleNamespace()], ids=["not made yet", "another server"])
def test_host_running_is_not_fooled_by_a_module_of_that_name(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ModuleType("server")
    found.PromptServer = SimpleNamespace(instance=instance)  # type: ignore[attr-defined]
    for name, module in {"server": found, "folder_paths": ModuleType("f"), "nodes": ModuleType("n")}.items():
        monkeypatch.setitem(sys.modules, name, module)

    assert ComfyHost.running() is None


def test_host_claim_succeeds_once(host: ComfyHost) -> None:
    assert [host.claim("_e3"), host.claim("_e3"), host.claim("_other")] == [True, False, True]


@pytest.mark.parametrize(
    ("listens", "expected"),
    [
        ({}, None),
        ({"address": "127.0.0.1", "port": 8188}, "http://127.0.0.1:8188"),
        ({"address": "0.0.0.0", "port": 8188}, "http://127.0.0.1:8188"),
        ({"address": "gpu.lan", "port": 80}, "http://gpu.lan:80"),
    ],
    ids=["not yet", "loopback", "everywhere", "name"],
)
def test_host_address(server: SimpleNamespace, host: ComfyHost, listens: dict[str, Any], expected: str | None) -> None:
    vars(server).update(listens)

    assert host.address == expected


def test_host_public_folders_are_what_comfyui_serves_or_wipes(
    server: SimpleNamespace, nodes: Nodes, host: ComfyHost, tmp_path: Path
) -> None:
    nodes.EXTENSION_WEB_DIRS = {"pack": str(tmp_path / "pack" / "web")}  # type: ignore[attr-defined]
    server.web_root = str(tmp_path / "frontend")

    public = host.public_folders()

    names = ("output", "input", "temp", "user/default", "pack/web", "frontend")
    assert public == [tmp_path / name for name in names]


def test_host_public_folders_do_without_a_frontend(host: ComfyHost, tmp_path: Path) -> None:
    assert host.public_folders() == [tmp_path / name for name in ("output", "input", "temp", "user/default")]


# --- handing a prompt over ---
def test_host_post_prompt_uses_comfyuis_own_handler(server: SimpleNamespace, host: ComfyHost, loop: LoopThread) -> None:
    async def handler(request: Any) -> web.Response:
        body = await request.json()
        body["prompt"].clear()
        kind = request.headers["content-type"]
        return web.json_response({"seen": body["prompt_id"], "type": kind}, status=400)

    server.routes.get("/prompt")(lambda request: None)
    server.routes.post("/prompt")(handler)
    server.loop = loop.run(_running_loop())
    body = {"prompt_id": "x", "prompt": {"9": {}}}

    status, answer = host.post_prompt(body)

    assert (status, answer) == (400, {"seen": "x", "type": "application/json"})
    assert body == {"prompt_id": "x", "prompt": {"9": {}}}


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_host_post_prompt_without_a_handler(server: SimpleNamespace, host: ComfyHost, loop: LoopThread) -> None:
    server.loop = loop.run(_running_loop())

    with pytest.raises(HostUnavailable, match=r"no POST /prompt handler; E3 supports ComfyUI 0\.3\.64"):
        host.post_prompt({})


def test_host_post_prompt_on_a_loop_that_is_stuck(
    server: SimpleNamespace, host: ComfyHost, loop: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(_: Any) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    monkeypatch.setattr(host_module, "_SUBMIT_TIMEOUT_SECONDS", 0.02)
    server.routes.post("/prompt")(handler)
    server.loop = loop.run(_running_loop())

    with pytest.raises(HostUnavailable, match="did not answer POST /prompt within"):
        host.post_prompt({})


# --- the queue ---
def test_host_where_finds_a_prompt_in_each_place(server: SimpleNamespace, host: ComfyHost) -> None:
    queue = server.prompt_queue
    queue.queue, queue.currently_running, queue.history = [item("a")], {0: item("b")}, {"c": {}}

    assert [host.where(name) for name in "abcd"] == ["pending", "running", "ended", None]
    assert host.waiting_count() == 2


def test_host_history_entry_leaves_the_graph_out(server: SimpleNamespace, host: ComfyHost) -> None:
    server.prompt_queue.history["x"] = {"prompt": ("big",), "outputs": {"9": {}}, "status": {"messages": []}}

    assert host.history_entry("x") == {"outputs": {"9": {}}, "status": {"messages": []}}
    assert host.history_entry("y") is None


def test_host_remove_pending_takes_one_prompt(server: SimpleNamespace, host: ComfyHost) -> None:
    server.prompt_queue.queue = [item("a"), item("b")]

    assert (host.remove_pending("a"), host.remove_pending("a")) == (True, False)
    assert server.prompt_queue.queue == [item("b")]


def test_host_interrupt_only_what_runs(server: SimpleNamespace, host: ComfyHost, nodes: Nodes) -> None:
    server.prompt_queue.currently_running = {0: item("a")}

    assert (host.interrupt("b"), nodes.interrupts) == (False, 0)
    assert (host.interrupt("a"), nodes.interrupts) == (True, 1)


def test_host_interrupt_uses_comfyuis_own_where_there_is_one(
    server: SimpleNamespace, host: ComfyHost, nodes: Nodes
) -> None:
    server.prompt_queue.interrupt_if_running = lambda prompt_id: prompt_id == "a"

    assert (host.interrupt("a"), host.interrupt("b"), nodes.interrupts) == (True, False, 0)


def test_host_free_memory_leaves_a_wish_for_the_worker(server: SimpleNamespace, host: ComfyHost) -> None:
    host.free_memory()

    assert server.prompt_queue.flags == {"unload_models": True, "free_memory": True}


def test_host_worker_alive_looks_for_the_thread(host: ComfyHost) -> None:
    done = threading.Event()
    dead = host.worker_alive()
    worker = threading.Thread(target=done.wait, name="Thread-1 (prompt_worker)", daemon=True)
    worker.start()
    alive = host.worker_alive()
    done.set()
    worker.join()

    assert (dead, alive, host.worker_alive()) == (False, True, False)


# --- progress ---
class State(Enum):
    """ComfyUI's own enum has these words."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"


def test_host_progress_of_the_prompt_that_runs(host: ComfyHost, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {
        "1": {"state": State.FINISHED, "value": 1, "max": 1},
        "3": {"state": State.RUNNING, "value": 5, "max": 20},
        "9": {"state": State.PENDING, "value": 0, "max": 1},
    }
    progress = ModuleType("comfy_execution.progress")
    registry = SimpleNamespace(prompt_id="x", nodes=nodes)
    progress.get_progress_state = lambda: registry  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy_execution.progress", progress)

    assert host.progress("x") == {"nodes_done": 1, "nodes_total": 3, "node": "3", "value": 5.0, "max": 20.0}
    assert host.progress("y") is None


def test_host_progress_without_comfyuis_module_is_none(host: ComfyHost) -> None:
    assert host.progress("x") is None


def test_host_progress_of_nothing_yet() -> None:
    assert progress_of({}) == {"nodes_done": 0, "nodes_total": 0}
