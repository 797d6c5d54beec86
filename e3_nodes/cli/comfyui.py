"""Where the ComfyUI of this machine is."""

from __future__ import annotations

import os
from pathlib import Path

from .. import config_loader
from ..errors import InvalidSettings


def find_comfyui(named: str | None) -> Path | None:
    """Find a ComfyUI: the one that is named, ``COMFYUI_PATH``, or the folder above custom_nodes.

    Args:
        named: What a person named.

    Raises:
        InvalidSettings: The one that is named is none.
    """
    asked = named or os.environ.get("COMFYUI_PATH")
    if asked:
        if not _is_comfyui(Path(asked)):
            raise InvalidSettings(f"{asked} is no ComfyUI: it has no main.py and comfy/; name the folder that has")
        return Path(asked).resolve()
    above = config_loader.plugin_folder().parent
    return above.parent if above.name == "custom_nodes" and _is_comfyui(above.parent) else None


def embedded_base(home: str | Path) -> Path:
    """Return the base directory of the embedded host that ``e3 up`` starts."""
    return Path(home) / "jobs" / ".embedded"


def input_folder(home: str) -> Path | None:
    """Return ComfyUI's input folder, in which job files may name files, if it is known here."""
    try:
        base = find_comfyui(None) or embedded_base(home)
    except InvalidSettings:
        return None
    return base / "input" if (base / "input").is_dir() else None


def _is_comfyui(folder: Path) -> bool:
    return (folder / "main.py").is_file() and (folder / "comfy").is_dir()
