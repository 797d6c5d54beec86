"""Tells whether E3 became slower: ratios of a run against those of the stored baseline, with room for noise.

    python tests/benchmarks/guard.py REPORT.json              compare a report of `e3 bench --out REPORT.json`
    python tests/benchmarks/guard.py REPORT.json --update     take its ratios as the new baseline

Ratios only, never seconds: each figure was measured beside its floor, on the same machine, in the same run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).with_name("baseline.json")
ROOM = 4.0
"""How many times worse than the baseline a ratio may be: machines of continuous integration are noisy."""

STEADY = ("dispatch.embedded.cpu", "ingest.", "lease.")
"""What is worth a baseline: gaps of a few jobs say more of the machine's other tenants than of E3."""

RATES = ("jobs/s", "files/s")
"""Of these more is better; of everything else less."""


def complaints(figures: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, float]) -> list[str]:
    """List the figures that are worse than the baseline allows.

    Args:
        figures: The figures of a report.
        baseline: Ratios by name; a figure without one is not judged.
    """
    found = []
    for name, was in baseline.items():
        figure = figures.get(name)
        if figure is None or not figure["ratio"] or not was:
            continue
        worse = was / figure["ratio"] if figure["unit"] in RATES else figure["ratio"] / was
        if worse > ROOM:
            found.append(f"{name}: {figure['ratio']:.3f} of its floor, was {was:.3f}; {worse:.1f} times worse")
    return found


def load_baseline() -> dict[str, float]:
    """Read the stored ratios."""
    return json.loads(BASELINE.read_text("utf-8"))


def update(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Take the ratios of a report into the baseline; those of other sections stay."""
    steady = {name: figure for name, figure in figures.items() if figure["ratio"] and name.startswith(STEADY)}
    ratios = {name: round(figure["ratio"], 3) for name, figure in steady.items()}
    known = load_baseline() if BASELINE.exists() else {}
    BASELINE.write_text(json.dumps({**known, **ratios}, indent=1, sort_keys=True) + "\n", "utf-8")


def main(argv: list[str]) -> int:
    """Compare, or update; return 1 when something became slower."""
    figures = json.loads(Path(argv[0]).read_text("utf-8"))["figures"]
    if "--update" in argv:
        update(figures)
        return 0
    found = complaints(figures, load_baseline())
    print("\n".join(found) or "nothing is slower than the baseline allows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
