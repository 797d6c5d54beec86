"""Which templates E3 can run, and how a job is pinned to one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from comfyui_e3.e3_nodes.errors import InvalidWorkflow
from comfyui_e3.e3_nodes.payload import templates

SAVE: Any = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}


def e3_input(name: Any, **inputs: Any) -> dict[str, Any]:
    return {"class_type": "E3InputText", "inputs": {"name": name, "value": "", **inputs}}


def wired(*links: str) -> dict[str, Any]:
    inputs = {f"in{number}": [link, 0] for number, link in enumerate(links)}
    return {"class_type": "X", "inputs": inputs}


def test_templates_check_template_takes_a_graph() -> None:
    templates.check_template({"1": wired(), "2": wired("1", "1"), "9": SAVE, "3": wired("2", "1")}, "cat.json")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param([], "mapping of node ids", id="a list"),
        pytest.param({}, "mapping of node ids", id="empty"),
        pytest.param({"nodes": [], "links": [], "version": 0.4}, r"Export \(API\)", id="canvas format"),
        pytest.param({"prompt": {"9": SAVE}}, "node 'prompt' has no class_type", id="a whole request"),
        pytest.param({"9": {"class_type": 7, "inputs": {}}}, "no class_type", id="class_type no text"),
        pytest.param({"9": {"class_type": "X"}}, "inputs must be", id="no inputs"),
        pytest.param({"9": {**SAVE, "_meta": []}}, "_meta must be", id="_meta no mapping"),
        pytest.param({9: SAVE}, "id must be text", id="id no text"),
        pytest.param({"9": {**SAVE, "x": float("nan")}}, "JSON cannot carry", id="NaN"),
        pytest.param({"9": {**SAVE, "x": b""}}, "JSON cannot carry", id="bytes"),
        pytest.param({"9": SAVE, "1": wired("7")}, "wired to node 7", id="wire to nowhere"),
        pytest.param({"9": SAVE, "1": wired("1")}, "1 -> 1 are wired in a circle", id="wired to itself"),
        pytest.param({"9": SAVE, "1": wired("2"), "2": wired("1")}, "circle", id="circle"),
        pytest.param({"1": wired()}, "saves nothing", id="nothing to save"),
        pytest.param({"9": SAVE, "1": e3_input("")}, "needs a name", id="E3 Input without a name"),
        pytest.param({"9": SAVE, "1": e3_input(["9", 0])}, "needs a name", id="E3 Input with a wired name"),
        pytest.param({"9": SAVE, "1": e3_input("a"), "2": e3_input("a")}, "both the input", id="same name"),
    ],
)
def test_templates_check_template_refuses(template: Any, message: str) -> None:
    with pytest.raises(InvalidWorkflow, match=message) as caught:
        templates.check_template(template, "cat.json")

    assert str(caught.value).startswith("cat.json")


def test_templates_check_template_stands_a_long_chain() -> None:
    chain = {str(number): wired(str(number - 1)) for number in range(1, 5000)}

    templates.check_template({"0": wired(), **chain, "save": SAVE}, "cat.json")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"{", "is no JSON", id="half"),
        pytest.param(b"\xff\xfe{}", "is no JSON", id="UTF-16"),
        pytest.param(b"[" * 100_000, "is no JSON|mapping", id="deep"),
        pytest.param(b'{"9": {"class_type": "X", "inputs": {"a": NaN}}}', "JSON cannot carry", id="NaN"),
        pytest.param(b" " * (templates.MAX_TEMPLATE_BYTES + 1), "16,777,216", id="too large"),
    ],
)
def test_templates_parse_template_refuses(data: bytes, message: str) -> None:
    with pytest.raises(InvalidWorkflow, match=message):
        templates.parse_template(data, "cat.json")


def test_templates_parse_template_takes_a_byte_order_mark() -> None:
    assert templates.parse_template(b"\xef\xbb\xbf" + json.dumps({"9": SAVE}).encode(), "cat.json") == {"9": SAVE}


def test_templates_workflow_sha256_covers_template_and_entry() -> None:
    entry = {"required_inputs": []}

    same = templates.workflow_sha256({"9": SAVE}, entry)

    assert templates.workflow_sha256({"9": dict(reversed(SAVE.items()))}, entry) == same
    assert templates.workflow_sha256({"9": {**SAVE, "class_type": "Y"}}, entry) != same
    assert templates.workflow_sha256({"9": SAVE}, {"required_inputs": ["a"]}) != same
