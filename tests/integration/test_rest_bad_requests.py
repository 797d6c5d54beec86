"""Bad requests, row by row of the table R01 to R22, under both prefixes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.errors import StoreUnavailable
from comfyui_e3.e3_nodes.runtime import Runtime

sys.path.insert(0, str(Path(__file__).parents[1]))

from rest import PREFIXES, FakeEngine, Rest, make_app, write_home

JSON = {"Content-Type": "application/json"}
DEEP = b'{"a":' * 1000 + b"1" + b"}" * 1000


@pytest.fixture
async def rest(tmp_path: Path, aiohttp_client: Any) -> AsyncIterator[Rest]:
    runtime = Runtime(write_home(tmp_path, api_token=""))
    engine = FakeEngine(runtime)
    yield Rest(await aiohttp_client(make_app(engine), skip_auto_headers=["Content-Type"]), runtime, engine)
    runtime.db.close()


@dataclass
class Case:
    """A request about a job that waits, and the status that refuses it."""

    status: int
    method: str
    path: str
    body: Any = b""
    headers: dict[str, str] = field(default_factory=lambda: JSON)


CASES = {
    "R01 no content type": Case(415, "POST", "jobs/{name}/cancel", headers={}),
    "R01 text": Case(415, "POST", "jobs/{name}/cancel", b"{}", {"Content-Type": "text/plain"}),
    "R01 form": Case(415, "POST", "queue/pause", b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}),
    "R01 multipart": Case(415, "DELETE", "jobs/{name}", b"", {"Content-Type": "multipart/form-data; boundary=x"}),
    "R01 yaml where none is taken": Case(415, "PATCH", "jobs/{name}", b"priority: 1", {"Content-Type": "text/yaml"}),
    "R03 another origin": Case(
        403, "PATCH", "jobs/{name}", {"priority": 1}, {**JSON, "Origin": "https://evil.example"}
    ),
    "R03 null": Case(403, "POST", "jobs/{name}/god-mode", b"", {**JSON, "Origin": "null"}),
    "R03 another port": Case(403, "POST", "queue/pause", b"", {**JSON, "Origin": "http://127.0.0.1:1"}),
    "R03 malformed": Case(403, "POST", "queue/pause", b"", {**JSON, "Origin": "http://[::1"}),
    "R04 cross-site": Case(403, "DELETE", "jobs/{name}", b"", {**JSON, "Sec-Fetch-Site": "cross-site"}),
    "R04 same-site": Case(403, "DELETE", "jobs/{name}", b"", {**JSON, "Sec-Fetch-Site": "same-site"}),
    "R05 change": Case(421, "POST", "jobs/{name}/cancel", b"", {**JSON, "Host": "rebind.example:8188"}),
    "R05 read": Case(421, "GET", "jobs", headers={"Host": "rebind.example:8188"}),
    "R06 method": Case(405, "PUT", "jobs/{name}", {"priority": 1}),
    "R06 reading a verb": Case(405, "GET", "jobs/{name}/cancel", headers={}),
    "R07 empty": Case(400, "POST", "jobs/bulk"),
    "R07 list": Case(400, "PATCH", "jobs/{name}", b"[]"),
    "R07 text": Case(400, "PATCH", "jobs/{name}", b'"x"'),
    "R07 null": Case(400, "PATCH", "jobs/{name}", b"null"),
    "R07 no JSON": Case(400, "PATCH", "jobs/{name}", b"{priority: 1}"),
    "R07 byte order mark": Case(400, "PATCH", "jobs/{name}", b'\xef\xbb\xbf{"priority": 1}'),
    "R07 UTF-16": Case(400, "PATCH", "jobs/{name}", '{"priority": 1}'.encode("utf-16")),
    "R07 too large": Case(413, "PATCH", "jobs/{name}", b" " * (256 * 1024 + 1)),
    "R07 too deep": Case(400, "PATCH", "jobs/{name}", DEEP),
    **{
        f"R09 priority {json.dumps(value)}": Case(422, "PATCH", "jobs/{name}", {"priority": value})
        for value in ("1", 1.5, True, 0, 1000, -1, 2**63, None)
    },
    "R09 absent": Case(422, "PATCH", "jobs/{name}", {}),
    "R11 unknown job": Case(404, "POST", "jobs/T2I_20250101120000_9_nobody/cancel"),
    "R12 retry of a job that waits": Case(409, "POST", "jobs/{name}/retry"),
    **{
        f"R14 {query}": Case(422, "GET", f"jobs?{query}", headers={})
        for query in ("status=bogus", "limit=-1", "limit=1e9", "offset=x", "sort=;drop")
    },
    "R18 a path outside": Case(422, "POST", "jobs", {"outputs": {"file_path": "../../x.png"}}),
    "R18 an upload of a template": Case(404, "POST", "workflows/upload", {}),
    "R18 a change of a workflow": Case(405, "POST", "workflows", {"wf_text": {}}),
    "R18 a change of the settings": Case(404, "PATCH", "settings", {"api_token": ""}),
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_rest_bad_requests_change_nothing(rest: Rest, prefix: str, case: Case) -> None:
    name = rest.add()
    before, counter = rest.db.get_job(name), rest.db.change_counter()
    body = case.body
    if isinstance(body, dict) and "outputs" in body:
        body = {**rest.body(), **body}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    url = f"{prefix}/{case.path.format(name=name)}"
    answer = await rest.client.request(case.method, url, data=data, headers=case.headers)

    assert answer.status == case.status
    assert set((await answer.json())["error"]) == {"type", "message", "details"}
    assert (rest.db.get_job(name), rest.db.change_counter()) == (before, counter)


@pytest.mark.parametrize("state", ["done", "processing"], ids="R12 {}".format)
async def test_rest_bad_requests_retry_names_the_state(rest: Rest, state: str) -> None:
    answer = await rest.post(f"jobs/{rest.bring_to(state)}/retry")

    assert answer.status == 409 and state in answer.json["error"]["message"]


@pytest.mark.parametrize("times", [2], ids=["R12 retry twice"])
async def test_rest_bad_requests_retry_happens_once(rest: Rest, times: int) -> None:
    name = rest.bring_to("failed")

    answers = [await rest.post(f"jobs/{name}/retry") for _ in range(times)]

    assert [answer.status for answer in answers] == [200, 409]
    assert rest.db.get_job(name)["status"] == "pending"  # type: ignore[index]


@pytest.mark.parametrize(
    ("state", "told"),
    [("processing", [(200, True), (200, False)]), ("done", [(409, None), (409, None)])],
    ids="R13 {}".format,
)
async def test_rest_bad_requests_cancel_twice(rest: Rest, state: str, told: list[Any]) -> None:
    name = rest.bring_to(state)

    answers = [await rest.post(f"jobs/{name}/cancel") for _ in range(2)]

    assert [(answer.status, answer.json.get("changed")) for answer in answers] == told


@pytest.mark.parametrize("clicks", [(0, 1, 0), (1, 0, 1)], ids=["R15 first wins last", "R15 second wins last"])
async def test_rest_bad_requests_god_mode_by_two_is_the_last_click(rest: Rest, clicks: tuple[int, ...]) -> None:
    names = [rest.add(), rest.add()]

    for index in clicks:
        await rest.post(f"jobs/{names[index]}/god-mode")

    listed = [job["config_name"] for job in (await rest.get("jobs")).json["jobs"]]
    assert listed == [names[clicks[-1]], names[clicks[-2]]]


@pytest.mark.parametrize("count", [1000], ids=["R17 a thousand at once"])
async def test_rest_bad_requests_a_flood_is_served(rest: Rest, count: int) -> None:
    rest.add()

    answers = await asyncio.gather(*(rest.get("jobs") for _ in range(count)))

    assert {answer.status for answer in answers} <= {200, 429}


@pytest.mark.parametrize("path", ["jobs", "queue", "stats", "rejections", "metrics"], ids="R19 locked, {}".format)
async def test_rest_bad_requests_locked_table_is_503(rest: Rest, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the database is locked by another program", code="locked")

    for method in ("list_jobs", "queue_state", "count_by_status", "list_rejections", "workflow_durations"):
        monkeypatch.setattr(rest.db, method, locked, raising=False)

    answer = await rest.get(path)

    assert (answer.status, answer.json["error"]["type"]) == (503, "locked")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("encoding", ["gzip", "br, deflate"], ids="R21 {}".format)
async def test_rest_bad_requests_there_is_no_secret_to_compress(rest: Rest, encoding: str) -> None:
    name = rest.bring_to("processing")
    token = rest.db.get_job(name)["lease_token"]  # type: ignore[index]
    rest.runtime.cfg["api_token"] = "canary-token"
    headers = {"Accept-Encoding": encoding, "Authorization": "Bearer canary-token"}

    for path in ("jobs", f"jobs/{name}", "queue", "health", "stats", "metrics", "openapi.json", "workflows"):
        answer = await rest.get(path, headers=headers)

        assert answer.status == 200 and "Content-Encoding" not in answer.headers
        assert token not in str(answer.content) and "canary-token" not in str(answer.content)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: identity, chunked, x\r\n\r\n0\r\n\r\n", b"400"),
        (b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}", b"400"),
        (b"Content-Length: -1\r\n\r\n", b"400"),
        (b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", b"100"),
    ],
    ids=["R22 two lengths", "R22 odd encoding", "R22 length twice", "R22 negative length", "R22 expect"],
)
async def test_rest_bad_requests_tricks_of_the_transfer(rest: Rest, head: bytes, status: bytes) -> None:
    reader, writer = await asyncio.open_connection(rest.client.host, rest.client.port)
    writer.write(b"POST /e3/queue/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + head)

    line = await asyncio.wait_for(reader.readline(), 10)

    writer.close()
    await writer.wait_closed()
    assert status in line
    assert status == b"100" or not rest.db.queue_state()["paused"]
