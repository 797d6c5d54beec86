"""A ComfyUI in a thread: it queues, runs and forgets like the real one, and is done in milliseconds.

It runs in the process that is killed, so its queue and its history die with it, as ComfyUI's do.
"""

from __future__ import annotations

import os
import queue
import signal
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import failpoints
from ..backends.base import Prompt, Sighting
from ..model import Artifact, Progress, Result

FINE, RAISES, POISON, SLOW, HUGE, LONG = 0, 1, 2, 3, 4, 5
"""What the input ``color`` of a job makes of its run."""

_SECONDS = {SLOW: 0.2, POISON: 0.2, LONG: 2.0}
HUGE_BYTES = 2 * 1024 * 1024
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class SimulatedComfyUI:
    """A backend whose ComfyUI is one worker thread.

    Args:
        output: ComfyUI's output folder.
        most: How many prompts may stand in its queue at a time.
        complain: Is told when there are more.
    """

    def __init__(self, output: Path, most: int, complain: Callable[[str], None]) -> None:
        self._output = output
        self._most = most
        self._complain = complain
        self._queue: queue.SimpleQueue[Prompt] = queue.SimpleQueue()
        self._places: dict[str, str] = {}
        self._results: dict[str, Result] = {}
        self._interrupted: set[str] = set()
        self._lock = threading.Lock()
        self._running = ""
        self._worker = threading.Thread(target=self._work, name="prompt_worker", daemon=True)
        self._worker.start()

    def submit(self, prompt: Prompt) -> None:
        """Queue a prompt."""
        with self._lock:
            self._places[prompt.prompt_id] = "pending"
            standing = sum(place != "ended" for place in self._places.values())
        if standing > self._most:
            self._complain(f"I7 {standing} prompts stand in ComfyUI's queue")
        self._queue.put(prompt)

    def look(self, prompt: Prompt) -> Sighting:
        """Tell where it stands."""
        with self._lock:
            place = self._places.get(prompt.prompt_id, "gone")
            return Sighting(place, self._results.get(prompt.prompt_id, Result()))  # type: ignore[arg-type]

    address = ""

    def knows(self, prompt_id: str) -> bool:
        """Know no prompt of an earlier life, as inside ComfyUI."""
        return False

    def take_back(self, prompt_id: str) -> bool:
        """Remove a waiting prompt."""
        with self._lock:
            return self._places.get(prompt_id) == "pending" and bool(self._places.pop(prompt_id))

    def interrupt(self, prompt_id: str) -> bool:
        """Interrupt the running one."""
        self._interrupted.add(prompt_id)
        return self._running == prompt_id

    def progress(self, prompt_id: str) -> Progress | None:
        """Name the node that runs."""
        return Progress(node="9", value=1.0, max=2.0) if self._running == prompt_id else None

    def free_memory(self) -> None:
        """Nothing to free."""

    def problem(self) -> str | None:
        """Notice a dead worker."""
        return None if self._worker.is_alive() else "the simulated prompt worker has died"

    def staging(self, token: str) -> Path:
        """Return the attempt's folder."""
        return self._output / "e3" / token

    def deliver_input(self, source: Path, name: str) -> str:
        """Pretend; no simulated node reads a file."""
        return f"e3/{name}"

    def _work(self) -> None:
        while True:
            prompt = self._queue.get()
            with self._lock:
                if self._places.get(prompt.prompt_id) != "pending":
                    continue
                self._places[prompt.prompt_id], self._running = "running", prompt.prompt_id
            result = self._execute(prompt)
            with self._lock:
                self._results[prompt.prompt_id] = result
                self._places[prompt.prompt_id], self._running = "ended", ""

    def _execute(self, prompt: Prompt) -> Result:
        started = time.time_ns() // 1_000_000
        try:
            artifacts = self._run_graph(prompt)
        except (OSError, ValueError) as exc:
            return Result(outcome="error", error_type="error", error_trace=f"node 9 (SaveImage): OSError: {exc}")
        if prompt.prompt_id in self._interrupted:
            return Result(outcome="interrupted", error_type="interrupted", error_trace="stopped")
        times = {"start_time": started, "end_time": time.time_ns() // 1_000_000}
        return Result(outcome="success", artifacts=artifacts, **times)  # type: ignore[typeddict-item]

    def _run_graph(self, prompt: Prompt) -> list[Artifact]:
        inputs: Mapping[str, Any] = prompt.graph["1"]["inputs"]
        kind = int(inputs["color"])
        time.sleep(_SECONDS.get(kind, 0.005))
        if kind == RAISES:
            raise ValueError("out of luck")
        if kind == POISON:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        folder = self.staging(prompt.token)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{number:05}_.png" for number in range(int(inputs["batch_size"]))]
        for path in paths:
            _write_in_two(path, make_png(f"{prompt.job_name} {prompt.token}", HUGE_BYTES if kind == HUGE else 20_000))
        return [Artifact(node="9", path=str(path)) for path in paths]


def _write_in_two(path: Path, data: bytes) -> None:
    """Write as a save node does: for a moment only a part is there."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        failpoints.reach("exec.partial_output")
        file.write(data[len(data) // 2 :])


def make_png(text: str, size: int) -> bytes:
    """Make a PNG of about ``size`` bytes that says whose it is.

    Examples:
        >>> read_png(make_png("knight", 100))
        'knight'
    """
    padding = bytes(max(0, size - len(text) - 100))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", b"job\0" + text.encode("latin-1", "replace")),
        (b"paDd", padding),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    ]
    return _SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def read_png(data: bytes) -> str | None:
    """Return the text of a PNG made by ``make_png``; None when it is not complete to the last byte.

    Examples:
        >>> read_png(make_png("knight", 100)[:-1]) is None
        True
    """
    text, at = "", len(_SIGNATURE)
    while data.startswith(_SIGNATURE) and at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if data[at : at + 12 + length] != _chunk(kind, body):
            return None
        at += 12 + length
        if kind == b"tEXt":
            text = body.removeprefix(b"job\0").decode("latin-1")
        if kind == b"IEND":
            return text if at == len(data) else None
    return None


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
