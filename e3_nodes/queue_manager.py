"""The operator's verbs: what panel, REST and command line may wish of the queue.

Each takes the store first and is one guarded transition in it, so it is safe while jobs run.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from . import payload, validation
from .errors import InvalidConfig, UnknownJob
from .model import MAX_PRIORITY, MIN_PRIORITY, Job, LightJob, QueueState, Workflow
from .store.protocol import JobFilter, JobStore


def should_run_next(current_busy: bool) -> bool:
    """Tell whether another job may be leased.

    Args:
        current_busy: Whether ``1 + lookahead`` of our prompts stand in ComfyUI's queue already.

    Examples:
        >>> should_run_next(current_busy=False)
        True
    """
    return not current_busy


def list_queue(db: JobStore, status: str | None = None, *, limit: int = 1000) -> list[LightJob]:
    """List light job rows in the order in which they run.

    Args:
        db: The store.
        status: Only jobs of this status; all when None.
        limit: At most so many rows.
    """
    where = JobFilter(status=[status]) if status else JobFilter()
    return db.list_jobs(where, limit=limit)["jobs"]


def job_details(db: JobStore, config_name: str) -> dict[str, Any]:
    """Return everything about a job: its row, inputs, trace, timings, metadata and every attempt.

    Raises:
        UnknownJob: No job has that name.
    """
    job = find_job(db, config_name)
    inputs = job.get("config", {}).get("inputs", {})
    return {**job, "inputs": inputs, "attempts": db.list_attempts(job["id"])}


def find_job(db: JobStore, config_name: str) -> Job:
    """Return the whole row of a job.

    Raises:
        UnknownJob: No job has that name.
    """
    job = db.get_job(config_name)
    if job is None:
        raise UnknownJob(f"no job is called {config_name}; names look like T2I_20250809123001_1_knight.yaml")
    return job


def similar_names(db: JobStore, name: str) -> list[str]:
    """List the jobs that a name of no job may mean: those that contain it, else those that look like it.

    Args:
        db: The store.
        name: What somebody wrote.

    Returns:
        At most three names, the newest jobs first where several contain it.
    """
    wanted = name.removesuffix(".yaml")
    containing = db.list_jobs(JobFilter(q=wanted, sort="-created"), limit=3)["jobs"] if wanted else []
    found = [job["config_name"] for job in containing if wanted.casefold() in job["config_name"].casefold()]
    if found:
        return found
    newest = db.list_jobs(JobFilter(sort="-created"), limit=1000)["jobs"]
    return difflib.get_close_matches(canonical_name(name), [job["config_name"] for job in newest], n=3)


def set_priority(db: JobStore, config_name: str, priority: int) -> Job:
    """Change a job's priority.

    Raises:
        InvalidConfig: The priority is no whole number from 1 to 999.
        UnknownJob: No job has that name.
    """
    check_priority(priority)
    return db.set_priority(config_name, priority)


def check_priority(priority: Any) -> int:
    """Return the priority if it is a whole number from 1 to 999, else raise InvalidConfig.

    Examples:
        >>> check_priority(20)
        20
    """
    if type(priority) is not int or not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise InvalidConfig(f"priority must be {MIN_PRIORITY}-{MAX_PRIORITY}, got {priority!r}")
    return priority


def move_job(db: JobStore, config_name: str, before: str | None) -> Job:
    """Put a job right before another one, with that one's priority; None is the end of its own.

    Raises:
        UnknownJob: One of the two names is no job's.
        WrongState: One of the two does not wait.
    """
    return db.move_job(config_name, before)


def god_mode(db: JobStore, config_name: str) -> Job:
    """Make a job the next one: priority 1 and before all others. The last click wins.

    Raises:
        UnknownJob: No job has that name.
    """
    return db.god_mode(config_name)


def apply_god_mode(db: JobStore, config_name: str) -> None:
    """Do what ``god_mode`` does, for callers that want no answer."""
    god_mode(db, config_name)


def retry_job(db: JobStore, config_name: str) -> Job:
    """Send a failed or cancelled job back to pending; its counters and history stay.

    Raises:
        UnknownJob: No job has that name.
        WrongState: The job waits, runs or is done.
    """
    return db.retry_job(config_name)


def cancel_job(db: JobStore, config_name: str) -> Job:
    """Cancel a waiting job, or ask the worker of a running one to stop.

    Raises:
        UnknownJob: No job has that name.
        WrongState: The job has ended already.
    """
    return db.cancel_job(config_name)


def repin_job(db: JobStore, config_name: str, workflows: Mapping[str, Workflow]) -> Job:
    """Let a job that does not run take its workflow as it is now, instead of as it was at ingest.

    Args:
        db: The store.
        config_name: The job.
        workflows: The workflows as they are now.

    Raises:
        UnknownJob: No job has that name.
        WrongState: The job runs or is done.
        InvalidConfig: The workflow is gone, or the job's inputs do not fit it any more.
    """
    job = find_job(db, config_name)
    workflow = payload.find_workflow(job["workflow_id"], workflows)
    payload.build_payload(job["workflow_id"], job["config"]["inputs"], workflows)
    sha256 = workflow.get("sha256", "")
    db.keep_workflow_version(sha256, workflow)
    return db.repin_job(config_name, sha256)


def pause_queue(db: JobStore) -> QueueState:
    """Let no further job start; what runs is finished, what waits in ComfyUI's queue is taken back."""
    return db.set_user_paused(True)


def resume_queue(db: JobStore) -> QueueState:
    """Let jobs start again, whoever paused the queue."""
    return db.set_user_paused(False)


def canonical_name(name: str) -> str:
    """Return a job's name with ``.yaml``, as every door takes it with or without."""
    return validation.canonical_config_name(name)
