"""``e3 bench``: how fast E3 is here, against the least that does the same in the same run."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from .answers import Answer, Table, UsageError
from .render import Screen


def run_bench(args: argparse.Namespace, screen: Screen) -> Answer:
    """Measure the wanted sections, each on scratch folders of its own."""
    from ..bench import run, scale

    names = args.only.split(",") if args.only else list(run.SECTIONS)
    if unknown := [name for name in names if name not in run.SECTIONS]:
        raise UsageError(f"e3 bench: there is no section {unknown[0]!r}; there is: {', '.join(run.SECTIONS)}")
    size = scale.QUICK if args.quick else scale.FULL
    if args.minutes is not None:
        size = replace(size, idle_seconds=60.0 * args.minutes)
    figures = run.run(size, names)
    told = run.report(figures, size)
    if args.out:
        run.write(Path(args.out), told)
    return Answer(told, [Table(run.COLUMNS, run.table(figures))])
