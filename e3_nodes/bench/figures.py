"""What a measurement comes to: medians, shares, and figures that stand beside a floor of the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        name: What was measured, unique in a report: ``section.what``.
        value: E3's value.
        unit: ``1/s``, ``ms``, ``%``, ``MB`` and so on.
        floor: The least that does the same, measured in the same run; None where there is none.
        target: The bound that the figure has to keep, and whether it is of the ratio or of the value.
        note: What else a reader should know.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    target: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """E3's value against the floor's."""
        return None if not self.floor else self.value / self.floor

    @property
    def is_met(self) -> bool | None:
        """Tell whether the target is kept; None without a target."""
        return None if self.target is None else self.target.holds(self)


@dataclass(frozen=True)
class Target:
    """A bound: ``at_least`` or ``at_most`` of ``ratio``, ``value``, or ``value`` above the floor (``excess``)."""

    limit: float
    of: str = "value"
    at_least: bool = False

    def holds(self, figure: Figure) -> bool:
        """Tell whether a figure keeps the bound.

        Examples:
            >>> Target(0.95, "ratio", at_least=True).holds(Figure("a", 96.0, "1/s", floor=100.0))
            True
            >>> Target(0.5, "excess").holds(Figure("b", 3.0, "ms", floor=2.0))
            False
        """
        excess = figure.value - (figure.floor or 0.0)
        measured = {"value": figure.value, "ratio": figure.ratio, "excess": excess}[self.of]
        if measured is None:
            return False
        return measured >= self.limit if self.at_least else measured <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        unit = {"value": "", "ratio": "x", "excess": " over the floor"}[self.of]
        return f"{sign} {self.limit:g}{unit}"


def median(values: Sequence[float]) -> float:
    """Return the middle; 0 of nothing."""
    return statistics.median(values) if values else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of all lies; 0 of nothing.

    Examples:
        >>> percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.95)
        10
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def seconds_of(work: Callable[[], object]) -> float:
    """Time one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
