"""The folders that attempts write into, ``<output>/e3/<token>``: fenced off from stale workers, tidied up."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from .. import failpoints, file_utils
from ..file_utils import disk

FOLDER = "e3"
_TOKEN = re.compile("[0-9a-f]{32}")
_TRASH = ".trash-"
_PART = re.compile(r"\.e3-[0-9a-z]+-[0-9a-f]{12}\.part")
SLICE = 1000
"""Tokens that are asked about at once."""

PART_SECONDS = 3600
"""A part file that nobody has written to for so long belongs to nobody."""


def finish_staging(path: str, *, linked: bool, keep_originals: str = "auto") -> bool:
    """Keep ComfyUI's own copies where they cost no disk, else remove them; call it after done was committed.

    Args:
        path: The staging folder of the attempt.
        linked: What ``write_outputs`` said.
        keep_originals: The setting: ``auto`` or ``never``.

    Returns:
        True if the folder was kept.
    """
    kept = linked and keep_originals == "auto"
    if not kept:
        discard_staging(path)
    failpoints.reach("staging.removed")
    return kept


def discard_staging(path: str) -> None:
    """Remove the staging folder of an attempt with all in it; what cannot be removed now is collected later.

    Args:
        path: The folder; a missing one is fine.
    """
    file_utils.remove_tree(path)


def fence_staging(output_root: str, token: str) -> bool:
    """Take the staging of a stale attempt away, in one step, so that its worker can publish nothing more.

    Args:
        output_root: ComfyUI's output folder.
        token: The attempt's token.

    Returns:
        True if there was one.

    Raises:
        ValueError: ``token`` is no token.
        OutputError: It cannot be renamed; the job must not be handed out again before it can.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"token must be 32 lowercase hex digits, got {token!r}")
    staging = Path(output_root, FOLDER, token)
    trash = staging.with_name(f"{_TRASH}{uuid.uuid4().hex}")
    with disk.naming_faults(staging):
        try:
            disk.patiently(os.rename, staging, trash)
        except FileNotFoundError:
            return False
    failpoints.reach("recover.fenced_fs")
    file_utils.remove_tree(trash)
    return True


def collect_staging(output_root: str, in_use: Callable[[Sequence[str]], Collection[str]]) -> int:
    """Remove the staging folders that no attempt uses, and what fencing left behind.

    Args:
        output_root: ComfyUI's output folder.
        in_use: Told some tokens, says which are of attempts that may still write, or whose originals are kept.

    Returns:
        How many folders were removed.
    """
    names = _names_in(Path(output_root, FOLDER))
    tokens = [name for name in names if _TOKEN.fullmatch(name)]
    unused = [name for name in names if name.startswith(_TRASH)]
    for start in range(0, len(tokens), SLICE):
        asked = tokens[start : start + SLICE]
        unused += set(asked).difference(in_use(asked))
    return sum(file_utils.remove_tree(Path(output_root, FOLDER, name)) for name in unused)


def collect_parts(folders: Iterable[str]) -> int:
    """Remove the hidden part files that a crash left long ago under the folders where files appear.

    Args:
        folders: jobs_finished, processing, the output roots.

    Returns:
        How many were removed.
    """
    removed = 0
    for folder in folders:
        for where, _, names in os.walk(folder):
            parts = (Path(where, name) for name in names if _PART.fullmatch(name))
            for part in parts:
                with contextlib.suppress(OSError):
                    if time.time() - part.stat().st_mtime > PART_SECONDS:
                        disk.remove_quietly(part)
                        removed += 1
    return removed


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, of which there may be a million
    except OSError:
        return []
