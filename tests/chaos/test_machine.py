"""Store and executor under any sequence of jobs, faults, kills, clocks and recoveries; the laws after every step.

A kill is an exception that nothing may catch, raised at a failpoint; the process's memory is then thrown away.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from comfyui_e3.e3_nodes import config_loader, executor, failpoints, locks, monitor, recovery, store
from comfyui_e3.e3_nodes.backends.base import Prompt, Sighting
from comfyui_e3.e3_nodes.errors import HostUnavailable, PromptRefused
from comfyui_e3.e3_nodes.guardrails import resume_if_disk_has_room
from comfyui_e3.e3_nodes.model import Artifact, Result
from comfyui_e3.e3_nodes.selftest import invariants
from comfyui_e3.e3_nodes.selftest.scene import Scene
from comfyui_e3.e3_nodes.selftest.simulated import make_png
from comfyui_e3.e3_nodes.station import Station
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import FakeBackend

PLACES = st.sampled_from(
    [name for name in failpoints.CATALOGUE if name.split(".")[0] not in ("settle", "scan", "migrate")]
)
ENDS = st.sampled_from(["fine", "fine", "fine", "error", "oom", "stop", "nothing", "gone", "refused", "absent", "full"])


class Killed(BaseException):
    """SIGKILL, as far as a test in one process can have it."""


class Seen(FakeBackend):
    """A ComfyUI whose prompts are seen running before they have ended."""

    def look(self, prompt: Prompt) -> Sighting:
        if self.places.get(prompt.prompt_id) == "pending":
            self.places[prompt.prompt_id] = "running"
            return Sighting("running")
        return super().look(prompt)


class Process:
    """One life of one executor: its lock, its memory of what is in hand, its ComfyUI."""

    numbers = itertools.count(1)

    def __init__(self, machine: Promise) -> None:
        self.worker_id = f"worker-{next(self.numbers)}"
        self.backend = Seen(machine.scene.output)
        self.station = Station(self.backend)
        self.lock = locks.ProcessLock(locks.lock_path(str(machine.scene.home), self.worker_id))
        self.lock.acquire()
        machine.db.register_worker(
            self.worker_id, host="here", lock_path=str(self.lock.path), output_root=str(machine.scene.output)
        )

    def die(self) -> None:
        self.lock.release()


class Promise(RuleBasedStateMachine):
    """Two processes, one home."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="e3-machine-"))
        self.scene = Scene(self.folder, lease_seconds=60, crash_limit=3)
        self.now = 1_750_000_000_000
        self.db = store.init_db(":memory:", clock=lambda: self.now, crash_limit=3, jitter=lambda: 0.5)
        self.workflows = config_loader.load_workflows(str(self.scene.home / "workflows" / "workflows.yaml"))
        self.processes = [Process(self), Process(self)]

    def teardown(self) -> None:
        for process in self.processes:
            process.die()
        self.db.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what people and the world do ---

    @precondition(lambda self: len(self.scene.dropped) < 6)
    @rule(batch=st.sampled_from([1, 1, 2]), retry_limit=st.integers(0, 1))
    def drop(self, batch: int, retry_limit: int) -> None:
        name = self.scene.drop(batch=batch, retry_limit=retry_limit)
        monitor.take_files([str(self.scene.processing / name)], self.scene.cfg, self.workflows, self.db)

    @rule(seconds=st.sampled_from([1, 60, 700, 86_400, -86_400, -1_700_000_000]))
    def clock_moves(self, seconds: int) -> None:
        self.now = max(1, self.now + seconds * 1000)

    @precondition(lambda self: self.scene.dropped)
    @rule(data=st.data(), verb=st.sampled_from(["cancel_job", "retry_job", "god_mode"]))
    def wish(self, data: st.DataObject, verb: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.scene.dropped)))
        try:
            getattr(self.db, verb)(name)
        except Exception as exc:
            assert type(exc).__module__.endswith("errors"), exc

    @precondition(lambda self: self.scene.dropped)
    @rule(data=st.data())
    def stranger_takes_a_path(self, data: st.DataObject) -> None:
        path = self.scene.result_of(data.draw(st.sampled_from(sorted(self.scene.dropped))))
        if not path.exists() and len(self.scene.strangers) < 2:
            self.scene.put_stranger(path)

    # --- what processes do ---

    @rule(which=st.integers(0, 1), end=ENDS)
    def run_a_job(self, which: int, end: str) -> None:
        self.let_time_pass()
        self.run(which, end)

    @rule(which=st.integers(0, 1), place=PLACES, passage=st.integers(1, 2))
    def run_a_job_and_die(self, which: int, place: str, passage: int) -> None:
        self.let_time_pass()
        self.dying_at(place, passage, which, lambda: self.run(which, "fine"))

    @rule(which=st.integers(0, 1), fault=st.sampled_from([28, 5]), call=st.sampled_from(["link", "fsync"]))
    def run_a_job_on_a_failing_disk(self, which: int, fault: int, call: str) -> None:
        def failing(*_args: Any, **_more: Any) -> None:
            raise OSError(fault, os.strerror(fault))

        with mock.patch.object(os, call, failing):
            self.run(which, "fine")

    @rule(which=st.integers(0, 1), place=st.sampled_from(["publish.intent_committed", "publish.linked"]))
    def die_with_a_promise_and_recover(self, which: int, place: str) -> None:
        self.run_a_job_and_die(which, place, 1)
        self.recover(1 - which)

    @rule(which=st.integers(0, 1))
    def recover(self, which: int) -> None:
        self.reconcile(which)
        before = self.rows()
        assert self.reconcile(which) == 0
        assert self.rows() == before

    @rule(which=st.integers(0, 1), place=PLACES)
    def recover_and_die(self, which: int, place: str) -> None:
        self.dying_at(place, 1, which, lambda: self.reconcile(which))

    @rule(which=st.integers(0, 1))
    def be_killed_while_idle(self, which: int) -> None:
        self.bury(which)

    @rule(which=st.integers(0, 1), thief=st.integers(0, 1), end=st.sampled_from(["fine", "error", "stop", "full"]))
    def take_over_while_it_runs(self, which: int, thief: int, end: str) -> None:
        """The owner is silent for too long: its job is taken in the middle, and it must notice."""
        self.let_time_pass()

        stolen: list[Any] = []

        def steal(name: str) -> None:
            if name == "exec.output_written":
                for job in self.db.jobs_of_worker(self.processes[which].worker_id):
                    other = self.processes[thief].worker_id
                    stolen.append(self.db.steal_job(job["id"], job["lease_token"] or "", other, 60))

        with mock.patch.object(failpoints, "reach", steal):
            self.run(which, end)
        assert all(self.db.holds_lease(job["id"], job["lease_token"]) for job in stolen)

    # --- the laws ---

    @invariant()
    def promise_is_kept(self) -> None:
        found = invariants.violations(self.scene, invariants.View.through(self.db), invariants.ALWAYS)
        assert not found, "\n".join(found)

    # --- how ---

    def run(self, which: int, end: str) -> None:
        process = self.processes[which]
        backend = process.backend
        backend.refusal = {"refused": PromptRefused("no such node"), "absent": HostUnavailable("nobody")}.get(end)
        backend.initial_place = "gone" if end == "gone" else "pending"
        backend.behave = lambda prompt: self.end_of(prompt, end, backend)
        executor.run_once(self.scene.cfg, self.workflows, self.db, process.worker_id, station=process.station)

    def end_of(self, prompt: Any, end: str, backend: FakeBackend) -> Result:
        if end in ("error", "oom"):
            return Result(outcome="error", error_type=end, error_trace="node 3 (X): boom")
        if end == "full":
            return Result(outcome="error", error_type="error", error_trace="node 9 (SaveImage): [Errno 28] no room")
        if end == "stop":
            return Result(outcome="interrupted", error_type="interrupted", error_trace="stopped")
        count = 0 if end == "nothing" else int(prompt.graph["1"]["inputs"]["batch_size"])
        paths = [backend.staging(prompt.token) / f"{number:05}_.png" for number in range(count)]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(make_png(prompt.job_name + prompt.token, 300))
        return Result(outcome="success", artifacts=[Artifact(node="9", path=str(path)) for path in paths])

    def let_time_pass(self) -> None:
        """Let every backoff be over and every pause of E3's own be lifted, so that there is a job to run."""
        recovery.tidy_up(None, self.scene.cfg, self.db)
        self.now += 800_000
        resume_if_disk_has_room(self.scene.cfg, None, self.db)
        if (self.db.queue_state()["auto_reason"] or "").startswith(("evicted", "host_fault")):
            self.db.set_user_paused(False)
        if self.db.most_urgent() is None:
            self.drop(1, 1)

    def reconcile(self, which: int) -> int:
        process = self.processes[which]
        return recovery.reconcile(self.scene.cfg, self.db, process.worker_id, station=process.station)

    def dying_at(self, place: str, passage: int, which: int, work: Callable[[], Any]) -> None:
        """Do something, and die at a failpoint if it is passed; the next life begins with nothing in mind."""
        passed = itertools.count(1)

        def reach(name: str) -> None:
            if name == place and next(passed) == passage:
                raise Killed

        try:
            with mock.patch.object(failpoints, "reach", reach):
                work()
        except Killed:
            self.bury(which)

    def bury(self, which: int) -> None:
        self.processes[which].die()
        self.processes[which] = Process(self)

    def rows(self) -> Any:
        return invariants.View.through(self.db).jobs


Promise.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestPromise = Promise.TestCase


def test_machine_an_eviction_costs_no_retry() -> None:
    """A sequence of the machine's own rules that the random walk may miss: I14 under evictions in a row."""
    machine = Promise()
    try:
        machine.drop(batch=1, retry_limit=1)
        for _ in range(2):
            machine.run_a_job(0, "gone")
            machine.promise_is_kept()

        [job] = machine.rows().values()
        assert (job["evict_count"], job["retries_attempted"]) == (2, 0)
    finally:
        machine.teardown()
