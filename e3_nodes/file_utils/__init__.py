"""The door to the disk: read what strangers dropped without trust, write and move without loss.

The work is done by ``reading`` (only regular files), ``listing`` (folder trees), ``linking`` (files that
appear whole and replace nothing) and ``disk`` (faults, durability).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import FileChanging, InvalidConfig
from ..model import MEDIA
from ..validation import names
from . import linking
from .disk import (
    fsync_dir,
    fsync_file,
    is_one_file,
    make_folder,
    naming_faults,
    patiently,
    real_path,
    real_text,
    remove_quietly,
)
from .linking import copy_whole, link_or_rename_new, place_new
from .listing import list_yaml_under, natural_key, regular_files_under, stamp_of, stamps_under
from .reading import open_regular, read_regular_file, sha256_of

__all__ = [
    "FileChanging",
    "copy_whole",
    "ensure_directories",
    "fsync_dir",
    "fsync_file",
    "is_inside",
    "is_one_file",
    "link_or_rename_new",
    "list_yaml_under",
    "make_folder",
    "naming_faults",
    "natural_key",
    "open_regular",
    "patiently",
    "place_new",
    "read_regular_file",
    "real_path",
    "regular_files_under",
    "remove_quietly",
    "remove_tree",
    "resolve_inside",
    "resolve_text_inside",
    "safe_move",
    "same_filesystem",
    "sha256_of",
    "stamp_of",
    "stamps_under",
    "write_atomically",
]

_DRIVE = re.compile(r"[A-Za-z]:")


def ensure_directories(paths: Mapping[str, Any]) -> None:
    """Create the folders that the settings name, where they are missing.

    ``database`` is a file, so its folder is made; URLs and ``:memory:`` name none. The two job folders get a
    subfolder for each medium. Lists (``output_roots``) are the user's own folders and are left alone.

    Args:
        paths: The settings under ``paths``, absolute.

    Raises:
        OutputError: If a folder cannot be made.

    Examples:
        >>> import tempfile
        >>> home = Path(tempfile.mkdtemp())
        >>> ensure_directories({"jobs_finished": f"{home}/finished", "database": f"{home}/db/e3.sqlite3"})
        >>> sorted(folder.name for folder in home.iterdir()), (home / "finished" / "3d").is_dir()
        (['db', 'finished'], True)
    """
    for key, value in paths.items():
        if not isinstance(value, (str, os.PathLike)) or _is_no_folder(os.fspath(value)):
            continue
        folder = Path(value).parent if key == "database" else Path(value)
        make_folder(folder)
        for medium in MEDIA if key in ("jobs_processing", "jobs_finished") else ():
            make_folder(folder / medium)


def _is_no_folder(value: str) -> bool:
    return "://" in value or value == ":memory:"


def write_atomically(path: str | os.PathLike[str], data: bytes, *, replace: bool = True) -> None:
    """Make a file appear with all of its bytes, durable at once.

    Args:
        path: Where; its folder must exist.
        data: The whole content.
        replace: Whether an older version may be replaced.

    Raises:
        OutputExists: If something is there and ``replace`` is False.
        DiskFull: If there is no room.
        OutputError: If it cannot be written.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "result.json"
        >>> write_atomically(path, b"{}")
        >>> path.read_bytes()
        b'{}'
    """
    target = Path(path)
    with linking.hidden_file([data], target.parent) as hidden:
        if replace:
            with naming_faults(target):
                patiently(os.replace, hidden, target)
        else:
            link_or_rename_new(hidden, target)
    fsync_dir(target.parent)


def safe_move(src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> None:
    """Move a file so that a crash at any instant leaves it under its old name, its new name, or both.

    Moving again finishes a move that was cut short. Nothing is ever replaced.

    Args:
        src: A regular file.
        dst: The new path, on any filesystem; its folders are created.

    Raises:
        OutputExists: If ``dst`` exists with other bytes.
        InvalidConfig: ``not_regular``.
        FileNotFoundError: If ``src`` is missing.
        DiskFull: If there is no room.
        OutputError: If it cannot be moved.

    Examples:
        >>> import tempfile
        >>> home = Path(tempfile.mkdtemp())
        >>> _ = (home / "job.yaml").write_text("job_type: T2I")
        >>> safe_move(home / "job.yaml", home / "removed" / "job.yaml")
        >>> [path.name for path in (home / "removed").iterdir()], (home / "job.yaml").exists()
        (['job.yaml'], False)
    """
    source, target = Path(src), Path(dst)
    if _is_same_entry(source, target):
        return
    place_new(source, target)
    with naming_faults(source):
        patiently(source.unlink, missing_ok=True)
    fsync_dir(source.parent)


def _is_same_entry(one: Path, other: Path) -> bool:
    """Tell whether two paths may be one entry of one folder: unlinking it would lose the file."""
    return (
        names.identity(one.name) == names.identity(other.name)
        and other.parent.is_dir()
        and one.parent.samefile(other.parent)
    )


def resolve_inside(path: str, roots: Sequence[str], *, base: str) -> Path:
    """Find out where a path from a job file leads, and refuse it outside the allowed folders.

    A backslash separates like a slash. Nothing is expanded. A network path is refused unasked, unless it
    starts with the very text of a root.

    Args:
        path: Absolute, or relative to ``base``.
        roots: The allowed folders, absolute.
        base: Where relative paths start.

    Returns:
        The absolute path with symbolic links followed; the file itself need not exist.

    Raises:
        InvalidConfig: ``path_outside``, ``path_unc`` or ``path_invalid``.
        OutputError: The path changed at that very moment.

    Examples:
        >>> import tempfile
        >>> home = os.path.realpath(tempfile.mkdtemp())
        >>> resolve_inside("out/cat.png", [home], base=home) == Path(home, "out", "cat.png")
        True
    """
    return Path(resolve_text_inside(path, roots, base=base))


def resolve_text_inside(path: str, roots: Sequence[str], *, base: str, seen: dict[str, str] | None = None) -> str:
    """Do as ``resolve_inside`` does, in text; ``seen`` serves many paths of a few folders, as in ``real_text``."""
    text = path.replace("\\", "/")
    if text.startswith("//") and not any(text.startswith(_with_slash(root)) for root in roots):
        raise InvalidConfig(f"{path!r} is a network path; mount it and add an output root", code="path_unc")
    if not text or "\0" in text:
        raise InvalidConfig(f"{path!r} names no file", code="path_invalid")
    if _DRIVE.match(text) and not Path(text).is_absolute():
        raise _outside(path)
    try:
        real = real_text(os.path.join(base, text), seen)  # noqa: PTH118 - text: asked for every job
    except UnicodeEncodeError as exc:  # half of a character, which no file's name can hold
        raise InvalidConfig(f"{path!r} names no file", code="path_invalid") from exc
    if not any(is_inside(real, root) for root in roots):
        raise _outside(path)
    return real


def _outside(path: str) -> InvalidConfig:
    return InvalidConfig(f"{path!r} leads out of the allowed folders", code="path_outside")


def _with_slash(root: str) -> str:
    return root.replace("\\", "/").rstrip("/") + "/"


def is_inside(real: str | os.PathLike[str], root: str | os.PathLike[str]) -> bool:
    """Tell whether a path without symbolic links lies below a folder (the folder itself does not).

    Examples:
        >>> is_inside(Path("/a/b"), "/a"), is_inside(Path("/ab"), "/a")
        (True, False)
    """
    return lies_below(real, root) or lies_below(real, real_path(root))


def lies_below(real: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Tell from the text alone; true only where no link leads to the folder, for then none leads to what is in it.

    Examples:
        >>> lies_below(Path("/a/b"), "/a"), lies_below(Path("/a"), "/a")
        (True, False)
    """
    prefix = os.path.join(os.path.normcase(folder), "")  # noqa: PTH118 - text: asked for every job
    return bool(prefix) and os.path.normcase(real).startswith(prefix)


def same_filesystem(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Tell whether two existing paths lie on one filesystem, so that a link between them can work.

    Examples:
        >>> same_filesystem(".", ".")
        True
    """
    return Path(one).stat().st_dev == Path(other).stat().st_dev


def remove_tree(path: str | os.PathLike[str]) -> bool:
    """Remove a folder with all in it, as far as possible; what links in it point to stays.

    Args:
        path: The folder; a symbolic link is removed itself.

    Returns:
        True if nothing is left.

    Examples:
        >>> remove_tree("/no/such/folder")
        True
    """
    if Path(path).is_symlink():
        remove_quietly(path)
    else:
        shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)
