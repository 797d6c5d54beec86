"""The E3 Input nodes: dropped on the canvas and wired, they let a workflow describe its own inputs.

On the canvas each is a plain source of its value. When a job runs, E3 puts the job's value in its place
and the node is gone from the graph.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from .payload.graph import is_link

SAFE_INTEGER = 2**53 - 1
"""The largest whole number that the frontend, which is JavaScript, keeps exactly."""

_NAME = {"default": "", "tooltip": "The name under which a job file sets this input, such as prompt."}
_REQUIRED = {"default": False, "tooltip": "On: a job that does not give this input is refused."}


class LooseType(str):
    """A type of output that ComfyUI also lets into drop-down inputs.

    ComfyUI compares the types of two ends with ``!=`` before anything else, in every version; the name
    itself tells the canvas what may be wired.

    Examples:
        >>> LooseType("STRING,COMBO") != ["euler", "heun"]
        False
    """

    def __ne__(self, other: object) -> bool:
        return False


class E3Input:
    """What the five nodes share: a name, a value, and whether a job must give it."""

    CATEGORY = "E3"
    FUNCTION = "give"
    RETURN_NAMES = ("value",)

    def give(self, value: Any, **_: Any) -> tuple[Any]:
        """Hand the value on.

        Args:
            value: What the widget holds, or what is wired into it.

        Returns:
            The value, as ComfyUI wants it.

        Examples:
            >>> E3InputText().give("a cat", name="prompt", required=True)
            ('a cat',)
        """
        return (value,)


class E3InputText(E3Input):
    """A text that a job can set: a prompt, a name in a drop-down list."""

    DESCRIPTION = "A text that an E3 job sets by name. Wire it into a prompt or into a drop-down list."
    RETURN_TYPES = (LooseType("STRING,COMBO"),)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Describe the node's fields to ComfyUI."""
        tooltip = "The text used on the canvas, and by a job that gives none."
        return _fields(value=("STRING", {"default": "", "multiline": True, "tooltip": tooltip}))


class E3InputSwitch(E3Input):
    """A yes or no that a job can set."""

    DESCRIPTION = "A switch that an E3 job sets by name to true or false."
    RETURN_TYPES = ("BOOLEAN",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Describe the node's fields to ComfyUI."""
        tooltip = "The setting used on the canvas, and by a job that gives none."
        return _fields(value=("BOOLEAN", {"default": False, "tooltip": tooltip}))


class E3InputFile(E3Input):
    """A file that a job can set: a picture, a sound, a film, a model of a thing."""

    DESCRIPTION = (
        "A file that an E3 job sets by name. Wire it into the file's field of a loader node; "
        "E3 delivers the job's file into ComfyUI's input folder and puts its name there."
    )
    RETURN_TYPES = (LooseType("STRING,COMBO"),)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Describe the node's fields to ComfyUI."""
        tooltip = "A file of ComfyUI's input folder, used on the canvas and by a job that gives none."
        return _fields(value=(_input_files(), {"tooltip": tooltip}))

    @classmethod
    def VALIDATE_INPUTS(cls, value: object) -> bool:
        """Accept names that the list does not show; the loader that the file is wired into checks it."""
        return True


class E3InputInteger(E3Input):
    """A whole number that a job can set, within a range."""

    DESCRIPTION = "A whole number that an E3 job sets by name: a seed, steps, a width."
    RETURN_TYPES = ("INT",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Describe the node's fields to ComfyUI."""
        return _ranged("INT", SAFE_INTEGER, 0, step=1)

    def give(self, value: int, **fields: Any) -> tuple[int]:
        """Hand the number on, when it lies in the range.

        Args:
            value: The number.
            fields: The node's other fields, of which ``name``, ``min`` and ``max`` matter here.

        Returns:
            The number, as ComfyUI wants it.

        Raises:
            ValueError: If it lies outside.

        Examples:
            >>> E3InputInteger().give(20, name="steps", min=1, max=50)
            (20,)
        """
        return (_in_range(value, **fields),)


class E3InputNumber(E3Input):
    """A number with fractions that a job can set, within a range."""

    DESCRIPTION = "A number that an E3 job sets by name: a strength, a scale, seconds."
    RETURN_TYPES = ("FLOAT",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Describe the node's fields to ComfyUI."""
        return _ranged("FLOAT", float(SAFE_INTEGER), 0.0, step=0.01, round=False)

    def give(self, value: float, **fields: Any) -> tuple[float]:
        """Hand the number on, when it lies in the range.

        Args:
            value: The number.
            fields: The node's other fields, of which ``name``, ``min`` and ``max`` matter here.

        Returns:
            The number, as ComfyUI wants it.

        Raises:
            ValueError: If it lies outside.

        Examples:
            >>> E3InputNumber().give(0.5, name="strength", min=0.0, max=1.0)
            (0.5,)
        """
        return (_in_range(value, **fields),)


def name_files(request: dict[str, Any]) -> dict[str, Any]:
    """Put the names of E3 Input Files into the loaders that they are wired into (an on_prompt handler).

    Load Image and its kin look for their file before anything runs, when nothing has come over a wire
    yet, so that ComfyUI refuses the canvas with ``'NoneType' object has no attribute 'endswith'``.

    Args:
        request: The body of a ``POST /prompt``; its graph is changed in place.

    Returns:
        The same body, as ComfyUI wants it.

    Examples:
        >>> graph = {"1": {"class_type": "E3InputFile", "inputs": {"name": "image", "value": "cat.png"}},
        ...          "2": {"class_type": "LoadImage", "inputs": {"image": ["1", 0]}}}
        >>> name_files({"prompt": graph})["prompt"]["2"]["inputs"]
        {'image': 'cat.png'}
    """
    graph = request.get("prompt")
    if not isinstance(graph, dict):
        return request
    files = {node_id for node_id, node in graph.items() if node.get("class_type") == "E3InputFile"}
    for node in graph.values() if files else ():
        for field, value in node["inputs"].items():
            if is_link(value) and value[0] in files:
                node["inputs"][field] = graph[value[0]]["inputs"]["value"]
    return request


def _fields(**value: Any) -> dict[str, Any]:
    return {"required": {"name": ("STRING", _NAME), **value, "required": ("BOOLEAN", _REQUIRED)}}


def _ranged(kind: str, limit: float, default: float, **options: Any) -> dict[str, Any]:
    span = {"min": -limit, "max": limit, **options}
    tooltip = "The number used on the canvas, and by a job that gives none."
    fields = _fields(value=(kind, {"default": default, "tooltip": tooltip, **span}))
    fields["required"]["min"] = (
        kind,
        {"default": -limit, "tooltip": "The least that a job may ask for.", **span},
    )
    fields["required"]["max"] = (
        kind,
        {"default": limit, "tooltip": "The most that a job may ask for.", **span},
    )
    return fields


def _in_range(value: Any, name: str = "", min: float = -SAFE_INTEGER, max: float = SAFE_INTEGER, **_: Any) -> Any:
    if not min <= value <= max:
        raise ValueError(f"E3 Input {name or 'without a name'} must be {min} to {max}, got {value}")
    return value


def _input_files() -> list[str]:
    """List ComfyUI's input folder, without the files that E3 delivers; empty outside ComfyUI."""
    folder_paths = sys.modules.get("folder_paths")
    if folder_paths is None:
        return []
    root, names = folder_paths.get_input_directory(), []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and (folder, name) != (root, "e3")]
        inside = Path(folder).relative_to(root)
        names += [(inside / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(names)


NODE_CLASS_MAPPINGS: dict[str, type[E3Input]] = {
    node.__name__: node for node in (E3InputText, E3InputInteger, E3InputNumber, E3InputSwitch, E3InputFile)
}

NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {
    "E3InputText": "E3 Input Text",
    "E3InputInteger": "E3 Input Integer",
    "E3InputNumber": "E3 Input Number",
    "E3InputSwitch": "E3 Input Switch",
    "E3InputFile": "E3 Input File",
}
