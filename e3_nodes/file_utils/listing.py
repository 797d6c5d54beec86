"""What lies in a folder tree, by name; links to folders and hidden folders are not entered."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..validation import names

Stamp = tuple[str, int, int]
"""Path, mtime in nanoseconds and size in bytes of a file."""

_JUNCTION = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 0xA0000003)


def natural_key(text: str) -> tuple[str, str]:
    """Return a sort key that puts ``a_2`` before ``a_10``.

    Args:
        text: A file's name, or the id of a node.

    Examples:
        >>> sorted(["57:10", "9", "57:3"], key=natural_key)
        ['9', '57:3', '57:10']
    """
    return re.sub("[0-9]+", lambda digits: digits[0].zfill(20), text), text


def list_yaml_under(root: str, *, media_types: Sequence[str] | None = None) -> list[str]:
    """List what is named ``*.yaml`` in a folder tree.

    Only names are judged: a symbolic link, a pipe or a folder of such a name is listed too, so that it can be
    refused aloud (``read_regular_file`` does). Hidden folders and links to folders are not entered.

    Args:
        root: The folder to look under; it may be missing.
        media_types: The subfolders to look in, such as ``["image"]``; the whole tree when None.

    Returns:
        Absolute paths in natural order.

    Raises:
        OSError: If a folder cannot be read.

    Examples:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "image").mkdir()
        >>> for name in ("T2I_2.yaml", "T2I_10.yaml", ".T2I_3.yaml", "notes.txt"):
        ...     _ = (root / "image" / name).write_text("")
        >>> [Path(path).name for path in list_yaml_under(str(root), media_types=["image"])]
        ['T2I_2.yaml', 'T2I_10.yaml']
    """
    start = Path(root).absolute()
    folders = [start] if media_types is None else [start / medium for medium in media_types]
    found = (entry.path for folder in folders for entry in _walk(folder) if _is_yaml(entry.name))
    return sorted(found, key=natural_key)


def _is_yaml(name: str) -> bool:
    return name.endswith(".yaml") and not names.is_ignored_name(name)


def _walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below that is no folder to enter; folders that vanish meanwhile hold nothing."""
    folders = [os.fspath(root)]
    while folders:
        for entry in _entries(folders.pop()):
            if not entry.is_dir(follow_symlinks=False) or _is_junction(entry) or _is_yaml(entry.name):
                yield entry
            elif not entry.name.startswith("."):
                folders.append(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Tell a Windows junction, a link that calls itself a folder."""
    if os.name != "nt":
        return False
    return getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == _JUNCTION


def stamp_of(path: str) -> Stamp:
    """Tell what shows a change of a file; of what leads nowhere, that it does.

    Examples:
        >>> stamp_of("/no/such/file")
        ('/no/such/file', 0, 0)
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - text: many are asked for every second
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size


def stamps_under(root: str | os.PathLike[str], suffix: str) -> Iterator[Stamp]:
    """Tell of each file of a folder tree whose name ends so what shows a change of it; links lead to files too.

    Args:
        root: The folder; it may be missing.
        suffix: How the names end, such as ``.json``.

    Examples:
        >>> list(stamps_under("/no/such/folder", ".json"))
        []
    """
    return (stamp_of(entry.path) for entry in _walk(Path(root)) if entry.name.endswith(suffix))


def regular_files_under(root: str | os.PathLike[str]) -> list[Path]:
    """List the regular files of a folder tree in natural order; hidden folders and links are not entered.

    Args:
        root: The folder; it may be missing.

    Examples:
        >>> regular_files_under("/no/such/folder")
        []
    """
    found = [entry.path for entry in _walk(Path(root).absolute()) if entry.is_file(follow_symlinks=False)]
    return [Path(path) for path in sorted(found, key=natural_key)]
