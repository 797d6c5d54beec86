"""``e3 selftest``: the promise of docs/durability.md, tried on this machine."""

from __future__ import annotations

import argparse

from .answers import Answer, Failure, Line
from .render import Screen


def run_selftest(args: argparse.Namespace, screen: Screen) -> Answer:
    """Kill E3 in throw-away homes, and check after each kill that nothing was lost, doubled or torn."""
    from .. import selftest

    count = selftest.run_chaos(
        everything=args.chaos,
        runs=args.runs,
        seconds=args.seconds,
        seed=args.seed,
        say=lambda text: screen.show(Line(text)),
    )
    if count:
        failure = Failure("promise_broken", f"{count} violations; each is named above")
        return Answer({"violations": count}, failure=failure)
    return Answer({"violations": 0}, [Line("no violation", "good")])
