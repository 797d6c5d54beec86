"""Nodes of plain values and text: state one, show one, save one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .node_base import METADATA, Node, combo, saved

_FORMATS = ("txt", "csv", "md", "json")
_NUMBER = {"min": -sys.maxsize, "max": sys.maxsize}


class PrimitiveString(Node):
    """A text of one line."""

    MODULE = "comfy_extras.nodes_primitive"
    DISPLAY_NAME = "Text"
    CATEGORY = "utilities/primitive"
    RETURN_TYPES = ("STRING",)
    options: dict[str, Any] = {"multiline": False}

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"value": (cls.RETURN_TYPES[0], cls.options)}}

    def run(self, value: Any) -> tuple[Any]:
        return (value,)


class PrimitiveStringMultiline(PrimitiveString):
    """A text of many lines."""

    DISPLAY_NAME = "Text (Multiline)"
    options = {"multiline": True}


class PrimitiveInt(PrimitiveString):
    """A whole number."""

    DISPLAY_NAME = "Int"
    RETURN_TYPES = ("INT",)
    options = {**_NUMBER, "control_after_generate": "fixed"}


class PrimitiveFloat(PrimitiveString):
    """A number."""

    DISPLAY_NAME = "Float"
    RETURN_TYPES = ("FLOAT",)
    options = {**_NUMBER, "step": 0.1}


class PrimitiveBoolean(PrimitiveString):
    """Yes or no."""

    DISPLAY_NAME = "Boolean"
    RETURN_TYPES = ("BOOLEAN",)
    options = {}


class PreviewAny(Node):
    """Shows any value as text."""

    MODULE = "comfy_extras.nodes_preview_any"
    DISPLAY_NAME = "Preview as Text"
    DESCRIPTION = "Preview any input value as text."
    CATEGORY = "utilities"
    RETURN_TYPES = ("STRING",)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"source": ("*", {})}}

    def run(self, source: Any = None) -> dict[str, Any]:
        text = _as_text(source)
        return {"ui": {"text": (text,)}, "result": (text,)}


class SaveText(Node):
    """A text as a file in the output folder; JSON is laid out in lines where it can be read."""

    MODULE = "comfy_extras.nodes_text"
    DISPLAY_NAME = "Save Text"
    DESCRIPTION = "Save text content to a file in the output directory."
    CATEGORY = "text"
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("text",)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        text = ("STRING", {"forceInput": True, "multiline": False})
        prefix = ("STRING", {"default": "ComfyUI", "multiline": False})
        fields = {"text": text, "filename_prefix": prefix, "format": combo(_FORMATS, default="txt")}
        return {"required": fields, "hidden": dict(METADATA)}

    def run(
        self, text: str, filename_prefix: str, format: str, prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        output = self.folders.get_output_directory()
        folder, stem, counter, subfolder, _ = self.folders.get_save_image_path(filename_prefix, output, 1, 1)
        name = f"{stem}_{counter:05}.{format}"
        Path(folder, name).write_text(_laid_out(text) if format == "json" else text, "utf-8")
        return {"ui": {"text": (text,), "files": [saved(name, subfolder)]}, "result": (text,)}


def _laid_out(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _as_text(value: Any) -> str:
    if isinstance(value, (str, int, float, bool, type(None))):
        return str(value)
    try:
        return json.dumps(value, indent=4, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


TEXT_NODES: dict[str, type[Node]] = {
    node.__name__: node
    for node in (
        *(PrimitiveString, PrimitiveStringMultiline, PrimitiveInt, PrimitiveFloat, PrimitiveBoolean),
        *(PreviewAny, SaveText),
    )
}
