"""A job's inputs: settled once when the job is taken in, files delivered when it runs.

Settled means that random seeds are drawn and files are pinned by their sha256, so that every run of the job is
the same job.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from . import file_utils, payload
from .backends.base import Backend
from .errors import InvalidConfig
from .model import Workflow
from .store import search_index

_ANNOTATION = re.compile(r"\[(input|output|temp)\]\s*$")


class PinnedFile(TypedDict):
    """A file that an input names, as it was when the job was taken in."""

    path: str
    sha256: str


def settle_inputs(
    workflow_id: str,
    inputs: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    cfg: Mapping[str, Any],
    rng: payload.Rng | None = None,
) -> tuple[dict[str, Any], dict[str, PinnedFile]]:
    """Draw what is random, pin what is a file, and check that everything lands in the template.

    Args:
        workflow_id: The job's workflow.
        inputs: The inputs as the job file has them.
        workflows: The workflows by id.
        cfg: The settings; ``input_folder`` in them is ComfyUI's, where it is known.
        rng: Where random numbers come from.

    Returns:
        The settled inputs, and the pinned files by input name.

    Raises:
        InvalidConfig: An input lands nowhere, has the wrong type, or names a file that is not there.
    """
    workflow = payload.find_workflow(workflow_id, workflows)
    settled = payload.resolve_random(workflow, inputs, rng or random.SystemRandom())
    payload.check_inputs(workflow, settled)
    pinned = {name: _pin(name, settled[name], cfg) for name in payload.file_inputs(workflow, settled)}
    return settled, pinned


def deliver_inputs(inputs: Mapping[str, Any], pinned: Mapping[str, PinnedFile], backend: Backend) -> dict[str, Any]:
    """Put the pinned files where ComfyUI's loaders find them; return the inputs with the loaders' names.

    Raises:
        InvalidConfig: A file is gone, or is not the one any more that the job was taken in with.
    """
    delivered = dict(inputs)
    for name, file in pinned.items():
        source = Path(file["path"])
        check_unchanged(name, source, file["sha256"])
        delivered[name] = backend.deliver_input(source, f"{file['sha256']}{source.suffix.lower()}")
    return delivered


def _pin(name: str, value: str, cfg: Mapping[str, Any]) -> PinnedFile:
    if _ANNOTATION.search(value):
        raise InvalidConfig(f"input {name} must be the plain name of a file, got {value!r}", code="path_invalid")
    path = find_file(name, value, cfg)
    return PinnedFile(path=str(path), sha256=file_utils.sha256_of(path))


def find_file(name: str, value: str, cfg: Mapping[str, Any]) -> Path:
    """Find the file that an input names: under home's jobs/ first, then in ComfyUI's input folder.

    Args:
        name: The input, for the message.
        value: What the job says.
        cfg: The settings.

    Raises:
        InvalidConfig: There is no such file in these folders.
    """
    home = cfg["home"]
    places = [(home, str(Path(home) / "jobs"))]
    if cfg.get("input_folder"):
        places.append((cfg["input_folder"], cfg["input_folder"]))
    outside = None
    for base, root in places:
        try:
            path = file_utils.resolve_inside(value, [root], base=base)
        except InvalidConfig as exc:
            outside = exc
            continue
        if path.is_file() and not _is_database(path, cfg):
            return path
    looked = " or ".join(root for _, root in places)
    problem = "is outside the folders for inputs" if outside and len(places) == 1 else "is not there"
    raise InvalidConfig(
        f"input {name} names the file {value!r}, which {problem}; put it under {looked}", code="path_outside"
    )


def _is_database(path: Path, cfg: Mapping[str, Any]) -> bool:
    """Tell whether a file is the job table, by whatever name: to open it beside SQLite loses committed rows."""
    database = cfg["paths"]["database"]
    files = (Path(f"{database}{ending}") for ending in ("", "-wal", "-shm", "-journal", *search_index.FILES))
    return any(file.exists() and file.samefile(path) for file in files)


def check_unchanged(name: str, source: Path, sha256: str) -> None:
    """Refuse a pinned file that is gone or another by now.

    Raises:
        InvalidConfig: The message names the input and the file.
    """
    try:
        actual = file_utils.sha256_of(source)
    except OSError as exc:
        raise InvalidConfig(f"input {name}: {source} cannot be read any more: {exc.strerror}") from exc
    if actual != sha256:
        raise InvalidConfig(
            f"input {name}: {source} is not the file any more that the job was taken in with; "
            "bring it back, or give the job a new name",
            code="changed_after_ingest",
        )
