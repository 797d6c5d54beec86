"""What the text of ``outputs.file_path`` may say, before any disk is asked.

The rules are those of the strictest filesystem, so that a job file means the same on every computer.
Whether the path lies under an allowed root is asked of the disk later (``file_utils.resolve_inside``).
"""

from __future__ import annotations

import os
import re

from ..errors import InvalidConfig
from ..model import ALLOWED_EXTENSIONS

MAX_PATH_LENGTH = 1024
MAX_PART_BYTES = 240  # 255 is every filesystem's limit; E3 adds _v2 and _12

_DRIVE = re.compile(r"[A-Za-z]:")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_DEVICE = "(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[./]|$)"
_USUAL = re.compile(
    rf"/?(?:(?!{_DEVICE})[a-z0-9_{{}}-]{{1,240}}/)*"
    rf"(?=[^/]{{1,240}}$)(?!{_DEVICE})[a-z0-9_{{}}-]+(?:\.[a-z0-9_{{}}-]+)*\.([a-z0-9]+)",
    re.IGNORECASE | re.ASCII,
)
"""Folders of letters, digits, braces, ``_`` and ``-``, and a name of these with dots within: nothing to refuse."""

_FORBIDDEN = re.compile('[<>:"|?*]')
_QUOTES_HINT = "; a backslash in double quotes is an escape, use single quotes or /"
_EXPANDABLE = re.compile(r"~.*|\$.*|%[^%]+%")
_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)


def check_output_path(file_path: str, *, windows: bool = os.name == "nt") -> None:
    """Refuse an output path that no job may ask for, on any computer.

    A backslash separates like a slash. ``{index}`` stands for the artifact's number; every other brace,
    percent sign and dollar sign within a name is itself.

    Args:
        file_path: The path, relative to home or absolute.
        windows: Whether a drive letter makes sense here.

    Raises:
        InvalidConfig: ``path_invalid``, ``path_outside``, ``path_unc``, ``path_reserved`` or
            ``ext_not_allowed``.

    Examples:
        >>> check_output_path("jobs/finished/image/knight_{index}.png")
    """
    usual = _USUAL.fullmatch(file_path) if len(file_path) <= MAX_PATH_LENGTH else None
    if usual is None or usual[1].lower() not in ALLOWED_EXTENSIONS:
        _check_with_care(file_path, windows)


def _check_with_care(file_path: str, windows: bool) -> None:
    if (unseen := _UNSEEN.search(file_path)) is not None:
        raise _refusal(file_path, f"holds the control character {unseen[0]!r}{_QUOTES_HINT}")
    if re.match(r"[\\/]{2}", file_path):
        raise _refusal(file_path, "is a network path; mount it and add an output root", "path_unc")
    parts = re.split(r"[\\/]", _without_drive(file_path, windows))
    _check_whole(file_path, parts)
    for part in filter(None, parts):
        _check_part(file_path, part)
    _check_extension(file_path, parts[-1])


def _without_drive(file_path: str, windows: bool) -> str:
    if not _DRIVE.match(file_path):
        return file_path
    if not windows:
        raise _refusal(file_path, "has a drive letter, which only Windows knows", "path_outside")
    if file_path[2:3] not in ("/", "\\"):
        raise _refusal(file_path, "is relative to a drive; write C:/folder/name.ext", "path_outside")
    return file_path[2:]


def _check_whole(file_path: str, parts: list[str]) -> None:
    if parts[-1] in ("", ".") or parts == [".."]:
        raise _refusal(file_path, "names no file")
    if len(file_path) > MAX_PATH_LENGTH:
        raise _refusal(file_path, f"has {len(file_path)} characters, the limit is {MAX_PATH_LENGTH}")
    first = next(filter(None, parts))
    if _EXPANDABLE.fullmatch(first):
        raise _refusal(file_path, f"starts with {first!r}, which is not expanded; write the folder out")
    if ".." in parts:
        raise _refusal(file_path, "may not climb up with '..'", "path_outside")


def _check_part(file_path: str, part: str) -> None:
    if part == ".":
        return
    if (found := _FORBIDDEN.search(part)) is not None:
        raise _refusal(file_path, f"holds {found[0]!r}, which no file name may")
    if part.startswith(" ") or part.endswith((" ", ".")):
        raise _refusal(file_path, f"has the part {part!r}, which starts with a space or ends in one or a dot")
    if len(part.encode()) > MAX_PART_BYTES:
        raise _refusal(file_path, f"has a part of more than {MAX_PART_BYTES} bytes")
    if part.split(".")[0].rstrip().upper() in _RESERVED:
        raise _refusal(file_path, f"has the part {part!r}, a device's name on Windows", "path_reserved")


def _check_extension(file_path: str, name: str) -> None:
    stem, dot, extension = name.rpartition(".")
    if not (stem and dot and extension.lower() in ALLOWED_EXTENSIONS):
        allowed = " ".join(sorted(ALLOWED_EXTENSIONS))
        raise _refusal(file_path, f"must end in one of: {allowed}", "ext_not_allowed")


def _refusal(file_path: str, reason: str, code: str = "path_invalid") -> InvalidConfig:
    shown = file_path if len(file_path) <= 120 else f"{file_path[:120]}…"
    return InvalidConfig(f"file_path {shown!r} {reason}", code=code)
