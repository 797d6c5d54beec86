"""What the past says of the future: how long runs take, when the queue is done, why jobs fail."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .model import LightJob, Status
from .store.protocol import DurationQuantiles, JobFilter, JobStore

HOUR_MS = 3_600_000
MOST_CAUSES = 50
MOST_NAMES = 2_000


def queue_stats(db: JobStore, workflow_ids: Iterable[str], now: int) -> dict[str, Any]:
    """Tell how long like runs took, when the queue will be done, how much gets done, and why jobs failed.

    Args:
        db: The store.
        workflow_ids: The known workflows; those of open jobs are added.
        now: UTC milliseconds.

    Returns:
        ``workflows`` (p50, p80 and runs by id), ``eta``, ``throughput`` and ``failures``.
    """
    waiting = db.open_by_workflow()
    found = {key: db.duration_quantiles(key) for key in sorted({*workflow_ids, *waiting})}
    pace = {key: quantiles for key, quantiles in found.items() if quantiles}
    running = db.list_jobs(JobFilter(status=[Status.PROCESSING.value]), limit=100)["jobs"]
    return {
        "workflows": {
            key: {"p50": known["p50"], "p80": known["p80"], "runs": known["count"]} for key, known in pace.items()
        },
        "eta": eta_of(waiting, running, pace, now),
        "throughput": {
            "last_hour": db.ended_since(now - HOUR_MS),
            "last_day": db.ended_since(now - 24 * HOUR_MS),
        },
        "failures": failures_by_cause(db),
    }


def eta_of(
    waiting: Mapping[str, int],
    running: Sequence[LightJob],
    pace: Mapping[str, DurationQuantiles],
    now: int,
) -> dict[str, int] | None:
    """Estimate how long the queue still takes: medians add up, and spreads add up as squares do.

    Args:
        waiting: Open jobs by workflow, the running ones among them.
        running: The running jobs; those that execute have used up a part of their time.
        pace: How long like runs took, by workflow; an unknown workflow counts as the mean of the known.
        now: UTC milliseconds.

    Returns:
        ``p50_ms`` and ``p80_ms``; None when nothing is known of any workflow.

    Examples:
        >>> eta_of({"wf": 4}, [], {"wf": {"count": 9, "p50": 1000, "p80": 1300}}, 0)
        {'p50_ms': 4000, 'p80_ms': 4600}
    """
    if not pace:
        return None
    mean = {key: sum(known[key] for known in pace.values()) / len(pace) for key in ("p50", "p80")}
    median, variance = 0.0, 0.0
    for key, number in waiting.items():
        known = pace.get(key, mean)
        median += number * known["p50"]
        variance += number * (known["p80"] - known["p50"]) ** 2
    for job in running:
        if job["start_time"]:
            median -= min(max(0, now - job["start_time"]), pace.get(job["workflow_id"], mean)["p50"])
    lanes = max(1, len({job["worker_id"] for job in running}))
    return {
        "p50_ms": round(median / lanes),
        "p80_ms": round((median + math.sqrt(variance)) / lanes),
    }


def failures_by_cause(db: JobStore) -> list[dict[str, Any]]:
    """Group failed jobs by workflow, error type and first line of the trace, the most frequent first."""
    return [
        {
            "workflow_id": group["workflow_id"],
            "error_type": group["error_type"],
            "summary": group["cause"][:300],
            "count": group["count"],
            "names": group["names"][:MOST_NAMES],
        }
        for group in db.failure_groups()[:MOST_CAUSES]
    ]


def metrics_text(db: JobStore, version: str) -> str:
    """Write the state of the queue in Prometheus's text format.

    Args:
        db: The store.
        version: E3's version.
    """
    state, pace = db.queue_state(), {key: db.duration_quantiles(key) for key in sorted(db.open_by_workflow())}
    durations = [
        ({"workflow_id": key, "quantile": quantile}, known[name] / 1000)
        for key, known in pace.items()
        if known
        for quantile, name in (("0.5", "p50"), ("0.8", "p80"))
    ]
    return "".join(
        [
            _metric("e3_build_info", "The version at work.", [({"version": version}, 1)]),
            _metric(
                "e3_jobs",
                "Jobs by status.",
                [({"status": status}, number) for status, number in db.count_by_status().items()],
            ),
            _metric("e3_queue_paused", "Whether no job may start.", [({}, int(state["paused"]))]),
            _metric("e3_rejections", "Files that are no jobs.", [({}, len(db.list_rejections(limit=1000)))]),
            _metric("e3_job_duration_seconds", "How long like runs took, for open workflows.", durations),
        ]
    )


def _metric(name: str, help_text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
    lines += [f"{name}{_labels(labels)} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    """Write labels; a quote, a backslash or a line end in a value is escaped.

    Examples:
        >>> _labels({"workflow_id": 'a"b'}), _labels({})
        ('{workflow_id="a\\\\"b"}', '')
    """
    if not labels:
        return ""
    written = []
    for key, value in labels.items():
        escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        written.append(f'{key}="{escaped}"')
    return "{" + ",".join(written) + "}"
