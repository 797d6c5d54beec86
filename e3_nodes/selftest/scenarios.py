"""The crashes of the chaos run: at every place, in recovery, frozen, beside strangers, on a full disk."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence

from .. import failpoints
from . import engine
from .invariants import View
from .processes import Child
from .rounds import LONGEST_RUN_SECONDS, Report, finish, freeze_at, home, kill_at, settle, start, wake
from .scene import Scene
from .simulated import FINE, HUGE, HUGE_BYTES, LONG, POISON, RAISES, SLOW

BEFORE_RECOVERY = (
    "lease.after",
    "submit.after",
    "exec.started",
    "exec.partial_output",
    "exec.output_written",
    "publish.hashed",
    "publish.intent_committed",
    "publish.before_link",
    "publish.linked",
    "publish.dir_synced",
    "done.committed",
    "yaml.linked",
)
"""Where a process dies or freezes and leaves something to recover."""

IN_RECOVERY = (
    "recover.stolen",
    "recover.fenced_fs",
    "recover.requeued",
    "recover.intent_adopted",
    "publish.linked",
    "done.committed",
    "receipt.after",
    "yaml.linked",
    "yaml.moved",
)
PAIRS = tuple(itertools.product(BEFORE_RECOVERY, IN_RECOVERY))
SOME_PAIRS = 30
KILLS_A_HOME = 25
LONGEST_LIFE_SECONDS = 0.6

_TAKING_IN = ("settle.", "scan.", "reject.", "migrate.")
"""Places of the one process that takes files in: while it is frozen it keeps that role, and files wait for it."""

_TO_RECOVER_FROM = {
    "recover.stolen": "exec.started",
    "recover.fenced_fs": "exec.partial_output",
    "recover.requeued": "exec.started",
    "recover.intent_adopted": "publish.intent_committed",
}


def every_failpoint(report: Report, chance: random.Random) -> None:
    """Kill at each named place, at its first, second and third passage."""
    failpoints_at(report, failpoints.CATALOGUE)


def failpoints_at(report: Report, names: Sequence[str]) -> None:
    """Kill at some named places."""
    for name in names:
        with home(report) as scene:
            for passage in (1, 2, 3):
                _prepare(scene, report, name)
                if kill_at(scene, report, f"{name}:{passage}:kill"):
                    report.check(scene, f"killed at {name}, passage {passage}")
            settle(scene, report, f"after the kills at {name}")


def _prepare(scene: Scene, report: Report, name: str) -> None:
    """Make work that leads past a failpoint."""
    before = _TO_RECOVER_FROM.get(name)
    for _ in range(2):
        scene.drop(kind=_kind_for(before or name), batch=2, retry_limit=1)
    if name == "reject.recorded":
        scene.drop_broken()
    if before is not None:
        kill_at(scene, report, f"{before}:1:kill")


def _kind_for(name: str) -> int:
    """Choose the job that surely passes a failpoint; the start of a quick one may go unseen."""
    return {"fail.committed": RAISES, "exec.started": SLOW}.get(name, FINE)


def every_pair(report: Report, chance: random.Random, pairs: int = SOME_PAIRS) -> None:
    """Kill at a place, then again in the recovery from it."""
    for first, second in chance.sample(PAIRS, min(pairs, len(PAIRS))):
        with home(report) as scene:
            scene.drop(kind=_kind_for(first), batch=2)
            for armed in (f"{first}:1:kill", f"{second}:1:kill"):
                if kill_at(scene, report, armed):
                    report.check(scene, f"killed at {first}, then {second}")
            settle(scene, report, f"after the kills at {first}, then {second}")


def frozen_past_the_lease(report: Report, chance: random.Random) -> None:
    """Freeze a process past its lease, let a second executor take over, and wake the first one."""
    frozen_at(report, failpoints.CATALOGUE)


def frozen_at(report: Report, names: Sequence[str]) -> None:
    """Freeze a process at some named places; within a write of the table nobody can go on until it wakes."""
    for name in names:
        with home(report) as scene:
            _prepare(scene, report, name)
            frozen = freeze_at(scene, report, f"{name}:1:stop")
            if frozen is None:
                report.violate(f"nothing froze at {name}")
                continue
            if name.startswith(_TAKING_IN) or scene.is_table_locked():
                time.sleep(1.5 * scene.cfg["lease_seconds"])
            else:
                second = start(scene, output=scene.output.with_name("output of the second"))
                finish(second, report, f"beside the one frozen at {name}")
                report.check(scene, f"while one is frozen at {name}")
            wake(frozen, report, f"woken at {name}")
            settle(scene, report, f"after one was frozen at {name}")


def woken_while_another_runs(report: Report, chance: random.Random) -> None:
    """Wake a frozen process while a second one runs its job: the late end must not count."""
    for name in ("exec.output_written", "publish.hashed"):
        with home(report) as scene:
            job = scene.drop(kind=LONG)
            frozen = freeze_at(scene, report, f"{name}:1:stop")
            second = start(scene, output=scene.output.with_name("output of the second"))
            deadline = time.monotonic() + LONGEST_RUN_SECONDS
            while not _is_run_anew(scene, job) and time.monotonic() < deadline:
                time.sleep(0.01)
            if frozen is not None:
                wake(frozen, report, f"woken at {name}")
            finish(second, report, "beside a woken one")
            settle(scene, report, "after one was woken too late")
            outcomes = [attempt["outcome"] for attempt in View.of(scene).attempts[job]]
            if outcomes != ["crashed", "done"]:
                report.violate(f"the attempts of a job that was taken over ended {outcomes}")


def _is_run_anew(scene: Scene, name: str) -> bool:
    view = View.of(scene)
    return len(view.attempts[name]) == 2 and view.jobs[name]["phase"] == "executing"


def strangers_file_at_the_last_moment(report: Report, chance: random.Random) -> None:
    """Put a stranger's file where the result belongs, right before it appears there."""
    before_it_appears = failpoints.CATALOGUE[: failpoints.CATALOGUE.index("publish.before_link") + 1]
    stranger_at(report, (*(f"{name}:1" for name in before_it_appears), "publish.before_link:2"))


def stranger_at(report: Report, places: Sequence[str]) -> None:
    """Put a stranger's file where the result belongs, while E3 stands at some places."""
    for place in places:
        with home(report) as scene:
            name = scene.drop(kind=_kind_for(place.split(":")[0]), batch=2, retry_limit=0)
            frozen = freeze_at(scene, report, f"{place}:stop")
            target = scene.result_of(name)
            scene.put_stranger(target.with_name(f"{target.stem}_2.png") if place.endswith("2") else target)
            if frozen is not None:
                wake(frozen, report, "beside a stranger's file")
            settle(scene, report, "after a stranger's file appeared")
            _expect(scene, report, name, "failed", "output_exists")


def full_disk(report: Report, chance: random.Random) -> None:
    """Let the disk be full while ComfyUI writes: the queue pauses, and goes on when there is room."""
    with home(report) as scene:
        name = scene.drop(kind=HUGE, retry_limit=0)
        child = Child(lambda: _run_without_room(scene))
        finish(child, report, "on a full disk")
        report.kills["left without room on the disk"] += 1
        report.check(scene, "on a full disk")
        settle(scene, report, "when there is room again")
        _expect(scene, report, name, "done", None)


def _run_without_room(scene: Scene) -> None:
    """Run E3 where no file may grow to the size of the result, until it has paused."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HUGE_BYTES - 100_000, HUGE_BYTES - 100_000))
    engine.run_engine(scene, until=lambda running: running.db.queue_state()["auto_reason"] == "disk_full")


def poisonous_job(report: Report, chance: random.Random) -> None:
    """Let a job kill its ComfyUI each time it runs: it is set aside, and the others get their turn."""
    with home(report, crash_limit=3) as scene:
        name, other = scene.drop(kind=POISON), scene.drop()
        for _ in range(3):
            child = start(scene)
            child.wait(LONGEST_RUN_SECONDS)
            scene.bury(child.pid)
            report.kills["by a poisonous job"] += child.was_killed
            report.check(scene, "after a poisonous job")
        settle(scene, report, "after a poisonous job was set aside")
        _expect(scene, report, name, "failed", "crash")
        _expect(scene, report, other, "done", None)
        trace = View.of(scene).jobs[name]["error_trace"] or ""
        if "node 9 (SaveImage)" not in trace:
            report.violate(f"the trace of the poisonous job names no node: {trace}")


def two_executors(report: Report, chance: random.Random) -> None:
    """Let two executors share a home while either of them is killed now and then."""
    with home(report) as scene:
        outputs = [scene.output, scene.output.with_name("output of the second")]
        for _ in range(10):
            scene.drop_some(chance)
            pair = [Child(lambda output=output: engine.run_engine(scene, output=output)) for output in outputs]
            time.sleep(chance.uniform(0.1, LONGEST_LIFE_SECONDS))
            for child in chance.sample(pair, 2):
                child.kill()
                scene.bury(child.pid)
                report.kills["of two executors"] += child.was_killed
            report.check(scene, "after two executors were killed")
        settle(scene, report, "after two executors")


def wall_clock_jumps(report: Report, chance: random.Random) -> None:
    """Let the wall clocks of two executors differ by days and decades: no living one loses its job."""
    for days in (1, -1, 20_000, -20_000):
        with home(report, lease_seconds=30) as scene:
            scene.drop(kind=LONG)
            first = start(scene)
            began = time.monotonic()
            while not _is_running(scene) and time.monotonic() < began + LONGEST_RUN_SECONDS:
                time.sleep(0.01)
            scene.drop()
            second = start(scene, output=scene.output.with_name("output of the second"), clock_days=days)
            for child in (first, second):
                finish(child, report, f"with clocks {days} days apart")
            report.kills["clocks set wrong"] += 1
            settle(scene, report, f"with clocks {days} days apart")
            outcomes = {one["outcome"] for attempts in View.of(scene).attempts.values() for one in attempts}
            if outcomes != {"done"}:
                report.violate(f"I19 nobody died with clocks {days} days apart, and attempts ended {outcomes}")


def _is_running(scene: Scene) -> bool:
    return any(job["phase"] == "executing" for job in View.of(scene).jobs.values())


def random_kills(report: Report, chance: random.Random, wanted: int, deadline: float) -> None:
    """Kill at random times, a number of times a home, until enough kills were made or time is up."""
    made = 0
    while made < wanted and time.monotonic() < deadline:
        with home(report) as scene:
            for _ in range(min(KILLS_A_HOME, wanted - made)):
                _kill_at_random(scene, report, chance)
                made += 1
                report.check(scene, f"random kill {made}")
                if time.monotonic() > deadline:
                    break
            settle(scene, report, f"after random kill {made}")
        report.say(f"  {made} random kills, {len(report.violations)} violations")


def _kill_at_random(scene: Scene, report: Report, chance: random.Random) -> None:
    child = Child(lambda: engine.run_engine(scene))
    time.sleep(chance.uniform(0.0, LONGEST_LIFE_SECONDS))
    scene.drop_some(chance)
    time.sleep(chance.uniform(0.0, LONGEST_LIFE_SECONDS / 3))
    child.kill()
    scene.bury(child.pid)
    report.kills["at a random time"] += child.was_killed
    if not child.was_killed:
        report.violate("E3 ended by itself before it was killed")


def _expect(scene: Scene, report: Report, name: str, status: str, error_type: str | None) -> None:
    job = View.of(scene).jobs[name]
    if (job["status"], job["error_type"]) != (status, error_type):
        report.violate(f"{name} is {job['status']} ({job['error_type']}), expected {status} ({error_type})")
