"""From results to finished files: where they belong, publishing them, filing the job file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import failpoints, outputs
from .backends.base import Backend
from .batch import Batch
from .errors import E3Error
from .leases import fenced, lost, token_of
from .logger import get_logger
from .model import Intent, Job, Result
from .store.protocol import JobStore, Promise, Success

log = get_logger("delivery")


def adopt_receipt(job: Job, cfg: Mapping[str, Any], db: JobStore) -> dict[str, Any] | None:
    """Believe the result file over the table: a database of yesterday must not run a finished job again."""
    receipt = outputs.result_of(job, cfg)
    if receipt is None:
        return None
    updates = {key: receipt[key] for key in ("start_time", "end_time", "duration", "metadata") if receipt.get(key)}
    fenced(db.complete_job(job["id"], success=True, updates=updates, lease_token=token_of(job)), job)
    return {"saved": ["its result file says so"], **updates.get("metadata", {})}


def destination(
    job: Job, cfg: Mapping[str, Any], db: JobStore, backend: Backend, seen: dict[str, str] | None = None
) -> dict[str, Any]:
    """Say where the job's results belong, as ``outputs`` wants to hear it; ``seen`` is that of ``final_path``."""
    asked = job["config"]["outputs"]
    return {
        "file_path": outputs.final_path(asked["file_path"], cfg, seen),
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
        warnings: What there is to say about it.
        linked: Whether ComfyUI's own copy costs no disk.
    """

    job: Job
    result: Result
    where: Mapping[str, Any]
    saved: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
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
    written = outputs.write_together([_publication(one, db) for one in made], lambda some: _promise(some, db))
    batch: Batch[Made] = Batch(end if isinstance(end, Exception) else _noted(end) for end in written)
    batch.step_at_once(lambda some: _commit_done(some, db))
    batch.step(lambda one: _finish(one, cfg))
    return batch.ends


def _publication(made: Made, db: JobStore) -> outputs.Publication:
    job = made.job
    holds_lease = partial(db.holds_lease, job["id"], token_of(job))
    return outputs.Publication(made.result, made.where, holds_lease, owner=made)


def _promise(publications: Sequence[outputs.Publication], db: JobStore) -> list[bool]:
    return db.record_intents([_promise_of(one.owner.job, one.intents) for one in publications])


def _promise_of(job: Job, intents: Sequence[Intent]) -> Promise:
    return Promise(job_id=job["id"], lease_token=token_of(job), intents=intents)


def _noted(written: outputs.Publication) -> Made:
    """Note in what was made what became of it."""
    made: Made = written.owner
    made.saved = dict(written.receipt)
    made.linked, made.warnings = made.saved.pop("linked"), made.saved.pop("warnings")
    return made


def _commit_done(made: Sequence[Made], db: JobStore) -> list[Exception | None]:
    held = db.complete_jobs([_success(one) for one in made])
    return [None if holds else lost(one.job) for one, holds in zip(made, held, strict=True)]


def _success(made: Made) -> Success:
    updates: dict[str, Any] = {key: made.result.get(key) for key in ("start_time", "end_time") if key in made.result}
    updates |= {"warnings": made.warnings, "metadata": made.saved}
    return Success(id=made.job["id"], lease_token=token_of(made.job), updates=updates)


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
