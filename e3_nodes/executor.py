"""Rows to files: lease a job, run it in ComfyUI, record how it ended.

``run_once`` reads like the promise: lease, submit, watch, publish, record, file. Several lanes may run it at
once; a turnstile lets ``1 + lookahead`` prompts into ComfyUI's queue, so that one waits behind the running one
and the GPU never idles, while a further lane still publishes the result before.
"""

from __future__ import annotations

import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from . import failpoints, outputs, payload, queue_manager, watching
from .backends.base import Backend, Prompt
from .backends.http import HttpBackend
from .errors import AttemptReturned, DiskFull, E3Error, HostUnavailable, LeaseLost, StoreUnavailable
from .guardrails import DISK_FULL, Guardrails
from .inputs import deliver_inputs
from .logger import get_logger
from .model import ErrorType, Job, Phase, Result, Workflow
from .store.protocol import JobStore
from .turnstile import Turnstile

log = get_logger("executor")

HOST_RETRY_MS = 10_000
ROOM_SECONDS = 0.5
"""How long a lane waits for room before it looks whether it should end."""


class InHand:
    """The attempts that lanes of this process work on, so that one which was lost hold of is noticed."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def lease(self, db: JobStore, worker_id: str, lease_seconds: int) -> Job | None:
        """Lease the next job and take it in hand, in one step."""
        with self._lock:
            job = db.lease_next_job(worker_id, lease_seconds, prompt_id=str(uuid.uuid4()))
            if job is not None:
                self._tokens.add(_token(job))
            return job

    def let_go(self, job: Job) -> None:
        """Take the hand off an attempt, however it ended."""
        with self._lock:
            self._tokens.discard(_token(job))

    def lost(self, db: JobStore, worker_id: str) -> list[Job]:
        """List the jobs that run in this worker's name and that no lane works on."""
        with self._lock:
            return [job for job in db.jobs_of_worker(worker_id) if job.get("lease_token") not in self._tokens]


@dataclass(frozen=True)
class Station:
    """Where jobs are executed: one ComfyUI, its turnstile, and the wish to stop.

    ``file_later`` takes the name of each job that is done, where a thread of its own files them; else the lane does.
    """

    backend: Backend
    turnstile: Turnstile = field(default_factory=Turnstile)
    stop_event: threading.Event = field(default_factory=threading.Event)
    guardrails: Guardrails = field(default_factory=Guardrails)
    in_hand: InHand = field(default_factory=InHand)
    file_later: Callable[[str], None] | None = None

    @classmethod
    def over_http(cls, cfg: Mapping[str, Any]) -> Station:
        """Make the station of a ComfyUI that is reached by URL."""
        return cls.around(HttpBackend(cfg), cfg)

    @classmethod
    def around(
        cls,
        backend: Backend,
        cfg: Mapping[str, Any],
        stop_event: threading.Event | None = None,
        file_later: Callable[[str], None] | None = None,
    ) -> Station:
        """Make the station of a ComfyUI as the settings want it."""
        turnstile, guardrails = Turnstile.with_lookahead(cfg["lookahead"]), Guardrails(cfg["stop_after_failures"])
        return cls(backend, turnstile, stop_event or threading.Event(), guardrails, file_later=file_later)


def run_loop(
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    worker_id: str,
    stop_event: threading.Event,
    *,
    station: Station | None = None,
    wake: threading.Event | None = None,
    idle_seconds: float | None = None,
) -> None:
    """Run jobs until told to stop; wait ``poll_interval_ms``, or until woken, when there is none.

    Args:
        cfg: The settings.
        workflows: The workflows, for jobs that are not pinned.
        db: The store.
        worker_id: Who leases.
        stop_event: Ends the loop after the job in hand.
        station: The ComfyUI to run on; the one at ``comfyui.api_base_url`` when None.
        wake: Ends a wait early: a job came in, or a turn became free.
        idle_seconds: How long to wait instead of ``poll_interval_ms``.
    """
    station = station or Station.over_http(cfg)
    wake = wake or threading.Event()
    while not stop_event.is_set():
        wake.clear()
        if not station.turnstile.wait_for_room(ROOM_SECONDS):
            continue
        try:
            worked = run_once(cfg, workflows, db, worker_id, station=station)
        except StoreUnavailable as exc:
            log.warning("No job can be leased now: %s", exc, extra={"action": "store_unavailable"})
            worked = False
        except Exception:
            log.exception("The executor stumbled; it goes on")
            worked = False
        if not worked:
            wake.wait(idle_seconds or cfg["poll_interval_ms"] / 1000)


def run_once(
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    worker_id: str,
    *,
    station: Station | None = None,
) -> bool:
    """Lease the most urgent job and execute it to its end.

    Args:
        cfg: The settings.
        workflows: The workflows, for jobs that are not pinned.
        db: The store.
        worker_id: Who leases.
        station: The ComfyUI to run on; the one at ``comfyui.api_base_url`` when None.

    Returns:
        True if a job was leased, whatever became of it; False when there was nothing to do.
    """
    station = station or Station.over_http(cfg)
    if station.backend.problem() is not None:
        return False
    with ExitStack() as turn:
        turn.enter_context(station.turnstile.turn)
        if not queue_manager.should_run_next(current_busy=station.turnstile.is_full):
            return False
        db.recover_orphans(_now_ms())
        job = station.in_hand.lease(db, worker_id, cfg["lease_seconds"])
        if job is None:
            return False
        failpoints.reach("lease.after")
        try:
            execute_job(job, cfg, workflows, db, station=station, submitted=turn.close)
        finally:
            station.in_hand.let_go(job)
    return True


def execute_job(
    job: Job,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    *,
    station: Station | None = None,
    submitted: Callable[[], None] = lambda: None,
) -> None:
    """Run a leased job from payload to filed YAML, and record how it ended.

    Args:
        job: The leased row.
        cfg: The settings.
        workflows: The workflows, for jobs that are not pinned.
        db: The store.
        station: The ComfyUI to run on; the one at ``comfyui.api_base_url`` when None.
        submitted: Called once ComfyUI has the prompt: the next lane may lease.
    """
    station = station or Station.over_http(cfg)
    log.info("Leased %s", job["config_name"], extra={"action": "job_leased", "job": job["config_name"]})
    try:
        saved = _adopt_receipt(job, cfg, db)
        if saved is None:
            result = _run_in_comfyui(job, cfg, workflows, db, station, submitted)
            saved = _publish(job, result, cfg, db, station)
    except Exception as exc:
        _record_end(job, exc, db, station)
    else:
        station.guardrails.note_success()
        log.info("Done %s: %s", job["config_name"], saved["saved"][0], extra={"action": "job_done"})
        if station.file_later is not None:
            station.file_later(job["config_name"])
        elif (row := db.get_job(job["config_name"])) is not None:
            file_done_jobs([row], cfg, db)


def _adopt_receipt(job: Job, cfg: Mapping[str, Any], db: JobStore) -> dict[str, Any] | None:
    """Believe the result file over the table: a database of yesterday must not run a finished job again."""
    receipt = outputs.result_of(job, cfg)
    if receipt is None:
        return None
    updates = {key: receipt[key] for key in ("start_time", "end_time", "duration", "metadata") if receipt.get(key)}
    _fenced(db.complete_job(job["id"], success=True, updates=updates, lease_token=_token(job)), job)
    return {"saved": ["its result file says so"], **updates.get("metadata", {})}


def _run_in_comfyui(
    job: Job,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    station: Station,
    submitted: Callable[[], None],
) -> Result:
    """Submit the prompt and wait for its end; the turnstile counts it meanwhile."""
    station.turnstile.enter()
    try:
        prompt = prepare_prompt(job, cfg, workflows, db, station.backend)
        if prompt.prompt_id != job.get("prompt_id"):
            _fenced(db.record_submission(job["id"], _token(job), prompt.prompt_id), job)
        failpoints.reach("submit.before_put")
        station.backend.submit(prompt)
        failpoints.reach("submit.after")
        submitted()
        result = watching.watch(prompt, job, cfg, db, station.backend, station.stop_event)
        _note_run(result, station)
        return result
    finally:
        station.turnstile.leave()


def _note_run(result: Result, station: Station) -> None:
    if "start_time" in result and "end_time" in result:
        station.turnstile.note_run((result["end_time"] - result["start_time"]) / 1000)


def prepare_prompt(
    job: Job, cfg: Mapping[str, Any], workflows: Mapping[str, Workflow], db: JobStore, backend: Backend
) -> Prompt:
    """Build what ComfyUI is given: the pinned graph with the job's inputs and a prefix of this attempt's own.

    Raises:
        InvalidConfig: The job does not fit its workflow.
        OutputExists: The path that the job asks for is taken: better to know before the GPU runs.
    """
    config = job["config"]
    outputs.preflight(destination(job, cfg, db, backend))
    pinned = db.workflow_version(job.get("workflow_sha256") or "") or workflows.get(job["workflow_id"])
    known: dict[str, Any] = {**workflows, job["workflow_id"]: pinned} if pinned else dict(workflows)
    inputs = deliver_inputs(config["inputs"], config.get("files", {}), backend)
    graph = payload.build_payload(job["workflow_id"], inputs, known)
    graph, targets = payload.prepare_attempt(graph, _token(job), config["outputs"].get("nodes"))
    prompt_id = job.get("prompt_id") or str(uuid.uuid4())
    return Prompt(prompt_id, _token(job), graph, targets, job["config_name"])


def destination(job: Job, cfg: Mapping[str, Any], db: JobStore, backend: Backend) -> dict[str, Any]:
    """Say where the job's results belong, as ``outputs`` wants to hear it."""
    asked = job["config"]["outputs"]
    return {
        "file_path": outputs.final_path(asked["file_path"], cfg),
        "if_exists": asked.get("if_exists", "fail"),
        "nodes": asked.get("nodes"),
        "roots": output_roots(cfg),
        "staging": str(backend.staging(_token(job))),
        "earlier": db.list_intents(job["id"]) if job["run_count"] > 1 else [],
    }


def output_roots(cfg: Mapping[str, Any]) -> list[str]:
    """List the folders that results may appear in."""
    return [cfg["paths"]["jobs_finished"], *cfg["paths"]["output_roots"]]


def _publish(job: Job, result: Result, cfg: Mapping[str, Any], db: JobStore, station: Station) -> dict[str, Any]:
    """Make the results appear, then commit done: in this order, so that done is never a lie."""
    saved = outputs.write_outputs(
        result,
        destination(job, cfg, db, station.backend),
        commit_intents=lambda intents: db.record_intents(job["id"], _token(job), intents),
        holds_lease=lambda: db.holds_lease(job["id"], _token(job)),
    )
    updates: dict[str, Any] = {key: result.get(key) for key in ("start_time", "end_time") if key in result}
    updates["warnings"] = saved.pop("warnings")
    linked = saved.pop("linked")
    updates["metadata"] = saved
    _fenced(db.complete_job(job["id"], success=True, updates=updates, lease_token=_token(job)), job)
    failpoints.reach("done.committed")
    staging = str(station.backend.staging(_token(job)))
    outputs.finish_staging(staging, linked=linked, keep_originals=cfg["keep_originals"])
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


def _record_end(job: Job, exc: Exception, db: JobStore, station: Station) -> None:
    """Record an attempt that gave no result; which error it was decides what becomes of the job."""
    name, token = job["config_name"], _token(job)
    if isinstance(exc, LeaseLost):
        log.warning("Left %s alone: %s", name, exc, extra={"action": "job_fenced"})
        return
    if isinstance(exc, StoreUnavailable):
        log.warning("How %s ended is recorded later: %s", name, exc, extra={"action": "record_delayed"})
        return
    if isinstance(exc, DiskFull) and _is_promised(job, db):
        db.set_auto_pause(DISK_FULL)
        log.warning("%s is delivered when there is room: %s", name, exc, extra={"action": "disk_full"})
        return
    if isinstance(exc, (AttemptReturned, HostUnavailable, DiskFull)):
        _give_back(job, exc, db, station)
    else:
        _record_failure(job, exc, db, station)
    outputs.discard_staging(str(station.backend.staging(token)))


def _is_promised(job: Job, db: JobStore) -> bool:
    """Tell whether the intents are committed: the result is made, and only its delivery is missing."""
    row = db.get_job(job["config_name"])
    return row is not None and row["phase"] == Phase.PUBLISHING.value and row["lease_token"] == _token(job)


def _record_failure(job: Job, exc: Exception, db: JobStore, station: Station) -> None:
    """End an attempt that failed; the store decides by type and limit whether the job runs again."""
    error_type, trace = error_type_of(exc), trace_of(exc)
    if error_type is ErrorType.OOM:
        station.backend.free_memory()
    updates = {"error_type": error_type.value, "error_trace": trace}
    held = db.complete_job(job["id"], success=False, updates=updates, lease_token=_token(job))
    failpoints.reach("fail.committed")
    row = db.get_job(job["config_name"])
    if held and row is not None:
        station.guardrails.note_failure(row, trace, db)
    log.warning(
        "Attempt at %s ended: %s",
        job["config_name"],
        trace.splitlines()[0],
        extra={"action": "attempt_failed", "job": job["config_name"], "error_type": error_type.value},
    )


def _give_back(job: Job, exc: AttemptReturned | HostUnavailable | DiskFull, db: JobStore, station: Station) -> None:
    """Return a job that pays nothing; a full disk or an absent ComfyUI is not its fault."""
    delay = exc.delay_ms if isinstance(exc, AttemptReturned) else HOST_RETRY_MS
    evicted = isinstance(exc, AttemptReturned) and exc.evicted
    not_before = _now_ms() + delay if delay else None
    db.return_job(job["id"], _token(job), reason=str(exc), not_before=not_before, evicted=evicted)
    if isinstance(exc, DiskFull):
        db.set_auto_pause(DISK_FULL)
    if evicted:
        station.guardrails.note_eviction(db)
    log.info("Returned %s: %s", job["config_name"], exc, extra={"action": "job_returned"})


def error_type_of(exc: Exception) -> ErrorType:
    """Tell the job's error type from what an attempt raised.

    Examples:
        >>> error_type_of(E3Error("no time left", code="timeout")).value
        'timeout'
        >>> error_type_of(ZeroDivisionError()).value
        'error'
    """
    code = getattr(exc, "code", "")
    if code in {member.value for member in ErrorType}:
        return ErrorType(code)
    return ErrorType.INVALID if isinstance(exc, E3Error) and isinstance(exc, ValueError) else ErrorType.ERROR


def trace_of(exc: Exception) -> str:
    """Return what a person reads: the message of an error of ours; of any other what it is, then its traceback.

    Examples:
        >>> trace_of(ZeroDivisionError("no")).splitlines()[0]
        'ZeroDivisionError: no'
    """
    if isinstance(exc, E3Error):
        return str(exc)
    head = traceback.format_exception_only(exc)[-1].strip()
    return "\n".join([head, "".join(traceback.format_exception(exc)).rstrip()])


def _fenced(held: bool, job: Job) -> None:
    if not held:
        raise LeaseLost(f"another worker has taken {job['config_name']} over")


def _token(job: Job) -> str:
    token = job.get("lease_token")
    if not token:
        raise LeaseLost(f"{job['config_name']} has no lease; only a leased job can be executed")
    return token


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
