"""The HTTP backend against a server that misbehaves; what it does right is in ``tests/contract``."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from comfyui_e3.e3_nodes.backends import http_backend, http_client, http_faults, ws
from comfyui_e3.e3_nodes.backends.base import Prompt
from comfyui_e3.e3_nodes.backends.http import HttpBackend, invoke_comfyui
from comfyui_e3.e3_nodes.errors import (
    AttemptFailed,
    AttemptReturned,
    HostUnavailable,
    InvalidSettings,
    OutputError,
    PromptRefused,
)
from comfyui_e3.tests.unit.fake_comfyui import FakeComfyUI, breaks_off, hangs, says
from yarl import URL

GRAPH = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
LOGIN_PAGE = "<!doctype html><title>Please log in</title>"


@pytest.fixture
def comfy() -> Iterator[FakeComfyUI]:
    with closing(FakeComfyUI()) as fake:
        yield fake


@pytest.fixture
def make_backend(tmp_path: Path) -> Iterator[Callable[..., HttpBackend]]:
    made: list[HttpBackend] = []

    def make(url: str, **headers: str) -> HttpBackend:
        made.append(HttpBackend({"home": str(tmp_path), "comfyui": {"api_base_url": url, "headers": headers}}))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(comfy: FakeComfyUI, make_backend: Callable[..., HttpBackend]) -> HttpBackend:
    return make_backend(comfy.url)


def make_prompt() -> Prompt:
    return Prompt(str(uuid.uuid4()), uuid.uuid4().hex, GRAPH, ["9"], "job")


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


# --- who answers there ---
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(LOGIN_PAGE), r"is not a ComfyUI \(it answers 200 '<!doctype html>.*api_base_url"),
        (says("not found", 404), r"is not a ComfyUI \(it answers 404 'not found'\)"),
        (says("[]"), "is not a ComfyUI"),
        (says("null"), "is not a ComfyUI"),
        (says('{"queue_running": 1, "queue_pending": []}'), "is not a ComfyUI"),
        (says('{"queue_running": [[]], "queue_pending": []}'), "is not a ComfyUI"),
        (says("", 302, Location="https://sso.lan/"), "redirects to https://sso.lan/.*api_base_url"),
        (says("who?", 401), "wants a login .*comfyui.headers"),
        (says("no", 403), "wants a login .*comfyui.headers"),
        (says(LOGIN_PAGE, 502), "not ready: the proxy before it answers 502"),
        (breaks_off, "the connection broke"),
    ],
    ids=["page", "404", "list", "null", "number", "items", "redirect", "401", "403", "502", "broken off"],
)
def test_backends_http_problem_says_who_answers(
    comfy: FakeComfyUI, backend: HttpBackend, answer: Any, words: str
) -> None:
    comfy.answers["GET /queue"] = answer

    problem = backend.problem()

    assert problem is not None
    assert re.search(words, problem), problem


def test_backends_http_problem_nobody_listens(make_backend: Callable[..., HttpBackend]) -> None:
    with closing(FakeComfyUI()) as gone:
        url = gone.url

    problem = make_backend(url).problem()

    assert problem is not None
    assert problem.startswith(f"ComfyUI at {url} is not reachable (")
    assert problem.endswith("start ComfyUI, or correct comfyui.api_base_url")


def test_backends_http_problem_no_answer_in_time(
    comfy: FakeComfyUI, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "ANSWER_SECONDS", 0.05)
    comfy.answers["GET /queue"] = hangs

    assert "did not answer in time" in (backend.problem() or "")


def test_backends_http_problem_tls_where_there_is_none(
    comfy: FakeComfyUI, make_backend: Callable[..., HttpBackend]
) -> None:
    backend = make_backend(comfy.url.replace("http:", "https:"))

    assert "should comfyui.api_base_url begin with http://" in (backend.problem() or "")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_backends_http_problem_certificate_of_nobody(make_backend: Callable[..., HttpBackend], tmp_path: Path) -> None:
    with closing(FakeComfyUI(ssl_context=_own_certificate(tmp_path))) as comfy:
        problem = make_backend(comfy.url).problem()

    assert problem is not None
    assert "its TLS certificate is not trusted (self" in problem
    assert "SSL_CERT_FILE" in problem


def _own_certificate(folder: Path) -> ssl.SSLContext:
    files = [str(folder / "key.pem"), str(folder / "cert.pem")]
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[0], "-out", files[1]]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", *options],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    return context


def test_backends_http_words_for_an_unknown_name() -> None:
    key = ConnectionKey("gpu.lan", 80, False, True, None, None, None)
    exc = aiohttp.ClientConnectorDNSError(key, OSError(-2, "Name or service not known"))

    words = http_faults.words_for(exc, URL("http://me:secret@gpu.lan"))

    assert words == (
        "ComfyUI at http://gpu.lan is not reachable: no such host as gpu.lan; correct comfyui.api_base_url"
    )


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8188", "gpu.lan", "ftp://gpu.lan", "http://", "http://a/?x=1", "http://a/#x", None, 5],
)
def test_backends_http_base_url_refuses_what_is_none(url: Any) -> None:
    with pytest.raises(InvalidSettings, match=r"comfyui.api_base_url must be like http://127.0.0.1:8188, got"):
        http_faults.base_url(url)


def test_backends_http_base_path_and_headers_go_with_everything(
    make_backend: Callable[..., HttpBackend],
) -> None:
    with closing(FakeComfyUI(base_path="/comfy")) as comfy:
        backend = make_backend(comfy.url + "/", Authorization="Bearer abc")
        backend.submit(make_prompt())

        asked = list(comfy.asked)
        seen = {path: headers.get("Authorization") for path, headers in comfy.headers.items()}

    assert asked == ["GET /ws", "POST /prompt"]
    assert seen == {"/ws": "Bearer abc", "/prompt": "Bearer abc"}


def test_backends_http_problem_waiting_prompts_and_nothing_runs(
    comfy: FakeComfyUI, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    comfy.pending = ["somebody's"]
    at_first = backend.problem()
    monkeypatch.setattr(http_backend, "IDLE_SECONDS", 0.0)

    assert at_first is None
    assert "its prompt worker has died" in (backend.problem() or "")


# --- submit ---
def test_backends_http_submit_waits_for_the_websocket(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    async def open_slowly(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        comfy.asked.append("websocket tried")
        return web.Response(status=404)

    comfy.answers["GET /ws"] = open_slowly
    backend.submit(make_prompt())

    assert comfy.asked == ["GET /ws", "websocket tried", "POST /prompt"]


def test_backends_http_submit_half_valid_leaves_nothing_in_the_queue(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    async def take_half(request: web.Request) -> web.StreamResponse:
        comfy.pending.append((await request.json())["prompt_id"])
        return web.json_response({"prompt_id": "x", "node_errors": {"3": {"errors": [{"message": "too big"}]}}})

    comfy.answers["POST /prompt"] = take_half

    with pytest.raises(PromptRefused, match=r"node 3 .*too big"):
        backend.submit(make_prompt())

    assert comfy.pending == []


def test_backends_http_submit_goes_last_in_line(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    first, second = make_prompt(), make_prompt()
    backend.submit(first)
    backend.submit(second)

    assert comfy.asked == ["GET /ws", "POST /prompt", "POST /prompt"]
    assert [body["number"] for body in comfy.bodies] == [1e9, 1e9 + 1]
    assert comfy.bodies[0]["prompt_id"] == first.prompt_id
    assert comfy.bodies[0]["partial_execution_targets"] == ["9"]
    assert comfy.bodies[0]["extra_data"] == {"e3_job": "job", "e3_token": first.token, "preview_method": "none"}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (says("Server got itself in trouble", 500), AttemptFailed, "stumbled over the prompt: 'Server got"),
        (says("too large", 413), PromptRefused, "--max-upload-size"),
        (says("plain HTTP sent to HTTPS port", 400), HostUnavailable, "is not a ComfyUI"),
        (says('{"exec_info": {}}'), HostUnavailable, "is not a ComfyUI"),
        (says("[]"), HostUnavailable, "is not a ComfyUI"),
        (says("", 307, Location="https://x.lan/"), HostUnavailable, "redirects to https://x.lan/"),
        (says('{"error": "no prompt"}', 400), PromptRefused, "ComfyUI refuses the prompt: no prompt"),
    ],
    ids=["500", "413", "400 of a proxy", "not the answer", "list", "redirect", "refused"],
)
def test_backends_http_submit_says_what_came_instead(
    comfy: FakeComfyUI, backend: HttpBackend, answer: Any, error: type[Exception], words: str
) -> None:
    comfy.answers["POST /prompt"] = answer

    with pytest.raises(error, match=words):
        backend.submit(make_prompt())


def test_backends_http_submit_whose_answer_was_lost_has_arrived(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = make_prompt()

    async def lose(request: web.Request) -> web.StreamResponse:
        comfy.pending.append((await request.json())["prompt_id"])
        return await breaks_off(request)

    comfy.answers["POST /prompt"] = lose
    backend.submit(prompt)

    assert backend.look(prompt).place == "pending"


def test_backends_http_submit_that_did_not_arrive_is_raised(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    comfy.answers["POST /prompt"] = breaks_off

    with pytest.raises(HostUnavailable, match="the connection broke"):
        backend.submit(make_prompt())


# --- look ---
def test_backends_http_look_asks_again_only_after_an_event(
    comfy: FakeComfyUI, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_backend, "LOOK_SECONDS", 3600.0)
    prompt = make_prompt()
    backend.submit(prompt)
    wait_until(lambda: backend.look(prompt) and comfy.sockets)
    wait_until(lambda: _settled(backend, prompt, comfy))
    comfy.running, comfy.pending = comfy.pending, []

    before = [backend.look(prompt).place for _ in range(50)]
    comfy.say({"type": "status", "data": {}})

    assert before == ["pending"] * 50
    wait_until(lambda: backend.look(prompt).place == "running")


def _settled(backend: HttpBackend, prompt: Prompt, comfy: FakeComfyUI) -> bool:
    """Look until a look asks nothing: the greeting of the websocket has been taken in."""
    backend.look(prompt)
    asked = len(comfy.asked)
    time.sleep(0.02)
    backend.look(prompt)
    return len(comfy.asked) == asked


def test_backends_http_look_polls_where_there_is_no_websocket(
    comfy: FakeComfyUI, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_backend, "LOOK_WITHOUT_EVENTS_SECONDS", 0.01)
    comfy.answers["GET /ws"] = says("no websockets here", 404)
    prompt = make_prompt()
    backend.submit(prompt)

    comfy.end(prompt.prompt_id, [])

    wait_until(lambda: backend.look(prompt).place == "ended")


def test_backends_http_look_fetches_the_files_of_this_attempt(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = make_prompt()
    folder = f"e3/{prompt.token}"
    comfy.files = {f"{folder}/9_00001_.png": b"image", f"{folder}/deep/er/b.mp4": b"video" * 500_000}
    stray = ["e3/another/c.png", f"{folder}/../../d.png", "out/e.png", f"{folder}x/f.png"]
    comfy.end(prompt.prompt_id, [*comfy.files, *stray])

    result = backend.look(prompt).result

    paths = [Path(artifact["path"]) for artifact in result.get("artifacts", [])]
    assert paths == [
        backend.staging(prompt.token) / "9_00001_.png",
        backend.staging(prompt.token) / "deep/er/b.mp4",
    ]
    assert [path.read_bytes() for path in paths] == list(comfy.files.values())
    assert not list(backend.staging(prompt.token).rglob(".*"))


def test_backends_http_look_never_writes_outside_its_staging(
    comfy: FakeComfyUI, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = make_prompt()
    escape = {"node": "9", "filename": "a.png", "subfolder": f"e3/{prompt.token}/..", "type": "output"}
    monkeypatch.setattr(http_backend.history, "files_of_attempt", lambda *_: [escape])
    comfy.end(prompt.prompt_id, [])

    with pytest.raises(AttemptFailed, match="leads out of the attempt's folder"):
        backend.look(prompt)


def test_backends_http_look_goes_on_after_a_broken_download(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = make_prompt()
    backend.submit(prompt)
    file = f"e3/{prompt.token}/9.png"
    comfy.files = {file: b"whole"}
    comfy.answers["GET /view"] = breaks_off
    comfy.end(prompt.prompt_id, [file])
    meanwhile = backend.look(prompt).place
    left = [path.name for path in backend.staging(prompt.token).iterdir()]
    del comfy.answers["GET /view"]
    comfy.say({"type": "status", "data": {}})

    wait_until(lambda: backend.look(prompt).place == "ended")

    assert (meanwhile, left) == ("pending", [".9.png.part"])
    assert (backend.staging(prompt.token) / "9.png").read_bytes() == b"whole"


def test_backends_http_look_a_named_file_that_is_not_there(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = make_prompt()
    comfy.end(prompt.prompt_id, [f"e3/{prompt.token}/9.png"])

    with pytest.raises(AttemptFailed, match=r"names a file that is not there: e3/.*/9.png") as raised:
        backend.look(prompt)

    assert raised.value.code == "no_outputs"


def test_backends_http_look_names_the_disk_that_cannot_be_written(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = make_prompt()
    comfy.files = {f"e3/{prompt.token}/9.png": b"image"}
    comfy.end(prompt.prompt_id, list(comfy.files))
    backend.staging("x").parent.parent.mkdir(parents=True)
    backend.staging("x").parent.write_text("a file where the folder should be")

    with pytest.raises(OutputError, match="cannot be used"):
        backend.look(prompt)


@pytest.mark.parametrize("entry", ["text", 5, None], ids=str)
def test_backends_http_look_at_a_history_of_another_shape(comfy: FakeComfyUI, backend: HttpBackend, entry: Any) -> None:
    prompt = make_prompt()
    comfy.history[prompt.prompt_id] = entry

    with pytest.raises(HostUnavailable, match="is not a ComfyUI"):
        backend.look(prompt)


# --- prompts of an earlier life, and ComfyUIs that die ---
def test_backends_http_knows_what_waits_runs_and_has_ended(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    comfy.running, comfy.pending, comfy.history = ["runs"], ["waits"], {"ended": {}}

    assert [backend.knows(name) for name in ("runs", "waits", "ended", "never")] == [True, True, True, False]


def test_backends_http_knows_says_when_it_cannot_tell(make_backend: Callable[..., HttpBackend]) -> None:
    with closing(FakeComfyUI()) as gone:
        backend = make_backend(gone.url)

    with pytest.raises(HostUnavailable, match="not reachable"):
        backend.knows("x")


def test_backends_http_address_hides_the_password(make_backend: Callable[..., HttpBackend]) -> None:
    assert make_backend("http://me:secret@gpu.lan/comfy/").address == "http://gpu.lan/comfy"


def test_backends_http_look_fetches_what_an_earlier_attempt_made_into_our_own_folder(
    comfy: FakeComfyUI, backend: HttpBackend
) -> None:
    earlier, prompt = uuid.uuid4().hex, make_prompt()
    comfy.files = {f"e3/{earlier}/deep/9.png": b"image"}
    comfy.end(prompt.prompt_id, list(comfy.files))
    comfy.history[prompt.prompt_id]["prompt"] = [1, prompt.prompt_id, GRAPH, {"e3_token": earlier}, ["9"]]

    result = backend.look(prompt).result

    [artifact] = result.get("artifacts", [])
    assert artifact["path"] == str(backend.staging(prompt.token) / "deep" / "9.png")
    assert not backend.staging(earlier).exists()


def test_backends_http_look_says_which_node_named_no_file(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = make_prompt()
    comfy.end(prompt.prompt_id, [])
    comfy.history[prompt.prompt_id]["prompt"] = [1, prompt.prompt_id, {"5": {"class_type": "ModelSave"}}, {}, ["5"]]

    trace = backend.look(prompt).result.get("error_trace", "")

    assert "its history names no file of node 5 (ModelSave)" in trace and "as a plugin" in trace


def _stands_in(comfy: FakeComfyUI, backend: HttpBackend, place: str, before: str = "") -> Prompt:
    """Submit a prompt and look until it is seen at its place, with the websocket open; another one ended before."""
    if before:
        comfy.end(before, [])
        backend.look(Prompt(before, uuid.uuid4().hex, GRAPH, ["9"]))
    prompt = make_prompt()
    backend.submit(prompt)
    if place == "running":
        comfy.running, comfy.pending = comfy.pending, []
    wait_until(lambda: comfy.sockets)
    comfy.say({"type": "status", "data": {}})
    wait_until(lambda: backend.look(prompt).place == place)
    return prompt


def _die(comfy: FakeComfyUI, backend: HttpBackend, history: dict[str, Any] | None = None) -> None:
    """Let ComfyUI's process end and another one start: connections break, queue and history are empty."""
    events = backend._listen()
    before = events.losses
    comfy.hang_up()
    wait_until(lambda: events.losses > before)
    comfy.running, comfy.pending, comfy.history = [], [], history or {}


def _look_until_it_left(backend: HttpBackend, prompt: Prompt) -> Any:
    seen = [backend.look(prompt)]
    wait_until(lambda: seen[-1].place not in ("pending", "running") or seen.append(backend.look(prompt)))
    return seen[-1]


@pytest.mark.parametrize("place", ["pending", "running"])
@pytest.mark.parametrize("before", ["", "earlier"], ids=["first prompt", "not the first"])
def test_backends_http_look_tells_that_comfyui_died(
    comfy: FakeComfyUI, backend: HttpBackend, place: str, before: str
) -> None:
    prompt = _stands_in(comfy, backend, place, before)

    _die(comfy, backend)

    assert _look_until_it_left(backend, prompt).place == "died"


def test_backends_http_look_tells_a_death_where_there_is_no_websocket(
    comfy: FakeComfyUI, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_backend, "LOOK_WITHOUT_EVENTS_SECONDS", 0.01)
    comfy.answers["GET /ws"] = says("no websockets here", 404)
    prompt = make_prompt()
    backend.submit(prompt)
    comfy.answers["GET /queue"] = breaks_off
    time.sleep(0.02)
    assert backend.look(prompt).place == "pending"
    del comfy.answers["GET /queue"]
    comfy.pending = []

    assert _look_until_it_left(backend, prompt).place == "died"


def test_backends_http_look_what_was_removed_while_out_of_sight_is_no_death(
    comfy: FakeComfyUI, backend: HttpBackend
) -> None:
    prompt = _stands_in(comfy, backend, "running", before="earlier")

    _die(comfy, backend, history=dict(comfy.history))

    assert _look_until_it_left(backend, prompt).place == "gone"


@pytest.mark.parametrize("others", [[], ["a person's"]], ids=["first in line", "behind another"])
def test_backends_http_look_tells_who_stood_behind_another_one(
    comfy: FakeComfyUI, backend: HttpBackend, others: list[str]
) -> None:
    comfy.running = others
    prompt = _stands_in(comfy, backend, "pending")

    _die(comfy, backend)

    seen = _look_until_it_left(backend, prompt)
    assert (seen.place, seen.behind) == ("died", bool(others))


def test_backends_http_look_a_cleared_queue_is_no_death(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = _stands_in(comfy, backend, "pending")
    comfy.pending = []
    comfy.say({"type": "status", "data": {}})
    seen = [backend.look(prompt).place]

    wait_until(lambda: seen.append(backend.look(prompt).place) or seen[-1] != "pending")

    assert seen[-1] == "gone"


def test_backends_http_take_back_fails_when_it_started_meanwhile(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    prompt = make_prompt()
    backend.submit(prompt)

    async def start_it(_: web.Request) -> web.StreamResponse:
        comfy.running, comfy.pending = comfy.pending, []
        return web.Response()

    comfy.answers["POST /queue"] = start_it

    assert backend.take_back(prompt.prompt_id) is False


def test_backends_http_wishes_to_a_host_that_is_away_are_not_granted(
    make_backend: Callable[..., HttpBackend],
) -> None:
    with closing(FakeComfyUI()) as gone:
        backend = make_backend(gone.url)

    assert (backend.take_back("x"), backend.interrupt("x"), backend.free_memory()) == (False, False, None)


# --- inputs ---
def test_backends_http_deliver_input_uploads_once_and_mends_half_a_file(
    comfy: FakeComfyUI, backend: HttpBackend, tmp_path: Path
) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(b"whole image")
    comfy.files["e3/abc.png"] = b"whole"

    values = [backend.deliver_input(source, "abc.png") for _ in range(2)]

    assert values == ["e3/abc.png"] * 2
    assert comfy.files["e3/abc.png"] == b"whole image"
    assert comfy.asked.count("POST /upload/image") == 1


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (says("too large", 413), PromptRefused, "a.png is larger than ComfyUI takes.*--max-upload-size"),
        (says("{}"), HostUnavailable, "is not a ComfyUI"),
        (says("who?", 401), HostUnavailable, "wants a login"),
    ],
    ids=["413", "shape", "401"],
)
def test_backends_http_deliver_input_says_what_is_wrong(
    comfy: FakeComfyUI, backend: HttpBackend, tmp_path: Path, answer: Any, error: type[Exception], words: str
) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(b"image")
    comfy.answers["POST /upload/image"] = answer

    with pytest.raises(error, match=words):
        backend.deliver_input(source, "abc.png")


# --- events ---
def test_backends_ws_connects_again_and_counts_that_as_a_change(
    comfy: FakeComfyUI, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(http_backend, "LOOK_SECONDS", 3600.0)
    prompt = make_prompt()
    backend.submit(prompt)
    wait_until(lambda: _settled(backend, prompt, comfy))

    comfy.hang_up()

    wait_until(lambda: comfy.asked.count("GET /ws") == 2)
    comfy.running, comfy.pending = comfy.pending, []
    wait_until(lambda: backend.look(prompt).place == "running")


def test_backends_ws_progress_of_the_prompt_that_was_told_of(comfy: FakeComfyUI, backend: HttpBackend) -> None:
    backend.submit(make_prompt())
    nodes = {
        "3": {"state": "running", "value": 5, "max": 20},
        "4": {"state": "finished", "value": 1, "max": 1},
    }

    comfy.say({"type": "progress_state", "data": {"prompt_id": "mine", "nodes": nodes}})

    wait_until(lambda: backend.progress("mine"))
    assert backend.progress("mine") == {
        "nodes_done": 1,
        "nodes_total": 2,
        "node": "3",
        "value": 5.0,
        "max": 20.0,
    }
    assert backend.progress("other") is None


# --- invoke_comfyui ---
def test_backends_http_invoke_comfyui_returns_what_was_made(comfy: FakeComfyUI, tmp_path: Path) -> None:
    async def run_at_once(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        file = body["prompt"]["9"]["inputs"]["filename_prefix"] + "_00001_.png"
        comfy.files[file] = b"image"
        comfy.end(body["prompt_id"], [file])
        return web.json_response({"prompt_id": body["prompt_id"], "node_errors": {}})

    comfy.answers["POST /prompt"] = run_at_once

    result = invoke_comfyui(comfy.url, GRAPH, 5, home=str(tmp_path))

    assert (result["outcome"], result["start_time"], result["end_time"]) == ("success", 1, 2)
    assert list(result["outputs"]) == ["9"]
    assert [artifact["node"] for artifact in result["artifacts"]] == ["9"]
    assert Path(result["artifacts"][0]["path"]).read_bytes() == b"image"


def test_backends_http_invoke_comfyui_timeout_takes_the_prompt_back(comfy: FakeComfyUI, tmp_path: Path) -> None:
    with pytest.raises(AttemptFailed, match="did not end in time") as raised:
        invoke_comfyui(comfy.url, GRAPH, 0, home=str(tmp_path))

    assert raised.value.code == "timeout"
    assert comfy.pending == []


def test_backends_http_invoke_comfyui_interrupts_by_id_until_it_has_ended(comfy: FakeComfyUI, tmp_path: Path) -> None:
    wishes: list[dict[str, Any]] = []

    async def run(request: web.Request) -> web.StreamResponse:
        comfy.running = [(await request.json())["prompt_id"]]
        return web.json_response({"prompt_id": comfy.running[0], "node_errors": {}})

    async def interrupt(request: web.Request) -> web.StreamResponse:
        wishes.append(await request.json())
        if len(wishes) == 2:
            comfy.end(wishes[0]["prompt_id"], [], "execution_interrupted")
        return web.Response()

    comfy.answers |= {"POST /prompt": run, "POST /interrupt": interrupt}

    with pytest.raises(AttemptFailed, match="did not end in time"):
        invoke_comfyui(comfy.url, GRAPH, 0, home=str(tmp_path))

    assert wishes == [{"prompt_id": next(iter(comfy.history))}] * 2


@pytest.mark.parametrize(("event", "code"), [("execution_error", "error"), ("execution_interrupted", "interrupted")])
def test_backends_http_invoke_comfyui_raises_what_ended_it(
    comfy: FakeComfyUI, tmp_path: Path, event: str, code: str
) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        prompt_id = (await request.json())["prompt_id"]
        comfy.end(prompt_id, [], event, node_id="9", node_type="SaveImage")
        return web.json_response({"prompt_id": prompt_id, "node_errors": {}})

    comfy.answers["POST /prompt"] = fail

    with pytest.raises(RuntimeError, match=r"node 9 \(SaveImage\)") as raised:
        invoke_comfyui(comfy.url, GRAPH, 5, home=str(tmp_path))

    assert getattr(raised.value, "code", None) == code


def test_backends_http_invoke_comfyui_prompt_removed_by_somebody(comfy: FakeComfyUI, tmp_path: Path) -> None:
    comfy.answers["POST /prompt"] = says('{"prompt_id": "x", "node_errors": {}}')

    with pytest.raises(AttemptReturned, match="somebody removed the prompt"):
        invoke_comfyui(comfy.url, GRAPH, 5, home=str(tmp_path))


@pytest.mark.parametrize("url", ["gpu.lan", "http://127.0.0.1:1"], ids=["no URL", "nobody there"])
def test_backends_http_invoke_comfyui_raises_runtime_errors_alone(url: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"comfyui\.api_base_url"):
        invoke_comfyui(url, GRAPH, 5, home=str(tmp_path))
