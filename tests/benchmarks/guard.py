"""Tells whether E3 became slower: ratios of a run against those of the stored baseline, with room for noise.

    python tests/benchmarks/guard.py              measure, and compare with the baseline
    python tests/benchmarks/guard.py --update     measure, and take the ratios as the new baseline

Ratios only, never seconds: each figure was measured beside its floor, on the same machine, in the same run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfyui_e3.e3_nodes.bench import run
from comfyui_e3.e3_nodes.bench.scale import QUICK

Figures = Mapping[str, Mapping[str, Any]]
"""What a report tells of each figure, by name."""

BASELINE = Path(__file__).with_name("baseline.json")
ROOM = 2.5
"""How many times worse than the baseline a ratio may be: machines of continuous integration are noisy."""

SECTIONS = {
    "dispatch": replace(QUICK, jobs=20, pairs=2, side=256),
    "ingest": replace(QUICK, files=(2000,)),
    "lease": replace(QUICK, pairs=10, leases=200, backlogs=(0, 2000), backoffs=500),
}
"""What is measured, and how much of it: together less than a minute."""

STEADY = ("dispatch.embedded.cpu", "ingest.files_2000.rate", "lease.")
"""What is worth a baseline: gaps of a few jobs say more of the machine's other tenants than of E3."""

OPTIONAL = "lease.against_"
"""What is only measured where the libraries are installed that leases are compared with."""

RATES = ("jobs/s", "files/s")
"""Of these more is better; of everything else less."""


def measure() -> Figures:
    """Measure each section beside its floor; return the figures by name."""
    figures = [figure for name, scale in SECTIONS.items() for figure in run.run(scale, [name])]
    return run.report(figures, QUICK)["figures"]


def complaints(figures: Figures, baseline: Mapping[str, float]) -> list[str]:
    """List the figures that are worse than the baseline allows.

    Args:
        figures: What was measured.
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


def update(figures: Figures) -> None:
    """Take ratios as the new baseline."""
    steady = {name: figure for name, figure in figures.items() if figure["ratio"] and name.startswith(STEADY)}
    ratios = {name: round(figure["ratio"], 3) for name, figure in steady.items()}
    BASELINE.write_text(json.dumps(ratios, indent=1, sort_keys=True) + "\n", "utf-8")


def main(argv: list[str]) -> int:
    """Measure and compare, or update; return 1 when something became slower."""
    figures = measure()
    if "--update" in argv:
        update(figures)
        return 0
    found = complaints(figures, load_baseline())
    print("\n".join(found) or "nothing is slower than the baseline allows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
