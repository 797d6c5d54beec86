"""What ComfyUI says over its websocket: when to look again, and how far a prompt has come.

Events only hint. They can be missed, so the verdict always comes from queue and history.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from ..host import progress_of
from ..logger import get_logger
from ..model import Progress

log = get_logger("http")

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0

Connect = Callable[[], AbstractAsyncContextManager[Any]]


class Events:
    """The listener of one client id.

    Attributes:
        connected: Whether events arrive now.
        losses: How often the connection was lost.
        version: Grows whenever ComfyUI's queue or history may have changed.
    """

    def __init__(self) -> None:
        self.connected = False
        self.losses = 0
        self.version = 0
        self._tried = threading.Event()
        self._progress: tuple[str, Progress] = ("", Progress())

    def wait_until_tried(self, seconds: float) -> None:
        """Wait until the first attempt to connect has succeeded or failed."""
        self._tried.wait(seconds)

    def progress(self, prompt_id: str) -> Progress | None:
        """Tell how far the prompt has come, if it is the one that ComfyUI told of last."""
        told_id, progress = self._progress
        return progress if told_id == prompt_id else None

    def note(self, text: str) -> None:
        """Take one message in; what is not understood is passed over.

        ``status`` goes to all after each change of the queue, ``progress_state`` to the prompt's client.

        Examples:
            >>> events = Events()
            >>> events.note('{"type": "status", "data": {}}')
            >>> events.version
            1
        """
        try:
            message = json.loads(text)
            kind, data = message["type"], message["data"]
            if kind == "status":
                self.version += 1
            elif kind == "progress_state":
                self._progress = (str(data["prompt_id"]), progress_of(data["nodes"]))
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            log.debug("Passed over a message of ComfyUI's websocket: %r", exc)

    async def listen(self, connect: Connect) -> None:
        """Listen for ever: connect, take messages in, and connect again when the connection is lost."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            before = self.version
            try:
                async with connect() as socket:
                    self._set_connected(True)
                    await self._take_in(socket)
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as exc:
                log.debug("No websocket to ComfyUI: %r", exc)
            finally:
                self._set_connected(False)
            # ComfyUI greets with a status, which counts what was missed; it may be back at once.
            is_comfyui = self.version > before
            pause = FIRST_PAUSE_SECONDS if is_comfyui else min(2 * pause, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _take_in(self, socket: Any) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.note(message.data)

    def _set_connected(self, connected: bool) -> None:
        self.losses += self.connected and not connected
        self.connected = connected
        self._tried.set()


def socket_options(client_id: str) -> dict[str, Any]:
    """Return how to open the websocket: as which client, and how to notice that the other end is gone.

    Examples:
        >>> socket_options("me")["params"]
        {'clientId': 'me'}
    """
    return {"params": {"clientId": client_id}, "heartbeat": 30.0, "max_msg_size": 0}
