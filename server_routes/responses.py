"""What leaves the edge: strict JSON, files, and errors in ComfyUI's own shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ..e3_nodes import errors

RETRY_SECONDS = 5

SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Carried by every answer: nothing is guessed to be a script, nothing of the queue stays in a cache."""

_STATUS_OF_CODE = {"bad_json": 400, "bad_encoding": 400, "not_a_mapping": 400, "too_large": 413}

_STATUS_OF_ERROR: tuple[tuple[type[errors.E3Error], int], ...] = (
    (errors.UnknownJob, 404),
    (errors.WrongState, 409),
    (errors.OutputExists, 409),
    (errors.InvalidConfig, 422),
    (errors.InvalidWorkflow, 422),
    (errors.PromptRefused, 422),
    (errors.E3Error, 503),
)


class Refusal(errors.E3Error):
    """A request that the edge itself refuses.

    Args:
        status: The HTTP status.
        code: The stable word of the error.
        message: What was wrong, and what would be right.
        headers: Headers that belong to the status.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.headers = dict(headers or {})


def encode(data: Any) -> bytes:
    """Write strict JSON, which has no NaN and no Infinity."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def answer(encoded: bytes, status: int = 200) -> web.Response:
    """Answer with what ``encode`` has written."""
    return web.Response(body=encoded, status=status, content_type="application/json", charset="utf-8")


def failure(exc: errors.E3Error) -> web.Response:
    """Answer with an error in ComfyUI's shape and the status that fits its class."""
    status = status_of(exc)
    response = answer(encode(error_body(exc)), status)
    if isinstance(exc, Refusal):
        response.headers.update(exc.headers)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def error_body(exc: errors.E3Error) -> dict[str, Any]:
    """Describe an error as ComfyUI does.

    Examples:
        >>> error_body(errors.UnknownJob("no job is called x"))
        {'error': {'type': 'job_unknown', 'message': 'no job is called x', 'details': {}}}
    """
    places = {"line": exc.line, "column": exc.column}
    details = {key: value for key, value in places.items() if value is not None}
    return {"error": {"type": exc.code, "message": str(exc), "details": details}}


def status_of(exc: errors.E3Error) -> int:
    """Return the HTTP status that an error deserves.

    Examples:
        >>> status_of(errors.UnknownJob("no job is called x"))
        404
        >>> status_of(errors.InvalidConfig("the body is no JSON", code="bad_json"))
        400
    """
    if isinstance(exc, Refusal):
        return exc.status
    if isinstance(exc, errors.InvalidConfig):
        if exc.code in _STATUS_OF_CODE:
            return _STATUS_OF_CODE[exc.code]
        if exc.code.startswith("yaml_"):
            return 400
    return next(status for kind, status in _STATUS_OF_ERROR if isinstance(exc, kind))


def file(path: Path, media_type: str) -> web.FileResponse:
    """Serve a result: shown where it is a picture, film or sound, else offered for download.

    An SVG counts as a document: it may carry scripts.
    """
    kind = media_type.partition("/")[0]
    is_shown = kind in ("image", "video", "audio") and media_type != "image/svg+xml"
    disposition = "inline" if is_shown else "attachment"
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(path.name, safe='')}",
        "Content-Security-Policy": "sandbox",
    }
    return web.FileResponse(path, headers=headers)


def asset(path: Path, media_type: str) -> web.StreamResponse:
    """Serve a file of the panel's page, which may load from this server alone."""
    policy = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; frame-ancestors 'self'"
    headers = {"Content-Type": f"{media_type}; charset=utf-8", "Content-Security-Policy": policy}
    return web.FileResponse(path, headers=headers)
