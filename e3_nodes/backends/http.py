"""Runs one graph in a ComfyUI that is reached by URL, from beginning to end."""

from __future__ import annotations

import copy
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from .. import file_utils
from ..errors import AttemptFailed, AttemptReturned, InvalidSettings, PromptRefused
from ..model import ErrorType, Result
from ..payload import graph
from ..payload.slots import FILE_FIELDS
from .base import Prompt, Sighting
from .http_backend import HttpBackend

__all__ = ["HttpBackend", "invoke_comfyui"]

LOOK_PAUSE_SECONDS = 0.02
WITHDRAW_SECONDS = 10.0


def invoke_comfyui(
    api_base_url: str,
    payload: dict[str, Any],
    timeout: int,
    *,
    headers: Mapping[str, str] | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Run a graph in a ComfyUI to its end and fetch what it made.

    Files of this machine that a loader names by an absolute path are uploaded. Every save node writes into a
    folder of this call's own, so the same graph again gives its files again.

    Args:
        api_base_url: Where ComfyUI's page opens, such as ``http://127.0.0.1:8188``.
        payload: A graph in API format; it is not changed.
        timeout: Seconds for everything, waiting in ComfyUI's queue included; then it is interrupted.
        headers: Sent with every request.
        home: Files are put under its ``jobs/staging``; a new temporary folder, the caller's, when None.

    Returns:
        ``prompt_id``, ``outcome`` (``success``), ``outputs`` as ComfyUI's history has them, ``artifacts``
        with the absolute path of every file on this machine, ``start_time`` and ``end_time`` in UTC ms.

    Raises:
        RuntimeError: Always one of ours: HostUnavailable (not reachable, not a ComfyUI), AttemptFailed (its
            ``code`` says ``invalid``, ``timeout``, ``error``, ``oom`` or ``interrupted``), AttemptReturned
            (somebody removed the prompt).

    Examples:
        >>> invoke_comfyui("gpu.lan", {}, 60)  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        AttemptFailed: comfyui.api_base_url must be like http://127.0.0.1:8188, got 'gpu.lan'
    """
    cfg = {
        "home": home or tempfile.mkdtemp(prefix="e3-"),
        "comfyui": {"api_base_url": api_base_url, "headers": headers or {}},
    }
    try:
        with closing(HttpBackend(cfg)) as backend:
            return _run_to_end(backend, payload, time.monotonic() + timeout)
    except (InvalidSettings, PromptRefused) as exc:
        raise AttemptFailed(str(exc), code=ErrorType.INVALID.value) from exc


def _run_to_end(backend: HttpBackend, payload: dict[str, Any], deadline: float) -> dict[str, Any]:
    token, prompt_id = uuid.uuid4().hex, str(uuid.uuid4())
    prepared, targets = graph.prepare_attempt(_with_uploads(_checked(payload), backend), token)
    prompt = Prompt(prompt_id, token, prepared, targets, "invoke_comfyui")
    backend.submit(prompt)
    try:
        sighting = _wait_for_end(backend, prompt, deadline)
    except BaseException:  # a person's Ctrl-C too: nothing of ours goes on in ComfyUI
        _withdraw(backend, prompt_id)
        raise
    return {"prompt_id": prompt_id, "outputs": backend.outputs(prompt_id), **_success(sighting)}


def _checked(payload: Any) -> graph.Graph:
    nodes = payload.values() if isinstance(payload, dict) else ()
    if not nodes or not all(isinstance(node, dict) and isinstance(node.get("inputs"), dict) for node in nodes):
        raise PromptRefused('payload must be a graph in API format, {"3": {"class_type": ..., "inputs": {...}}}')
    return payload


def _with_uploads(payload: graph.Graph, backend: HttpBackend) -> graph.Graph:
    """Upload every file of this machine that a loader names, and name it as ComfyUI does."""
    delivered = copy.deepcopy(payload)
    for node in delivered.values():
        for field, value in node["inputs"].items():
            if (node.get("class_type"), field) in FILE_FIELDS and _is_local_file(value):
                node["inputs"][field] = _deliver(Path(value), backend)
    return delivered


def _is_local_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute() and Path(value).is_file()


def _deliver(source: Path, backend: HttpBackend) -> str:
    return backend.deliver_input(source, f"{file_utils.sha256_of(source)}{source.suffix.lower()}")


def _wait_for_end(backend: HttpBackend, prompt: Prompt, deadline: float) -> Sighting:
    while True:
        sighting = backend.look(prompt)
        if sighting.place not in ("pending", "running"):
            return sighting
        if time.monotonic() > deadline:
            raise AttemptFailed(
                "the prompt did not end in time; give it a larger timeout", code=ErrorType.TIMEOUT.value
            )
        time.sleep(LOOK_PAUSE_SECONDS)


def _withdraw(backend: HttpBackend, prompt_id: str) -> None:
    """Take the prompt out of the queue or interrupt it; repeated, since an early interrupt gets lost."""
    deadline = time.monotonic() + WITHDRAW_SECONDS
    while time.monotonic() < deadline and not backend.take_back(prompt_id) and backend.interrupt(prompt_id):
        time.sleep(LOOK_PAUSE_SECONDS)


def _success(sighting: Sighting) -> Result:
    """Return the result of a success; raise what anything else was."""
    result = sighting.result
    if sighting.place == "gone":
        raise AttemptReturned("somebody removed the prompt from ComfyUI's queue or history", evicted=True)
    if sighting.place == "died":
        raise AttemptFailed("ComfyUI ended while it had the prompt", code=ErrorType.CRASH.value)
    if result.get("outcome") != "success":
        raise AttemptFailed(result.get("error_trace", "ComfyUI reports an error"), code=result.get("error_type"))
    return result
