"""The E3 Input nodes, as ComfyUI meets them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from comfyui_e3.e3_nodes import nodes
from comfyui_e3.e3_nodes.payload import graph

CLASSES = list(nodes.NODE_CLASS_MAPPINGS.values())


def fields(node: Any) -> dict[str, Any]:
    return node.INPUT_TYPES()["required"]


def test_nodes_mappings_name_what_the_engine_folds() -> None:
    assert nodes.NODE_CLASS_MAPPINGS.keys() == nodes.NODE_DISPLAY_NAME_MAPPINGS.keys() == graph.E3_INPUTS.keys()
    assert all(name.startswith("E3 Input ") for name in nodes.NODE_DISPLAY_NAME_MAPPINGS.values())


@pytest.mark.parametrize("node", CLASSES, ids=lambda node: node.__name__)
def test_nodes_input_types_explain_every_field(node: Any) -> None:
    assert {"name", "value", "required"} <= fields(node).keys()
    assert all(options["tooltip"] for _, options in fields(node).values())
    assert node.DESCRIPTION and node.CATEGORY == "E3"


@pytest.mark.parametrize("node", CLASSES, ids=lambda node: node.__name__)
def test_nodes_give_hands_the_value_on(node: Any) -> None:
    assert node().give(1, name="x", required=False) == (1,)


@pytest.mark.parametrize("node", [nodes.E3InputInteger, nodes.E3InputNumber])
@pytest.mark.parametrize("value", [0, 51])
def test_nodes_give_refuses_numbers_out_of_range(node: Any, value: int) -> None:
    with pytest.raises(ValueError, match=f"E3 Input steps must be 1 to 50, got {value}"):
        node().give(value, name="steps", required=False, min=1, max=50)


@pytest.mark.parametrize("wanted", ["COMBO", "STRING", ["euler", "heun"]])
def test_nodes_loose_type_fits_text_and_lists(wanted: Any) -> None:
    differs = nodes.E3InputText.RETURN_TYPES[0] != wanted

    assert not differs


def test_nodes_file_lists_the_input_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat.png", "3d/cat.glb", "e3/ab.png", ".hidden", "sub/e3/dog.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder_paths = SimpleNamespace(get_input_directory=lambda: str(tmp_path))
    monkeypatch.setitem(sys.modules, "folder_paths", folder_paths)

    assert fields(nodes.E3InputFile)["value"][0] == ["3d/cat.glb", "cat.png", "sub/e3/dog.png"]


def test_nodes_file_is_empty_outside_comfyui() -> None:
    assert fields(nodes.E3InputFile)["value"][0] == []


def test_nodes_file_takes_names_that_the_list_lacks() -> None:
    assert nodes.E3InputFile.VALIDATE_INPUTS("new.png") is True


def test_nodes_name_files_fills_loaders_and_leaves_other_wires() -> None:
    prompt: Any = {
        "1": {"class_type": "E3InputFile", "inputs": {"name": "image", "value": "cat.png"}},
        "2": {"class_type": "E3InputText", "inputs": {"name": "text", "value": "x"}},
        "3": {"class_type": "LoadImage", "inputs": {"image": ["1", 0], "other": ["2", 0], "list": ["1"]}},
    }

    nodes.name_files({"prompt": prompt})

    assert prompt["3"]["inputs"] == {"image": "cat.png", "other": ["2", 0], "list": ["1"]}


@pytest.mark.parametrize("request_body", [{}, {"prompt": None}, {"prompt": []}])
def test_nodes_name_files_leaves_strange_requests_to_comfyui(request_body: Any) -> None:
    assert nodes.name_files(request_body) is request_body
