"""The witness of the chaos run sees what it is there to see."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from comfyui_e3.e3_nodes.selftest import witness


class Queue:
    def get(self) -> None:
        """Give nothing."""


class Server:
    def __init__(self) -> None:
        self.prompt_queue = Queue()


@pytest.fixture
def worker() -> Any:
    """A thread of the name that the witness looks for."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="Thread-1 (prompt_worker)")
    thread.start()
    yield SimpleNamespace(end=lambda: (over.set(), thread.join()))
    over.set()
    thread.join()


@pytest.fixture
async def log(worker: Any, tmp_path: Path) -> Any:
    """Where a witness writes, who has begun to look."""
    at_work = witness.Witness(Server(), tmp_path / "log")
    await asyncio.sleep(0.1)
    yield tmp_path / "log"
    at_work.end()


async def told(log: Path, said: str) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if log.exists() and said in log.read_text("utf-8"):
            return log.read_text("utf-8")
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing was said of {said}")


async def test_witness_tells_of_a_replaced_function(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Queue, "get", lambda self: None)

    assert "Queue.get was replaced" in await told(log, "I17")


async def test_witness_tells_of_a_dead_worker(worker: Any, log: Path) -> None:
    worker.end()

    assert "the prompt worker is dead" in await told(log, "I17")


async def test_witness_tells_where_the_loop_is_blocked(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "_PLUGIN", str(Path(__file__).parent))

    for _ in range(5):  # on a machine that stands still itself, one block proves nothing
        time.sleep(0.4)
        await asyncio.sleep(0.01)

    assert "test_witness.py" in await told(log, "I18")


async def test_witness_is_silent_while_nothing_happens(log: Path) -> None:
    await asyncio.sleep(0.3)

    assert not log.exists()
