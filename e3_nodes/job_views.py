"""How jobs are shown: light rows for lists, everything for one job, and what runs right now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from . import file_utils, payload
from .backends.base import Backend
from .errors import InvalidConfig
from .model import LightJob, Status, Workflow
from .outputs import formats
from .payload import graph as graphs
from .queue_manager import find_job, job_details
from .store.protocol import JobFilter, JobStore, JobSummary

MAX_SHOWN = 200
MOST_RUNNING = 100

_LIGHT = (
    *("id", "config_name", "job_type", "media", "workflow_id", "workflow_sha256", "priority", "position"),
    *("status", "phase", "run_count", "retries_attempted", "retries_base", "retry_limit", "crash_count"),
    *("cancel_requested", "not_before", "start_time", "end_time", "duration", "error_type", "warnings"),
    *("created_at", "updated_at"),
)
_DETAIL = (
    *_LIGHT,
    *("config", "config_path", "config_sha256", "source_yaml", "worker_id", "prompt_id", "lease_expires_at"),
)
_ATTEMPT = ("number", "worker_id", "started_at", "ended_at", "outcome", "error_type", "error")
_NO_SUMMARY = JobSummary(inputs={}, error_summary=None)


def list_jobs(db: JobStore, where: JobFilter, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """Return a page of jobs as lists show them.

    Args:
        db: The store.
        where: Which jobs, and in which order.
        limit: At most so many, 1 to 1000.
        cursor: Where the page before ended.

    Returns:
        ``jobs``, ``next`` (the next page's cursor, or None) and ``totals`` by status.

    Raises:
        InvalidConfig: A filter, sort, limit or cursor that is none.
    """
    page = db.list_jobs(where, limit=limit, cursor=cursor)
    return {"jobs": light_rows(db, page["jobs"]), "next": page["next"], "totals": page["totals"]}


def light_rows(db: JobStore, jobs: list[LightJob]) -> list[dict[str, Any]]:
    """Add to light rows what a list shows of their bulky columns, long texts cut."""
    summaries = db.job_summaries([job["id"] for job in jobs])
    return [_light(job, summaries.get(job["id"], _NO_SUMMARY)) for job in jobs]


def job_row(db: JobStore, config_name: str) -> dict[str, Any]:
    """Return one job as lists show it.

    Raises:
        UnknownJob: No job has that name.
    """
    job = job_details(db, config_name)
    return light_rows(db, [job])[0]  # type: ignore[list-item] - a whole row is a light row and more


def job_page(db: JobStore, config_name: str, cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything about one job, as its own page shows it.

    Args:
        db: The store.
        config_name: The job.
        cfg: The settings, which say where results may lie.

    Raises:
        UnknownJob: No job has that name.
    """
    job = job_details(db, config_name)
    files = [_output(job, index, path) for index, path in enumerate(output_paths(job, cfg))]
    trace = job.get("error_trace")
    return {
        **{key: job.get(key) for key in _DETAIL},
        "cancel_requested": bool(job.get("cancel_requested")),
        "inputs": job["inputs"],
        "metadata": job["metadata"],
        "attempts": [{key: attempt.get(key) for key in _ATTEMPT} for attempt in job["attempts"]],
        "error_summary": trace.split("\n", 1)[0][:300] if trace else None,
        "error_trace": trace,
        "outputs": files,
        "outputs_count": len(files),
    }


def job_graph(db: JobStore, config_name: str, workflows: Mapping[str, Workflow]) -> graphs.Graph:
    """Return the graph that a job runs: its workflow as it was pinned, with the job's inputs.

    Nothing of an attempt is in it, so that a person can look at it and run it by hand.

    Args:
        db: The store.
        config_name: The job.
        workflows: The workflows as they are now, for a job that pins none.

    Raises:
        UnknownJob: No job has that name.
        InvalidConfig: The workflow is gone, or the job does not fit it.
    """
    job = find_job(db, config_name)
    workflow_id = job["workflow_id"]
    pinned = db.workflow_version(job.get("workflow_sha256") or "")
    known = {workflow_id: cast(Workflow, pinned)} if pinned else workflows
    return payload.build_payload(workflow_id, job["config"]["inputs"], known)


def output_paths(job: Mapping[str, Any], cfg: Mapping[str, Any]) -> list[Path]:
    """Return where the results of a done job lie; what is not under an allowed folder is left out.

    Metadata may come from a stranger's file, so it is believed only of a job that E3 has finished, and only
    within the folders that results may lie in.
    """
    if job["status"] != Status.DONE.value:
        return []
    saved = job.get("metadata", {}).get("saved")
    paths = (_allowed(path, cfg) for path in (saved if isinstance(saved, list) else ()))
    return [path for path in paths if path is not None]


def queue_view(db: JobStore, backend: Backend | None) -> dict[str, Any]:
    """Tell the state of the queue: paused or not, what runs and how far it is, how many jobs there are."""
    return {**db.queue_state(), "running": running_jobs(db, backend), "totals": db.count_by_status()}


def running_jobs(db: JobStore, backend: Backend | None) -> list[dict[str, Any]]:
    """List the processing jobs, each with its progress where this process knows it."""
    page = db.list_jobs(JobFilter(status=[Status.PROCESSING.value]), limit=MOST_RUNNING)
    return [
        {
            "config_name": job["config_name"],
            "workflow_id": job["workflow_id"],
            "phase": job["phase"],
            "start_time": job["start_time"],
            "progress": progress_of(job, backend),
        }
        for job in page["jobs"]
    ]


def progress_of(job: Mapping[str, Any], backend: Backend | None) -> dict[str, Any] | None:
    """Tell how far a job has come: node, value, max, nodes_done, nodes_total; None when nobody here knows."""
    prompt_id = job.get("prompt_id")
    found = backend.progress(prompt_id) if backend is not None and prompt_id else None
    if not found:
        return None
    return {key: found.get(key) for key in ("node", "value", "max", "nodes_done", "nodes_total")}


def shorten(value: Any) -> Any:
    """Cut a long text, and leave out what is nested and long, so that a list stays light.

    Examples:
        >>> shorten("ab"), len(shorten("x" * 1000)), shorten(["x" * 1000])
        ('ab', 200, '…')
    """
    if isinstance(value, str):
        return value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…"
    if isinstance(value, (list, dict)) and len(json.dumps(value)) > 2 * MAX_SHOWN:
        return "…"
    return value


def _light(job: LightJob, summary: JobSummary) -> dict[str, Any]:
    saved = job["metadata"].get("saved") if job["status"] == Status.DONE.value else None
    return {
        **{key: job.get(key) for key in _LIGHT},
        "cancel_requested": bool(job.get("cancel_requested")),
        "inputs": {key: shorten(value) for key, value in summary["inputs"].items()},
        "metadata": {key: shorten(value) for key, value in job["metadata"].items()},
        "error_summary": summary["error_summary"],
        "outputs_count": len(saved) if isinstance(saved, list) else 0,
    }


def _allowed(path: Any, cfg: Mapping[str, Any]) -> Path | None:
    if not isinstance(path, str):
        return None
    roots = [cfg["paths"]["jobs_finished"], *cfg["paths"]["output_roots"]]
    try:
        return file_utils.resolve_inside(path, roots, base=cfg["home"])
    except InvalidConfig:
        return None


def _output(job: Mapping[str, Any], index: int, path: Path) -> dict[str, Any]:
    return {
        "index": index,
        "name": path.name,
        "media_type": media_type_of(path),
        "bytes": path.stat().st_size if path.is_file() else None,
        "url": f"/e3/jobs/{quote(job['config_name'])}/outputs/{index}",
        "path": str(path),
    }


def media_type_of(path: Path) -> str:
    """Return a result's media type by its extension, which says what was really made.

    Examples:
        >>> media_type_of(Path("cat.PNG")), media_type_of(Path("cat.ply"))
        ('image/png', 'application/octet-stream')
    """
    return formats.MEDIA_TYPES.get(path.suffix[1:].lower(), "application/octet-stream")
