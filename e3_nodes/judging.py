"""Job files judged before they are taken in: every problem of every file, then all of them or none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import inputs, job_rows, monitor, outputs, validation
from .errors import InvalidConfig
from .file_utils import linking
from .file_utils.disk import fsync_dir, make_folder, remove_quietly
from .model import Workflow
from .parsing import strict_yaml
from .payload import slots
from .store.protocol import JobStore
from .validation import Problem, names


@dataclass
class Candidate:
    """A job file that may be taken in.

    Attributes:
        label: What people call it: its path, or ``-``.
        name: The job's name.
        data: The file's bytes.
        place: Where it lies, if that is in processing/ already.
        row: The row that it would become, once it is found good.
        problems: What is wrong with it.
        is_known: Whether the very same job was taken in before.
    """

    label: str
    name: str
    data: bytes
    place: Path | None = None
    row: dict[str, Any] | None = None
    problems: list[Problem] = field(default_factory=list)
    is_known: bool = False


def judge(candidate: Candidate, cfg: Mapping[str, Any], workflows: Mapping[str, Workflow]) -> None:
    """Find every problem of a job file, or else the row that it would become.

    Args:
        candidate: The file; its ``problems`` and ``row`` are set.
        cfg: The settings.
        workflows: The workflows that it may name.
    """
    candidate.problems = list(_problems(candidate, cfg, workflows))
    if candidate.problems:
        return
    try:
        candidate.row = job_rows.check_job(candidate.name, candidate.data, cfg, workflows)
    except InvalidConfig as exc:
        candidate.problems = [_problem(exc)]


def judge_names(candidates: Sequence[Candidate], cfg: Mapping[str, Any], db: JobStore) -> None:
    """Find the names that are taken: by another file of these, by a job, by a file in processing/.

    Args:
        candidates: The judged files.
        cfg: The settings.
        db: The store.
    """
    seen: dict[str, str] = {}
    for candidate in candidates:
        if candidate.row is None:
            continue
        identity = names.identity(candidate.row["config_name"])
        if identity in seen:
            message = f"{seen[identity]} has the same name; a name is a job's identity"
            candidate.problems.append(Problem("name_conflict", message))
        seen.setdefault(identity, candidate.label)
        _judge_taken(candidate, candidate.row, cfg, db)


def deliver(
    candidates: Sequence[Candidate],
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
) -> list[monitor.Finding]:
    """Put good files into processing/ and take them in.

    All are written under hidden names before the first one appears, so that a full disk takes none of them.

    Args:
        candidates: Files without problems.
        cfg: The settings.
        workflows: The workflows that they name.
        db: The store.

    Returns:
        What became of each that was not known before; of none when nothing was to do.

    Raises:
        OutputExists: Somebody put a file of that name there meanwhile.
        DiskFull: There is no room; nothing was taken in.
    """
    new = [candidate for candidate in candidates if not candidate.is_known]
    targets = {id(candidate): candidate.place or _target(candidate.row or {}, cfg) for candidate in new}
    with ExitStack() as hidden_files:
        staged = []
        for candidate in new:
            target = targets[id(candidate)]
            if candidate.place is None and not target.exists():
                make_folder(target.parent)
                hidden = linking.hidden_file([candidate.data], target.parent)
                staged.append((hidden_files.enter_context(hidden), target))
        for hidden, target in staged:
            linking.link_or_rename_new(hidden, target)
            remove_quietly(hidden)  # a file with two names is refused by whoever reads it meanwhile
    for folder in {target.parent for _, target in staged}:
        fsync_dir(folder)
    return monitor.take_files([str(path) for path in targets.values()], cfg, workflows, db)


def _problems(candidate: Candidate, cfg: Mapping[str, Any], workflows: Mapping[str, Workflow]) -> Iterator[Problem]:
    try:
        validation.parse_config_name(candidate.name, job_types=cfg["job_types"])
    except InvalidConfig as exc:
        yield _problem(exc)
    try:
        document = strict_yaml.read(candidate.data)
    except InvalidConfig as exc:
        yield _problem(exc)
        return
    found = validation.problems(document.data, workflows, job_types=cfg["job_types"], position=document.position)
    yield from found or _deeper_problems(candidate, document, cfg, workflows)


def _deeper_problems(
    candidate: Candidate,
    document: strict_yaml.Document,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
) -> Iterator[Problem]:
    """Yield what is wrong with a job whose fields are right by themselves."""
    job = document.data
    in_name, in_body = candidate.name.split("_", 1)[0], job["job_type"]
    if in_name != in_body and in_name in {**names.JOB_TYPES, **cfg["job_types"]}:
        message = f"job_type must be {in_name}, as in the file's name, got {in_body}"
        yield _at(document, ("job_type",), InvalidConfig(message))
    try:
        outputs.final_path(job["outputs"]["file_path"], cfg)
    except InvalidConfig as exc:
        yield _at(document, ("outputs", "file_path"), exc)
    workflow = workflows[job["workflow_id"]]
    for name, value in (job.get("inputs") or {}).items():
        try:
            _check_input(name, value, workflow, cfg)
        except InvalidConfig as exc:
            yield _at(document, ("inputs", name), exc)


def _check_input(name: str, value: Any, workflow: Workflow, cfg: Mapping[str, Any]) -> None:
    if value == -1 and workflow.get("inputs", {}).get(name, {}).get("random"):
        return
    slot = slots.resolve(workflow, name)
    slots.check_value(name, value, slot)
    if slot["type"] == "file":
        inputs.find_file(name, str(value), cfg)


def _judge_taken(candidate: Candidate, row: Mapping[str, Any], cfg: Mapping[str, Any], db: JobStore) -> None:
    name, target = row["config_name"], candidate.place or _target(row, cfg)
    job = db.get_job(name)
    if job is not None:
        candidate.is_known = job["config_sha256"] == row["config_sha256"]
        if not candidate.is_known:
            message = f"a job called {name} is there already ({job['status']}), with other content"
            candidate.problems.append(Problem("name_conflict", message))
    elif candidate.place is None and target.exists() and _sha256(target) != row["config_sha256"]:
        message = f"another file called {name} lies in {target.parent} already"
        candidate.problems.append(Problem("name_conflict", message))


def _target(row: Mapping[str, Any], cfg: Mapping[str, Any]) -> Path:
    return Path(cfg["paths"]["jobs_processing"]) / row["media"] / row["config_name"]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _problem(exc: InvalidConfig) -> Problem:
    return Problem(exc.code, str(exc), (), exc.line, exc.column)


def _at(document: strict_yaml.Document, path: tuple[str, ...], exc: InvalidConfig) -> Problem:
    line, column = document.position(path) or (None, None)
    return Problem(exc.code, str(exc), path, line, column)
