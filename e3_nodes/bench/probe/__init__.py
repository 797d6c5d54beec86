"""A node pack for benchmarks alone: it notes when prompts begin and end, and how late ComfyUI's loop is.

ComfyUI imports it like any pack, so it stands on its own. It wraps two methods of the queue, which the plugin
itself never does.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.002


class BenchGpu:
    """Stands for work on a GPU: waits without Python's lock, then hands its picture on."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "wait"
    CATEGORY = "bench"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What ComfyUI asks every node class."""
        return {"required": {"image": ("IMAGE",), "seconds": ("FLOAT", {"default": 0.1, "min": 0.0, "max": 60.0})}}

    def wait(self, image: Any, seconds: float) -> tuple[Any]:
        """Wait so many seconds."""
        time.sleep(seconds)
        return (image,)


NODE_CLASS_MAPPINGS: dict = {"BenchGpu": BenchGpu}


class Probe:
    """Listens to one server.

    Args:
        server: ``PromptServer.instance``.
    """

    def __init__(self, server: Any) -> None:
        self.starts: list[tuple[str, float]] = []
        self.ends: list[tuple[str, float]] = []
        self.lags: list[float] = []
        self._is_listening = False
        self._used_before = 0.0
        queue = server.prompt_queue
        queue.get, queue.task_done = self._noting_starts(queue.get), self._noting_ends(queue.task_done)

    def _noting_starts(self, get: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            taken = get(*args, **kwargs)
            if taken is not None:
                self.starts.append((taken[0][1], time.time()))
            return taken

        return noted

    def _noting_ends(self, task_done: Callable[..., Any]) -> Callable[..., Any]:
        def noted(item_id: int, *args: Any, **kwargs: Any) -> Any:
            self.ends.append(("", time.time()))
            return task_done(item_id, *args, **kwargs)

        return noted

    async def listen_to_loop(self) -> None:
        """Ask to be woken again and again, and note how late that happens."""
        self._is_listening = True
        while self._is_listening:
            due = time.perf_counter() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self.lags.append(max(0.0, time.perf_counter() - due))

    def reset(self) -> None:
        """Forget everything."""
        self.starts, self.ends, self.lags, self._is_listening = [], [], [], False
        self._used_before = _cpu_seconds()

    def report(self) -> dict[str, Any]:
        """Tell everything, with what the process has used since the reset."""
        return {
            "starts": self.starts,
            "ends": [end for _, end in self.ends],
            "lags": self.lags,
            "cpu_seconds": _cpu_seconds() - self._used_before,
            "rss_mb": _resident_mb(),
        }


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system


def _resident_mb() -> float:
    """Return the process's resident memory, where the system tells it."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def _attach(server: Any) -> None:
    from aiohttp import web

    probe = Probe(server)
    tasks: set[Any] = set()

    async def reset(_request: Any) -> Any:
        probe.reset()
        return web.json_response({})

    async def listen(_request: Any) -> Any:
        tasks.add(asyncio.create_task(probe.listen_to_loop()))
        return web.json_response({})

    async def report(_request: Any) -> Any:
        return web.json_response(probe.report())

    async def count(_request: Any) -> Any:
        return web.json_response({"ends": len(probe.ends)})

    server.routes.get("/bench/count")(count)
    server.routes.post("/bench/reset")(reset)
    server.routes.post("/bench/listen")(listen)
    server.routes.get("/bench/report")(report)


_server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
if _server is not None:
    _attach(_server)
