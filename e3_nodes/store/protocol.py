"""What a job store can do, whichever database is under it.

The jobs table is the only meeting place: monitor, executor, panel and CLI never call one another.
Every change of a processing row names the lease token of the attempt that owns it; a method that
returns ``False`` for such a change says: fenced, another worker owns the job, touch nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict

from ..model import Attempt, Intent, Job, KeptIntent, LightJob, QueueState, Rejection


class Ingested(TypedDict):
    """What became of one row handed to ``ingest_jobs``."""

    id: int
    config_name: str
    outcome: Literal["accepted", "updated", "duplicate", "name_conflict"]


class Promise(TypedDict):
    """What an attempt is about to make appear where."""

    job_id: int
    lease_token: str
    intents: Sequence[Intent]


class Success(TypedDict):
    """An attempt that ended done; ``lease_token`` None means whichever attempt is open."""

    id: int
    lease_token: str | None
    updates: Mapping[str, Any]


class JobPage(TypedDict):
    """One keyset page: light rows, the cursor of the next page, counts by status."""

    jobs: list[LightJob]
    next: str | None
    totals: dict[str, int]


class JobFilter(TypedDict, total=False):
    """Which jobs a list or a bulk action means; every key is optional.

    ``q`` searches names and workflow ids; ``sort`` is ``order``, ``created``, ``ended``, ``duration`` or
    ``name``, with ``-`` before it for descending.
    """

    status: Sequence[str]
    media: str
    workflow_id: str
    q: str
    sort: str


BulkAction = Literal["retry", "cancel", "delete", "set_priority", "god-mode"]


class BulkAnswer(TypedDict, total=False):
    """What became of one job of a bulk action; ``config_path`` tells where the file of a removed one is."""

    config_name: str
    config_path: str
    ok: bool
    error: str


class DurationQuantiles(TypedDict):
    """How long the last ``count`` runs of a workflow took, in milliseconds."""

    count: int
    p50: int
    p80: int


class FailureGroup(TypedDict):
    """Failed jobs of one cause, the newest first; ``cause`` is the first line of the trace."""

    workflow_id: str
    error_type: str
    cause: str
    count: int
    names: list[str]


class JobSummary(TypedDict):
    """What a list shows of a job's bulky columns: its inputs, and the first line of its trace."""

    inputs: dict[str, Any]
    error_summary: str | None


class JobChange(TypedDict):
    """Where a job stands since its last change."""

    config_name: str
    status: str
    phase: str | None
    updated_at: int


class JobStore(Protocol):
    """The job table, its attempts, rejections, pinned workflows and the state of the queue."""

    # --- files to rows -------------------------------------------------------------------------
    def upsert_job(self, row: Mapping[str, Any]) -> int:
        """Insert a job, or update it by name where its state allows; return its id. Never regresses."""
        ...

    def ingest_jobs(self, rows: Iterable[Mapping[str, Any]]) -> list[Ingested]:
        """Take many rows in one transaction, and forget their rejections; say of each what became of it.

        The transaction begins when there are no more rows to come.
        """
        ...

    def record_rejection(
        self, path: str, code: str, reason: str, *, line: int | None = None, column: int | None = None
    ) -> None:
        """Keep the reason why a file is no job; one row a path, the newest reason wins."""
        ...

    def clear_rejection(self, path: str) -> None:
        """Forget a rejection: the file was mended or is gone."""
        ...

    def list_rejections(self, *, limit: int = 100) -> list[Rejection]:
        """List rejections, newest first."""
        ...

    def count_rejections(self) -> int:
        """Count the files that are no jobs."""
        ...

    def keep_workflow_version(self, sha256: str, workflow: Mapping[str, Any]) -> None:
        """Keep a template and its entry once per sha256, for the jobs pinned to it."""
        ...

    def workflow_version(self, sha256: str) -> dict[str, Any] | None:
        """Return the pinned workflow, or None; it is kept for others as well, so it must not be changed."""
        ...

    # --- an attempt's life (T3 to T12) -----------------------------------------------------------
    def lease_next_job(self, worker_id: str, lease_seconds: int, *, prompt_id: str | None = None) -> Job | None:
        """Claim the most urgent job that can run, with a new token; None when there is none or in a pause.

        With ``prompt_id``, what ``record_submission`` writes is in the same commit: one wait for the disk less.
        """
        ...

    def most_urgent(self) -> Job | None:
        """Show the job that ``lease_next_job`` would give, without touching it."""
        ...

    def record_submission(self, job_id: int, lease_token: str, prompt_id: str) -> bool:
        """Write the prompt id down before ComfyUI is given the prompt (leased -> submitted)."""
        ...

    def record_start(self, job_id: int, lease_token: str, start_time: int) -> bool:
        """Record that ComfyUI runs the prompt now (submitted -> executing)."""
        ...

    def record_leaving(self, job_id: int, lease_token: str) -> bool:
        """Note that E3 stops while ComfyUI goes on (-> submitted), so that nobody takes it for a death in the run."""
        ...

    def record_node(self, lease_token: str, node: str) -> bool:
        """Note which node runs now, such as ``node 3 (KSampler)``: a crash names it. False after the attempt's end."""
        ...

    def record_intents(self, promises: Sequence[Promise]) -> list[bool]:
        """Commit what is about to appear where (-> publishing), before the first file appears.

        Several attempts do so in one transaction; tell of each whether it still owned its job.
        """
        ...

    def list_intents(self, job_id: int) -> list[KeptIntent]:
        """List the intents of every attempt of the job with its token, oldest first."""
        ...

    def latest_intents(self, job_id: int) -> list[Intent]:
        """List the intents of the job's newest attempt that recorded any, by number."""
        ...

    def holds_lease(self, job_id: int, lease_token: str) -> bool:
        """Tell whether the attempt still owns the job."""
        ...

    def complete_job(
        self, id: int, *, success: bool, updates: Mapping[str, Any], lease_token: str | None = None
    ) -> bool:
        """End an attempt: done; or failed, cancelled or pending with backoff, by error type and limit."""
        ...

    def complete_jobs(self, successes: Sequence[Success]) -> list[bool]:
        """End several attempts done in one transaction; tell of each whether it still owned its job."""
        ...

    def return_job(
        self,
        job_id: int,
        lease_token: str,
        *,
        reason: str,
        not_before: int | None = None,
        evicted: bool = False,
    ) -> bool:
        """Give a job back without cost: it had not executed (take-back, pause, restart, eviction)."""
        ...

    def renew_leases(self, worker_id: str, lease_seconds: int) -> int:
        """Push the expiry of every lease of the worker, and beat its heart; return how many leases."""
        ...

    def recover_orphans(self, now: int) -> int:
        """Requeue every job whose lease ended before ``now`` (UTC ms); return how many.

        A registered worker keeps its jobs: its lock and its heartbeat tell whether it lives, not a clock.
        """
        ...

    def release_worker(self, worker_id: str) -> int:
        """Requeue the jobs of a worker known to be dead; return how many."""
        ...

    def abandon_job(self, job_id: int, lease_token: str, *, reason: str) -> bool:
        """End an attempt whose process died: a crash if it had begun to execute, else it costs nothing."""
        ...

    def steal_job(self, job_id: int, old_token: str, worker_id: str, lease_seconds: int) -> Job | None:
        """Take a job over under a new token, phase kept (T12); None when the old token is stale."""
        ...

    def clamp_backoffs(self) -> int:
        """Shorten waits that only a clock set back can explain; return how many."""
        ...

    def tokens_in_use(self, tokens: Sequence[str], *, keep_done: bool) -> set[str]:
        """Tell which of these tokens are of attempts that run, or that ended done where those are kept."""
        ...

    # --- workers -----------------------------------------------------------------------------------
    def register_worker(self, worker_id: str, *, host: str, lock_path: str, output_root: str = "") -> None:
        """Note a worker, the lock file whose lock says that it lives, and where its ComfyUI writes."""
        ...

    def list_workers(self) -> list[dict[str, Any]]:
        """List the workers: worker_id, host, lock_path, output_root, started_at, heartbeat."""
        ...

    def forget_worker(self, worker_id: str) -> None:
        """Remove a worker that is gone."""
        ...

    def jobs_of_worker(self, worker_id: str) -> list[Job]:
        """List the processing jobs of a worker, whole rows."""
        ...

    # --- done jobs and their files -----------------------------------------------------------------
    def mark_filed(self, *job_ids: int) -> None:
        """Record in one transaction that the YAMLs of ended jobs are where they belong."""
        ...

    def unfiled_jobs(self, *, limit: int = 200) -> list[Job]:
        """List done jobs whose YAML may still stand in processing/, those that ended first before."""
        ...

    def mark_unfiled(self, job_id: int) -> None:
        """Record that the YAML of a done job stands in processing/ again; other jobs are left alone."""
        ...

    # --- the operator ----------------------------------------------------------------------------
    def get_job(self, config_name: str) -> Job | None:
        """Return the whole row by name, with or without ``.yaml``, in any case and normal form; or None."""
        ...

    def get_jobs(self, config_names: Sequence[str]) -> list[Job]:
        """Return the whole rows of so many names, those that there are, in no order."""
        ...

    def list_jobs(self, where: JobFilter | None = None, *, limit: int = 100, cursor: str | None = None) -> JobPage:
        """Return a page of light rows (without config, source, trace) in order of the filter's sort."""
        ...

    def index_names(self, seconds: float = 0.5) -> None:
        """Let the search index know of newer jobs, for about so long; without it, searches find the same, slowly."""
        ...

    def list_attempts(self, job_id: int) -> list[Attempt]:
        """List the runs of a job, oldest first."""
        ...

    def count_by_status(self) -> dict[str, int]:
        """Count jobs by status, every status present, without reading the table."""
        ...

    def set_priority(self, config_name: str, priority: int) -> Job:
        """Change the priority; the job goes to the end of it."""
        ...

    def move_job(self, config_name: str, before: str | None) -> Job:
        """Put the job right before another, with that one's priority; None = the end of its own."""
        ...

    def god_mode(self, config_name: str) -> Job:
        """Set priority 1 and a position before all others: the last click wins."""
        ...

    def cancel_job(self, config_name: str) -> Job:
        """Cancel a pending job at once; ask the worker of a processing one to stop."""
        ...

    def retry_job(self, config_name: str) -> Job:
        """Send a failed or cancelled job back to pending; counters and history stay."""
        ...

    def repin_job(self, config_name: str, workflow_sha256: str) -> Job:
        """Pin a pending, failed or cancelled job to another version of its workflow."""
        ...

    def remove_job(self, config_name: str) -> Job:
        """Take an unleased job out of the table, kept for restore; return the row."""
        ...

    def restore_job(self, config_name: str) -> Job:
        """Bring a job that was removed in the last 7 days back as it was."""
        ...

    def purge_removed(self, before: int | None = None) -> int:
        """Forget jobs removed before a time, 7 days ago by default; return how many."""
        ...

    def purge_done(self, before: int, *, limit: int = 1000) -> int:
        """Delete the rows of done and filed jobs that ended before a time; return how many."""
        ...

    def bulk(
        self,
        action: BulkAction,
        *,
        names: Sequence[str] | None = None,
        where: JobFilter | None = None,
        priority: int | None = None,
    ) -> list[BulkAnswer]:
        """Do one action to many jobs.

        Names share one transaction, and each gets its answer. A filter means the matching jobs whose state
        allows the action, in running order, in slices; it answers for those that changed.
        """
        ...

    def queue_state(self) -> QueueState:
        """Tell whether the queue is paused, and by whom."""
        ...

    def set_user_paused(self, paused: bool) -> QueueState:
        """Pause or resume by a person's wish; a resume also lifts an automatic pause."""
        ...

    def set_auto_pause(self, reason: str | None) -> QueueState:
        """Pause by E3 itself, with the reason; None lifts it and leaves a person's pause alone."""
        ...

    # --- what the panel looks at -----------------------------------------------------------------
    def job_summaries(self, job_ids: Sequence[int]) -> dict[int, JobSummary]:
        """Read the bulky columns of many jobs in brief, by id."""
        ...

    def changed_since(self, since: int, *, limit: int = 100) -> list[JobChange]:
        """List the jobs that changed at or after a time, the latest first."""
        ...

    def open_by_workflow(self) -> dict[str, int]:
        """Count the jobs that wait or run, by workflow id."""
        ...

    # --- the past ----------------------------------------------------------------------------------
    def duration_quantiles(self, workflow_id: str, *, last: int = 200) -> DurationQuantiles | None:
        """Tell how long the last runs of a workflow took; None when there are none."""
        ...

    def failure_groups(self, *, limit: int = 10_000) -> list[FailureGroup]:
        """Group the newest failed jobs by workflow, error type and first line of the trace, most first."""
        ...

    def ended_since(self, since: int) -> dict[str, int]:
        """Count the jobs that are done, failed and cancelled since a time."""
        ...

    # --- the database itself ----------------------------------------------------------------------
    @property
    def notice(self) -> str | None:
        """What a person should know about the way the database is used, or None."""
        ...

    def quick_check(self) -> list[str]:
        """Return what is damaged in the database; nothing when it is sound."""
        ...

    def change_counter(self) -> int:
        """Return a number that changes whenever any process has committed a change."""
        ...

    def wait_for_change(self, seconds: float) -> bool:
        """Wait until this process has committed a change, at most so long, and tell; for one thread to call."""
        ...

    def reopen(self, between: Callable[[], object] = lambda: None) -> None:
        """Open the database anew at its path; do something, such as setting it aside, while it is closed."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
