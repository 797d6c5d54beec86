"""Arguments to one function call, its answer to text or JSON, and the exit code."""

from __future__ import annotations

import importlib
import io
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..errors import E3Error
from ..logger import get_logger
from . import parser, render
from .answers import INTERRUPTED, Answer, Failure, UsageError, failure_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments after ``e3``; the process's own when None.

    Returns:
        0 done, 1 failed, 2 wrong use, 130 ended by Ctrl-C.

    Examples:
        >>> main(["queue", "set-priority", "only-a-name"])
        2
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    _take_any_character()
    screen = render.screen_for(wants_json="--json" in argv)
    try:
        return screen.finish(_answer(argv, screen))
    except SystemExit as exc:  # help and version have been printed
        return int(exc.code or 0)


def _answer(argv: Sequence[str], screen: render.Screen) -> Answer:
    """Run the command; whatever it raises becomes a failure with a code."""
    try:
        args = parser.parse(argv)
        module, function = args.command.run.split(".")
        run = getattr(importlib.import_module(f".{module}", __package__), function)
        with _log_level(logging.INFO if args.command.speaks else logging.WARNING):
            return run(args, screen)
    except (E3Error, OSError, UsageError) as exc:
        return Answer(failure=failure_of(exc))
    except KeyboardInterrupt:
        return Answer(failure=Failure("interrupted", "interrupted", exit_code=INTERRUPTED))
    except Exception as exc:
        traceback.print_exc()
        return Answer(failure=failure_of(exc))


@contextmanager
def _log_level(level: int) -> Iterator[None]:
    """Let the engine's log say as much as the command wants, while it runs."""
    root = get_logger("cli").parent or logging.root
    before = root.level
    root.setLevel(level)
    try:
        yield
    finally:
        root.setLevel(before)


def _take_any_character() -> None:
    """Let names of any script through a stream of a narrow code page, escaped rather than raised."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
