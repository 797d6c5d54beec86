"""Folders and file names, calling nodes, and the host's own nodes."""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.embedded import builtin_nodes, node_calls
from comfyui_e3.e3_nodes.embedded.folder_paths import FolderPaths
from comfyui_e3.e3_nodes.embedded.node_calls import ExecutionBlocker
from comfyui_e3.e3_nodes.embedded.progress import ExecutionContext
from comfyui_e3.e3_nodes.embedded.registry import NodeRegistry

HERE = ExecutionContext("p", "1", None)


@pytest.fixture
def folders(tmp_path: Path) -> FolderPaths:
    made = FolderPaths(tmp_path)
    made.make_directories()
    return made


# --- folders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "counter"),
    [
        ([], 1),
        (["cat_00007_.png"], 8),
        (["cat_00007_.png", "cat_00002_.mp4", "cat_00009.flac"], 10),
        (["dog_00007_.png", "cats_00007_.png", "cat00007_.png", "cat_x_.png"], 1),
    ],
    ids=["empty", "one", "any suffix", "others"],
)
def test_embedded_folders_counter_is_one_above_the_highest(
    folders: FolderPaths, present: list[str], counter: int
) -> None:
    for name in present:
        Path(folders.output_directory, name).touch()

    place = folders.get_save_image_path("cat", folders.get_output_directory())

    assert place == (str(Path(folders.output_directory)) + os.sep, "cat", counter, "", "cat")


def test_embedded_folders_save_path_expands_and_makes_the_subfolder(folders: FolderPaths) -> None:
    prefix = "a/%year%/c_%width%x%height%_%other%"

    folder, stem, _, subfolder, _ = folders.get_save_image_path(prefix, folders.output_directory, 3, 4)

    assert Path(folder).is_dir()
    assert (stem, Path(subfolder)) == ("c_3x4_%other%", Path("a", str(time.localtime().tm_year)))


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/etc/x"])
def test_embedded_folders_save_path_refuses_to_leave(folders: FolderPaths, prefix: str) -> None:
    with pytest.raises(Exception, match="outside the output folder"):
        folders.get_save_image_path(prefix, folders.output_directory)


@pytest.mark.parametrize(
    ("name", "folder"), [("x.png", "input"), ("x.png [output]", "output"), ("s/x.png [temp]", "temp")]
)
def test_embedded_folders_annotation_names_the_folder(folders: FolderPaths, name: str, folder: str) -> None:
    path = folders.get_annotated_filepath(name)

    assert Path(path).is_relative_to(Path(folders.base_path, folder))
    assert Path(path).name == "x.png"


def test_embedded_folders_annotation_refuses_to_leave(folders: FolderPaths) -> None:
    with pytest.raises(ValueError, match="Invalid file path"):
        folders.get_annotated_filepath("../x.png")
    assert not folders.exists_annotated_filepath("../output")


def test_embedded_folders_model_lists_only_models(folders: FolderPaths) -> None:
    models = Path(folders.get_folder_paths("loras")[0], "sub")
    models.mkdir(parents=True)
    for name in ("a.safetensors", "b.txt"):
        (models / name).touch()

    assert folders.get_filename_list("loras") == [str(Path("sub", "a.safetensors"))]
    assert folders.get_full_path("loras", "sub/a.safetensors") == str(models / "a.safetensors")
    assert folders.get_full_path("loras", "../../../etc") is None


def test_embedded_folders_system_user_folder_is_out_of_reach(folders: FolderPaths) -> None:
    assert Path(folders.get_system_user_directory("e3")).name == "__e3"
    with pytest.raises(ValueError, match="letters"):
        folders.get_system_user_directory("../x")


# --- calls --------------------------------------------------------------------------------------------


class Adder:
    RETURN_TYPES = ("INT", "INT")
    OUTPUT_IS_LIST = (False, True)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"a": ("INT",), "b": ("INT",)},
            "hidden": {"me": "UNIQUE_ID", "graph": ("PROMPT",), "png": "EXTRA_PNGINFO"},
        }

    def run(self, a: int, b: int) -> tuple[int, list[int]]:
        return a + b, [a, b]


class Whole(Adder):
    INPUT_IS_LIST = True

    def run(self, a: list[int], b: list[int]) -> tuple[int, list[int]]:
        return len(a), b


def test_embedded_calls_gather_links_values_and_hidden_inputs() -> None:
    graph = {"1": {"class_type": "Adder", "inputs": {}}}
    inputs = {"a": ["7", 1], "b": 2, "unknown": 3}

    gathered = node_calls.gather_inputs(Adder, "1", inputs, {"7": [[0], [4, 5]]}, graph, {"extra_pnginfo": {"w": 1}})

    assert gathered == {"a": [4, 5], "b": [2], "me": ["1"], "graph": [graph], "png": [{"w": 1}]}


@pytest.mark.parametrize(
    ("node", "results"),
    [(Adder(), [(11, [1, 10]), (12, [2, 10])]), (Whole(), [(2, [10])])],
    ids=["each", "whole list"],
)
async def test_embedded_calls_repeat_the_last_of_short_lists(node: Any, results: list[Any]) -> None:
    assert await node_calls.call_over_lists(node, "run", {"a": [1, 2], "b": [10]}, HERE) == results


async def test_embedded_calls_without_inputs_happen_once() -> None:
    class Lone:
        def run(self) -> str:
            return "ran"

    assert await node_calls.call_over_lists(Lone(), "run", {}, HERE) == ["ran"]


async def test_embedded_calls_skip_what_is_blocked() -> None:
    blocker = ExecutionBlocker(None)

    results = await node_calls.call_over_lists(Adder(), "run", {"a": [1, blocker], "b": [1]}, HERE)
    outputs, _ = node_calls.split_results(results, Adder)

    assert outputs == [[2, blocker], [1, 1, blocker]]


def test_embedded_calls_split_joins_what_is_shown() -> None:
    results = [{"ui": {"text": ["a"]}, "result": (1, [2])}, {"ui": {"text": ["b"]}, "result": (3, [4, 5])}]

    assert node_calls.split_results(results, Adder) == ([[1, 3], [2, 4, 5]], {"text": ["a", "b"]})


def test_embedded_calls_split_refuses_graph_expansion() -> None:
    with pytest.raises(NotImplementedError, match="expand"):
        node_calls.split_results([{"expand": {}}], Adder)


# --- own nodes ----------------------------------------------------------------------------------------


def test_embedded_nodes_without_a_package_stay_away_with_one_line(
    folders: FolderPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lines = importlib.util.find_spec, []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else real(name))
    monkeypatch.setattr(builtin_nodes, "log", logging.LoggerAdapter(logging.getLogger("test"), {}))
    monkeypatch.setattr(builtin_nodes.log, "warning", lambda text, *values: lines.append(text % values))
    registry = NodeRegistry()

    builtin_nodes.add_builtin_nodes(registry, folders)

    assert "SaveImage" in registry.classes
    assert not {"SaveVideo", "SaveAudio"} & registry.classes.keys()
    assert len(lines) == 1
    assert "av" in lines[0] and "SaveVideo" in lines[0] and "[standalone]" in lines[0]


def test_embedded_nodes_are_described_like_comfyui_nodes(folders: FolderPaths) -> None:
    registry = NodeRegistry()
    builtin_nodes.add_builtin_nodes(registry, folders)

    described = {name: registry.info(name) for name in registry.classes}

    assert described["SaveImage"]["output_name"] == ("images",)
    assert described["LoadImage"]["output"] == ("IMAGE", "MASK")
    assert all(len(told["output"]) == len(told["output_name"]) for told in described.values())
    assert all(told["display_name"] and told["category"] for told in described.values())


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
def test_embedded_nodes_scale_center_keeps_the_middle(folders: FolderPaths, method: str) -> None:
    np = pytest.importorskip("numpy")
    from comfyui_e3.e3_nodes.embedded.nodes_image import scale

    image = np.zeros((1, 10, 30, 3), np.float32)
    image[:, :, 10:20] = 1

    scaled = scale(image, 5, 5, method, "center")

    assert scaled.shape == (1, 5, 5, 3)
    assert scaled.min() > 0.99


def test_embedded_nodes_audio_survives_being_saved(folders: FolderPaths) -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("av")
    from comfyui_e3.e3_nodes.embedded import nodes_audio

    wave = np.sin(np.linspace(0, 300, 8000, dtype=np.float32))[None].repeat(2, axis=0) * 0.5
    path = Path(folders.output_directory, "tone.flac")
    nodes_audio.write_audio(path, wave, 16000, "flac", "", {"prompt": "{}"})

    audio = nodes_audio.read_audio(str(path))

    assert (audio["sample_rate"], audio["waveform"].shape) == (16000, (1, 2, 8000))
    assert np.abs(audio["waveform"][0] - wave).max() < 0.001
