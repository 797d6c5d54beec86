"""The door for results: what ComfyUI made becomes exactly the files that a job asks for, once.

``planning`` decides what goes where, ``publishing`` makes it appear, ``filing`` puts the job file away,
``staging`` tidies up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import failpoints, file_utils
from ..batch import Batch, only
from ..errors import InvalidConfig, LeaseLost, OutputError, OutputExists
from ..file_utils.folders import open_folder
from ..model import ALLOWED_EXTENSIONS, Intent
from . import formats, planning, publishing
from .filing import file_jobs, finished_path, read_result_file, result_of
from .planning import Plan, make_durable, plan_outputs
from .publishing import Terms, remove_leftovers
from .staging import collect_parts, collect_staging, discard_staging, fence_staging, finish_staging

__all__ = [
    "Plan",
    "Publication",
    "collect_parts",
    "collect_staging",
    "deliver",
    "discard_staging",
    "fence_staging",
    "file_jobs",
    "final_path",
    "finish_staging",
    "finished_path",
    "plan_outputs",
    "preflight",
    "read_result_file",
    "remove_leftovers",
    "result_of",
    "write_outputs",
    "write_together",
]


def final_path(file_path: str, cfg: Mapping[str, Any], seen: dict[str, str] | None = None) -> str:
    """Return the absolute path that ``outputs.file_path`` means, if a job may have it.

    Args:
        file_path: Absolute, or relative to home; ``{index}`` stands as it is.
        cfg: The settings.
        seen: As for ``file_utils.resolve_text_inside``.

    Returns:
        The path with symbolic links followed.

    Raises:
        InvalidConfig: The path leads out of the allowed folders, or names no file that a job may make.
    """
    paths = cfg["paths"]
    roots = [paths["jobs_finished"], *paths.get("output_roots", ())]
    real = file_utils.resolve_text_inside(file_path, roots, base=cfg["home"], seen=seen)
    _check_name(os.path.basename(real))  # noqa: PTH119 - text: asked for every job
    return real


def preflight(dest_paths: Mapping[str, Any], *, is_fit: bool = False) -> None:
    """Find out before the GPU runs whether the result could be put where the job wants it.

    The folder is created, and a hidden file is given a second name in it, which is all that publishing needs.

    Args:
        dest_paths: As for ``write_outputs``; ``staging`` is not needed.
        is_fit: Whether the folder was tried a moment ago: then only the path itself is looked at.

    Raises:
        InvalidConfig: ``path_outside``, ``path_reserved`` or ``ext_not_allowed``.
        OutputExists: The path is taken.
        FilesystemUnsupported: Files cannot appear there without the risk of replacing others.
        DiskFull: There is no room, or the folder is read-only.
        OutputError: The folder cannot be made or written.
    """
    first = planning.first_path(dest_paths)
    parent, name = os.path.split(first)
    policy = dest_paths.get("if_exists", "fail")
    _check_name(name)
    if policy != "version" and not planning.is_free(first, policy, dest_paths.get("earlier", ())):
        raise OutputExists(f"{first} already exists; remove it, or set outputs.if_exists to version or overwrite")
    if not is_fit:
        with open_folder(Path(parent), dest_paths["roots"]) as folder:
            folder.probe()


def _check_name(name: str) -> None:
    stem, _, extension = name.rpartition(".")
    if not stem or extension.lower() not in ALLOWED_EXTENSIONS:
        allowed = " ".join(sorted(ALLOWED_EXTENSIONS))
        raise InvalidConfig(f"file_path {name!r} must end in one of: {allowed}", code="ext_not_allowed")
    if name.lower().endswith(".result.json"):
        raise InvalidConfig(f"file_path {name!r} is how E3 names its own result files", code="path_reserved")


@dataclass
class Publication:
    """The results of one job on their way to their final paths.

    Attributes:
        result: What the backend says; ``artifacts`` names the staged files.
        dest_paths: As for ``write_outputs``.
        holds_lease: Asked right before each file appears.
        owner: Whose results they are, for whoever writes the intents down.
        receipt: What ``write_outputs`` returns, once all is done.
    """

    result: Mapping[str, Any]
    dest_paths: Mapping[str, Any]
    holds_lease: Callable[[], bool] | None = None
    owner: Any = None
    receipt: dict[str, Any] = field(default_factory=dict, init=False)
    _plan: Plan = field(default_factory=lambda: Plan([], [], {}), init=False)

    def plan(self, seen: dict[str, str]) -> None:
        """Look at the staged files, and choose their final paths."""
        self._plan = plan_outputs(self.result, self.dest_paths, seen)

    def harden(self) -> None:
        """Make the staged files durable."""
        make_durable(self._plan)
        failpoints.reach("publish.hashed")

    @property
    def intents(self) -> list[Intent]:
        """What is to appear where."""
        return self._plan.intents

    def appear(self, folders: publishing.Folders) -> None:
        """Give the files their final names."""
        failpoints.reach("publish.intent_committed")
        terms = Terms(
            roots=self.dest_paths["roots"],
            if_exists=self.dest_paths.get("if_exists", "fail"),
            earlier=self.dest_paths.get("earlier", ()),
            holds_lease=self.holds_lease,
            hashed=self._plan.hashed,
        )
        publishing.deliver_into(folders, self.intents, terms)

    def settle(self, folders: publishing.Folders) -> None:
        """Make the names durable, and say what was done."""
        folders.settle(self.intents)
        linked = publishing.is_linked(self.intents)
        self.receipt = {**_receipt(self.intents, linked), "warnings": self._plan.warnings}


CommitIntents = Callable[[Sequence[Publication]], Sequence[bool]]
"""Writes intents down, durably, before the first file appears; tells of each publication False when it is fenced."""


def write_together(publications: Sequence[Publication], commit_intents: CommitIntents) -> list[Publication | Exception]:
    """Publish the results of several jobs step by step: one commit promises all, one wait makes a folder durable.

    Args:
        publications: The jobs.
        commit_intents: Writes their intents down.

    Returns:
        For each job the publication with its receipt, or what ended it: what ``write_outputs`` would raise.
    """
    batch = Batch(publications)
    seen: dict[str, str] = {}
    batch.step(lambda publication: publication.plan(seen))
    batch.step(Publication.harden)
    batch.step_at_once(lambda some: _unless_held(some, commit_intents(some)))
    with publishing.Folders() as folders:
        batch.step(lambda publication: publication.appear(folders))
        batch.step(lambda publication: publication.settle(folders))
    return batch.ends


def _unless_held(publications: Sequence[Publication], held: Sequence[bool]) -> list[Exception | None]:
    return [
        None
        if holds
        else LeaseLost(f"another worker owns the job now; {publication.intents[0]['final_path']} is left to it")
        for publication, holds in zip(publications, held, strict=True)
    ]


def write_outputs(
    result: Mapping[str, Any],
    dest_paths: Mapping[str, Any],
    *,
    commit_intents: Callable[[list[Intent]], bool] | None = None,
    holds_lease: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Publish what ComfyUI made: each file appears at its final path, whole, and over nobody else's.

    Args:
        result: What the backend says; ``artifacts`` names the staged files.
        dest_paths: ``file_path`` (absolute), ``if_exists``, ``nodes``, ``roots``, ``staging``; optionally
            ``earlier``: the intents of all earlier attempts of the job, whose files it may replace.
        commit_intents: Writes the intents down before the first file appears; False when fenced.
        holds_lease: Asked right before each file appears.

    Returns:
        ``saved`` (absolute paths), ``bytes``, ``hash`` (sha256 of the first), ``hashes``, ``media_type``,
        ``linked`` (whether ComfyUI's own copy costs no disk) and ``warnings``.

    Raises:
        LeaseLost: Another worker owns the job; nothing more was touched.
        OutputExists: A path is taken by somebody else's file.
        StagingLost: A staged file vanished or changed after it was promised.
        DiskFull: There is no room; what was promised can be delivered later.
        OutputError: Anything else that is wrong with the artifacts or the disk.
    """
    publication = Publication(result, dest_paths, holds_lease)
    commit = commit_intents or (lambda intents: True)
    return only(write_together([publication], lambda some: [commit(one.intents) for one in some])).receipt


def deliver(
    intents: Sequence[Intent],
    *,
    roots: Sequence[str],
    if_exists: str = "fail",
    earlier: Sequence[Intent] = (),
    holds_lease: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Roll a publication forward that was promised before a crash; safe to repeat.

    Args:
        intents: What the last attempt promised.
        roots: The folders that files may appear in.
        if_exists: The job's own word.
        earlier: The intents of all attempts of the job; its own are told from those of the attempts before.
        holds_lease: Asked right before each file appears.

    Returns:
        As ``write_outputs``, without warnings.

    Raises:
        StagingLost: A staged file is gone: the job must run again.
        OutputError: As ``write_outputs``.
    """
    if not intents:
        raise OutputError("nothing was promised, so nothing can be delivered", code="no_outputs")
    remove_leftovers(intents)
    own = {intent["staged_path"] for intent in intents}
    before = [intent for intent in earlier if intent["staged_path"] not in own]
    terms = Terms(roots, if_exists, before, holds_lease)
    return _receipt(intents, publishing.deliver_all(intents, terms))


def _receipt(intents: Sequence[Intent], linked: bool) -> dict[str, Any]:
    first = intents[0]
    extension = Path(first["final_path"]).suffix[1:].lower()
    return {
        "saved": [intent["final_path"] for intent in intents],
        "bytes": sum(intent["bytes"] for intent in intents),
        "hash": first["sha256"],
        "hashes": [intent["sha256"] for intent in intents],
        "media_type": formats.MEDIA_TYPES.get(extension, "application/octet-stream"),
        "linked": linked,
    }
