"""Decides whether a job may enter, and gives it its full form. Pure: no disk, no clock, no network.

The rules live in four places, each with its own story, and are all reached from here: the fields in
``job_schema``, the file's name in ``names``, the output path's text in ``output_paths``, and below
what needs the workflow.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import InvalidConfig
from ..model import (
    DEFAULT_PRIORITY,
    DEFAULT_RETRY_LIMIT,
    MAX_PRIORITY,
    MAX_RETRY_LIMIT,
    MIN_PRIORITY,
    KeyPath,
    Workflow,
)
from ..parsing import strict_values
from ..payload.slots import slots_of
from . import job_schema
from .glance import Glance
from .job_schema import Problem
from .names import (
    ConfigName,
    canonical_config_name,
    check_media,
    identity,
    is_ignored_name,
    media_of_type,
    nearest,
    parse_config_name,
)
from .output_paths import check_output_path

__all__ = [
    "ConfigName",
    "Glance",
    "Problem",
    "canonical_config_name",
    "check_media",
    "check_output_path",
    "clamp_warnings",
    "identity",
    "is_ignored_name",
    "media_of_type",
    "nearest",
    "normalize_config",
    "parse_config_name",
    "problems",
    "validate_config_schema",
]

PositionOf = Callable[[KeyPath], "tuple[int, int] | None"]

MAX_PROBLEMS = 50

_CLAMPS = {"priority": (MIN_PRIORITY, MAX_PRIORITY), "retry_limit": (0, MAX_RETRY_LIMIT)}


def validate_config_schema(
    cfg: dict[str, Any],
    workflows: Mapping[str, Workflow],
    *,
    job_types: Mapping[str, str] | None = None,
    position: PositionOf | None = None,
    strict: bool = False,
) -> None:
    """Refuse a job that breaks any rule of its fields.

    Args:
        cfg: The job as read from a file or a request.
        workflows: The known workflows by id.
        job_types: TYPE words besides the built-in ones.
        position: Gives line and column of a key path, such as ``Document.position``.
        strict: Whether a priority or retry_limit out of range is refused; a file's is clamped instead.

    Raises:
        InvalidConfig: The first problem; the message counts the others.

    Examples:
        >>> job = {"job_type": "T2I", "workflow_id": "wf", "inputs": {}, "outputs": {"file_path": "a.png"}}
        >>> validate_config_schema(job, {"wf": {"required_inputs": []}})
    """
    found = problems(cfg, workflows, job_types=job_types, position=position, strict=strict)
    if not found:
        return
    first, others = found[0], len(found) - 1
    more = f" (and {others} more problem{'s' * (others > 1)})" if others else ""
    raise InvalidConfig(f"{first.message}{more}", code=first.code, line=first.line, column=first.column)


def problems(
    cfg: Any,
    workflows: Mapping[str, Workflow],
    *,
    job_types: Mapping[str, str] | None = None,
    position: PositionOf | None = None,
    strict: bool = False,
) -> list[Problem]:
    """Find everything that is wrong with a job's fields.

    Args:
        cfg: The job as read from a file or a request.
        workflows: The known workflows by id.
        job_types: TYPE words besides the built-in ones.
        position: Gives line and column of a key path, such as ``Document.position``.
        strict: Whether a priority or retry_limit out of range is a problem.

    Returns:
        The problems, those of the fields first, at most 50; empty for a good job.

    Examples:
        >>> [problem.code for problem in problems({"job_tpye": "T2I"}, {})]
        ['unknown_field', 'missing_field', 'missing_field', 'missing_field', 'missing_field']
    """
    if not isinstance(cfg, dict):
        return [Problem("not_a_mapping", f"the job must be a mapping, got {job_schema.shown(cfg)}")]
    found = itertools.chain(
        job_schema.violations(cfg, job_schema.job_schema(job_types), strict=strict),
        _workflow_problems(cfg, workflows),
        _output_problems(cfg),
        _data_problems({k: v for k, v in _inputs(cfg).items() if isinstance(v, str)}, ("inputs",)),
        _data_problems(cfg.get("metadata"), ("metadata",)),
    )
    first_ones = itertools.islice(found, MAX_PROBLEMS)
    return [_placed(_as_link(problem, cfg), position) for problem in first_ones]


def normalize_config(cfg: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Give a valid job its full form: defaults filled in, numbers within range.

    Args:
        cfg: A job that ``validate_config_schema`` let pass; it stays as it is.
        defaults: The settings, of which ``default_priority`` and ``retry_limit`` are used.

    Returns:
        The job that the row keeps. A key that is null in the file has its default, or is left out.

    Examples:
        >>> job = normalize_config({"outputs": {"file_path": "a.png"}, "priority": 5000}, {"retry_limit": 1})
        >>> job["priority"], job["retry_limit"], job["outputs"]["if_exists"]
        (999, 1, 'fail')
    """
    job = {
        "priority": defaults.get("default_priority", DEFAULT_PRIORITY),
        "retry_limit": defaults.get("retry_limit", DEFAULT_RETRY_LIMIT),
        "inputs": {},
        "metadata": {},
        **_without_nulls(cfg),
    }
    job["outputs"] = {"if_exists": "fail", **_without_nulls(cfg["outputs"])}
    for key, (low, high) in _CLAMPS.items():
        job[key] = min(max(job[key], low), high)
    return _copied(job)


def _copied(value: Any) -> Any:
    """Copy data of JSON's kinds; ``copy.deepcopy`` takes five times as long, as it looks for far more."""
    if isinstance(value, dict):
        return {
            key: _copied(item) if isinstance(item, (dict, list)) else item  # a call less for each of the many leaves
            for key, item in value.items()
        }
    return [_copied(item) for item in value] if isinstance(value, list) else value


def clamp_warnings(cfg: Mapping[str, Any]) -> list[str]:
    """Say which numbers ``normalize_config`` will move into range.

    Args:
        cfg: A job that ``validate_config_schema`` let pass.

    Returns:
        One sentence for each.

    Examples:
        >>> clamp_warnings({"priority": 0})
        ['priority 0 is outside 1-999; taken as 1']
    """
    return [
        f"{key} {value} is outside {low}-{high}; taken as {min(max(value, low), high)}"
        for key, (low, high) in _CLAMPS.items()
        if (value := cfg.get(key)) is not None and not low <= value <= high
    ]


def _workflow_problems(cfg: dict[str, Any], workflows: Mapping[str, Workflow]) -> Iterator[Problem]:
    workflow_id, inputs = cfg.get("workflow_id"), cfg.get("inputs")
    if not isinstance(workflow_id, str):
        return
    if workflow_id not in workflows:
        near = nearest(workflow_id, workflows)
        hint = f"; did you mean {near}?" if near else "; see workflows.yaml for the ids"
        message = f"there is no workflow {job_schema.shown(workflow_id)}{hint}"
        yield Problem("workflow_unknown", message, ("workflow_id",))
    elif isinstance(inputs, dict):
        yield from _required_problems(inputs, workflow_id, workflows[workflow_id])


def _required_problems(inputs: dict[str, Any], workflow_id: str, workflow: Workflow) -> Iterator[Problem]:
    """Yield the required inputs that the job leaves out, unless the workflow has a value of its own."""
    required = workflow.get("required_inputs", [])
    for name in slots_of(workflow).needed:
        if name in inputs:
            continue
        near = nearest(name, (str(given) for given in inputs if given not in required))
        hint = f"; is {near} meant?" if near else ""
        message = f"inputs.{name} is missing, which {workflow_id} requires{hint}"
        yield Problem("missing_field", message, ("inputs", name))


def _output_problems(cfg: dict[str, Any]) -> Iterator[Problem]:
    outputs = cfg.get("outputs")
    file_path = outputs.get("file_path") if isinstance(outputs, dict) else None
    if not isinstance(file_path, str):
        return
    try:
        check_output_path(file_path)
    except InvalidConfig as exc:
        yield Problem(exc.code, f"outputs.{exc}", ("outputs", "file_path"))


def _data_problems(value: Any, path: KeyPath) -> Iterator[Problem]:
    """Yield what JSON, the database or a log could not hold."""
    if isinstance(value, str):
        if (found := strict_values.UNPRINTABLE.search(value)) is not None:
            message = f"{job_schema.name_of(path)} holds the control character U+{ord(found[0]):04X}"
            yield Problem("bad_value", message, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _key_problems(key, path)
            yield from _data_problems(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _data_problems(item, (*path, index))
    elif not (value is None or (isinstance(value, (int, float)) and -math.inf < value < math.inf)):
        message = f"{job_schema.name_of(path)} must be JSON-like data, got {job_schema.shown(value)}"
        yield Problem("bad_type", message, path)


def _key_problems(key: Any, path: KeyPath) -> Iterator[Problem]:
    if isinstance(key, str):
        yield from _data_problems(key, path)
    else:
        message = f"a key of {job_schema.name_of(path)} must be text, got {job_schema.shown(key)}"
        yield Problem("bad_type", message, path)


def _as_link(problem: Problem, cfg: dict[str, Any]) -> Problem:
    """Name the danger where an input has the form of a wire: ComfyUI would rewire the graph by it."""
    match problem.path:
        case ("inputs", name) if _is_link(_inputs(cfg).get(name)):
            message = f"inputs.{name} has the form of a link to a node's output; only values are taken"
            return dataclasses.replace(problem, code="input_link", message=message)
    return problem


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], (int, float))


def _inputs(cfg: dict[str, Any]) -> dict[Any, Any]:
    inputs = cfg.get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def _placed(problem: Problem, position: PositionOf | None) -> Problem:
    line, column = (position(problem.path) if position else None) or (None, None)
    return dataclasses.replace(problem, line=line, column=column)


def _without_nulls(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}
