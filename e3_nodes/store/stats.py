"""What the table knows of the past: how long runs take, what fails and why, how much gets done."""

from __future__ import annotations

from .base import StoreBase
from .protocol import DurationQuantiles, FailureGroup

RUNS_LOOKED_AT = 10_000
"""How far back the last runs of a workflow are looked for, among those of all."""


class StatsStore(StoreBase):
    """Reading the past; ``protocol.JobStore`` says what each method promises."""

    def duration_quantiles(self, workflow_id: str, *, last: int = 200) -> DurationQuantiles | None:
        found = self._fetch("run_durations", workflow_id=workflow_id, last=last, among=RUNS_LOOKED_AT)
        return quantiles([row["duration"] for row in found if row["duration"] is not None])

    def failure_groups(self, *, limit: int = 10_000) -> list[FailureGroup]:
        groups: dict[tuple[str, str, str], FailureGroup] = {}
        for row in self._fetch("recent_failures", limit=limit):
            key = (row["workflow_id"], row["error_type"] or "", row["cause"] or "")
            workflow_id, error_type, cause = key
            empty = FailureGroup(workflow_id=workflow_id, error_type=error_type, cause=cause, count=0, names=[])
            group = groups.setdefault(key, empty)
            group["count"] += 1
            group["names"].append(row["config_name"])
        return sorted(groups.values(), key=lambda group: -group["count"])

    def ended_since(self, since: int) -> dict[str, int]:
        found = {row["status"]: row["n"] for row in self._fetch("ended_since", since=since)}
        return {status: found.get(status, 0) for status in ("done", "failed", "cancelled")}


def quantiles(durations: list[int]) -> DurationQuantiles | None:
    """Return the median and the 80th percentile (nearest rank), or None for no runs.

    Examples:
        >>> quantiles([10, 30, 20, 50, 40])
        {'count': 5, 'p50': 30, 'p80': 40}
    """
    if not durations:
        return None
    ordered = sorted(durations)
    p50, p80 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 80))
    return {"count": len(ordered), "p50": p50, "p80": p80}
