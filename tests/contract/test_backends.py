"""One suite for every way to run a prompt: over HTTP, and inside ComfyUI through a door (``backend_door``).

Each runs against the embedded host always, and against a real ComfyUI where one is named.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.e3_nodes.backends.base import Backend, Prompt, Sighting
from comfyui_e3.e3_nodes.backends.http import HttpBackend, invoke_comfyui
from comfyui_e3.tests import graphs
from comfyui_e3.tests.graphs import Graph, node
from comfyui_e3.tests.hosts import REPO, Host, available_hosts

PACKS = REPO / "tests" / "node_packs"
COLORS = itertools.count(1)


class DoorBackend:
    """The in-process backend of a host in another process."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            asked = [_plain(argument) for argument in arguments]
            status, answer = self._host.post("/door", {"method": method, "arguments": asked})
            assert status == 200, answer
            if "raised" in answer:
                raise getattr(errors, answer["raised"])(answer["message"], code=answer["code"])
            value = answer["value"]
            return {"look": lambda: Sighting(**value), "staging": lambda: Path(value)}.get(method, lambda: value)()

        return call

    def close(self) -> None:
        """Nothing is open."""


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if isinstance(value, Prompt) else str(value)


@pytest.fixture(scope="module", params=available_hosts(), ids=lambda kind: kind.name)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    packs = {name: PACKS / name for name in ("trouble", "backend_door")}
    base = tmp_path_factory.mktemp("host")
    with request.param().start(base, custom_nodes=packs, env={"E3_REPO": str(REPO)}) as running:
        yield running


def over_http(host: Host, home: Path) -> HttpBackend:
    return HttpBackend({"home": str(home), "comfyui": {"api_base_url": host.url, "headers": {}}})


@pytest.fixture(scope="module", params=["http", "prompt_queue"])
def backend(request: pytest.FixtureRequest, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    home = tmp_path_factory.mktemp("home")
    with closing(over_http(host, home) if request.param == "http" else DoorBackend(host)) as made:
        yield made


@pytest.fixture(autouse=True)
def _leave_idle(host: Host) -> Iterator[None]:
    """Each test leaves an empty queue and nothing running."""
    yield
    host.post("/queue", {"clear": True})
    wait_until(lambda: is_idle(host))


def is_idle(host: Host) -> bool:
    if host.get("/prompt")[1]["exec_info"]["queue_remaining"] == 0:
        return True
    host.post("/interrupt", {})
    return False


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def make_prompt(make_graph: Callable[[str], Graph], targets: list[str] | None = None) -> Prompt:
    """Make a prompt of an attempt of its own; the graph is made with the attempt's prefix."""
    token = uuid.uuid4().hex
    return Prompt(str(uuid.uuid4()), token, make_graph(f"e3/{token}/9"), targets or ["9"], "T2I_job.yaml")


def plain_image(prefix: str) -> Graph:
    return graphs.image(prefix, color=next(COLORS))


def start(backend: Backend, prompt: Prompt) -> Prompt:
    backend.submit(prompt)
    return prompt


def wait_for_end(backend: Backend, prompt: Prompt) -> Sighting:
    wait_until(lambda: backend.look(prompt).place in ("ended", "gone"))
    return backend.look(prompt)


def run(backend: Backend, prompt: Prompt) -> dict[str, Any]:
    """Submit and wait; return the result of a prompt that ended."""
    sighting = wait_for_end(backend, start(backend, prompt))
    assert sighting.place == "ended"
    return dict(sighting.result)


def files_of(result: dict[str, Any]) -> list[Path]:
    return [Path(artifact["path"]) for artifact in result["artifacts"]]


def run_on(backend: Backend, prompt: Prompt) -> dict[str, Any]:
    """Wait for a prompt that ComfyUI has; return its result."""
    assert backend.knows(prompt.prompt_id)
    return dict(wait_for_end(backend, prompt).result)


def start_sleeper(backend: Backend) -> Prompt:
    """Submit a long prompt and wait until it has made a step, so that an interrupt is not lost."""
    prompt = start(backend, make_prompt(lambda _: graphs.sleep(), ["1"]))
    wait_until(lambda: backend.look(prompt).place == "running")
    wait_until(lambda: (backend.progress(prompt.prompt_id) or {}).get("value", 0) > 0)
    return prompt


# --- a prompt that ends well --------------------------------------------------------------------------
def test_backend_success_brings_whole_files_into_the_staging(backend: Backend) -> None:
    prompt = make_prompt(lambda prefix: graphs.image(prefix, batch_size=2))

    result = run(backend, prompt)

    assert result["outcome"] == "success"
    assert result["start_time"] <= result["end_time"]
    assert [artifact["node"] for artifact in result["artifacts"]] == ["9", "9"]
    for file in files_of(result):
        assert file.is_relative_to(backend.staging(prompt.token))
        assert file.read_bytes()[:4] == b"\x89PNG" and file.read_bytes()[-8:-4] == b"IEND"


def test_backend_identical_graph_twice_gives_both_files(backend: Backend) -> None:
    first = run(backend, make_prompt(graphs.image))
    second = run(backend, make_prompt(graphs.image))

    one, two = files_of(first)[0], files_of(second)[0]
    assert one != two
    assert one.is_file() and two.is_file()


def test_backend_cached_history_gives_the_files_of_its_own_attempt_again(backend: Backend) -> None:
    prompt = make_prompt(plain_image)
    before = run(backend, prompt)

    again = run(backend, dataclasses.replace(prompt, prompt_id=str(uuid.uuid4())))

    assert again["artifacts"] == before["artifacts"]


def test_backend_files_of_another_attempt_are_not_taken(backend: Backend) -> None:
    prompt = make_prompt(plain_image)

    result = run(backend, dataclasses.replace(prompt, token=uuid.uuid4().hex))

    assert (result["outcome"], result["artifacts"]) == ("success", [])


def test_backend_three_outputs_come_each_with_its_node(backend: Backend) -> None:
    def three(prefix: str) -> Graph:
        graph = plain_image(prefix)
        for name in ("10", "100"):
            graph[name] = node("SaveImage", images=["1", 0], filename_prefix=f"{prefix[:-1]}{name}")
        return graph

    result = run(backend, make_prompt(three, ["9", "10", "100"]))

    found = {artifact["node"]: Path(artifact["path"]).name for artifact in result["artifacts"]}
    assert {name: file.split("_")[0] for name, file in found.items()} == {"9": "9", "10": "10", "100": "100"}


def test_backend_only_the_targets_run(backend: Backend) -> None:
    def two(prefix: str) -> Graph:
        other = node("SaveImage", images=["1", 0], filename_prefix=f"{prefix[:-1]}10")
        return {**plain_image(prefix), "10": other}

    result = run(backend, make_prompt(two, ["10"]))

    assert [artifact["node"] for artifact in result["artifacts"]] == ["10"]


@pytest.mark.parametrize("make_graph", [graphs.audio, graphs.video], ids=["audio", "video"])
def test_backend_files_of_every_kind_are_brought(backend: Backend, make_graph: Any) -> None:
    result = run(backend, make_prompt(make_graph))

    assert [file.stat().st_size > 0 for file in files_of(result)] == [True]


# --- a prompt that does not ---------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "error_type"), [("error", "error"), ("oom", "oom")])
def test_backend_error_names_node_type_and_message(backend: Backend, kind: str, error_type: str) -> None:
    result = run(backend, make_prompt(lambda _: graphs.trouble(kind), ["1"]))

    assert (result["outcome"], result["error_type"]) == ("error", error_type)
    first_line = result["error_trace"].splitlines()[0]
    assert first_line.startswith("node 1 (TroubleRaise): ")
    assert {"error": "it broke", "oom": "Allocation on device"}[kind] in first_line


def test_backend_invalid_prompt_is_refused_with_the_node_named(backend: Backend, host: Host) -> None:
    prompt = make_prompt(lambda prefix: graphs.image(prefix, side=-1))

    with pytest.raises(errors.PromptRefused, match=r"node 1 \(EmptyImage\): .*(width|height)"):
        backend.submit(prompt)

    assert host.get("/queue")[1] == {"queue_running": [], "queue_pending": []}


def test_backend_unknown_node_is_refused_by_its_name(backend: Backend) -> None:
    prompt = make_prompt(lambda _: {"9": node("NodeOfAPluginThatIsNotThere")})

    with pytest.raises(errors.PromptRefused, match="NodeOfAPluginThatIsNotThere"):
        backend.submit(prompt)


def test_backend_half_valid_prompt_is_refused_and_leaves_the_queue(backend: Backend, host: Host) -> None:
    sleeper = start_sleeper(backend)

    def half(prefix: str) -> Graph:
        bad = {"2": node("EmptyImage", width=-1, height=16, batch_size=1, color=0)}
        return {
            **plain_image(prefix),
            **bad,
            "10": node("SaveImage", images=["2", 0], filename_prefix=prefix),
        }

    with pytest.raises(errors.PromptRefused, match=r"node 2 \(EmptyImage\)"):
        backend.submit(make_prompt(half, ["9", "10"]))

    queue = host.get("/queue")[1]
    assert [item[1] for item in queue["queue_running"]] == [sleeper.prompt_id]
    assert queue["queue_pending"] == []


# --- prompts in the queue -----------------------------------------------------------------------------
def test_backend_progress_tells_of_the_running_prompt_alone(backend: Backend) -> None:
    sleeper = start_sleeper(backend)

    progress = backend.progress(sleeper.prompt_id)

    assert progress is not None
    assert (progress.get("node"), progress.get("max")) == ("1", 1000.0)
    assert progress.get("nodes_total", 0) >= 1
    assert backend.progress(str(uuid.uuid4())) is None


def test_backend_interrupt_ends_the_running_prompt(backend: Backend) -> None:
    sleeper = start_sleeper(backend)

    interrupted = backend.interrupt(sleeper.prompt_id)

    result = wait_for_end(backend, sleeper).result
    assert interrupted is True
    assert (result.get("outcome"), result.get("error_type")) == ("interrupted", "interrupted")
    assert backend.interrupt(sleeper.prompt_id) is False


def test_backend_interrupt_leaves_others_alone(backend: Backend) -> None:
    sleeper = start_sleeper(backend)
    waiting = start(backend, make_prompt(plain_image))

    assert backend.interrupt(waiting.prompt_id) is False
    assert backend.look(sleeper).place == "running"


def test_backend_take_back_only_what_waits(backend: Backend) -> None:
    sleeper = start_sleeper(backend)
    waiting = start(backend, make_prompt(plain_image))
    place = backend.look(waiting).place

    assert place == "pending"
    assert backend.take_back(waiting.prompt_id) is True
    assert backend.take_back(waiting.prompt_id) is False
    assert backend.take_back(sleeper.prompt_id) is False
    assert wait_for_end(backend, waiting).place == "gone"
    assert backend.look(sleeper).place == "running"


@pytest.mark.parametrize("how", ["delete", "clear"])
def test_backend_eviction_is_seen_as_gone(backend: Backend, host: Host, how: str) -> None:
    start_sleeper(backend)
    waiting = start(backend, make_prompt(plain_image))
    assert backend.look(waiting).place == "pending"

    host.post("/queue", {"delete": [waiting.prompt_id]} if how == "delete" else {"clear": True})

    assert wait_for_end(backend, waiting).place == "gone"


def test_backend_cleared_history_is_seen_as_gone(backend: Backend, host: Host) -> None:
    prompt = start(backend, make_prompt(plain_image))
    host.wait_for(prompt.prompt_id)

    host.post("/history", {"clear": True})

    assert wait_for_end(backend, prompt).place == "gone"


def test_backend_a_persons_prompt_goes_before_the_batch(backend: Backend, host: Host) -> None:
    sleeper = start_sleeper(backend)
    batch = start(backend, make_prompt(plain_image))
    person = str(uuid.uuid4())
    host.post("/prompt", {"prompt": plain_image("person"), "prompt_id": person})

    backend.interrupt(sleeper.prompt_id)

    started = [dict(host.wait_for(name)["status"]["messages"]) for name in (person, batch.prompt_id)]
    assert started[0]["execution_success"]["timestamp"] <= started[1]["execution_start"]["timestamp"]


def test_backend_the_jobs_name_shows_in_the_queue(backend: Backend, host: Host) -> None:
    start_sleeper(backend)

    (item,) = host.get("/queue")[1]["queue_running"]

    assert item[3]["e3_job"] == "T2I_job.yaml"
    assert item[3]["client_id"].startswith("comfyui-e3-")


# --- the rest -----------------------------------------------------------------------------------------
def test_backend_deliver_input_is_found_by_the_loaders(backend: Backend, tmp_path: Path) -> None:
    source = files_of(run(backend, make_prompt(plain_image)))[0]
    name = f"{hashlib.sha256(source.read_bytes()).hexdigest()}.png"

    values = [backend.deliver_input(source, name) for _ in range(2)]

    assert values == [f"e3/{name}"] * 2
    load = {"1": node("LoadImage", image=values[0])}
    result = run(
        backend,
        make_prompt(lambda prefix: {**load, "9": node("SaveImage", images=["1", 0], filename_prefix=prefix)}),
    )
    assert result["outcome"] == "success"


def test_backend_deliver_input_takes_files_of_any_kind(backend: Backend, host: Host, tmp_path: Path) -> None:
    source = tmp_path / "mesh.glb"
    source.write_bytes(uuid.uuid4().bytes * 70_000)

    value = backend.deliver_input(source, f"{uuid.uuid4().hex}.glb")

    assert (host.base_directory / "input" / value).read_bytes() == source.read_bytes()
    assert sorted(path.name for path in (host.base_directory / "input" / "e3").glob(".*")) == []


def test_backend_is_content_with_a_host_that_works(backend: Backend) -> None:
    backend.free_memory()

    assert backend.problem() is None


# --- only over HTTP: lives that end, and whole calls ----------------------------------------------------
def test_http_a_later_life_adopts_a_prompt_by_id_and_token(host: Host, tmp_path: Path) -> None:
    with closing(over_http(host, tmp_path)) as dead:
        prompt = start(dead, make_prompt(plain_image))

    with closing(over_http(host, tmp_path)) as alive:
        sighting = wait_for_end(alive, Prompt(prompt.prompt_id, prompt.token, {}, ()))

    assert sighting.place == "ended"
    assert files_of(dict(sighting.result))[0].is_relative_to(tmp_path / "jobs" / "staging")


def test_http_a_host_that_restarts_has_lost_the_prompt_and_takes_new_ones(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    (kind,) = {type(request.getfixturevalue("host"))}
    packs = {"trouble": PACKS / "trouble"}
    host = kind().start(tmp_path / "base", custom_nodes=packs)
    with closing(over_http(host, tmp_path)) as backend:
        sleeper = start_sleeper(backend)
        host.kill()
        places = [backend.look(sleeper).place for _ in range(3)]
        problem = backend.problem()

        with host.start(tmp_path / "base", custom_nodes=packs, port=host.port):
            lost = wait_for_end(backend, sleeper)
            result = run(backend, make_prompt(plain_image))

    assert places == ["running"] * 3
    assert problem is not None and "is not reachable" in problem
    assert lost.place == "gone"
    assert files_of(result)[0].is_file()


def test_http_invoke_comfyui_uploads_runs_and_fetches(host: Host, tmp_path: Path) -> None:
    made = invoke_comfyui(host.url, graphs.image("mine"), 60, home=str(tmp_path / "one"))
    source = made["artifacts"][0]["path"]
    payload = {
        "1": node("LoadImage", image=source),
        "9": node("SaveImage", images=["1", 0], filename_prefix="x"),
    }

    results = [invoke_comfyui(host.url + "/", payload, 60, home=str(tmp_path / "two")) for _ in range(2)]

    assert [result["outcome"] for result in results] == ["success"] * 2
    assert list(results[0]["outputs"]) == ["9"]
    paths = {Path(result["artifacts"][0]["path"]) for result in results}
    assert len(paths) == 2 and all(path.is_file() for path in paths)
    assert payload["1"]["inputs"]["image"] == source


def test_http_invoke_comfyui_interrupts_when_time_is_over(host: Host, tmp_path: Path) -> None:
    with pytest.raises(errors.AttemptFailed, match="did not end in time") as raised:
        invoke_comfyui(host.url, graphs.sleep(), 1, home=str(tmp_path))

    assert (raised.value.code, isinstance(raised.value, RuntimeError)) == ("timeout", True)
    wait_until(lambda: host.get("/prompt")[1]["exec_info"]["queue_remaining"] == 0, 5)


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        (graphs.image("x", side=-1), "invalid", r"node 1 \(EmptyImage\)"),
        (graphs.trouble("error"), "error", r"node 1 \(TroubleRaise\): ValueError: it broke"),
        (graphs.trouble("oom"), "oom", "Allocation on device"),
        ({"nodes": [], "links": []}, "invalid", "API format"),
        ({}, "invalid", "API format"),
    ],
    ids=["refused", "error", "oom", "canvas format", "empty"],
)
def test_http_invoke_comfyui_raises_runtime_errors(
    host: Host, tmp_path: Path, payload: Any, code: str, words: str
) -> None:
    with pytest.raises(RuntimeError, match=words) as raised:
        invoke_comfyui(host.url, payload, 60, home=str(tmp_path))

    assert getattr(raised.value, "code", None) == code


def test_backend_knows_prompts_of_an_earlier_life_where_they_outlive_it(backend: Backend) -> None:
    prompt = make_prompt(plain_image)
    run(backend, prompt)

    outlives = isinstance(backend, HttpBackend)
    assert [backend.knows(name) for name in (prompt.prompt_id, str(uuid.uuid4()))] == [outlives, False]


def test_backend_goes_on_with_a_prompt_of_an_earlier_attempt(host: Host, tmp_path: Path) -> None:
    earlier = make_prompt(plain_image)
    with closing(over_http(host, tmp_path / "died")) as died:
        died.submit(earlier)

    with closing(over_http(host, tmp_path / "back")) as back:
        [file] = files_of(run_on(back, Prompt(earlier.prompt_id, uuid.uuid4().hex, {}, ())))

    assert file.read_bytes().startswith(b"\x89PNG") and file.is_relative_to(tmp_path / "back")
    assert earlier.token not in file.parts
