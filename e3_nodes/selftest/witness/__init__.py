"""A node pack for the chaos run alone: it sees to it that E3 leaves its host unharmed (I17, I18).

The host imports it like any pack, before E3, so it stands on its own. Each complaint is a line in the file that
``E3_WITNESS`` names.
"""

import asyncio
import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

NODE_CLASS_MAPPINGS: dict = {}

BLOCKED_SECONDS = 0.05
LOOK_SECONDS = 0.005
HARM_SECONDS = 0.2
_PARTS = ("server", "execution", "nodes", "folder_paths")
_PLUGIN = str(Path(__file__).parents[3]) + os.sep
_NOT_THE_PLUGIN = tuple(_PLUGIN + part for part in (f"e3_nodes{os.sep}embedded", f"e3_nodes{os.sep}selftest"))


class _Stop(NamedTuple):
    place: str
    since: float
    starved: float


class Witness:
    """Watches one host from a thread of its own.

    Args:
        server: ``PromptServer.instance``.
        log: Where complaints are written.
    """

    def __init__(self, server: Any, log: Path) -> None:
        self._log = log
        self._owned = functions_of(server)
        self._told: set[str] = set()
        self._loop_thread = threading.get_ident()
        self._beat = time.monotonic()
        self._over = threading.Event()
        self._tasks = {asyncio.get_running_loop().create_task(self._beat_for_ever())}
        threading.Thread(target=self._watch, name="witness", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        for task in self._tasks:
            task.cancel()

    async def _beat_for_ever(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)

    def _watch(self) -> None:
        """Look often; a look that was late itself proves nothing, for then the whole machine stood still."""
        while not is_worker_alive():  # until then packs are imported, and nobody is served
            if self._over.wait(LOOK_SECONDS):
                return
        harm_due, looked = 0.0, time.monotonic()
        stuck: _Stop | None = None
        while not self._over.wait(LOOK_SECONDS):
            now = time.monotonic()
            was_late, looked = now - looked > 4 * LOOK_SECONDS, now
            stuck = None if was_late else self._judge_loop(now, stuck)
            if now > harm_due:
                harm_due = now + HARM_SECONDS
                self._judge_harm()

    def _judge_loop(self, now: float, before: "_Stop | None") -> "_Stop | None":
        """Return where in E3 the loop stands and since when; where it stands for too long is told.

        Time in which this process wanted a processor and got none is the machine's, not E3's.
        """
        if now - self._beat < LOOK_SECONDS * 2:
            return None
        place = place_in_plugin(sys._current_frames().get(self._loop_thread))
        if not place:
            return None
        if before is None or before.place != place:
            return _Stop(place, now, _starved_seconds())
        blocked = now - before.since
        if blocked > BLOCKED_SECONDS and blocked - (_starved_seconds() - before.starved) > BLOCKED_SECONDS:
            self._complain(f"I18 E3 blocked the event loop at {place}", f"for {blocked * 1000:.0f} ms")
        return before

    def _judge_harm(self) -> None:
        for place, (owner, name, found) in self._owned.items():
            if vars(owner).get(name) is not found:
                self._complain(f"I17 {place} was replaced")
        if not is_worker_alive():
            self._complain("I17 the prompt worker is dead")

    def _complain(self, said: str, more: str = "") -> None:
        if said not in self._told:
            self._told.add(said)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{said} {more}".strip() + "\n")


def _starved_seconds() -> float:
    """Return how long threads of this process have waited for a processor, where the system tells it."""
    waited = 0
    for task in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError):
            waited += int(task.read_text("ascii").split()[1])
    return waited / 1e9


def is_worker_alive() -> bool:
    """Tell whether the thread that runs prompts is there."""
    return any("prompt_worker" in thread.name for thread in threading.enumerate())


def functions_of(server: Any) -> dict[str, tuple[Any, str, Any]]:
    """List every function that the host has now: of its modules, of their classes, of its queue."""
    modules = [sys.modules[name] for name in _PARTS if name in sys.modules]
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    owners = {*modules, *classes, type(server), type(server.prompt_queue)}
    return {
        f"{getattr(owner, '__module__', '') or ''}.{owner.__name__}.{name}".lstrip("."): (owner, name, value)
        for owner in owners
        for name, value in vars(owner).items()
        if isinstance(value, FunctionType)
    }


def place_in_plugin(frame: Any) -> str:
    """Name the innermost place in E3 that a stack stands in; nothing when it stands elsewhere."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_PLUGIN) and not file.startswith(_NOT_THE_PLUGIN):
            return f"{file.removeprefix(_PLUGIN)} {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def _attach() -> None:
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    log = os.environ.get("E3_WITNESS")
    if server is not None and log:
        server.e3_witness = Witness(server, Path(log))


_attach()
