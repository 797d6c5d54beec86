"""What is done to a graph before it runs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.payload import graph as graphs

TOKEN = "0123456789abcdef0123456789abcdef"
GRAPH: Any = {
    "10": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "ComfyUI"}},
    "9": {"class_type": "SaveVideo", "inputs": {"filename_prefix": ["1", 0]}},
    "57:3": {"class_type": "SaveAudio", "inputs": {"filename_prefix": "%date%/../x"}},
    "1": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    "2": {"class_type": "EmptyImage", "inputs": {}},
}


def test_graph_prepare_attempt_gives_each_saver_a_prefix_of_its_own() -> None:
    prepared, targets = graphs.prepare_attempt(GRAPH, TOKEN)

    assert targets == ["9", "10", "57:3"]
    assert [prepared[node_id]["inputs"]["filename_prefix"] for node_id in targets] == [
        f"e3/{TOKEN}/9",
        f"e3/{TOKEN}/10",
        f"e3/{TOKEN}/57-3a-3",
    ]
    assert prepared["10"]["inputs"]["images"] == ["1", 0]


def test_graph_prepare_attempt_leaves_the_graph_alone() -> None:
    before = copy.deepcopy(GRAPH)

    graphs.prepare_attempt(GRAPH, TOKEN)

    assert before == GRAPH


def test_graph_prepare_attempt_runs_the_nodes_that_the_job_names_in_its_order() -> None:
    prepared, targets = graphs.prepare_attempt(GRAPH, TOKEN, ["10", "9", "10"])

    assert targets == ["10", "9"]
    assert prepared["57:3"]["inputs"]["filename_prefix"].startswith("e3/")


@pytest.mark.parametrize("node_id", ["11", "1"], ids=["unknown", "saves nothing"])
def test_graph_prepare_attempt_refuses_nodes_that_save_nothing(node_id: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"names '{node_id}'.* 9, 10, 57:3"):
        graphs.prepare_attempt(GRAPH, TOKEN, [node_id])


def test_graph_safe_node_id_differs_where_ids_differ() -> None:
    ids = ["57:3", "57-3", "57_3", "57/3", "57 3", "57.3", "../x", "A", "a", "é", "57-3a-3"]

    safe = {graphs.safe_node_id(node_id).casefold() for node_id in ids}

    assert len(safe) == len(ids)
    assert all(set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for text in safe)


def test_graph_natural_key_orders_ids_of_every_shape() -> None:
    ids = ["b", "10", "57:12", "", "9", "57:3", "a10", "a9", "²"]

    ordered = sorted(ids, key=graphs.natural_key)

    assert [i for i in ordered if i.isascii()] == ["", "9", "10", "57:3", "57:12", "a9", "a10", "b"]


def test_graph_natural_key_orders_numbers_that_python_turns_into_no_number() -> None:
    small, large = "9" * 5000, "1" + "0" * 5000

    assert sorted([large, small, "010", "9"], key=graphs.natural_key) == ["9", "010", small, large]
