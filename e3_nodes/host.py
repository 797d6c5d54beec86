"""All that E3 knows of ComfyUI's insides; no other file touches them.

Only what has stayed the same from 0.3.64 to 0.33 is used, nothing is patched, and a queue tuple is never
built by hand: prompts go through ComfyUI's own ``POST /prompt`` handler, so each version makes its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeVar

from .errors import HostUnavailable
from .model import Progress

Place = Literal["pending", "running", "ended"]
"""Where a prompt stands in ComfyUI; None means that ComfyUI does not know it (any more)."""

T = TypeVar("T")

_SUBMIT_TIMEOUT_SECONDS = 120


class ComfyHost:
    """The ComfyUI in whose process E3 runs.

    Args:
        server: ``PromptServer.instance``.
        folder_paths: ComfyUI's module of that name.
        nodes: ComfyUI's module of that name.
    """

    def __init__(self, server: Any, folder_paths: Any, nodes: Any) -> None:
        self._server = server
        self._folder_paths = folder_paths
        self._nodes = nodes

    @classmethod
    def running(cls) -> ComfyHost | None:
        """Find the running ComfyUI passively, in what is imported already; None outside ComfyUI."""
        server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
        folder_paths, nodes = sys.modules.get("folder_paths"), sys.modules.get("nodes")
        if server is None or folder_paths is None or nodes is None or not hasattr(server, "prompt_queue"):
            return None
        return cls(server, folder_paths, nodes)

    @property
    def version(self) -> str:
        """ComfyUI's version, such as ``0.33.0``."""
        return getattr(sys.modules.get("comfyui_version"), "__version__", "unknown")

    @property
    def routes(self) -> Any:
        """ComfyUI's route table; what is added while plugins load is served at /x and /api/x."""
        return self._server.routes

    @property
    def address(self) -> str | None:
        """Where the server listens, as a URL; None before it does."""
        port = getattr(self._server, "port", None)
        if port is None:
            return None
        host = getattr(self._server, "address", None) or "127.0.0.1"
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{port}"

    def claim(self, marker: str) -> bool:
        """Mark the server once; False when another copy of the plugin has done so before."""
        if hasattr(self._server, marker):
            return False
        setattr(self._server, marker, True)
        return True

    def on_startup(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run a callback when all plugins are loaded, just before the server listens."""

        async def started(_app: Any) -> None:
            await callback()

        self._server.app.on_startup.append(started)

    def on_prompt(self, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let a handler see each prompt before ComfyUI checks it: ComfyUI's own hook for plugins."""
        self._server.add_on_prompt_handler(handler)

    # --- folders ---------------------------------------------------------------------------------
    def output_folder(self) -> Path:
        """Where ComfyUI's nodes write; asked anew each time, since it can be moved."""
        return Path(self._folder_paths.get_output_directory())

    def input_folder(self) -> Path:
        """Where ComfyUI's loaders read."""
        return Path(self._folder_paths.get_input_directory())

    def public_folders(self) -> list[Path]:
        """Folders that ComfyUI serves, wipes or lets pages write into: nothing that E3 keeps may lie in them."""
        names = ("get_output_directory", "get_input_directory", "get_temp_directory")
        folders = [Path(getattr(self._folder_paths, name)()) for name in names]
        extensions = getattr(self._nodes, "EXTENSION_WEB_DIRS", {}).values()
        published = [Path(folder) for folder in (*extensions, getattr(self._server, "web_root", None)) if folder]
        return [*folders, Path(self._folder_paths.get_user_directory()) / "default", *published]

    # --- the prompt queue ------------------------------------------------------------------------
    def post_prompt(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Hand a prompt to ComfyUI's own ``POST /prompt`` handler, on its loop.

        Args:
            body: The JSON body that a client would send; it stays as it is.

        Returns:
            The HTTP status and the answer.

        Raises:
            HostUnavailable: The handler is missing, or did not answer within two minutes.
        """

        text = json.dumps(body)

        async def post() -> tuple[int, dict[str, Any]]:
            response = await self._prompt_handler(_JsonRequest(text))
            return response.status, json.loads(response.body)

        return self._on_loop(post(), "POST /prompt")

    def where(self, prompt_id: str) -> Place | None:
        """Tell where a prompt stands, in one look under the queue's mutex."""
        queue = self._server.prompt_queue
        with queue.mutex:
            if prompt_id in queue.history:
                return "ended"
            if any(item[1] == prompt_id for item in queue.currently_running.values()):
                return "running"
            if any(item[1] == prompt_id for item in queue.queue):
                return "pending"
        return None

    def history_entry(self, prompt_id: str) -> dict[str, Any] | None:
        """Lend ComfyUI's own record of an ended prompt without its graph, only to be read; or None."""
        queue = self._server.prompt_queue
        with queue.mutex:
            entry = queue.history.get(prompt_id)
            return None if entry is None else {key: entry.get(key) for key in ("outputs", "status")}

    def remove_pending(self, prompt_id: str) -> bool:
        """Take a waiting prompt out of the queue; False when it runs already or is gone."""
        return bool(self._server.prompt_queue.delete_queue_item(lambda item: item[1] == prompt_id))

    def interrupt(self, prompt_id: str) -> bool:
        """Interrupt the prompt if, and only if, it is the one that runs.

        ComfyUI forgets an interrupt that arrives while the prompt starts, so the caller repeats it until the
        prompt has left the queue.
        """
        queue = self._server.prompt_queue
        if hasattr(queue, "interrupt_if_running"):
            return bool(queue.interrupt_if_running(prompt_id))
        with queue.mutex:
            is_running = any(item[1] == prompt_id for item in queue.currently_running.values())
            if is_running:
                self._nodes.interrupt_processing()
            return is_running

    def waiting_count(self) -> int:
        """Count prompts of everybody that wait or run."""
        return int(self._server.prompt_queue.get_tasks_remaining())

    def free_memory(self) -> None:
        """Ask ComfyUI to unload models and free memory before its next prompt."""
        self._server.prompt_queue.set_flag("unload_models", True)
        self._server.prompt_queue.set_flag("free_memory", True)

    def worker_alive(self) -> bool:
        """Tell whether ComfyUI's one prompt worker lives; nothing runs any more when it does not."""
        return any("prompt_worker" in thread.name for thread in threading.enumerate())

    def is_stuck(self) -> bool:
        """Tell whether prompts wait while none runs: for longer than a moment that is no good sign."""
        queue = self._server.prompt_queue
        with queue.mutex:
            return bool(queue.queue) and not queue.currently_running

    # --- what a person sees -----------------------------------------------------------------------
    def progress(self, prompt_id: str) -> Progress | None:
        """Tell how far the running prompt has come; None when another one runs."""
        registry_of = getattr(sys.modules.get("comfy_execution.progress"), "get_progress_state", None)
        registry = None if registry_of is None else registry_of()
        if registry is None or getattr(registry, "prompt_id", None) != prompt_id:
            return None
        return progress_of(dict(list(registry.nodes.items())))

    def send(self, event: str, data: Mapping[str, Any]) -> None:
        """Push an event to every browser; safe from any thread."""
        self._server.send_sync(event, dict(data))

    # --- details ----------------------------------------------------------------------------------
    @cached_property
    def _prompt_handler(self) -> Callable[[Any], Awaitable[Any]]:
        for route in self._server.routes:
            if getattr(route, "method", "") == "POST" and getattr(route, "path", "") == "/prompt":
                return route.handler
        raise HostUnavailable("ComfyUI has no POST /prompt handler; E3 supports ComfyUI 0.3.64 and later")

    def _on_loop(self, coroutine: Coroutine[Any, Any, T], what: str) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._server.loop)
        try:
            return future.result(_SUBMIT_TIMEOUT_SECONDS)
        except FutureTimeoutError as exc:
            future.cancel()
            message = f"ComfyUI did not answer {what} within {_SUBMIT_TIMEOUT_SECONDS} s"
            raise HostUnavailable(message) from exc


class _JsonRequest(SimpleNamespace):
    """As much of an aiohttp request as ComfyUI's ``POST /prompt`` handler reads."""

    def __init__(self, text: str) -> None:
        from multidict import CIMultiDict

        super().__init__(headers=CIMultiDict({"Content-Type": "application/json"}), _text=text)

    async def json(self) -> Any:
        """Read the body anew, as aiohttp does: the handler pops keys of what it gets, and casts values in place."""
        return json.loads(self._text)


def progress_of(nodes: Mapping[str, Mapping[str, Any]]) -> Progress:
    """Sum up the states of a prompt's nodes, as ComfyUI's registry or its ``progress_state`` event has them.

    Examples:
        >>> progress_of({"3": {"state": "running", "value": 5, "max": 20}, "4": {"state": "finished"}})
        {'nodes_done': 1, 'nodes_total': 2, 'node': '3', 'value': 5.0, 'max': 20.0}
    """
    states = {key: _state_name(node) for key, node in nodes.items()}
    progress = Progress(nodes_done=list(states.values()).count("finished"), nodes_total=len(nodes))
    for key, state in states.items():
        if state == "running":
            progress.update(node=key, value=float(nodes[key]["value"]), max=float(nodes[key]["max"]))
    return progress


def _state_name(node: Mapping[str, Any]) -> str:
    """Read a node's state, an enum in every version so far, as its word."""
    state = node.get("state")
    return str(getattr(state, "value", state))
