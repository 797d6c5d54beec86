"""Talks to one ComfyUI by URL: an answer of ComfyUI's own shape, or an error that says what to change."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from .. import file_utils
from ..errors import HostUnavailable, PromptRefused
from . import http_faults
from .loop_thread import LoopThread
from .ws import Events, socket_options

Read = Callable[[aiohttp.ClientResponse], Coroutine[Any, Any, Any]]
T = TypeVar("T")

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
SUBMIT_SECONDS = 120.0
_CHUNK = 1024 * 1024


class ComfyClient:
    """The REST routes and the websocket of one ComfyUI, for synchronous callers on any thread.

    Args:
        api_base_url: Where ComfyUI's page opens, with or without a path: ``https://gpu.lan/comfy/``.
        headers: Sent with every request, such as ``{"Authorization": "Bearer ..."}``.

    Raises:
        InvalidSettings: The URL is none.
    """

    def __init__(self, api_base_url: str, headers: Mapping[str, str] | None = None) -> None:
        self.base = http_faults.base_url(api_base_url)
        self._root = str(self.base).rstrip("/")
        self._headers = dict(headers or {})
        self._loop = LoopThread("e3-http")
        self._session: aiohttp.ClientSession | None = None
        self._listening: Future[None] | None = None

    def close(self) -> None:
        """Close every connection. It may be called again."""
        if self._listening is not None:
            self._listening.cancel()
        if self._session is not None:
            self._loop.run(self._session.close())
        self._session = self._listening = None
        self._loop.close()

    # --- what ComfyUI is asked --------------------------------------------------------------------
    def queue(self) -> tuple[set[str], set[str]]:
        """Return the ids of the prompts that run, and of those that wait."""
        return self._get("/queue", lambda queue: (_ids(queue["queue_running"]), _ids(queue["queue_pending"])))

    def history_entry(self, prompt_id: str) -> dict[str, Any] | None:
        """Return ComfyUI's record of an ended prompt, or None."""
        return self._get(
            f"/history/{prompt_id}",
            lambda entries: dict(entries[prompt_id]) if prompt_id in entries else None,
        )

    def post_prompt(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Hand a prompt over; return the status and the answer of ComfyUI's own handler.

        Raises:
            HostUnavailable: Nobody answered, or somebody else than ComfyUI.
            AttemptFailed: ComfyUI stumbled over the prompt.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SUBMIT_SECONDS)
        status, text, headers = self._ask("POST", "/prompt", _whole, json=body, timeout=timeout)
        return status, http_faults.prompt_answer(status, text, self.base, headers)

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Post a wish that ComfyUI answers with an empty 200."""
        self._ask("POST", path, self._accepted, json=body)

    def download(self, query: Mapping[str, str], target: Path) -> bool:
        """Stream a file of ``/view`` to ``target``, which appears whole; False when ComfyUI has no such file.

        Raises:
            HostUnavailable: The stream broke; it can be tried again.
            DiskFull: No room for it here.
        """

        async def read(answer: aiohttp.ClientResponse) -> bool:
            if answer.status == 404:
                return False
            http_faults.check_status(answer.status, "", self.base, answer.headers)
            await _save(answer, target)
            return True

        return self._ask("GET", "/view", read, params=query, headers={"Accept-Encoding": "identity"})

    def size_of(self, query: Mapping[str, str]) -> int | None:
        """Return the size of a file of ``/view``, or None when ComfyUI has no such file."""

        async def read(answer: aiohttp.ClientResponse) -> int | None:
            return answer.content_length if answer.status == 200 else None

        return self._ask("HEAD", "/view", read, params=query, headers={"Accept-Encoding": "identity"})

    def upload(self, source: Path, name: str, subfolder: str) -> str:
        """Put a file of any kind into ComfyUI's input folder; return what its loaders call it.

        Raises:
            PromptRefused: The file is larger than ComfyUI takes.
        """

        async def send() -> tuple[int, str, Mapping[str, str]]:
            with source.open("rb") as file:
                form = aiohttp.FormData({"type": "input", "subfolder": subfolder, "overwrite": "true"})
                form.add_field("image", file, filename=name, content_type="application/octet-stream")
                return await self._request("POST", "/upload/image", _whole, data=form)

        status, text, headers = self._loop.run(send())
        if status == 413:
            raise PromptRefused(f"{source} is larger than ComfyUI takes; start it with a larger --max-upload-size")
        http_faults.check_status(status, text, self.base, headers)
        return self._read_json(text, lambda put: "/".join(filter(None, (put["subfolder"], put["name"]))))

    def listen(self, client_id: str, events: Events) -> None:
        """Feed ComfyUI's events to ``events`` from now on, through lost connections and restarts."""

        async def start() -> None:
            session = self._open_session()
            await events.listen(lambda: session.ws_connect(f"{self._root}/ws", **socket_options(client_id)))

        self._listening = self._loop.start(start())

    # --- how it is asked ---------------------------------------------------------------------------
    def _get(self, path: str, read: Callable[[Any], T]) -> T:
        return self._read_json(self._ask("GET", path, self._accepted), read)

    def _read_json(self, text: str, read: Callable[[Any], T]) -> T:
        try:
            return read(json.loads(text))
        except (ValueError, TypeError, LookupError) as exc:
            raise HostUnavailable(http_faults.not_a_comfyui(self.base, text)) from exc

    async def _accepted(self, answer: aiohttp.ClientResponse) -> str:
        status, text, headers = await _whole(answer)
        http_faults.check_status(status, text, self.base, headers)
        return text

    def _ask(self, method: str, path: str, read: Read, **options: Any) -> Any:
        return self._loop.run(self._request(method, path, read, **options))

    async def _request(self, method: str, path: str, read: Read, **options: Any) -> Any:
        """Send a request and read its answer. No redirect is followed: it would turn a POST into a GET."""
        session = self._open_session()
        try:
            async with session.request(method, f"{self._root}{path}", allow_redirects=False, **options) as answer:
                return await read(answer)
        except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError) as exc:
            raise HostUnavailable(http_faults.words_for(exc, self.base)) from exc

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self._session


def _ids(items: Iterable[Any]) -> set[str]:
    """Read the prompt ids off ComfyUI's queue items, ``[number, prompt_id, ...]``."""
    return {str(item[1]) for item in items}


async def _whole(answer: aiohttp.ClientResponse) -> tuple[int, str, Mapping[str, str]]:
    return answer.status, await answer.text(errors="replace"), answer.headers


async def _save(answer: aiohttp.ClientResponse, target: Path) -> None:
    """Write what comes to a hidden file beside the target, then give it the target's name."""
    part = target.with_name(f".{target.name}.part")
    with file_utils.naming_faults(part):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("wb")
    with file:
        async for piece in answer.content.iter_chunked(_CHUNK):
            with file_utils.naming_faults(part):
                file.write(piece)
    with file_utils.naming_faults(target):
        file_utils.patiently(os.replace, part, target)
