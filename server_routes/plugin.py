"""E3 inside ComfyUI: attach the routes while plugins load, start the engine when the server starts.

Whatever goes wrong here leaves ComfyUI working, and is told by the log, by ``/e3/health`` and by the panel.
"""

from __future__ import annotations

import atexit
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..e3_nodes import config_loader, nodes, runtime
from ..e3_nodes.backends.prompt_queue import PromptQueueBackend
from ..e3_nodes.errors import E3Error, InvalidSettings, StoreUnavailable
from ..e3_nodes.host import ComfyHost
from ..e3_nodes.logger import get_logger
from . import routes

log = get_logger("plugin")

REST_THREADS = 2
"""Of each kind. With more, the event loop of ComfyUI waits longer for its turn, and no list comes sooner."""

LOCKED_SECONDS = 10.0
"""How long to wait before the start is tried again; each try waits for the lock itself as well."""

_MARKER = "_e3_attached"


def attach() -> Plugin | None:
    """Attach E3 to the ComfyUI of this process; None when there is none, or another copy was first."""
    host = ComfyHost.running()
    if host is None:
        return None
    if not host.claim(_MARKER):
        log.error("E3 is installed twice; this copy stays inert. Remove one of the two folders in custom_nodes")
        return None
    plugin = Plugin(host)
    plugin.stand_by()
    host.on_startup(plugin.start_in_background)
    host.on_prompt(nodes.name_files)
    atexit.register(plugin.stop)
    routes.add_routes(host.routes, plugin)
    return plugin


class Plugin:
    """The engine as the routes see it: starting, at work, or broken with a reason.

    Args:
        host: The ComfyUI around us.
    """

    def __init__(self, host: ComfyHost) -> None:
        self.home = str(config_loader.find_home())
        self.version = config_loader.plugin_version()
        self.threads = ThreadPoolExecutor(REST_THREADS, thread_name_prefix="e3-rest")
        self.artists = ThreadPoolExecutor(REST_THREADS, thread_name_prefix="e3-artist")
        self._host = host
        self._is_told = threading.Event()
        self._is_stopped = threading.Event()
        self._runtime: runtime.Runtime | None = None
        self._problem: E3Error = StoreUnavailable("E3 is starting; try again in a moment", code="starting")

    @property
    def runtime(self) -> runtime.Runtime:
        """The engine at work.

        Raises:
            E3Error: E3 is starting, or could not start; the message says why and what would be right.
        """
        if self._runtime is None:
            raise self._problem
        return self._runtime

    def stand_by(self) -> None:
        """Make the thread that will start the engine: ComfyUI's loop must not wait while a thread begins."""
        threading.Thread(target=self._start_when_told, name="e3-start", daemon=True).start()

    async def start_in_background(self) -> None:
        """Let the engine start, beside ComfyUI's own start."""
        self._is_told.set()

    def stop(self) -> None:
        """Stop politely at exit; after a kill, the next start recovers."""
        self._is_stopped.set()
        for pool in (self.threads, self.artists):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._runtime is not None:
            self._runtime.stop(timeout_seconds=1.0)

    def problems(self) -> list[dict[str, Any]]:
        """List what is wrong now, each with the way out."""
        if self._runtime is None:
            return [{"code": self._problem.code, "message": str(self._problem), "fix": _fix_of(self._problem)}]
        return self._runtime.problems()

    def _start_when_told(self) -> None:
        self._is_told.wait()
        self._start()

    def _start(self) -> None:
        """Start the engine; while another program keeps the database locked, try again now and then."""
        self._try_to_start()
        while self._runtime is None and self._problem.code == "db_locked":
            if self._is_stopped.wait(LOCKED_SECONDS):
                return
            self._try_to_start()

    def _try_to_start(self) -> None:
        try:
            cfg = config_loader.load_home()
            cfg["input_folder"] = str(self._host.input_folder())
            runtime.check_home_is_private(cfg, self._host.public_folders())
            engine = runtime.Runtime(cfg, PromptQueueBackend(self._host), announce=self._host.send)
            engine.start()
            self._runtime = engine
        except E3Error as exc:
            self._problem = exc
            log.error("E3 does not run: %s", exc, extra={"action": "start_refused"})
        except Exception as exc:
            self._problem = StoreUnavailable(f"E3 could not start: {exc}", code="start_failed")
            log.exception("E3 could not start; ComfyUI works without it")


def _fix_of(problem: E3Error) -> str:
    if problem.code == "starting":
        return "wait a moment"
    if problem.code == "db_locked":
        return "look for a backup or another E3 that holds the database; E3 tries again by itself"
    where = "global_config.yaml" if isinstance(problem, InvalidSettings) else "what the message names"
    return f"mend {where}, then restart ComfyUI"
