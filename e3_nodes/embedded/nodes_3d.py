"""Nodes of 3D models: load a model's file, save it, show it. No model is drawn; files pass through whole."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from .node_base import METADATA, Node, combo, saved
from .nodes_image import LoadImage

_FILES = "FILE_3D_GLB,FILE_3D_GLTF,FILE_3D_FBX,FILE_3D_OBJ,FILE_3D_STL,FILE_3D_USDZ"
_MORE_FILES = "FILE_3D_PLY,FILE_3D_SPLAT,FILE_3D_SPZ,FILE_3D_KSPLAT,FILE_3D_SPLAT_ANY,FILE_3D_POINT_CLOUD_ANY"
_SUFFIXES = {".gltf", ".glb", ".obj", ".fbx", ".stl", ".spz", ".splat", ".ply", ".ksplat"}


class File3D:
    """A model's file on its way through the graph."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.format = self.path.suffix.lstrip(".").lower()

    def save_to(self, path: str) -> str:
        """Copy the file to ``path``."""
        return shutil.copy2(self.path, path)


def _model_input(folders: Any) -> tuple[Any, ...]:
    """List the models under ``input/3d``."""
    base = Path(folders.get_input_directory())
    found = [path for path in (base / "3d").rglob("*") if path.suffix.lower() in _SUFFIXES]
    return combo(["none", *sorted(path.relative_to(base).as_posix() for path in found)], file_upload=True)


def _is_known_model(folders: Any, model_file: str) -> bool | str:
    known = model_file in ("", "none") or folders.exists_annotated_filepath(model_file)
    return known or f"Invalid 3D model file: {model_file}"


def _open_model(folders: Any, model_file: str) -> File3D | None:
    return None if model_file in ("", "none") else File3D(folders.get_annotated_filepath(model_file))


_SIDE = ("INT", {"default": 1024, "min": 1, "max": 4096, "step": 1})


class Load3D(Node):
    """A model from ``input/3d``, and the pictures of it that the browser took."""

    NEEDS = ("numpy", "PIL")
    MODULE = "comfy_extras.nodes_load_3d"
    DISPLAY_NAME = "Load 3D & Animation"
    CATEGORY = "3d"
    EXPERIMENTAL = True
    RETURN_TYPES = (*("IMAGE", "MASK", "STRING", "IMAGE", "LOAD3D_CAMERA", "VIDEO", "FILE_3D", "LOAD3D_MODEL_INFO"),)
    RETURN_NAMES = (
        *("image", "mask", "mesh_path", "normal", "camera_info", "recording_video"),
        *("model_3d", "model_3d_info"),
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        model = _model_input(cls.folders)
        return {"required": {"model_file": model, "image": ("LOAD_3D", {}), "width": _SIDE, "height": _SIDE}}

    @classmethod
    def VALIDATE_INPUTS(cls, model_file: str, **_: Any) -> bool | str:
        return _is_known_model(cls.folders, model_file)

    def run(self, model_file: str, image: dict[str, Any], width: int, height: int) -> tuple[Any, ...]:
        loader = type("LoadImage", (LoadImage,), {"folders": self.folders})()
        (picture, _), (_, mask), (normal, _) = (loader.run(image[key]) for key in ("image", "mask", "normal"))
        model = _open_model(self.folders, model_file)
        path = "" if model is None else model_file
        seen = (picture, mask, path, normal, image["camera_info"])
        return *seen, None, model, image.get("model_3d_info", [])


class Load3DAdvanced(Node):
    """A model from ``input/3d`` alone, without pictures of it."""

    MODULE = "comfy_extras.nodes_load_3d"
    DISPLAY_NAME = "Load 3D (Advanced)"
    CATEGORY = "3d"
    EXPERIMENTAL = True
    RETURN_TYPES = ("FILE_3D", "LOAD3D_MODEL_INFO", "LOAD3D_CAMERA", "INT", "INT")
    RETURN_NAMES = ("model_3d", "model_3d_info", "camera_info", "width", "height")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        fields = {"model_file": _model_input(cls.folders), "viewport_state": ("LOAD_3D", {})}
        return {"required": {**fields, "width": _SIDE, "height": _SIDE}}

    @classmethod
    def VALIDATE_INPUTS(cls, model_file: str, **_: Any) -> bool | str:
        return _is_known_model(cls.folders, model_file)

    def run(self, model_file: str, viewport_state: Any, width: int, height: int) -> tuple[Any, ...]:
        state = viewport_state if isinstance(viewport_state, dict) else {}
        model = _open_model(self.folders, model_file)
        return model, state.get("model_3d_info", []), state.get("camera_info"), width, height


class SaveGLB(Node):
    """A model's file in the output folder."""

    MODULE = "comfy_extras.nodes_save_3d"
    DISPLAY_NAME = "Save 3D Model"
    CATEGORY = "3d"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        prefix = {"default": "3d/ComfyUI", "multiline": False}
        mesh = f"MESH,{_FILES},{_MORE_FILES},FILE_3D"
        fields = {
            "mesh": (mesh, {"tooltip": "Mesh or 3D file to save"}),
            "filename_prefix": ("STRING", prefix),
        }
        return {"required": fields, "hidden": dict(METADATA)}

    def run(self, mesh: File3D, filename_prefix: str, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        output = self.folders.get_output_directory()
        folder, stem, counter, subfolder, _ = self.folders.get_save_image_path(filename_prefix, output)
        name = f"{stem}_{counter:05}_.{mesh.format or 'glb'}"
        mesh.save_to(str(Path(folder, name)))
        return {"ui": {"3d": [saved(name, subfolder)]}}


class Preview3D(Node):
    """Shows a model by its path; a file that comes over a link is put into the output folder first."""

    MODULE = "comfy_extras.nodes_load_3d"
    DISPLAY_NAME = "Preview 3D & Animation"
    DESCRIPTION = "Preview a 3D model file without saving it to the ComfyUI output directory."
    CATEGORY = "3d"
    OUTPUT_NODE = True
    EXPERIMENTAL = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        model = (f"STRING,{_FILES},FILE_3D", {"default": "", "multiline": False})
        optional = {"camera_info": ("LOAD3D_CAMERA", {}), "bg_image": ("IMAGE", {})}
        return {"required": {"model_file": model}, "optional": optional}

    def run(self, model_file: str | File3D, camera_info: Any = None, bg_image: Any = None) -> dict[str, Any]:
        name = model_file
        if isinstance(model_file, File3D):
            name = f"preview3d_{uuid.uuid4().hex}.{model_file.format}"
            model_file.save_to(str(Path(self.folders.get_output_directory(), name)))
        return {"ui": {"result": [name, camera_info, None]}}


MODEL_NODES: dict[str, type[Node]] = {node.__name__: node for node in (Load3D, Load3DAdvanced, SaveGLB, Preview3D)}
