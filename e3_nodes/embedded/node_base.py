"""What the host's own nodes have in common. Arrays are numpy's, laid out as ComfyUI's tensors are."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .folder_paths import FolderPaths

METADATA = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
"""The hidden inputs of a save node, which end up in the file it writes."""


class Node:
    """A node class in ComfyUI's V1 form; ``folders`` is filled in by the host that registers it."""

    NEEDS: ClassVar[tuple[str, ...]] = ()
    MODULE: ClassVar[str] = "nodes"
    DISPLAY_NAME: ClassVar[str] = ""
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()
    FUNCTION: ClassVar[str] = "run"
    folders: ClassVar[FolderPaths]


def combo(options: Sequence[str], **more: Any) -> tuple[str, dict[str, Any]]:
    """Return a choice among ``options`` in the newer of ComfyUI's two forms.

    Examples:
        >>> combo(["a", "b"], default="b")
        ('COMBO', {'multiselect': False, 'options': ['a', 'b'], 'default': 'b'})
    """
    return "COMBO", {"multiselect": False, "options": list(options), **more}


def saved(filename: str, subfolder: str, folder_type: str = "output") -> dict[str, str]:
    """Return the entry of a file in the history, by which others find it.

    Examples:
        >>> saved("cat_00001_.png", "")
        {'filename': 'cat_00001_.png', 'subfolder': '', 'type': 'output'}
    """
    return {"filename": filename, "subfolder": subfolder, "type": folder_type}


def metadata_texts(prompt: Any, extra_pnginfo: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what a save node writes into its file: the prompt and every extra entry, as JSON.

    Examples:
        >>> metadata_texts({"1": {}}, {"workflow": {"id": 7}})
        {'prompt': '{"1": {}}', 'workflow': '{"id": 7}'}
    """
    texts = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return texts | {key: json.dumps(value) for key, value in (extra_pnginfo or {}).items()}


def preview_suffix() -> str:
    """Return the random end of a preview's name, which keeps old previews apart from new ones."""
    return "_temp_" + "".join(random.choices(string.ascii_lowercase, k=5))
