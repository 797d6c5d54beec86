"""The screen for people at a terminal: colours, tables, live progress. Imported only there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rich.box
import rich.table
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from .answers import DONE, USAGE, Answer, Block, Line, Table
from .render import Meter, failure_lines, printable

STYLES = {
    "done": "green",
    "good": "green",
    "ok": "green",
    "processing": "cyan",
    "failed": "red",
    "fail": "bold red",
    "bad": "red",
    "rejected": "red",
    "cancelled": "yellow",
    "warn": "yellow",
    "dim": "dim",
    "head": "bold",
}


class RichScreen:
    """Text with colours; nothing that it is given is read as markup."""

    def __init__(self, console: Console | None = None, errors: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._errors = errors or Console(stderr=True, highlight=False)

    def show(self, *blocks: Block) -> None:
        for block in blocks:
            self._console.print(_drawn(block), soft_wrap=not isinstance(block, Table))

    def note(self, text: str) -> None:
        self._errors.print(Text(printable(text), style="dim"), soft_wrap=True)

    @contextmanager
    def meter(self, total: int, title: str) -> Iterator[Meter]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[text]}"), console=self._console, transient=True) as bar:
            yield _RichMeter(bar, bar.add_task(title, total=total, text=""))

    def finish(self, answer: Answer) -> int:
        self.show(*answer.blocks)
        if answer.failure is None:
            return DONE
        first, *others = failure_lines(answer.failure)
        self._errors.print(Text(first, style="" if answer.failure.exit_code == USAGE else "red"), soft_wrap=True)
        for line in others:
            self._errors.print(Text(line, style="dim"), soft_wrap=True)
        return answer.failure.exit_code


class _RichMeter:
    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def show(self, done: int, text: str) -> None:
        self._bar.update(self._task, completed=done, text=printable(text))


def _drawn(block: Block) -> Text | rich.table.Table:
    if isinstance(block, Line):
        return Text(printable(block.text), style=STYLES.get(block.style, ""))
    if isinstance(block, str):
        return Text(printable(block))
    drawn = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in block.columns:
        drawn.add_column(column, overflow="fold")
    for row in block.rows:
        drawn.add_row(*(Text(printable(cell), style=STYLES.get(cell, "")) for cell in row))
    return drawn
