"""The in-process backend on a host that answers what a test wants; a real one is in ``tests/contract``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.backends.base import Prompt
from comfyui_e3.e3_nodes.backends.prompt_queue import PromptQueueBackend
from comfyui_e3.e3_nodes.errors import PromptRefused

GRAPH = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "e3/tok/9"}}}
PROMPT = Prompt("an-id", "tok", GRAPH, ["9"], "job")
SUCCESS = {"messages": [["execution_success", {"timestamp": 2}]]}


class FakeHost:
    """As much of ``ComfyHost`` as the backend asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answer: tuple[int, dict[str, Any]] = (200, {"prompt_id": "an-id", "node_errors": {}})
        self.place: str | None = "pending"
        self.entry: dict[str, Any] | None = None
        self.bodies: list[Mapping[str, Any]] = []
        self.wishes: list[str] = []
        self.alive = True
        self.stuck = False

    def is_stuck(self) -> bool:
        return self.stuck

    def post_prompt(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        self.bodies.append(body)
        return self.answer

    def where(self, prompt_id: str) -> str | None:
        return self.place

    def history_entry(self, prompt_id: str) -> dict[str, Any] | None:
        return self.entry

    def remove_pending(self, prompt_id: str) -> bool:
        self.wishes.append(f"remove {prompt_id}")
        return self.place == "pending"

    def interrupt(self, prompt_id: str) -> bool:
        self.wishes.append(f"interrupt {prompt_id}")
        return self.place == "running"

    def worker_alive(self) -> bool:
        return self.alive

    def output_folder(self) -> Path:
        return self.folder / "output"

    def input_folder(self) -> Path:
        return self.folder / "input"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def backend(host: FakeHost) -> PromptQueueBackend:
    return PromptQueueBackend(host)  # type: ignore[arg-type]


def test_prompt_queue_submit_goes_last_in_line_under_a_client_id_of_its_own(
    host: FakeHost, backend: PromptQueueBackend
) -> None:
    backend.submit(PROMPT)
    backend.submit(PROMPT)

    assert [body["number"] for body in host.bodies] == [1e9, 1e9 + 1]
    assert host.bodies[0]["client_id"].startswith("comfyui-e3-")
    assert host.bodies[0]["prompt_id"] == "an-id"
    assert host.bodies[0]["partial_execution_targets"] == ["9"]
    assert host.bodies[0]["extra_data"] == {"e3_job": "job", "e3_token": PROMPT.token, "preview_method": "none"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, {"error": "no prompt"}), "ComfyUI refuses the prompt: no prompt"),
        (
            (400, {"error": {"message": "Bad", "details": "so bad"}}),
            "ComfyUI refuses the prompt: Bad: so bad",
        ),
        ((500, {}), "no reason given"),
        (
            (
                200,
                {"node_errors": {"3": {"class_type": "KSampler", "errors": [{"message": "Value too big"}]}}},
            ),
            r"node 3 \(KSampler\): Value too big$",
        ),
    ],
    ids=["text", "mapping", "nothing", "half"],
)
def test_prompt_queue_submit_refused(
    host: FakeHost, backend: PromptQueueBackend, answer: tuple[int, dict[str, Any]], words: str
) -> None:
    host.answer = answer

    with pytest.raises(PromptRefused, match=words):
        backend.submit(PROMPT)


@pytest.mark.parametrize(
    ("place", "wishes"), [("pending", ["remove an-id"]), ("running", ["remove an-id", "interrupt an-id"])]
)
def test_prompt_queue_submit_refused_leaves_nothing_in_the_queue(
    host: FakeHost, backend: PromptQueueBackend, place: str, wishes: list[str]
) -> None:
    host.answer, host.place = (200, {"node_errors": {"3": {"errors": [{"message": "bad"}]}}}), place

    with pytest.raises(PromptRefused):
        backend.submit(PROMPT)

    assert host.wishes == wishes


@pytest.mark.parametrize(
    ("place", "entry", "expected"),
    [
        ("pending", None, "pending"),
        ("running", None, "running"),
        (None, None, "gone"),
        ("ended", None, "gone"),
        ("ended", {"status": SUCCESS}, "ended"),
    ],
    ids=["pending", "running", "gone", "cleared meanwhile", "ended"],
)
def test_prompt_queue_look_places(
    host: FakeHost, backend: PromptQueueBackend, place: str | None, entry: Any, expected: str
) -> None:
    host.place, host.entry = place, entry

    assert backend.look(PROMPT).place == expected


def test_prompt_queue_look_takes_the_named_files_of_this_attempt(host: FakeHost, backend: PromptQueueBackend) -> None:
    files = [{"filename": "a.png", "subfolder": folder, "type": "output"} for folder in ("e3/tok", "e3/old", "")]
    host.place, host.entry = "ended", {"outputs": {"9": {"images": files}}, "status": SUCCESS}

    artifacts = backend.look(PROMPT).result.get("artifacts")

    assert artifacts == [{"node": "9", "path": str(host.folder / "output" / "e3" / "tok" / "a.png")}]


def test_prompt_queue_look_counts_every_file_where_history_names_none(
    host: FakeHost, backend: PromptQueueBackend
) -> None:
    host.place, host.entry = "ended", {"outputs": {}, "status": SUCCESS}
    saved = [backend.staging("tok") / name for name in ("b.safetensors", "deep/a.safetensors")]
    for path in saved:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")

    artifacts = backend.look(PROMPT).result.get("artifacts", [])

    assert sorted(artifact["path"] for artifact in artifacts) == [str(path) for path in saved]
    assert {artifact["node"] for artifact in artifacts} == {""}


def test_prompt_queue_look_an_error_has_no_artifacts(host: FakeHost, backend: PromptQueueBackend) -> None:
    host.place, host.entry = "ended", {"status": {"messages": [["execution_error", {}]]}}

    result = backend.look(PROMPT).result

    assert result.get("outcome") == "error"
    assert "artifacts" not in result


def test_prompt_queue_deliver_input_copies_once(host: FakeHost, backend: PromptQueueBackend, tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(b"image")
    value = backend.deliver_input(source, "abc.png")
    target = host.folder / "input" / "e3" / "abc.png"
    before = target.stat().st_mtime_ns, target.stat().st_ino

    again = backend.deliver_input(source, "abc.png")

    assert value == again == "e3/abc.png"
    assert target.read_bytes() == b"image"
    assert (target.stat().st_mtime_ns, target.stat().st_ino) == before


def test_prompt_queue_problem_is_a_queue_that_stands_still_for_a_minute(host: FakeHost) -> None:
    now = [1000.0]
    backend = PromptQueueBackend(host, lambda: now[0])  # type: ignore[arg-type]
    host.stuck = True
    assert backend.problem() is None
    now[0] += 59
    assert backend.problem() is None

    now[0] += 1
    assert "none has run for 60 s" in (backend.problem() or "")

    host.stuck = False
    assert backend.problem() is None


def test_prompt_queue_problem_is_a_dead_worker(host: FakeHost, backend: PromptQueueBackend) -> None:
    alive = backend.problem()
    host.alive = False

    assert alive is None
    assert "prompt worker has died" in (backend.problem() or "")
