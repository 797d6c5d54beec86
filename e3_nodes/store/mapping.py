"""Between Python and the columns: names compared, rows parsed, defaults filled in."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, cast

from .. import errors
from ..model import DEFAULT_PRIORITY, JOB_TYPES, Job, LightJob, Status
from ..validation import names
from .rules import Notes, Run

_OWN_COLUMNS = (
    *("ended_key", "duration_key", "tie", "closed", "turn"),
    *("leased_at", "node", "done_at", "done_by", "done_token"),
)
_JSON_COLUMNS = ("config", "metadata", "warnings")
_EMPTY: dict[str, Callable[[], Any]] = {"{}": dict, "[]": list}
_REQUIRED = ("config_name", "job_type", "workflow_id")
_OPTIONAL: dict[str, Any] = {
    "workflow_sha256": "",
    "priority": DEFAULT_PRIORITY,
    "status": Status.PENDING.value,
    "run_count": 0,
    "retries_attempted": 0,
    "retry_limit": 2,
    "start_time": None,
    "end_time": None,
    "duration": None,
    "error_type": None,
    "error_trace": None,
    "filed_at": None,
    "config_path": "",
    "source_yaml": "",
    "warnings": [],
    "metadata": {},
    "config": {},
}
_DERIVED = ("media", "config_sha256", "created_at")
_KNOWN = frozenset([*_REQUIRED, *_OPTIONAL, *_DERIVED])
_STATUSES = {member.value: member.value for member in Status}
_TERMINAL = frozenset(member.value for member in Status if member.is_terminal)
_DECODE = json.JSONDecoder().raw_decode
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Row(Protocol):
    """A row as a database driver hands it out."""

    def keys(self) -> list[str]: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __getitem__(self, name: str, /) -> Any: ...


def identity(config_name: str) -> str:
    """Return what a job's name is compared by, however it is written, with or without ``.yaml``.

    Examples:
        >>> identity("T2I_20250809123001_1_Knight.yaml") == identity("t2i_20250809123001_1_knight")
        True
    """
    return names.identity(names.canonical_config_name(config_name))


def job_from(row: Row) -> Job:
    """Turn a whole row of the database into a job."""
    return cast(Job, _parsed(row))


def run_from(row: Row) -> Run:
    """Turn what the end of a run depends on into a run."""
    run = dict(zip(row.keys(), row, strict=True))
    run["metadata"], run["warnings"] = _from_json(run["metadata"]), _from_json(run["warnings"])
    return cast(Run, run)


def notes_from(row: Row | Mapping[str, str]) -> Notes:
    """Turn a row into what its job has to say for itself."""
    return Notes(warnings=_from_json(row["warnings"]), metadata=_from_json(row["metadata"]))


def light_job_from(row: Row) -> LightJob:
    """Turn a row of a list into a light job."""
    job = _parsed(row)
    return cast(LightJob, job | {"has_error": job["error_type"] is not None})


def columns_of(row: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Complete a row for ``upsert_job`` to what the insert statement names.

    Args:
        row: At least config_name, job_type and workflow_id.
        now: UTC milliseconds.

    Raises:
        InvalidConfig: A column is missing, unknown, or one that only a transition may set.
    """
    _check_names(row)
    columns = {**_OPTIONAL, **row, "config_name": unicodedata.normalize("NFC", row["config_name"])}
    columns["status"] = _STATUSES[columns["status"]]
    columns["identity"] = identity(row["config_name"])
    columns.setdefault("media", JOB_TYPES.get(row["job_type"], ""))
    columns.setdefault("created_at", now)
    if "config_sha256" not in columns:
        columns["config_sha256"] = _content_sha256(columns)
    if columns["status"] in _TERMINAL:
        columns["end_time"] = columns["end_time"] or now
    return flat_row(columns)


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write as JSON what the columns hold as JSON, and leave what is JSON already.

    Rows that wait should be flat: Python's garbage collector goes through whatever holds other things, and stops
    ComfyUI's loop meanwhile.

    Examples:
        >>> flat_row({"config_name": "a.yaml", "metadata": {"mood": "calm"}})
        {'config_name': 'a.yaml', 'metadata': '{"mood":"calm"}'}
    """
    return {  # one value after the other: a copy would be the collector's business where the row is
        name: to_json(value) if name in _JSON_COLUMNS and not isinstance(value, str) else value
        for name, value in row.items()
    }


def to_json(value: Any) -> str:
    """Write strict, compact JSON.

    Examples:
        >>> to_json({"name": "ä"})
        '{"name":"ä"}'
    """
    if value == []:  # as nearly every job's warnings are
        return "[]"
    return _ENCODE(value)


def _parsed(row: Row) -> dict[str, Any]:
    """Parse what is JSON, and leave out what only serves an index, or is shown as an attempt."""
    job = dict(zip(row.keys(), row, strict=True))  # a row looks its columns up one by one
    for name in _OWN_COLUMNS:
        job.pop(name, None)
    for name in _JSON_COLUMNS:
        if name in job:
            job[name] = _from_json(job[name])
    return job


def _from_json(text: str) -> Any:
    """Parse what a column holds; what is empty, as most are, needs no parser."""
    make = _EMPTY.get(text)
    return make() if make else _DECODE(text)[0]


def _check_names(row: Mapping[str, Any]) -> None:
    missing = [name for name in _REQUIRED if not row.get(name)]
    if missing:
        raise errors.InvalidConfig(f"a job row needs {missing[0]}", code="missing_field")
    if not row.keys() <= _KNOWN:
        unknown = min(row.keys() - _KNOWN)
        raise errors.InvalidConfig(f"a job row cannot set {unknown!r}", code="unknown_field")
    status = row.get("status", Status.PENDING.value)
    if status not in _STATUSES:
        raise errors.InvalidConfig(f"status must be one of {', '.join(Status)}, got {status!r}")
    if status == Status.PROCESSING:
        raise errors.InvalidConfig(f"{row['config_name']}: only a lease makes a job processing")


def _content_sha256(columns: Mapping[str, Any]) -> str:
    """Stand in for the hash of a file's bytes where a row comes without a file."""
    names = ("job_type", "workflow_id", "priority", "retry_limit", "config", "metadata")
    text = json.dumps([columns[name] for name in names], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
