"""What a command hands back: data for programs, blocks for people, and why it failed if it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import E3Error

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

HINTS: dict[str, str] = {
    "usage": "e3 --help lists the commands; e3 COMMAND --help explains one",
    "internal": "this is a fault of E3: please report it with the lines above",
    "interrupted": "run the command again to go on",
    "os_error": "make the file or folder readable and writable",
    "timeout": "the jobs go on; wait again, or give a longer --timeout",
    "job_failed": "e3 show NAME tells why; e3 retry NAME runs it again",
    "job_unknown": "e3 queue ls shows the names",
    "wrong_state": "e3 show NAME tells where the job stands",
    "name_conflict": "give the job another name or number, or e3 rm the one that is there",
    "rejected": "mend what is named, then try again: nothing was taken in",
    "bad_value": "e3 schema prints every rule; e3 init gives editors the same",
    "workflow_unknown": "e3 workflows ls shows the ids",
    "workflow_invalid": "mend the workflow's file; e3 workflows ls tells which ones load",
    "settings_invalid": "mend global_config.yaml; e3 schema config prints every setting",
    "store_unavailable": "e3 doctor looks for the cause",
    "db_locked": "another program holds the database: end it, or wait and try again",
    "db_damaged": "keep a copy, and name another file in paths.database",
    "disk_full": "make room on the disk",
    "host_unavailable": "start ComfyUI (e3 up), or name the one that runs with --url",
    "port_taken": "name another port with --port",
    "will_fail": "mend what is marked fail; e3 doctor --fix does what is safe",
}
"""The hint that goes with an error's code, where the message alone does not say what to do."""

DEFAULT_HINT = "e3 doctor looks for the cause"


class UsageError(Exception):
    """Wrong use: one line says what is right."""


class CommandFailed(E3Error):
    """A command that did its work and whose work says no; ``code`` names why."""


@dataclass(frozen=True)
class Line:
    """A line for people, with the word that gives it its colour: a status, or ``dim``, ``good``, ``bad``."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Table:
    """Rows for people. A cell that is a status gets its colour."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = str | Line | Table


@dataclass(frozen=True)
class Failure:
    """Why a command ended with another code than 0."""

    code: str
    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None
    exit_code: int = FAILED

    def as_data(self) -> dict[str, Any]:
        """Return it as the envelope holds it.

        Examples:
            >>> Failure("timeout", "2 jobs still run").as_data()["hint"]
            'the jobs go on; wait again, or give a longer --timeout'
        """
        place = {"line": self.line, "column": self.column} if self.line is not None else {}
        return {"code": self.code, "message": self.message, "hint": hint_of(self), **place}


@dataclass(frozen=True)
class Answer:
    """What a command found or did.

    Attributes:
        data: The same for programs, under ``data`` of the envelope.
        blocks: What people see.
        failure: Why it failed, if it did.
    """

    data: Any = None
    blocks: Sequence[Block] = ()
    failure: Failure | None = None


def hint_of(failure: Failure) -> str:
    """Return the way out of a failure: its own hint, else that of its code."""
    return failure.hint or HINTS.get(failure.code, DEFAULT_HINT)


def failure_of(exc: Exception) -> Failure:
    """Tell the world of an exception: a stable code, and what it was.

    Examples:
        >>> failure_of(FileNotFoundError(2, "No such file or directory", "a.yaml")).message
        'a.yaml: No such file or directory'
    """
    if isinstance(exc, UsageError):
        return Failure("usage", str(exc), exit_code=USAGE)
    if isinstance(exc, E3Error):
        return Failure(exc.code, str(exc), line=exc.line, column=exc.column)
    if isinstance(exc, OSError):
        return Failure("os_error", f"{exc.filename or 'the system'}: {exc.strerror or exc}")
    return Failure("internal", f"{type(exc).__name__}: {exc}")
