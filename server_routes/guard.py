"""E3's own guard before every handler: who may ask, from where, and what a body may be.

ComfyUI's checks let much pass and can be switched off, so nothing here relies on them. A browser tells where
a request comes from (Origin, Sec-Fetch-Site, Host), and a change must carry a type that no form can send.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiohttp import web

from ..e3_nodes.errors import E3Error, InvalidConfig
from ..e3_nodes.logger import get_logger
from ..e3_nodes.model import MAX_CONFIG_BYTES
from ..e3_nodes.parsing import strict_json
from ..e3_nodes.validation import job_schema, names
from . import responses
from .call import Call, Route, Schema
from .engine import Engine
from .responses import Refusal

log = get_logger("rest")

BODY_SECONDS = 10.0
JSON_TYPE = "application/json"
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

NO_FIELDS: Schema = {"type": "object", "properties": {}, "additionalProperties": False}

_LOCAL_SUFFIXES = (".local", ".lan", ".internal", ".home.arpa", ".localhost")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.%]+\]|[^\s\[\]:/?#@\\]+)(:(?P<port>[0-9]{1,5}))?")
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_DEFAULT_PORTS = {"http": 80, "https": 443}

AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guarded(routes: Mapping[str, Route], engine: Engine) -> AiohttpHandler:
    """Build what ComfyUI's router calls for one path: the guard with the path's handlers behind it.

    Args:
        routes: The path's routes by method.
        engine: E3.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            response = await _answer(request, routes, engine)
        except E3Error as exc:
            response = responses.failure(exc)
        except Exception:
            log.exception("%s %s failed", request.method, request.path[:200], extra={"action": "rest_failed"})
            message = "E3 stumbled over this request; the log says where"
            response = responses.failure(Refusal(500, "internal", message))
        response.headers.update(responses.SAFE_HEADERS)
        return response

    return handle


async def _answer(request: web.Request, routes: Mapping[str, Route], engine: Engine) -> web.StreamResponse:
    allowed_hosts, api_token = _settings_of(engine)
    check_host(request.headers.getall("Host", []), allowed_hosts)
    check_site(request.headers)
    route = routes.get("GET" if request.method == "HEAD" else request.method)
    if api_token and not (route and route.is_open):
        check_token(request.headers.get("Authorization", ""), api_token)
    if route is None:
        allow = ", ".join(routes)
        raise Refusal(405, "method_not_allowed", f"this path takes {allow}", {"Allow": allow})
    call = Call(request, engine, await _read_body(request, route, engine), _read_query(request, route))
    result = await route.handler(call)
    return result if isinstance(result, web.StreamResponse) else responses.answer(result, route.status)


def _settings_of(engine: Engine) -> tuple[list[str], str]:
    """Return what the settings say of hosts and token; the defaults while there are no settings."""
    try:
        cfg = engine.runtime.cfg
    except E3Error:
        return [], ""
    return cfg["allowed_hosts"], cfg["api_token"]


# --- who asks, and from where ------------------------------------------------------------------------
def check_host(hosts: Collection[str], allowed_hosts: Collection[str]) -> None:
    """Refuse a Host header that a rebound name of a stranger could carry.

    Args:
        hosts: The Host headers of the request.
        allowed_hosts: Names from the settings, besides the local ones.

    Raises:
        Refusal: 421.

    Examples:
        >>> check_host(["192.168.1.5:8188"], [])
        >>> check_host(["e3.example.com"], ["e3.example.com"])
    """
    host = next(iter(hosts), "")
    name = _split_host(host)[0] if len(hosts) == 1 else None
    if name is None or not (_is_local(name) or name in {allowed.lower() for allowed in allowed_hosts}):
        raise Refusal(
            421,
            "wrong_host",
            f"E3 does not answer to the Host {host[:100]!r}; add its name to allowed_hosts in global_config.yaml",
        )


def check_site(headers: Any) -> None:
    """Refuse what a page of another origin sends.

    Args:
        headers: The request's headers, a multidict.

    Raises:
        Refusal: 403.
    """
    if any(site not in ("same-origin", "none") for site in headers.getall("Sec-Fetch-Site", [])):
        raise Refusal(403, "cross_site", "the request comes from a page of another site")
    for origin in headers.getall("Origin", []):
        if not is_same_origin(origin, headers.get("Host", "")):
            raise Refusal(403, "cross_origin", f"the page's origin {origin[:100]!r} is not this server")


def is_same_origin(origin: str, host: str) -> bool:
    """Tell whether an Origin names the same host and port as the Host header; TLS may end at a proxy.

    Examples:
        >>> is_same_origin("https://e3.lan", "e3.lan"), is_same_origin("http://e3.lan:80", "e3.lan")
        (True, True)
        >>> is_same_origin("null", "e3.lan"), is_same_origin("http://[::1", "e3.lan")
        (False, False)
    """
    scheme, separator, netloc = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme.lower())
    if not separator or default is None:
        return False
    theirs, ours = _split_host(netloc), _split_host(host)
    return theirs[0] is not None and (theirs[0], theirs[1] or default) == (ours[0], ours[1] or default)


def check_token(authorization: str, api_token: str) -> None:
    """Refuse a request without the token of the settings.

    Args:
        authorization: The header's value.
        api_token: The setting.

    Raises:
        Refusal: 401.
    """
    scheme, _, token = authorization.partition(" ")
    given = token.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given, api_token.encode()):
        raise Refusal(
            401,
            "unauthorized",
            "E3 wants its api_token here: send Authorization: Bearer <api_token>",
            {"WWW-Authenticate": "Bearer"},
        )


def _split_host(host: str) -> tuple[str | None, int | None]:
    """Split ``name:port``; the name is None where it is none."""
    found = _HOST.fullmatch(host.lower())
    if found is None or int(found["port"] or 0) > 65535:
        return None, None
    return found["name"].strip("[]"), int(found["port"]) if found["port"] else None


def _is_local(name: str) -> bool:
    """Tell whether a name cannot be rebound: an address, or a name that only a local network knows."""
    try:
        ipaddress.ip_address(name.partition("%")[0])  # without the zone of a link-local one
    except ValueError:
        return bool(_HOST_NAME.fullmatch(name)) and ("." not in name or name.endswith(_LOCAL_SUFFIXES))
    return True


# --- what is asked -----------------------------------------------------------------------------------
async def _read_body(request: web.Request, route: Route, engine: Engine) -> Any:
    """Read the body of a change: of a type that no form can send, bounded, in time, as the schema says."""
    if not route.is_change:
        return {}
    types = (JSON_TYPE, *YAML_TYPES) if route.takes_yaml else (JSON_TYPE,)
    if "Content-Type" not in request.headers or request.content_type not in types:
        raise Refusal(415, "wrong_content_type", f"a change wants Content-Type: {' or '.join(types[:2])}")
    _ = engine.runtime  # nothing can be changed while E3 starts or is broken: that is said before reading
    data = await _read_bounded(request)
    if not data and not route.needs_body:
        data = b"{}"
    if route.takes_yaml and request.content_type != JSON_TYPE:
        return data
    body = await asyncio.get_running_loop().run_in_executor(engine.threads, strict_json.read_json, data)
    if not isinstance(body, dict):
        raise InvalidConfig(f"the body must be a JSON object, got {job_schema.shown(body)}", code="not_a_mapping")
    if not route.takes_yaml:  # a job is checked by the rules of jobs
        _check(body, route.body or NO_FIELDS, "the body")
    return body


async def _read_bounded(request: web.Request) -> bytes:
    too_large = InvalidConfig(f"a body may have {MAX_CONFIG_BYTES // 1024} KiB", code="too_large")
    if (request.content_length or 0) > MAX_CONFIG_BYTES:
        raise too_large
    chunks: list[bytes] = []
    size = 0

    async def read() -> None:
        nonlocal size
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > MAX_CONFIG_BYTES:
                raise too_large
            chunks.append(chunk)

    try:
        await asyncio.wait_for(read(), BODY_SECONDS)
    except (asyncio.TimeoutError, TimeoutError) as exc:
        raise Refusal(408, "slow_body", f"the body did not arrive within {BODY_SECONDS:g} s") from exc
    except web.RequestPayloadError as exc:
        raise Refusal(400, "bad_body", "the body is not what its headers announce") from exc
    return b"".join(chunks)


def _read_query(request: web.Request, route: Route) -> dict[str, Any]:
    """Read the query as its schemas say; a parameter that is not known is refused, not passed over."""
    if route.query is None:
        return {}
    query: dict[str, Any] = {}
    for name in request.query:
        values = request.query.getall(name)
        schema = route.query.get(name, {})
        if schema.get("type") == "array":
            query[name] = values
        elif len(values) > 1:
            raise InvalidConfig(f"{job_schema.name_of((name,))} is there {len(values)} times; give one")
        else:
            query[name] = _typed(values[0], schema)
    _check(query, {"type": "object", "properties": route.query, "additionalProperties": False}, "the query")
    return query


def _typed(text: str, schema: Schema) -> Any:
    is_number = schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]{1,18}", text)
    return int(text) if is_number else text


def _check(value: Mapping[str, Any], schema: Schema, what: str) -> None:
    """Raise the first way in which a mapping breaks its schema."""
    for name in value:
        if schema.get("additionalProperties") is False and name not in schema["properties"]:
            near = names.nearest(name, schema["properties"])
            known = ", ".join(schema["properties"]) or "nothing"
            hint = f"did you mean {near}?" if near else f"it takes {known}"
            raise InvalidConfig(f"{what} has the unknown {job_schema.name_of((name,))}; {hint}", code="unknown_field")
    problem = next(job_schema.violations(value, schema, strict=True), None)
    if problem is not None:
        raise InvalidConfig(problem.message, code=problem.code)
