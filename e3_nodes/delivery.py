"""From results to finished files: where they belong, publishing them, filing the job file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import failpoints, outputs
from .backends.base import Backend
from .errors import E3Error
from .leases import fenced, token_of
from .logger import get_logger
from .model import Job, Result
from .store.protocol import JobStore

log = get_logger("delivery")


def adopt_receipt(job: Job, cfg: Mapping[str, Any], db: JobStore) -> dict[str, Any] | None:
    """Believe the result file over the table: a database of yesterday must not run a finished job again."""
    receipt = outputs.result_of(job, cfg)
    if receipt is None:
        return None
    updates = {key: receipt[key] for key in ("start_time", "end_time", "duration", "metadata") if receipt.get(key)}
    fenced(db.complete_job(job["id"], success=True, updates=updates, lease_token=token_of(job)), job)
    return {"saved": ["its result file says so"], **updates.get("metadata", {})}


def destination(job: Job, cfg: Mapping[str, Any], db: JobStore, backend: Backend) -> dict[str, Any]:
    """Say where the job's results belong, as ``outputs`` wants to hear it."""
    asked = job["config"]["outputs"]
    return {
        "file_path": outputs.final_path(asked["file_path"], cfg),
        "if_exists": asked.get("if_exists", "fail"),
        "nodes": asked.get("nodes"),
        "roots": output_roots(cfg),
        "staging": str(backend.staging(token_of(job))),
        "earlier": db.list_intents(job["id"]) if job["run_count"] > 1 else [],
    }


def output_roots(cfg: Mapping[str, Any]) -> list[str]:
    """List the folders that results may appear in."""
    return [cfg["paths"]["jobs_finished"], *cfg["paths"]["output_roots"]]


def publish(job: Job, result: Result, where: Mapping[str, Any], cfg: Mapping[str, Any], db: JobStore) -> dict[str, Any]:
    """Make the results appear, then commit done: in this order, so that done is never a lie.

    Args:
        job: The leased row.
        result: What ComfyUI made.
        where: What ``destination`` said.
        cfg: The settings.
        db: The store.

    Returns:
        What was saved.

    Raises:
        LeaseLost: Another worker owns the job.
        OutputError: It cannot be published.
    """
    saved = outputs.write_outputs(
        result,
        where,
        commit_intents=lambda intents: db.record_intents(job["id"], token_of(job), intents),
        holds_lease=lambda: db.holds_lease(job["id"], token_of(job)),
    )
    updates: dict[str, Any] = {key: result.get(key) for key in ("start_time", "end_time") if key in result}
    updates["warnings"] = saved.pop("warnings")
    linked = saved.pop("linked")
    updates["metadata"] = saved
    fenced(db.complete_job(job["id"], success=True, updates=updates, lease_token=token_of(job)), job)
    failpoints.reach("done.committed")
    outputs.finish_staging(where["staging"], linked=linked, keep_originals=cfg["keep_originals"])
    return saved


def file_done_jobs(rows: Sequence[Job], cfg: Mapping[str, Any], db: JobStore) -> None:
    """Move the YAML of done jobs to finished/ and write the result file beside each; safe to repeat.

    Jobs that are filed together share the work of making names durable, and one commit. A fault leaves a job
    done; the next reconcile tries again.
    """
    faults = outputs.file_jobs([(row, result_file_of(row)) for row in rows], cfg)
    for name, fault in faults.items():
        log.warning("The job file of %s stays in processing/ for now: %s", name, fault)
    try:
        db.mark_filed(*[row["id"] for row in rows if row["config_name"] not in faults])
    except E3Error as exc:
        log.warning("That %d jobs are filed is written down later: %s", len(rows), exc)
    failpoints.reach("yaml.recorded")


def result_file_of(row: Job) -> dict[str, Any]:
    """Tell what a script wants to know of a done job without asking the database."""
    keys = ("config_name", "status", "workflow_id", "workflow_sha256", "config_sha256", "run_count", "start_time",
            "end_time", "duration", "warnings", "metadata")  # fmt: skip
    return {key: row.get(key) for key in keys}
