"""Waits for a prompt's end, and meanwhile listens: cancel, timeout, pause, a more urgent job."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import failpoints
from .backends.base import Backend, Prompt, Sighting
from .errors import AttemptFailed, AttemptLeft, AttemptReturned, DiskFull, HostDied, LeaseLost
from .model import ErrorType, Job, Result
from .store.protocol import JobStore

SHORTEST_LOOK_SECONDS = 0.01
LONGEST_LOOK_SECONDS = 0.05
WAITING_LOOK_SECONDS = 0.03
BEHIND_LOOK_SECONDS = 0.25
"""How often, at least, a prompt is looked at that stands behind another one of ours."""
LISTEN_SECONDS = 0.1
WAITING_LISTEN_SECONDS = 0.25
EVICTED_RETRY_MS = 30_000
NODE_SECONDS = 0.5
"""How often, at most, the node that runs is written down."""

_NO_ROOM = re.compile(r"\[(Errno (27|28|30|122)|WinError (112|39|1295))\]")
"""What the first line of a trace says when the disk is full, over quota or read-only."""


@dataclass
class _Watch:
    """One prompt under watch. ``ending`` is why it is being stopped, once it is."""

    prompt: Prompt
    job: Job
    cfg: Mapping[str, Any]
    db: JobStore
    backend: Backend
    place: str = ""
    place_since: float = field(default_factory=time.monotonic)
    heard_at: float = field(default_factory=time.monotonic)
    change_seen: int = -1
    ending: AttemptFailed | None = None
    node: str = ""
    node_since: float = float("-inf")
    least_rest: Callable[[], float] = lambda: 0.0

    @property
    def pause_seconds(self) -> float:
        """How long to rest between looks: short for short runs, unless others stand behind them."""
        if self.place != "running":
            return WAITING_LOOK_SECONDS
        elapsed = time.monotonic() - self.place_since
        return min(LONGEST_LOOK_SECONDS, max(SHORTEST_LOOK_SECONDS, elapsed / 50, self.least_rest()))


def watch(
    prompt: Prompt,
    job: Job,
    cfg: Mapping[str, Any],
    db: JobStore,
    backend: Backend,
    stop_event: threading.Event,
    is_first: threading.Event | None = None,
    least_rest: Callable[[], float] = lambda: 0.0,
) -> Result:
    """Wait until a submitted prompt has ended well.

    Args:
        prompt: The prompt that was submitted.
        job: Its leased row.
        cfg: The settings.
        db: The store, where wishes such as cancel are read.
        backend: The ComfyUI that has the prompt.
        stop_event: Ends the wait: E3 stops.
        is_first: Set once no prompt of ours stands before this one, and it is its turn: until then it need hardly be
            looked at.
        least_rest: Tells for how many seconds ComfyUI has enough to do, however soon this prompt ends.

    Returns:
        The result, with at least one artifact.

    Raises:
        AttemptFailed: It ended in an error, was interrupted, took too long, or named no file.
        AttemptReturned: It was taken back, or somebody removed it, before it executed; or E3 stops with ComfyUI.
        AttemptLeft: E3 stops, and ComfyUI goes on with the prompt.
        HostDied: ComfyUI ended while it had the prompt, and came back without it.
        LeaseLost: Another worker owns the job.
    """
    state = _Watch(prompt, job, cfg, db, backend, least_rest=least_rest)
    while True:
        sighting = backend.look(prompt)
        if sighting.place == "ended":
            failpoints.reach("exec.output_written")
            return _judge(sighting.result, state)
        if sighting.place == "gone":
            raise _gone(state)
        if sighting.place == "died":
            raise _died(sighting, state)
        _note_place(sighting, state)
        _listen(state)
        if _rest(state, stop_event, is_first):
            _stop(state)


def _rest(state: _Watch, stop_event: threading.Event, is_first: threading.Event | None) -> bool:
    """Rest between two looks, or until the prompts of ours before this one are gone; tell whether E3 stops."""
    if is_first is None or is_first.is_set() or state.place != "pending":
        return stop_event.wait(state.pause_seconds)
    is_first.wait(BEHIND_LOOK_SECONDS)
    return stop_event.is_set()


def _judge(result: Result, state: _Watch) -> Result:
    """Return a success; success beats cancel and timeout. Raise what anything else was."""
    outcome = result.get("outcome")
    if outcome == "success" and result.get("artifacts"):
        return result
    if outcome == "success":
        nothing = "ComfyUI reports success but wrote no file; the workflow's save nodes made nothing"
        raise AttemptFailed(result.get("error_trace") or nothing, code=ErrorType.NO_OUTPUTS.value)
    if outcome == "interrupted" and state.ending is not None:
        raise state.ending
    trace = result.get("error_trace", "ComfyUI reports an error")
    if _NO_ROOM.search(trace.partition("\n")[0]):
        raise DiskFull(trace)
    raise AttemptFailed(trace, code=result.get("error_type", "error"))


def _gone(state: _Watch) -> Exception:
    if state.ending is not None:
        return state.ending
    return AttemptReturned(
        "the prompt was removed from ComfyUI's queue or history by somebody else",
        delay_ms=EVICTED_RETRY_MS,
        evicted=True,
    )


def _died(sighting: Sighting, state: _Watch) -> Exception:
    """Say that ComfyUI died; a prompt that waited behind another one has nothing to do with it."""
    if state.ending is not None:
        return state.ending
    state.node_since = float("-inf")
    _note_node(state, time.monotonic())
    return HostDied("ComfyUI ended and was started anew", was_next=not sighting.behind)


def _note_place(sighting: Sighting, state: _Watch) -> None:
    """Record the start of the execution, once; a run that was taken over began before."""
    if sighting.place == state.place:
        return
    state.place = sighting.place
    state.place_since = state.heard_at = time.monotonic()  # whoever is over in a moment need not be listened to
    if sighting.place == "running":
        now = time.time_ns() // 1_000_000
        started = state.job.get("start_time") or now
        state.place_since -= max(0, now - started) / 1000
        if not state.db.record_start(state.job["id"], state.prompt.token, started):
            raise LeaseLost(f"another worker has taken {state.job['config_name']} over")
        failpoints.reach("exec.started")


def _listen(state: _Watch) -> None:
    """Heed what people and the clock wish, a few times a second."""
    now = time.monotonic()
    if now - state.heard_at < (LISTEN_SECONDS if state.place == "running" else WAITING_LISTEN_SECONDS):
        return
    state.heard_at = now
    if state.place == "running":
        _check_timeout(state, now)
        _note_node(state, now)
    changed = state.db.change_counter()
    if changed != state.change_seen:
        state.change_seen = changed
        _check_wishes(state)
    if state.ending is not None:
        _stop_prompt(state)


def _check_timeout(state: _Watch, now: float) -> None:
    limit = state.job["config"].get("timeout_seconds") or state.cfg["comfyui"]["timeout_seconds"]
    if state.ending is None and now - state.place_since > limit:
        state.ending = AttemptFailed(
            f"the job ran longer than its {limit} s; raise timeout_seconds in the job file if it needs more",
            code=ErrorType.TIMEOUT.value,
        )


def _note_node(state: _Watch, now: float) -> None:
    """Write down which node runs: should ComfyUI die of it, the job's trace names it."""
    node = (state.backend.progress(state.prompt.prompt_id) or {}).get("node", "")
    if node in ("", state.node) or now - state.node_since < NODE_SECONDS:
        return
    state.node, state.node_since = node, now
    class_type = state.prompt.graph.get(node, {}).get("class_type", "?")
    state.db.record_node(state.prompt.token, f"node {node} ({class_type})")


def _check_wishes(state: _Watch) -> None:
    """Read the row anew: is it still ours, should it end, or wait?"""
    row = _check_owner(state.db.get_job(state.job["config_name"]), state)
    if row.get("cancel_requested") and state.ending is None:
        state.ending = AttemptFailed("cancelled by a person", code=ErrorType.INTERRUPTED.value)
    elif state.place == "pending":
        reason = _reason_to_yield(row, state.db)
        if reason and state.backend.take_back(state.prompt.prompt_id):
            raise AttemptReturned(reason)


def _check_owner(row: Job | None, state: _Watch) -> Job:
    if row is None or row.get("lease_token") != state.prompt.token:
        raise LeaseLost(f"another worker has taken {state.job['config_name']} over")
    return row


def _reason_to_yield(row: Job, db: JobStore) -> str | None:
    """Say why a prompt that still waits should make room, or None."""
    if db.queue_state()["paused"]:
        return "the queue was paused before the job started"
    rival = db.most_urgent()
    if rival is not None and _urgency(rival) < _urgency(row):
        return f"{rival['config_name']} goes first"
    return None


def _urgency(row: Job) -> tuple[int, int, int]:
    return row["priority"], row["position"], row["id"]


def _stop_prompt(state: _Watch) -> None:
    """Take the prompt out of the queue, or interrupt it; repeated, since an early interrupt gets lost."""
    if state.place == "pending" and state.ending is not None and state.backend.take_back(state.prompt.prompt_id):
        raise state.ending
    state.backend.interrupt(state.prompt.prompt_id)


def _stop(state: _Watch) -> None:
    """E3 stops: the job goes back to the queue and pays nothing, unless ComfyUI runs it and outlives E3.

    One that is being stopped already, because of a wish or of its time limit, ends as that.
    """
    _check_owner(state.db.get_job(state.job["config_name"]), state)
    if state.ending is not None:
        raise state.ending
    if state.place == "pending" and state.backend.take_back(state.prompt.prompt_id):
        raise AttemptReturned("E3 stopped before the job started")
    if not state.backend.address:
        raise AttemptReturned("E3 stopped while the job ran")
    state.db.record_leaving(state.job["id"], state.prompt.token)
    raise AttemptLeft("ComfyUI runs it still; the next E3 that works for this ComfyUI goes on with it")
