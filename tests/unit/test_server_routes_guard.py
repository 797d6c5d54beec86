"""The guard before every handler, on every route and under both prefixes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from comfyui_e3.e3_nodes.errors import InvalidSettings, StoreUnavailable
from comfyui_e3.server_routes import guard, openapi, responses, routes
from comfyui_e3.server_routes.call import Call, Route
from multidict import CIMultiDict
from rest import PREFIXES, BareRuntime, FakeEngine, make_app

JSON = {"Content-Type": "application/json"}
EVERY_ROUTE = [(prefix, route) for prefix in PREFIXES for route in routes.ROUTES]
CHANGES = [(prefix, route) for prefix, route in EVERY_ROUTE if route.is_change]
GUARDED = [(prefix, route) for prefix, route in EVERY_ROUTE if not route.is_open]


class Asker:
    """Asks many routes the same thing, and says of each what it answered."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def statuses(
        self,
        asked: list[tuple[str, Route]],
        headers: dict[str, str],
        method: str | None = None,
        body: bytes = b"{}",
    ) -> dict[str, int]:
        found = {}
        for prefix, route in asked:
            url = url_of(prefix, route)
            answer = await self.client.request(
                method or route.method, url, headers=headers, data=body, allow_redirects=False
            )
            assert answer.headers["X-Content-Type-Options"] == "nosniff", url
            assert answer.headers["Cache-Control"] == "no-store", url
            if answer.status >= 400:
                assert {"type", "message", "details"} == set((await answer.json())["error"]), url
            found[f"{route.method} {url}"] = answer.status
        return found


def url_of(prefix: str, route: Route) -> str:
    return prefix + openapi.path_of(route).format(config_name="T2I_20250101120000_1_x", n="0", path="page/page.html")


def others(found: dict[str, int], status: int) -> dict[str, int]:
    """Return what was answered with another status."""
    return {url: seen for url, seen in found.items() if seen != status}


@pytest.fixture
def engine() -> FakeEngine:
    """Settings without an engine behind: a handler that is reached by mistake answers 500."""
    return FakeEngine(BareRuntime())


@pytest.fixture
def asker(aiohttp_client: Any) -> Any:
    async def make(engine: FakeEngine) -> Asker:
        return Asker(await aiohttp_client(make_app(engine), skip_auto_headers=["Content-Type"]))

    return make


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "rebind.example:8188"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "[::1"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
    ids=str,
)
async def test_server_routes_guard_refuses_strangers_everywhere(
    asker: Any, engine: FakeEngine, headers: dict[str, str], status: int
) -> None:
    found = await (await asker(engine)).statuses(EVERY_ROUTE, {**JSON, **headers})

    assert others(found, status) == {}


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain; application/json",
        None,
    ],
)
async def test_server_routes_guard_refuses_what_forms_send(
    asker: Any, engine: FakeEngine, media_type: str | None
) -> None:
    found = await (await asker(engine)).statuses(CHANGES, {"Content-Type": media_type} if media_type else {})

    assert others(found, 415) == {}


@pytest.mark.parametrize("media_type", guard.YAML_TYPES)
async def test_server_routes_guard_takes_yaml_for_new_jobs_alone(
    asker: Any, engine: FakeEngine, media_type: str
) -> None:
    changes = [asked for asked in CHANGES if not asked[1].takes_yaml]

    found = await (await asker(engine)).statuses(changes, {"Content-Type": media_type})

    assert others(found, 415) == {} and len(changes) == len(CHANGES) - len(PREFIXES)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        (b"null", 400),
        (b"{", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"a":' * 17 + b"1" + b"}" * 17, 400),
        (b" " * (256 * 1024 + 1), 413),
    ],
    ids=["list", "null", "broken", "byte order mark", "deep", "large"],
)
async def test_server_routes_guard_refuses_bad_bodies_everywhere(
    asker: Any, engine: FakeEngine, body: bytes, status: int
) -> None:
    found = await (await asker(engine)).statuses(CHANGES, JSON, body=body)

    assert others(found, status) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "192.168.1.5:8188", "Origin": "http://192.168.1.5:8188", "Sec-Fetch-Site": "same-origin"},
        {"Host": "workstation:8188", "Origin": "https://workstation:8188"},
        {"Host": "e3.lan", "Sec-Fetch-Site": "none"},
        {"Host": "[::1]:8188"},
    ],
    ids=["a script", "a page by address", "behind TLS", "typed by hand", "IPv6"],
)
async def test_server_routes_guard_lets_its_own_pass_everywhere(
    asker: Any, engine: FakeEngine, headers: dict[str, str]
) -> None:
    found = await (await asker(engine)).statuses(EVERY_ROUTE, {**JSON, **headers})

    assert not {401, 403, 405, 415, 421} & set(found.values()), found


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer", "Bearer wrong", "Basic c2VjcmV0", "secret", "Bearer secret2", "Bearer sécret"],
)
async def test_server_routes_guard_wants_the_token(asker: Any, authorization: str | None) -> None:
    engine = FakeEngine(BareRuntime(api_token="secret"))
    headers = {"Authorization": authorization} if authorization else {}

    found = await (await asker(engine)).statuses(GUARDED, {**JSON, **headers})

    assert others(found, 401) == {}


async def test_server_routes_guard_lets_the_token_pass(aiohttp_client: Any) -> None:
    engine = FakeEngine(BareRuntime(api_token="secrét"))
    client = await aiohttp_client(make_app(engine))

    answer = await client.get("/e3/openapi.json", headers={"Authorization": "bearer secrét"})

    assert answer.status == 200


@pytest.mark.parametrize(
    "problem",
    [StoreUnavailable("E3 is starting", code="starting"), InvalidSettings("unknown setting retry_limt")],
    ids=["starting", "broken settings"],
)
async def test_server_routes_guard_answers_everywhere_while_the_engine_is_broken(asker: Any, problem: Any) -> None:
    engine = FakeEngine(problem=problem)
    working = [(prefix, route) for prefix, route in EVERY_ROUTE if route.is_open or route.path == "/openapi.json"]
    broken = [asked for asked in EVERY_ROUTE if asked not in working]
    ask = await asker(engine)

    found = await ask.statuses(broken, JSON)
    pages = await ask.statuses(working, JSON)

    assert others(found, 503) == {}
    assert set(pages.values()) == {200, 302}
    answer = await ask.client.get("/e3/jobs")
    assert answer.headers["Retry-After"] == "5" and str(problem) in await answer.text()


@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "PURGE"])
async def test_server_routes_guard_refuses_other_methods(asker: Any, engine: FakeEngine, method: str) -> None:
    found = await (await asker(engine)).statuses(EVERY_ROUTE, JSON, method)

    assert others(found, 405) == {}


async def test_server_routes_guard_names_the_methods_of_a_path(aiohttp_client: Any, engine: FakeEngine) -> None:
    client = await aiohttp_client(make_app(engine))

    answer = await client.get("/e3/queue/pause")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    ["/e3/nothing", "/api/e3/nothing", "/e3/jobs/x/explode", "/e3/jobs/x/", "/e3/jobs/", "/e3/a%0Ab", "/e3/jobs/%7B"],
)
async def test_server_routes_guard_answers_unknown_addresses(
    aiohttp_client: Any, engine: FakeEngine, path: str
) -> None:
    client = await aiohttp_client(make_app(engine))

    answer = await client.get(path)

    assert (answer.status, (await answer.json())["error"]["type"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_server_routes_guard_answers_unknown_addresses_to_every_method(
    aiohttp_client: Any, engine: FakeEngine, method: str
) -> None:
    client = await aiohttp_client(make_app(engine))

    assert (await client.request(method, "/e3/settings", data=b"{}")).status == 404


async def test_server_routes_guard_hides_what_went_wrong_inside(aiohttp_client: Any, engine: FakeEngine) -> None:
    client = await aiohttp_client(make_app(engine))  # a bare runtime has no table

    answer = await client.get("/e3/jobs")

    assert answer.status == 500
    assert (await answer.json())["error"] == {
        "type": "internal",
        "message": "E3 stumbled over this request; the log says where",
        "details": {},
    }


# --- bodies ----------------------------------------------------------------------------------------
async def echo(call: Call) -> Any:
    return responses.encode(call.body)


ECHO = Route("POST", "/echo", echo, "Echo", body={"type": "object", "properties": {}})


@pytest.fixture
async def echo_client(aiohttp_client: Any, engine: FakeEngine) -> Any:
    app = web.Application()
    app.router.add_route("*", "/e3/echo", guard.guarded({"POST": ECHO}, engine))
    return await aiohttp_client(app)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"{}", 200),
        (b'{"a": {"b": [1, null]}}', 200),
        (b"[]", 400),
        (b'"x"', 400),
        (b"null", 400),
        (b"{", 400),
        (b"\xef\xbb\xbf{}", 400),
        ("{}".encode("utf-16"), 400),
        (b'{"a": Infinity}', 400),
        (b'{"a": 1, "a": 1}', 400),
        (b'{"a":' * 17 + b"1" + b"}" * 17, 400),
        (b'{"a": "\\u0000"}', 422),
        (b'{"a": 1e999}', 422),
        (b'{"a": "' + b"x" * (256 * 1024) + b'"}', 413),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_server_routes_guard_reads_strict_json(echo_client: Any, body: bytes, status: int) -> None:
    answer = await echo_client.post("/e3/echo", data=body, headers=JSON)

    assert answer.status == status


async def test_server_routes_guard_counts_a_chunked_body(echo_client: Any) -> None:
    async def chunks() -> Any:
        for _ in range(5):
            yield b" " * 64 * 1024

    answer = await echo_client.post("/e3/echo", data=chunks(), headers=JSON)

    assert answer.status == 413


async def test_server_routes_guard_does_not_wait_for_a_slow_body(
    echo_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(echo_client.host, echo_client.port)
    writer.write(
        b"POST /e3/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )

    line = await asyncio.wait_for(reader.readline(), 5)

    writer.close()
    await writer.wait_closed()
    assert b"408" in line


# --- the rules by themselves -----------------------------------------------------------------------
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8188",
        "[::1]:8188",
        "[fe80::1]",
        "192.168.1.5:8188",
        "localhost",
        "LOCALHOST:1",
        "workstation:8188",
        "nas.local",
        "e3.lan",
        "e3.internal:80",
        "e3.home.arpa",
        "my_box",
        "E3.Example.com:443",
    ],
)
def test_server_routes_guard_check_host_lets_local_names_pass(host: str) -> None:
    guard.check_host([host], ["e3.example.COM"])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.local.example",
        "127.0.0.1.nip.io",
        "x.local.",
        "",
        "a b",
        "user@localhost",
        "localhost:99999",
        "localhost:x",
        "[::1",
        "localhost/evil.example",
        "localhost?x",
        "localhost#x",
        ".local",
        "evil..lan",
        "xn--caf-dma.fr",
        "café.fr",
        "[::1]evil.example",
    ],
)
def test_server_routes_guard_check_host_refuses_names_that_can_be_rebound(host: str) -> None:
    with pytest.raises(guard.Refusal) as refusal:
        guard.check_host([host], [])
    assert refusal.value.status == 421 and "allowed_hosts" in str(refusal.value)


@pytest.mark.parametrize("hosts", [[], ["localhost", "evil.example"]], ids=["none", "two"])
def test_server_routes_guard_check_host_wants_one(hosts: list[str]) -> None:
    with pytest.raises(guard.Refusal):
        guard.check_host(hosts, [])


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:8188", "localhost:8188", True),
        ("https://e3.lan", "e3.lan", True),
        ("https://e3.lan", "e3.lan:443", True),
        ("http://E3.lan", "e3.LAN", True),
        ("http://[::1]:8188", "[::1]:8188", True),
        ("http://localhost:8188", "localhost:8189", False),
        ("http://localhost", "localhost:8188", False),
        ("http://127.0.0.1:8188", "localhost:8188", False),
        ("https://e3.lan:80", "e3.lan", False),
        ("file://", "localhost", False),
        ("localhost:8188", "localhost:8188", False),
        ("http://localhost:8188/x", "localhost:8188", False),
        ("http://localhost:8188@evil.example", "localhost:8188", False),
        ("chrome-extension://abc", "abc", False),
        ("", "localhost", False),
        ("http://", "", False),
        ("http://a:b", "a", False),
    ],
)
def test_server_routes_guard_is_same_origin(origin: str, host: str, same: bool) -> None:
    assert guard.is_same_origin(origin, host) is same


@pytest.mark.parametrize(
    "headers",
    [
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        [("Origin", "http://localhost"), ("Origin", "http://evil.example")],
    ],
    ids=["two sites", "two origins"],
)
def test_server_routes_guard_check_site_looks_at_every_header(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(guard.Refusal) as refusal:
        guard.check_site(CIMultiDict([("Host", "localhost"), *headers]))
    assert refusal.value.status == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_server_routes_guard_check_site_lets_own_pages_pass(site: str) -> None:
    guard.check_site(CIMultiDict([("Host", "localhost"), ("Sec-Fetch-Site", site), ("Origin", "http://localhost")]))
