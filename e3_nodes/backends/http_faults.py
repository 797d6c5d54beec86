"""Words for what goes wrong between E3 and a ComfyUI that is reached by URL, each with the way out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from ..errors import AttemptFailed, HostUnavailable, InvalidSettings, PromptRefused

SETTING = "comfyui.api_base_url"


def base_url(api_base_url: str) -> URL:
    """Check the address of a ComfyUI; a path in it stays, since ComfyUI may stand behind a proxy's path.

    Args:
        api_base_url: Such as ``http://127.0.0.1:8188`` or ``https://gpu.lan/comfy/``.

    Returns:
        The address without a slash at its end.

    Raises:
        InvalidSettings: It is no http or https URL.

    Examples:
        >>> str(base_url("https://gpu.lan/comfy/"))
        'https://gpu.lan/comfy'
    """
    url = URL()
    with contextlib.suppress(ValueError, AttributeError):
        url = URL(api_base_url.strip().rstrip("/"))
    if url.scheme not in ("http", "https") or not url.host or url.query_string or url.fragment:
        raise InvalidSettings(f"{SETTING} must be like http://127.0.0.1:8188, got {api_base_url!r}")
    return url


def shown(base: URL) -> str:
    """Spell an address for people, without the password it may carry.

    Examples:
        >>> shown(URL("http://me:secret@gpu.lan/comfy"))
        'http://gpu.lan/comfy'
    """
    return str(base.with_user(None)).rstrip("/")


def words_for(exc: BaseException, base: URL) -> str:
    """Say why a request got no answer, and what to change.

    Examples:
        >>> words_for(asyncio.TimeoutError(), URL("http://gpu.lan"))
        'ComfyUI at http://gpu.lan did not answer in time; it may be busy, or comfyui.api_base_url wrong'
    """
    where = f"ComfyUI at {shown(base)}"
    if isinstance(exc, (aiohttp.ServerTimeoutError, asyncio.TimeoutError)):
        return f"{where} did not answer in time; it may be busy, or {SETTING} wrong"
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return f"{where} is not reachable: no such host as {base.host}; correct {SETTING}"
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        cause = exc.certificate_error
        reason = getattr(cause, "verify_message", "") or cause
        return f"{where}: its TLS certificate is not trusted ({reason}); name its authority in SSL_CERT_FILE"
    if isinstance(exc, aiohttp.ClientSSLError):
        return f"{where} speaks no TLS that is understood; should {SETTING} begin with http:// ?"
    if isinstance(exc, aiohttp.ClientConnectorError):
        reason = exc.os_error.strerror or exc.os_error
        return f"{where} is not reachable ({reason}); start ComfyUI, or correct {SETTING}"
    return f"{where}: the connection broke ({exc or type(exc).__name__}); is ComfyUI restarting?"


def check_status(status: int, text: str, base: URL, headers: Mapping[str, str]) -> None:
    """Raise unless an answer is a 200: whatever else comes is said by a proxy, or by no ComfyUI.

    Raises:
        HostUnavailable: With what the status means.
    """
    if status == 200:
        return
    where = f"ComfyUI at {shown(base)}"
    if 300 <= status < 400:
        target = headers.get("Location", "elsewhere")
        raise HostUnavailable(f"{where} redirects to {target}; set {SETTING} to where ComfyUI's page really opens")
    if status in (401, 403, 407):
        raise HostUnavailable(f"{where} wants a login (status {status}); put what it wants into comfyui.headers")
    if status in (429, 502, 503, 504):
        raise HostUnavailable(f"{where} is not ready: the proxy before it answers {status}")
    raise HostUnavailable(not_a_comfyui(base, text, status))


def not_a_comfyui(base: URL, text: str, status: int = 200) -> str:
    """Say that somebody answers who is not ComfyUI, with the beginning of what was said.

    Examples:
        >>> not_a_comfyui(URL("http://nas.lan"), "<h1>Welcome</h1>")
        "http://nas.lan is not a ComfyUI (it answers 200 '<h1>Welcome</h1>'); correct comfyui.api_base_url"
    """
    said = " ".join(text.split())[:80]
    return f"{shown(base)} is not a ComfyUI (it answers {status} {said!r}); correct {SETTING}"


def prompt_answer(status: int, text: str, base: URL, headers: Mapping[str, str]) -> dict[str, Any]:
    """Read the answer to ``POST /prompt``: accepted with 200, refused with 400.

    Returns:
        ComfyUI's own answer.

    Raises:
        AttemptFailed: ComfyUI raised an exception over the prompt; some nodes do when they are validated.
        PromptRefused: The prompt is larger than ComfyUI takes.
        HostUnavailable: The answer is not ComfyUI's.
    """
    if status == 500:
        raise AttemptFailed(f"ComfyUI stumbled over the prompt: {' '.join(text.split())[:200]!r}; see its log")
    if status == 413:
        raise PromptRefused("the prompt is larger than ComfyUI takes; start it with a larger --max-upload-size")
    wanted = {200: "prompt_id", 400: "error"}.get(status)
    try:
        answer = json.loads(text) if wanted else {}
    except ValueError:
        answer = {}
    if wanted and isinstance(answer, dict) and wanted in answer:
        return answer
    check_status(status, text, base, headers)
    raise HostUnavailable(not_a_comfyui(base, text, status))
