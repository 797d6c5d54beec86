"""E3 outside ComfyUI: the monitor, and the executor that reaches a ComfyUI by URL."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import config_loader, executor, monitor, runtime
from ..backends.http import HttpBackend
from ..errors import HostUnavailable
from ..model import Status
from ..store.protocol import JobFilter, JobStore
from .answers import Answer, Block, Failure, Line, UsageError
from .home import open_home
from .render import Screen

STOP_SECONDS = 10.0


def run_monitor(args: argparse.Namespace, screen: Screen) -> Answer:
    """Take job files in, once or until Ctrl-C."""
    if args.loop:
        return _keep_running(runtime.Runtime(config_loader.load_home()), screen, takes_files=True)
    with open_home() as home:
        findings = monitor.scan_once(home.cfg, home.workflows, home.db)
    blocks: list[Block] = [_finding_line(finding) for finding in findings]
    rejected = sum(finding.get("status") == "rejected" for finding in findings)
    data = {"files": findings}
    if rejected:
        message = f"{rejected} of {len(findings)} files cannot be taken"
        return Answer(data, blocks, Failure("rejected", message, hint="mend what is named: it is judged again then"))
    return Answer(data, blocks or [Line("nothing new", "dim")])


def run_jobs(args: argparse.Namespace, screen: Screen) -> Answer:
    """Run jobs on a ComfyUI by URL: what can run now (``--once``), or until Ctrl-C."""
    if args.monitor and not args.loop:
        raise UsageError("e3 run: --monitor goes with --loop; right is: e3 monitor --once && e3 run --once")
    cfg = config_loader.load_home()
    if args.url:
        cfg["comfyui"]["api_base_url"] = args.url
    backend = HttpBackend(cfg)
    try:
        engine = runtime.Runtime(cfg, backend)
        if args.loop:
            return _keep_running(engine, screen, takes_files=args.monitor)
        return _drain(engine, backend)
    finally:
        backend.close()


def _keep_running(engine: runtime.Runtime, screen: Screen, *, takes_files: bool) -> Answer:
    """Run the engine's threads until Ctrl-C, or until whoever started us asks us to end."""
    with ending_politely() as asked_to_end:
        engine.start(monitor=takes_files)
        screen.note(f"works on {engine.cfg['home']}; Ctrl-C ends it")
        wait_for(asked_to_end)
        engine.stop(STOP_SECONDS)
    return Answer({"home": engine.cfg["home"]})


def _drain(engine: runtime.Runtime, backend: HttpBackend) -> Answer:
    """Run jobs until none can run now; after a stop the next run goes on with the job in hand."""
    problem = backend.problem()
    if problem:
        engine.db.close()
        raise HostUnavailable(problem)
    began = time.time_ns() // 1_000_000
    with ending_politely() as asked_to_end:
        engine.start(monitor=False, executor=False)
        lane = threading.Thread(target=_run_all, args=(engine, asked_to_end), name="e3-lane-0", daemon=True)
        lane.start()
        wait_for(asked_to_end)
        engine.stop_event.set()
        lane.join(STOP_SECONDS)
        answer = _ran(engine.db, began)
        engine.stop(STOP_SECONDS)
    return answer


def _run_all(engine: runtime.Runtime, nothing_left: threading.Event) -> None:
    try:
        while not engine.stop_event.is_set() and executor.run_once(
            engine.cfg, engine.workflows, engine.db, engine.worker_id, station=engine.station
        ):
            pass
    finally:
        nothing_left.set()


def _ran(db: JobStore, began: int) -> Answer:
    """Tell what has ended meanwhile, and what still waits."""
    ended = db.ended_since(began)
    waiting = db.list_jobs(JobFilter(status=[Status.PENDING.value]), limit=1)["totals"][Status.PENDING.value]
    data = {"ended": ended, "pending": waiting, "queue": db.queue_state()}
    counts = ", ".join(f"{number} {status}" for status, number in ended.items() if number) or "no job could run"
    later = f"; {waiting} wait for a pause to end, or for their next try" if waiting else ""
    failed = ended.get(Status.FAILED.value, 0)
    failure = Failure("job_failed", f"{failed} jobs have failed") if failed else None
    return Answer(data, [f"{counts}{later}"], failure)


@contextmanager
def ending_politely() -> Iterator[threading.Event]:
    """Turn Ctrl-C, and the signal by which services are stopped, into an event."""
    asked = threading.Event()

    def ask(*_: Any) -> None:
        asked.set()

    numbers = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGBREAK"))
    before = {number: signal.signal(number, ask) for number in numbers if number is not None}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for(event: threading.Event) -> None:
    """Wait in slices: on Windows a wait without an end hears no Ctrl-C."""
    while not event.wait(0.2):
        pass


def _finding_line(finding: monitor.Finding) -> Line:
    status, line = finding.get("status", ""), finding.get("line")
    place = f":{line}:{finding.get('column')}" if line else ""
    reason = f": {finding.get('reason')} ({finding.get('code')})" if "reason" in finding else ""
    style = {"accepted": "good", "rejected": "bad"}.get(status, "dim")
    return Line(f"{status:<9}  {finding.get('path')}{place}{reason}", style)
