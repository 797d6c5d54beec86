"""From results to finished files: where they belong, publishing them, filing the job file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import failpoints, outputs
from .backends.base import Backend
from .batch import Batch, only
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


@dataclass
class Made:
    """A job whose prompt ended well.

    Attributes:
        job: The leased row.
        result: What ComfyUI made.
        where: What ``destination`` said.
        saved: What was published: ``saved`` lists the paths.
        linked: Whether ComfyUI's own copy costs no disk.
    """

    job: Job
    result: Result
    where: Mapping[str, Any]
    saved: dict[str, Any] = field(default_factory=dict)
    linked: bool = False


def publish(made: Sequence[Made], cfg: Mapping[str, Any], db: JobStore) -> list[Made | Exception]:
    """Make the results appear, then commit done: in this order, so that done is never a lie.

    Jobs that are published together share the commits, and the work of making names durable.

    Args:
        made: The jobs.
        cfg: The settings.
        db: The store.

    Returns:
        For each job what was saved, or what kept it from that: LeaseLost, OutputError, StoreUnavailable.
    """
    batch = Batch(made)
    written = outputs.write_together([_publication(one, db) for one in made], db.together())
    receipts = {id(one): end for one, end in zip(made, written, strict=True)}
    batch.step(lambda one: _note_receipt(one, receipts[id(one)]))
    with batch.sharing(db.together()):
        batch.step(lambda one: _commit_done(one, db))
    batch.step(lambda one: _finish(one, cfg))
    return batch.ends


def _publication(made: Made, db: JobStore) -> outputs.Publication:
    job = made.job
    return outputs.Publication(
        made.result,
        made.where,
        commit_intents=lambda intents: db.record_intents(job["id"], token_of(job), intents),
        holds_lease=lambda: db.holds_lease(job["id"], token_of(job)),
    )


def _note_receipt(made: Made, written: outputs.Publication | Exception) -> None:
    made.saved = dict(only([written]).receipt)
    made.linked = made.saved.pop("linked")


def _commit_done(made: Made, db: JobStore) -> None:
    job, result, saved = made.job, made.result, made.saved
    updates: dict[str, Any] = {key: result.get(key) for key in ("start_time", "end_time") if key in result}
    updates["warnings"] = saved.pop("warnings")
    updates["metadata"] = saved
    fenced(db.complete_job(job["id"], success=True, updates=updates, lease_token=token_of(job)), job)


def _finish(made: Made, cfg: Mapping[str, Any]) -> None:
    failpoints.reach("done.committed")
    outputs.finish_staging(made.where["staging"], linked=made.linked, keep_originals=cfg["keep_originals"])


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
