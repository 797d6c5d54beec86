"""Run one scenario of the chaos run in a process of its own: ``run_scenario.py NAME SEED [ARGUMENT]``.

Prints what happened; ends with 1 when the promise was broken.
"""

from __future__ import annotations

import random
import sys
import time

from comfyui_e3.e3_nodes.selftest import hosted, rounds, scenarios


def main(name: str, seed: str, argument: str = "") -> int:
    """Run it; ``NAME=place,place`` runs ``every_failpoint`` at some places only."""
    report, chance = rounds.Report(_say), random.Random(int(seed))
    rounds.LONGEST_RUN_SECONDS = 10.0
    if name == "failpoints":
        scenarios.failpoints_at(report, argument.split(","))
    elif name == "frozen_at":
        scenarios.frozen_at(report, argument.split(","))
    elif name == "random_kills":
        scenarios.random_kills(report, chance, int(argument), time.monotonic() + 300)
    elif name == "every_pair":
        scenarios.every_pair(report, chance, int(argument))
    elif name == "embedded_host":
        hosted.embedded_host(report, chance, int(argument))
    else:
        getattr(scenarios, name)(report, chance)
    print(dict(report.kills), f"{len(report.violations)} violations", flush=True)
    return 1 if report.violations else 0


def _say(text: str) -> None:
    """Print, and end at the first violation: one is enough."""
    print(text, flush=True)
    if text.startswith("VIOLATION"):
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
