"""Reading what the websocket says; connections are tested with the HTTP backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from comfyui_e3.e3_nodes.backends import ws

STRANGE = [
    "",
    "{",
    "[]",
    "5",
    "null",
    '{"type": "status"}',
    '{"type": "progress_state", "data": null}',
    '{"type": "progress_state", "data": {"prompt_id": "x", "nodes": [1]}}',
    '{"type": "new", "data": {}}',
]


@pytest.mark.parametrize("text", STRANGE)
def test_backends_ws_note_passes_over_what_it_does_not_know(text: str) -> None:
    events = ws.Events()

    events.note(text)

    assert (events.version, events.progress("x")) == (0, None)


class _EnoughError(Exception):
    """Ends a loop that would go on for ever."""


async def test_backends_ws_listen_rests_longer_each_time_until_comfyui_greets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []
    greets = [False, False, True, False]

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        if not greets[len(rests)]:
            raise aiohttp.ClientConnectionError("nobody there")
        yield _messages('{"type": "status", "data": {}}')

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == len(greets):
            raise _EnoughError

    monkeypatch.setattr(asyncio, "sleep", rest)
    with pytest.raises(_EnoughError):
        await ws.Events().listen(connect)

    assert rests == [0.5, 1.0, 0.25, 0.5]


async def _messages(*texts: str) -> AsyncIterator[aiohttp.WSMessage]:
    for text in texts:
        yield aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, text, None)
