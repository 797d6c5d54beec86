"""The event loop in a thread."""

from __future__ import annotations

import asyncio

import pytest
from comfyui_e3.e3_nodes.backends.loop_thread import LoopThread


def test_backends_loop_thread_close_cancels_what_runs() -> None:
    loop = LoopThread("test")
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")

    future = loop.start(work())
    loop.run(asyncio.sleep(0))
    loop.close()
    loop.close()

    assert ended == ["cleaned up"]
    assert future.cancelled() or future.done()


def test_backends_loop_thread_run_passes_errors_on_and_starts_anew_after_a_close() -> None:
    loop = LoopThread("test")

    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        loop.run(fail())
    loop.close()

    assert loop.run(asyncio.sleep(0, "again")) == "again"
    loop.close()
