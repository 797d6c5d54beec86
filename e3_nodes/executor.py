"""Rows to files: lease a job, run it in ComfyUI, record how it ended.

``run_once`` reads like the promise: lease, submit, watch, publish, record, file. Several lanes may run it at
once; a turnstile lets ``1 + lookahead`` prompts into ComfyUI's queue, so that one waits behind the running one
and the GPU never idles, while a further lane still publishes the result before.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from . import adoption, delivery, endings, failpoints, outputs, payload, publisher, queue_manager, watching
from .backends.base import Backend, Prompt
from .delivery import Made
from .errors import StoreUnavailable
from .inputs import deliver_inputs
from .leases import fenced, token_of
from .logger import get_logger
from .model import Job, Result, Workflow
from .station import Station
from .store.protocol import JobStore

log = get_logger("executor")

ROOM_SECONDS = 0.5
"""How long a lane waits for room before it looks whether it should end."""


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
        if not (station.adopted or station.turnstile.wait_for_room(ROOM_SECONDS)):
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
            station.turnstile.pass_on()
            wake.wait(idle_seconds or cfg["poll_interval_ms"] / 1000)


def run_once(
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    worker_id: str,
    *,
    station: Station | None = None,
) -> bool:
    """Lease the most urgent job and execute it to its end; one whose prompt ComfyUI has already goes first.

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
    if (adopted := station.adopted.take()) is not None:
        _work(adopted, cfg, workflows, db, station, is_adopted=True)
        return True
    if station.backend.problem() is not None:
        return False
    with ExitStack() as turn:
        turn.enter_context(station.turnstile.turn)
        if not queue_manager.should_run_next(current_busy=station.turnstile.is_full):
            return False
        if station.orphan_search.is_due():
            db.recover_orphans(_now_ms())
        job = station.in_hand.lease(db, worker_id, cfg["lease_seconds"])
        if job is None:
            return False
        failpoints.reach("lease.after")
        _work(job, cfg, workflows, db, station, submitted=turn.close)
    return True


def _work(
    job: Job,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    station: Station,
    **how: Any,
) -> None:
    try:
        execute_job(job, cfg, workflows, db, station=station, **how)
    finally:
        station.in_hand.let_go(job)


def execute_job(
    job: Job,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    *,
    station: Station | None = None,
    submitted: Callable[[], None] = lambda: None,
    is_adopted: bool = False,
) -> None:
    """Run a leased job from payload to filed YAML, and record how it ended.

    Args:
        job: The leased row.
        cfg: The settings.
        workflows: The workflows, for jobs that are not pinned.
        db: The store.
        station: The ComfyUI to run on; the one at ``comfyui.api_base_url`` when None.
        submitted: Called once ComfyUI has the prompt: the next lane may lease.
        is_adopted: Whether ComfyUI has the prompt already, from an earlier agent.
    """
    station = station or Station.over_http(cfg)
    log.debug("Leased %s", job["config_name"], extra={"action": "job_leased", "job": job["config_name"]})
    try:
        saved = delivery.adopt_receipt(job, cfg, db)
        made = None if saved else _make(job, cfg, workflows, db, station, submitted, is_adopted)
    except Exception as exc:
        station.turnstile.call_another()
        endings.record_end(job, exc, cfg, db, station)
        return
    if saved:
        station.turnstile.pass_on()
        publisher.note_done(job, saved, cfg, db, station)
    elif made:
        _publish(made, cfg, db, station)


def _make(
    job: Job,
    cfg: Mapping[str, Any],
    workflows: Mapping[str, Workflow],
    db: JobStore,
    station: Station,
    submitted: Callable[[], None],
    is_adopted: bool,
) -> Made:
    """Have ComfyUI run the job; return what it made."""
    where = delivery.destination(job, cfg, db, station.backend, station.fit_folders.real_paths)
    with station.turnstile.standing() as is_first:
        prompt = adoption.prompt_of(job, db) if is_adopted else _submit(job, where, workflows, db, station)
        submitted()
        station.turnstile.pass_on()
        rest = station.turnstile.rest_seconds
        result = watching.watch(prompt, job, cfg, db, station.backend, station.stop_event, is_first, rest)
        _note_run(result, station)
    return Made(job, result, where)


def _publish(made: Made, cfg: Mapping[str, Any], db: JobStore, station: Station) -> None:
    """Publish a result, unless jobs are so short that theirs are published together: then the next one is due."""
    is_taken = station.publish_later is not None and station.turnstile.is_brief and station.publish_later(made)
    if not is_taken:
        station.turnstile.call_another()
        publisher.publish([made], cfg, db, station)


def _submit(
    job: Job, where: Mapping[str, Any], workflows: Mapping[str, Workflow], db: JobStore, station: Station
) -> Prompt:
    """Give ComfyUI the prompt, once it is known that the result could be put where the job wants it."""
    _preflight(where, station)
    prompt = prepare_prompt(job, workflows, db, station.backend)
    if prompt.prompt_id != job.get("prompt_id"):
        fenced(db.record_submission(job["id"], token_of(job), prompt.prompt_id), job)
    failpoints.reach("submit.before_put")
    station.backend.submit(prompt)
    failpoints.reach("submit.after")
    return prompt


def _preflight(where: Mapping[str, Any], station: Station) -> None:
    """Find out before the GPU runs what would keep the result from its place."""
    folder = os.path.dirname(where["file_path"])  # noqa: PTH120 - text: asked for every job
    outputs.preflight(where, is_fit=station.fit_folders.knows(folder))
    station.fit_folders.note(folder)


def _note_run(result: Result, station: Station) -> None:
    if "start_time" in result and "end_time" in result:
        station.turnstile.note_run((result["end_time"] - result["start_time"]) / 1000)


def prepare_prompt(job: Job, workflows: Mapping[str, Workflow], db: JobStore, backend: Backend) -> Prompt:
    """Build what ComfyUI is given: the pinned graph with the job's inputs and a prefix of this attempt's own.

    Args:
        job: The leased row.
        workflows: The workflows, for jobs that are not pinned.
        db: The store.
        backend: Where input files are delivered.

    Raises:
        InvalidConfig: The job does not fit its workflow.
    """
    config = job["config"]
    pinned = db.workflow_version(job.get("workflow_sha256") or "") or workflows.get(job["workflow_id"])
    known: dict[str, Any] = {**workflows, job["workflow_id"]: pinned} if pinned else dict(workflows)
    inputs = deliver_inputs(config["inputs"], config.get("files", {}), backend)
    graph = payload.build_payload(job["workflow_id"], inputs, known)
    graph, targets = payload.prepare_attempt(graph, token_of(job), config["outputs"].get("nodes"))
    return Prompt(job.get("prompt_id") or str(uuid.uuid4()), token_of(job), graph, targets, job["config_name"])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
