"""The chaos run: every crash of the catalogue, then random ones, and one line that says what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .. import failpoints
from ..errors import E3Error
from . import hosted, scenarios
from .processes import CAN_FORK
from .rounds import Report, Say

DEFAULT_RUNS, FEW_RUNS = 100, 20
THOROUGH_RUNS = 500
_FOR_EVER = 10.0**9


def run_chaos(
    *,
    everything: bool = True,
    runs: int | None = None,
    seconds: float | None = None,
    seed: int | None = None,
    say: Say = lambda text: None,
) -> int:
    """Make every crash of the catalogue, then random ones, and check the invariants after each.

    Args:
        everything: Make every crash of the catalogue first; else only the random kills.
        runs: How many random kills; 100, or 20 alone, when neither this nor ``seconds`` is given. From 500 on,
            every pair of a crash and a crash in its recovery is made, else some of them.
        seconds: For how long to kill at random.
        seed: Repeats the random choices of an earlier run.
        say: Is told what happens.

    Returns:
        The count of violations.

    Raises:
        E3Error: ``unsupported``: this system cannot fork processes to kill.
    """
    if not CAN_FORK:
        raise E3Error(
            "the chaos run kills forked processes, which this system lacks; run it on Linux", code="unsupported"
        )
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    default = int(_FOR_EVER) if seconds else DEFAULT_RUNS if everything else FEW_RUNS
    wanted = default if runs is None else runs
    chance, report, began = random.Random(seed), Report(say), time.monotonic()
    say(f"Seed {seed}")
    if everything:
        _do_catalogue(report, chance, wanted)
    deadline = time.monotonic() + (seconds or _FOR_EVER)
    _do(report, "Kill at random times", lambda: scenarios.random_kills(report, chance, wanted, deadline))
    never = [name for name in failpoints.CATALOGUE if everything and not report.kills[f"at {name}"]]
    if never:
        report.violate(f"no process ever came to {', '.join(never)}")
    _sum_up(report, seed, time.monotonic() - began)
    return len(report.violations)


def _do_catalogue(report: Report, chance: random.Random, wanted: int) -> None:
    pairs = len(scenarios.PAIRS) if wanted >= THOROUGH_RUNS else scenarios.SOME_PAIRS
    _do(report, scenarios.every_failpoint.__doc__, lambda: scenarios.every_failpoint(report, chance))
    _do(report, scenarios.every_pair.__doc__, lambda: scenarios.every_pair(report, chance, pairs))
    for scenario in (
        scenarios.frozen_past_the_lease,
        scenarios.woken_while_another_runs,
        scenarios.strangers_file_at_the_last_moment,
        scenarios.full_disk,
        scenarios.poisonous_job,
        scenarios.two_executors,
        scenarios.wall_clock_jumps,
    ):
        _do(report, scenario.__doc__, lambda scenario=scenario: scenario(report, chance))
    hosts = 50 if wanted >= THOROUGH_RUNS else 5
    _do(report, hosted.embedded_host.__doc__, lambda: hosted.embedded_host(report, chance, hosts))


def _do(report: Report, doc: str | None, part: Callable[[], None]) -> None:
    kills, began = sum(report.kills.values()), time.monotonic()
    part()
    said = (doc or "").partition("\n")[0].rstrip(".")
    report.say(f"{said}: {sum(report.kills.values()) - kills} times in {time.monotonic() - began:.0f} s")


def _sum_up(report: Report, seed: int, seconds: float) -> None:
    for place, count in sorted(report.kills.items()):
        report.say(f"  {count:5} {place}")
    for phase, count in sorted(report.found.items()):
        report.say(f"  {count:5} jobs were found {phase} by a check")
    report.say(
        f"{sum(report.kills.values())} kills and freezes, {report.jobs} jobs, {report.checks} checks "
        f"in {seconds:.0f} s; {len(report.violations)} violations (seed {seed})"
    )
