"""Loggers named ``e3.*`` whose lines are sentences with an action tag, as text or as JSON.

log = get_logger("monitor")
log.info("Took %s", name, extra={"action": "job_accepted", "job": name})
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

ROOT = "e3"
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def get_logger(name: str) -> logging.Logger:
    """Return the logger ``e3.<name>``; the first call gives the ``e3`` root its one handler.

    Args:
        name: The part of E3 that speaks, such as ``monitor``.

    Returns:
        A standard logger. The same name gives the same object.

    Examples:
        >>> get_logger("monitor").name
        'e3.monitor'
    """
    root = logging.getLogger(ROOT)
    # By name, since a process may hold two copies of this module: the plugin's, and an importable one.
    if not any(handler.get_name() == ROOT for handler in root.handlers):
        handler = StderrHandler()
        handler.set_name(ROOT)
        handler.setFormatter(TextFormatter())
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        root.propagate = False
    return root.getChild(name)


def set_log_format(log_format: str) -> None:
    """Choose how lines look: ``text`` for people, ``json`` for programs (one object a line)."""
    get_logger("log")
    formatter = JsonFormatter() if log_format == "json" else TextFormatter()
    for handler in logging.getLogger(ROOT).handlers:
        handler.setFormatter(formatter)


class StderrHandler(logging.StreamHandler):
    """Writes to whatever ``sys.stderr`` is now, and never lets a full or closed log hurt a job."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:  # type: ignore[override]
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the line: a log that cannot be written must not stop the work."""


class TextFormatter(logging.Formatter):
    """``[E3] 12:00:01 monitor: Took T2I_… (job_accepted)``, with control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        action = getattr(record, "action", None)
        tag = f" ({action})" if action else ""
        part = record.name.removeprefix(f"{ROOT}.")
        level = "" if record.levelno <= logging.INFO else f" {record.levelname}"
        clock = self.formatTime(record, "%H:%M:%S")
        line = f"[E3] {clock}{level} {part}: {_one_line(record.getMessage())}{tag}"
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``ts`` (UTC ms), ``level``, ``logger``, ``message`` and every extra."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "ts": int(record.created * 1000),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info is not None:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def _one_line(text: str) -> str:
    """Escape what could forge a line or drive a terminal (names come from strangers' files)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
