"""Reading ComfyUI's history: the verdict comes from the messages, the files from every list."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_e3.e3_nodes.backends import history

START = ["execution_start", {"prompt_id": "x", "timestamp": 100}]
CACHED = ["execution_cached", {"nodes": [], "timestamp": 110}]
SUCCESS = ["execution_success", {"prompt_id": "x", "timestamp": 200}]
STOPPED = ["execution_interrupted", {"node_id": "3", "node_type": "KSampler", "timestamp": 150}]
FAILED = [
    "execution_error",
    {
        "node_id": "3",
        "node_type": "KSampler",
        "exception_type": "ValueError",
        "exception_message": "no model\n",
        "traceback": ["line 1\n", "line 2\n"],
        "timestamp": 150,
    },
]


def entry(*messages: Any, status_str: str = "success") -> dict[str, Any]:
    return {"outputs": {}, "status": {"status_str": status_str, "messages": list(messages)}}


def named(filename: str, subfolder: str = "e3/t", kind: str = "output") -> dict[str, str]:
    return {"filename": filename, "subfolder": subfolder, "type": kind}


@pytest.mark.parametrize(
    ("record", "outcome", "error_type"),
    [
        (entry(START, CACHED, SUCCESS), "success", None),
        (entry(START, FAILED, status_str="error"), "error", "error"),
        (entry(START, FAILED, status_str="success"), "error", "error"),
        (entry(START, STOPPED, status_str="error"), "interrupted", "interrupted"),
        (entry(START), "success", None),
        (entry(START, status_str="error"), "error", "error"),
        ({"outputs": {}, "status": None}, "error", "error"),
        ({}, "error", "error"),
    ],
    ids=["success", "error", "stale status", "stop", "no end", "no end, error", "no status", "empty"],
)
def test_history_read_verdict_goes_by_the_messages(
    record: dict[str, Any], outcome: str, error_type: str | None
) -> None:
    result = history.read_verdict(record)

    assert (result.get("outcome"), result.get("error_type")) == (outcome, error_type)


def test_history_read_verdict_takes_the_times_of_comfyui() -> None:
    result = history.read_verdict(entry(START, CACHED, SUCCESS))

    assert (result.get("start_time"), result.get("end_time")) == (100, 200)


def test_history_read_verdict_error_names_node_type_and_message_before_the_traceback() -> None:
    result = history.read_verdict(entry(START, FAILED, status_str="error"))

    assert result.get("error_trace") == "node 3 (KSampler): ValueError: no model\nline 1\nline 2"


def test_history_read_verdict_interrupted_names_the_node() -> None:
    result = history.read_verdict(entry(START, STOPPED))

    assert result.get("error_trace") == "interrupted in ComfyUI at node 3 (KSampler)"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"exception_type": "torch.OutOfMemoryError"}, "oom"),
        ({"exception_type": "torch.cuda.OutOfMemoryError"}, "oom"),
        ({"exception_type": "MemoryError"}, "oom"),
        ({"exception_type": "RuntimeError", "exception_message": "CUDA error: out of memory"}, "oom"),
        ({"exception_type": "RuntimeError", "exception_message": "HIP Out Of Memory"}, "oom"),
        ({"exception_type": "RuntimeError", "exception_message": "shapes differ"}, "error"),
        ({}, "error"),
    ],
    ids=["torch", "torch.cuda", "python", "cuda", "hip", "other", "nothing"],
)
def test_history_error_type_of(data: dict[str, Any], expected: str) -> None:
    assert history.error_type_of(data).value == expected


@pytest.mark.parametrize("key", ["images", "gifs", "audio", "3d", "files", "latents", "something_new"])
def test_history_named_files_walks_every_list_whatever_it_is_called(key: str) -> None:
    found = list(history.named_files({"9": {key: [named("a.bin")], "animated": [True], "text": ["hello"]}}))

    assert found == [{"node": "9", **named("a.bin")}]


def test_history_named_files_leaves_out_what_is_no_result() -> None:
    shown = {
        "images": [
            named("t.png", "", "temp"),
            named("i.png", "", "input"),
            {"type": "output"},
            "9.png",
            None,
        ],
        "result": "3d/x.glb",
        "camera": {"filename": "no.png", "type": "output"},
    }

    assert list(history.named_files({"9": shown, "10": None})) == []
    assert list(history.named_files(None)) == []


def test_history_named_files_keeps_the_order_and_names_a_file_once() -> None:
    outputs = {
        "10": {"images": (named("b.png"), named("a.png"))},
        "9": {"images": [named("a.png"), named("a.png", "e3\\t"), named("a.png", "e3/u")]},
    }

    found = [(file["node"], file["subfolder"], file["filename"]) for file in history.named_files(outputs)]

    assert found == [("10", "e3/t", "b.png"), ("10", "e3/t", "a.png"), ("9", "e3/u", "a.png")]


@pytest.mark.parametrize(
    ("subfolder", "filename", "ours"),
    [
        ("e3/t", "a.png", True),
        ("e3\\t", "a.png", True),
        ("e3/t/deeper", "a.png", True),
        ("e3/t2", "a.png", False),
        ("e3", "t", False),
        ("", "a.png", False),
        ("e3/t/..", "a.png", False),
        ("e3/t", "../a.png", False),
        ("e3/t", "..\\a.png", False),
        ("/e3/t", "a.png", False),
        ("out/e3/t", "a.png", False),
    ],
)
def test_history_files_of_attempt_stay_in_its_folder(subfolder: str, filename: str, ours: bool) -> None:
    outputs = {"9": {"images": [named(filename, subfolder)]}}

    assert bool(history.files_of_attempt(outputs, "e3/t")) is ours
