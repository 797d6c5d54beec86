"""Answers to text or JSON: a screen for people at a terminal, one for pipes and logs, one for programs."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from .answers import DONE, USAGE, Answer, Block, Failure, Line, Table, hint_of

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Meter(Protocol):
    """A progress bar, or what stands for one."""

    def show(self, done: int, text: str) -> None:
        """Say how many are done, and what goes on."""
        ...


class Screen(Protocol):
    """Where a command's words go."""

    def show(self, *blocks: Block) -> None:
        """Show blocks to people at once, before the command has ended."""
        ...

    def note(self, text: str) -> None:
        """Tell people what is not part of the answer."""
        ...

    def meter(self, total: int, title: str) -> contextlib.AbstractContextManager[Meter]:
        """Show progress while a block of code runs."""
        ...

    def finish(self, answer: Answer) -> int:
        """Give the answer, and return the exit code that goes with it.

        A command that goes on for ever gives its answer when it is at work; programs hear only that one.
        """
        ...


class PlainScreen:
    """Plain text: what pipes, logs and terminals without rich get."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.out, self.err = out or sys.stdout, err or sys.stderr

    def show(self, *blocks: Block) -> None:
        for block in blocks:
            self._show(block)

    def note(self, text: str) -> None:
        write_line(self.err, printable(text))

    @contextmanager
    def meter(self, total: int, title: str) -> Iterator[Meter]:
        yield _NoMeter()

    def finish(self, answer: Answer) -> int:
        self.show(*answer.blocks)
        if answer.failure is None:
            return DONE
        for line in failure_lines(answer.failure):
            write_line(self.err, line)
        return answer.failure.exit_code

    def _show(self, block: Block) -> None:
        if isinstance(block, Table):
            for line in table_lines(block):
                write_line(self.out, line)
        else:
            write_line(self.out, printable(block.text if isinstance(block, Line) else block))


class JsonScreen:
    """One envelope on stdout, and nothing else there."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._is_told = False

    def show(self, *blocks: Block) -> None:
        """Programs wait for the envelope."""

    def note(self, text: str) -> None:
        """Programs read the envelope."""

    @contextmanager
    def meter(self, total: int, title: str) -> Iterator[Meter]:
        yield _NoMeter()

    def finish(self, answer: Answer) -> int:
        if not self._is_told:
            write_line(self._out, self._encoded(envelope(answer)))
        self._is_told = True
        return DONE if answer.failure is None else answer.failure.exit_code

    def _encoded(self, value: Any) -> str:
        is_unicode = (self._out.encoding or "utf-8").lower().replace("-", "") == "utf8"
        indent = 2 if self._out.isatty() else None
        return json.dumps(value, ensure_ascii=not is_unicode, indent=indent, default=str)


class _NoMeter:
    def show(self, done: int, text: str) -> None:
        """A pipe has no use for a bar."""


def screen_for(*, wants_json: bool) -> Screen:
    """Choose the screen: JSON if asked, rich at a terminal that has it, else plain text."""
    if wants_json:
        return JsonScreen()
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb" or not importlib.util.find_spec("rich"):
        return PlainScreen()
    from .rich_screen import RichScreen

    return RichScreen()


def envelope(answer: Answer) -> dict[str, Any]:
    """Return the one shape of every ``--json``.

    Examples:
        >>> envelope(Answer({"jobs": []}))
        {'ok': True, 'data': {'jobs': []}}
    """
    told = {"ok": answer.failure is None, "data": answer.data}
    return told if answer.failure is None else {**told, "error": answer.failure.as_data()}


def failure_lines(failure: Failure) -> list[str]:
    """Say what went wrong and what to do; wrong use is one line.

    Examples:
        >>> failure_lines(Failure("timeout", "2 jobs still run", hint="wait"))
        ['e3: 2 jobs still run', '    wait']
    """
    place = f" (line {failure.line}, column {failure.column})" if failure.line is not None else ""
    if failure.exit_code == USAGE:
        return [" ".join(printable(failure.message).split())]
    return [f"e3: {printable(failure.message)}{place}", f"    {printable(hint_of(failure))}"]


def table_lines(table: Table) -> list[str]:
    """Lay a table out in columns; the last one is as wide as it wants.

    Examples:
        >>> table_lines(Table(("STATUS", "NAME"), [("done", "a"), ("pending", "b")]))
        ['STATUS   NAME', 'done     a', 'pending  b']
    """
    rows = [[" ".join(printable(cell).split()) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]


def printable(text: str) -> str:
    """Escape what could drive a terminal: names and traces come from strangers.

    Examples:
        >>> printable("red \\x1b[31m")
        'red \\\\x1b[31m'
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def write_line(stream: TextIO, line: str) -> None:
    """Write a line; a reader that has gone (``| head``) is no fault of the command."""
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except BrokenPipeError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Point a stream whose reader has gone to nowhere, so that the interpreter's last flush is quiet."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
