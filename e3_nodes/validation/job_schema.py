"""The fields of a job file as one table, in JSON Schema's own words, and the few lines that check it.

Validation, ``e3 schema`` and editors read the same table. ``clampable`` is a word of ours: a number out
of range is moved into range when it comes from a file, and refused when it comes from a person at a door.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model import DEFAULT_PRIORITY, JOB_TYPES, MAX_PRIORITY, MAX_RETRY_LIMIT, MIN_PRIORITY, KeyPath
from . import names

MAX_TIMEOUT_SECONDS = 30 * 24 * 3600

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum")
_NO_WORDS: frozenset[str] = frozenset()
_TYPES_OF: dict[type, frozenset[str]] = {
    dict: frozenset(["object"]),
    list: frozenset(["array"]),
    str: frozenset(["string"]),
    int: frozenset(["integer", "number"]),
    float: frozenset(["number"]),
    bool: frozenset(["boolean"]),
    type(None): frozenset(["null"]),
}


@dataclass(frozen=True)
class Problem:
    """One broken rule of a job: which, where, and what would be right.

    Attributes:
        code: The rule, as a stable word.
        message: A sentence for people.
        path: The keys that lead to the place.
        line: The line in the file, counted from 1, where there is one.
        column: The column in the file, counted from 1, where there is one.
    """

    code: str
    message: str
    path: KeyPath = ()
    line: int | None = None
    column: int | None = None


def job_schema(job_types: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON Schema of a job file.

    Args:
        job_types: TYPE words besides the built-in ones.

    Returns:
        The schema, made anew, so that a caller may add to it.

    Examples:
        >>> job_schema()["required"]
        ['job_type', 'workflow_id', 'inputs', 'outputs']
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "E3 job file",
        "type": "object",
        "additionalProperties": False,
        "required": ["job_type", "workflow_id", "inputs", "outputs"],
        "properties": {
            "job_type": {
                "type": "string",
                "enum": list(JOB_TYPES | dict(job_types or {})),
                "description": "The TYPE word, the same as in the file's name.",
            },
            "workflow_id": {"type": "string", "description": "An id of workflows.yaml."},
            "priority": {
                "type": ["integer", "null"],
                "minimum": MIN_PRIORITY,
                "maximum": MAX_PRIORITY,
                "clampable": True,
                "default": DEFAULT_PRIORITY,
                "description": "Lower runs first.",
            },
            "retry_limit": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": MAX_RETRY_LIMIT,
                "clampable": True,
                "description": "Retries after the first run.",
            },
            "timeout_seconds": {
                "type": ["number", "null"],
                "exclusiveMinimum": 0,
                "maximum": MAX_TIMEOUT_SECONDS,
                "description": "How long a run may take, from the start of its execution.",
            },
            "inputs": {
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
                "description": "Values for the workflow's inputs, by name or by <node>.<field>.",
            },
            "outputs": _OUTPUTS,
            "metadata": {"type": ["object", "null"], "description": "Any data; kept with the job."},
        },
    }


_OUTPUTS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["file_path"],
    "properties": {
        "file_path": {
            "type": "string",
            "description": "The path of the result, relative to home or absolute; {index} is its number.",
        },
        "if_exists": {
            "type": ["string", "null"],
            "enum": ["fail", "version", "overwrite", None],
            "default": "fail",
            "description": "What to do when the path is taken; version saves name_v2.ext.",
        },
        "nodes": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "minItems": 1,
            "description": "The ids of the output nodes that count, in order.",
        },
    },
    "description": "Where the result goes.",
}


def violations(value: Any, schema: Mapping[str, Any], *, strict: bool = False, path: KeyPath = ()) -> Iterator[Problem]:
    """Yield every way in which a value breaks the schema.

    It knows the words of JSON Schema that ``job_schema`` uses; a whole number is an ``int`` here.

    Args:
        value: The value.
        schema: The schema, or the part of it that the value is to fit.
        strict: Whether a clampable number out of range is a problem too.
        path: The keys that lead to the value.

    Examples:
        >>> [problem.message for problem in violations({"job_type": 3}, job_schema())][0]
        'job_type must be text, got 3'
    """
    problem = _own_problem(value, schema, strict, path)
    if problem is not None:
        yield problem
    elif isinstance(value, dict):
        yield from _mapping_violations(value, schema, strict, path)
    elif isinstance(value, list):
        yield from _list_violations(value, schema, strict, path)


def fitting(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Prepare a schema for many values.

    Args:
        schema: As for ``violations``.

    Returns:
        What tells of a value whether ``violations`` finds nothing.

    Examples:
        >>> fits = fitting({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
        >>> fits({"n": 1}), fits({"n": "1"}), fits({})
        (True, False, False)
    """
    if schema.keys() & {"properties", "additionalProperties", "required"}:
        return _fitting_mapping(schema)
    if schema.keys() & {"items", "minItems"} or "type" not in schema:
        return lambda value: next(violations(value, schema), None) is None
    kinds: frozenset[type] = frozenset()  # that are right whatever the value
    if "enum" not in schema and (schema.get("clampable") or schema.keys().isdisjoint(_BOUNDS)):
        words = _as_list(schema["type"])
        kinds = frozenset(kind for kind, its in _TYPES_OF.items() if not its.isdisjoint(words)) - {float}
    return lambda value: type(value) in kinds or _own_problem(value, schema, strict=False, path=()) is None


def _fitting_mapping(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    parts = {key: fitting(part) for key, part in schema.get("properties", {}).items()}
    others = schema.get("additionalProperties", {})
    other = fitting(others) if others else lambda _: others is not False
    required = frozenset(schema.get("required", ()))

    def fits(value: Any) -> bool:
        if type(value) is not dict:
            return next(violations(value, schema), None) is None
        for key, item in value.items():
            if not parts.get(key, other)(item):
                return False
        return required <= value.keys()

    return fits


def _own_problem(value: Any, schema: Mapping[str, Any], strict: bool, path: KeyPath) -> Problem | None:
    """Say what is wrong with a value, whatever lies in it."""
    types = schema.get("type", ())
    if types and _words_for(value).isdisjoint(_as_list(types)):
        return Problem("bad_type", f"{name_of(path)} must be {_one_of(_as_list(types))}, got {shown(value)}", path)
    if "enum" in schema and value not in schema["enum"]:
        return _not_in_enum(value, schema["enum"], path)
    if isinstance(value, (int, float)) and (strict or not schema.get("clampable")):
        return _out_of_range(value, schema, path)
    return None


def _mapping_violations(
    value: dict[Any, Any], schema: Mapping[str, Any], strict: bool, path: KeyPath
) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    for key, item in value.items():
        part = properties.get(key, others)
        if part is False:
            yield _unknown_field((*path, key), properties)
        elif part and isinstance(item, (dict, list)):
            yield from violations(item, part, strict=strict, path=(*path, key))
        elif part and (problem := _own_problem(item, part, strict, (*path, key))):
            yield problem
    for key in schema.get("required", []):
        if key not in value:
            yield Problem("missing_field", f"{name_of((*path, key))} is missing", (*path, key))


def _list_violations(value: list[Any], schema: Mapping[str, Any], strict: bool, path: KeyPath) -> Iterator[Problem]:
    if len(value) < schema.get("minItems", 0):
        yield Problem("bad_value", f"{name_of(path)} is empty; leave the line out instead", path)
    for index, item in enumerate(value):
        yield from violations(item, schema.get("items", {}), strict=strict, path=(*path, index))


def _out_of_range(value: float, schema: Mapping[str, Any], path: KeyPath) -> Problem | None:
    low, above, high = (schema.get(word) for word in _BOUNDS)
    too_low = (low is not None and value < low) or (above is not None and value <= above)
    if not too_low and (high is None or value <= high):
        return None
    bounds = f"{low}-{high}" if above is None else f"above {above} and at most {high}"
    return Problem("bad_value", f"{name_of(path)} must be {bounds}, got {shown(value)}", path)


def _unknown_field(path: KeyPath, known: Mapping[str, Any]) -> Problem:
    near = names.nearest(str(path[-1]), known)
    hint = f"did you mean {name_of((*path[:-1], near))}?" if near else f"known are {', '.join(known)}"
    return Problem("unknown_field", f"{name_of(path)} is no field of a job; {hint}", path)


def _not_in_enum(value: Any, allowed: list[Any], path: KeyPath) -> Problem:
    words = [word for word in allowed if word is not None]
    near = names.nearest(str(value), words)
    hint = f"; did you mean {near}?" if near else ""
    message = f"{name_of(path)} must be one of {', '.join(words)}, got {shown(value)}{hint}"
    return Problem("bad_value", message, path)


def name_of(path: KeyPath) -> str:
    """Return a key path as people write it.

    Examples:
        >>> name_of(("outputs", "nodes", 0)), name_of(())
        ('outputs.nodes[0]', 'the job')
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return _short(text.removeprefix(".")) or "the job"


def shown(value: Any) -> str:
    """Return a value as a message may show it: short, and recognizable by kind.

    Examples:
        >>> shown("50"), shown(None), shown([1])
        ("text '50'", 'nothing', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"text {_short(value)!r}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return _short(f"{value}")
    return {dict: "a mapping", list: "a list"}.get(type(value), f"a {type(value).__name__}")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"


def _as_list(types: Any) -> list[str]:
    return [types] if isinstance(types, str) else types


def _one_of(types: list[str]) -> str:
    return " or ".join(_WORDS[word] for word in types if word != "null")


def _words_for(value: Any) -> frozenset[str]:
    """Say which types a value has; infinity is no number."""
    if isinstance(value, float) and not -math.inf < value < math.inf:
        return _NO_WORDS
    return _TYPES_OF.get(type(value), _NO_WORDS)
