"""Decide what is published where: look at what ComfyUI made, and give each file its final path."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

from .. import file_utils
from ..errors import FileChanging, InvalidConfig, OutputError, OutputExists
from ..file_utils import disk, reading
from ..model import ALLOWED_EXTENSIONS, Intent
from . import formats, publishing
from .publishing import Signature

_SMALL = 4 << 20
"""Results of so many bytes are read once, and looked through and hashed in memory."""


@dataclass(frozen=True)
class Plan:
    """What is promised, and what there is to say about it.

    Attributes:
        intents: One a file, in order.
        warnings: Sentences for the job's row.
        hashed: The signatures of the staged files as they were hashed.
    """

    intents: list[Intent]
    warnings: list[str]
    hashed: dict[str, Signature]


@dataclass(frozen=True)
class _Staged:
    """A staged file that was found whole, and hashed."""

    path: str
    extension: str
    bytes: int
    sha256: str
    signature: Signature


def plan_outputs(result: Mapping[str, Any], dest_paths: Mapping[str, Any], seen: dict[str, str] | None = None) -> Plan:
    """Look at each artifact, hash it, and choose its final path; ``make_durable`` comes next.

    Args:
        result: What the backend says; ``artifacts`` names the staged files.
        dest_paths: Where the results belong (see ``outputs.write_outputs``).
        seen: As for ``file_utils.disk.real_text``, where results of several jobs are planned.

    Returns:
        The intents in order, with warnings.

    Raises:
        OutputError: An artifact is missing, unfinished, outside the attempt's staging or of a type that is
            not allowed; ``no_outputs`` when there is none.
        OutputExists: A final path is taken.
    """
    asked = dest_paths["file_path"]
    made = _choose(result.get("artifacts", ()), dest_paths.get("nodes"))
    if not made:
        raise OutputError(_nothing_made(dest_paths.get("nodes")), code="no_outputs")
    wanted = _split(asked)[1]
    seen = {} if seen is None else seen
    staged = [_inspect(path, dest_paths["staging"], wanted.lower(), seen) for path in made]
    paths = _place(asked, staged, dest_paths)
    intents = [
        Intent(number=number, staged_path=file.path, final_path=path, bytes=file.bytes, sha256=file.sha256)
        for number, (file, path) in enumerate(zip(staged, paths, strict=True), start=1)
    ]
    warnings = [
        f"asked for .{wanted}, made {file.extension}: saved as {Path(path).name}"
        for file, path in zip(staged, paths, strict=True)
        if file.extension != wanted.lower()
    ]
    return Plan(intents, warnings, {file.path: file.signature for file in staged})


def make_durable(plan: Plan) -> None:
    """Make the staged files durable, before anything is promised of them.

    Args:
        plan: What ``plan_outputs`` has made.

    Raises:
        DiskFull: There is no room for one.
        OutputError: The disk reports a fault; asking again would hide it.
    """
    for path in plan.hashed:
        disk.fsync_file(path)


def _choose(artifacts: Sequence[Mapping[str, Any]], nodes: Sequence[str] | None) -> list[str]:
    """Order the artifacts' paths by the nodes that were asked for, else by node id, then as they are listed.

    A file that no node claims (history named none) was made by the nodes that ran, which are those asked for.
    """
    rank = {str(node): (position, ("", "")) for position, node in enumerate(nodes or [])}
    ranked = [
        (rank.get(artifact["node"], (len(rank), file_utils.natural_key(artifact["node"]))), artifact["path"])
        for artifact in artifacts
        if not rank or artifact["node"] in {*rank, ""}
    ]
    return list(dict.fromkeys(path for _, path in sorted(ranked, key=lambda pair: pair[0])))


def _nothing_made(nodes: Sequence[str] | None) -> str:
    by = f" by the nodes {', '.join(map(str, nodes))}" if nodes else ""
    return f"ComfyUI reports success, and no file was made{by}"


def _inspect(path: str, staging: str, wanted: str, seen: dict[str, str]) -> _Staged:
    """Accept one artifact: in our own staging, regular, whole, of an allowed type; then hash it."""
    real = disk.real_text(path, seen)
    if not file_utils.is_inside(real, staging) or os.path.islink(path):  # noqa: PTH114 - text, here and below
        raise OutputError(f"{path} is a link, or outside this attempt's folder {staging}", code="invalid")
    name = os.path.basename(real)  # noqa: PTH119
    with disk.naming_faults(real), os.fdopen(_open(real), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        is_small = before.st_size <= _SMALL
        content = BytesIO(reading.read_whole(file.fileno(), before.st_size)) if is_small else file
        found = formats.sniff(content.read(formats.HEAD_BYTES))
        extension = formats.choose_extension(wanted, _split(name)[1].lower(), found)
        if extension is None or not formats.is_complete(content, before.st_size, extension):
            raise OutputError(f"{name} is empty, cut off or damaged ({before.st_size} bytes)")
        _check_extension(extension, name)
        if is_small:
            disk.start_writeback(file.fileno())
        content.seek(0)
        sha256 = reading.digest_of(content.read)
        signature = publishing.signature_of(before)
        if publishing.signature_of(os.fstat(file.fileno())) != signature:
            raise OutputError(f"{name} is still being written to, though ComfyUI reports success")
    return _Staged(real, extension, before.st_size, sha256, signature)


def _open(path: str) -> int:
    try:
        return reading.open_regular(path)
    except (InvalidConfig, FileChanging) as exc:
        raise OutputError(str(exc)) from exc


def _check_extension(extension: str, name: str) -> None:
    if extension not in ALLOWED_EXTENSIONS:
        allowed = " ".join(sorted(ALLOWED_EXTENSIONS))
        raise OutputError(f"{name} is no result that E3 publishes; allowed are {allowed}", code="invalid")


def _place(asked: str, staged: Sequence[_Staged], dest_paths: Mapping[str, Any]) -> list[str]:
    """Give each file its final path; with ``version`` the whole set moves to the first free number."""
    policy = dest_paths.get("if_exists", "fail")
    earlier = dest_paths.get("earlier", ())
    versions = count(1)
    while True:
        version = next(versions)
        paths = [_final_path(asked, n, file.extension, version) for n, file in enumerate(staged, start=1)]
        taken = next((path for path in paths if not is_free(path, policy, earlier)), None)
        if taken is None:
            return paths
        if policy != "version":
            raise OutputExists(f"{taken} already exists, and this job did not make it")


def _final_path(asked: str, number: int, extension: str, version: int) -> str:
    """Name one file of a set.

    Examples:
        >>> _final_path("cat.png", 3, "webp", 2), _final_path("{index}/cat.PNG", 3, "png", 1)
        ('cat_v2_3.webp', '3/cat.PNG')
    """
    stem, own = _split(asked.replace("{index}", str(number)))
    mark = f"_v{version}" if version > 1 else ""
    order = f"_{number}" if number > 1 and "{index}" not in asked else ""
    return f"{stem}{mark}{order}.{own if own.lower() == extension else extension}"


def _split(path: str) -> tuple[str, str]:
    """Split a path at the dot of its extension.

    Examples:
        >>> _split("out.d/cat.png"), _split("out.d/cat")
        (('out.d/cat', 'png'), ('out.d/cat', ''))
    """
    stem, _, extension = os.path.basename(path).rpartition(".")  # noqa: PTH119
    return (path[: -len(extension) - 1], extension) if stem and extension else (path, "")


def first_path(dest_paths: Mapping[str, Any]) -> str:
    """Return the path that the first file gets if it is what was asked for and nothing is in the way.

    Examples:
        >>> first_path({"file_path": "cat_{index}.png"})
        'cat_1.png'
    """
    asked = dest_paths["file_path"]
    return _final_path(asked, 1, _split(asked)[1].lower(), 1)


def is_free(path: str, policy: str, earlier: Sequence[Intent]) -> bool:
    """Tell whether a file may appear at a path: nothing is there, or what is there may be replaced.

    Args:
        path: The final path.
        policy: The job's ``if_exists``.
        earlier: The intents of the job's attempts before.

    Examples:
        >>> is_free("/no/such/file.png", "fail", [])
        True
    """
    if not os.path.lexists(path):
        return True
    target = Path(path)
    if target.is_symlink() or not target.is_file():
        return False
    with disk.naming_faults(target):
        return policy == "overwrite" or publishing.is_own(path, earlier, lambda: reading.sha256_of(target))
