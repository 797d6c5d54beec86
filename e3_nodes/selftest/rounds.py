"""What every crash round needs: a home, a process to kill or freeze, a check, and a report of it all."""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import E3Error
from . import engine, invariants
from .invariants import Invariant, View
from .processes import Child
from .scene import Scene

Say = Callable[[str], None]
LONGEST_RUN_SECONDS = 60.0


@dataclass
class Report:
    """What was done, and what was found."""

    say: Say = lambda text: None
    kills: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    checks: int = 0
    found: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def check(self, scene: Scene, what: str, rules: tuple[Invariant, ...] = invariants.ALWAYS) -> None:
        """Check the invariants, and tell each violation at once."""
        self.checks += 1
        try:
            view = View.of(scene, scene.complaints())
            self.found.update(job["phase"] or job["status"] for job in view.jobs.values() if job["status"] != "done")
            found = invariants.violations(scene, view, rules)
        except (E3Error, OSError, ValueError, KeyError) as exc:
            found = [f"the check itself failed: {type(exc).__name__}: {exc}"]
        for said in found:
            self.violate(f"{what}: {said}")

    def violate(self, said: str) -> None:
        """Note a violation."""
        self.violations.append(said)
        self.say(f"VIOLATION {said}")


@contextmanager
def home(report: Report, **settings: Any) -> Iterator[Scene]:
    """Lend a throw-away home with a process that watches its visible files."""
    with tempfile.TemporaryDirectory(prefix="e3-chaos-", ignore_cleanup_errors=True) as folder:
        scene = Scene(Path(folder), **settings)
        watcher = Child(lambda: engine.watch_files(scene))
        try:
            yield scene
        finally:
            watcher.kill()
            report.jobs += len(scene.dropped)


def start(scene: Scene, armed: str | None = None, **how: Any) -> Child:
    """Start E3 in a process that ends when all jobs have."""
    return Child(lambda: engine.run_engine(scene, until=engine.is_all_ended(scene), **how), armed)


def finish(child: Child, report: Report, what: str) -> None:
    """Wait until a process has ended well."""
    if not child.wait(LONGEST_RUN_SECONDS):
        child.kill()
        report.violate(f"{what}: I24 E3 was not idle after {LONGEST_RUN_SECONDS:.0f} s")
    elif child.has_failed:
        report.violate(f"{what}: E3 ended with an error")


def settle(scene: Scene, report: Report, what: str) -> None:
    """Run E3 until nothing is left to do, once more so that it tidies up, and check everything."""
    for _ in range(2):
        finish(start(scene), report, what)
    report.check(scene, what, invariants.SETTLED)


def kill_at(scene: Scene, report: Report, armed: str) -> bool:
    """Run E3 with a failpoint armed until it dies there, or is idle without having passed it."""
    child = start(scene, armed)
    if not child.wait(LONGEST_RUN_SECONDS):
        child.kill()
        report.violate(f"{armed}: I24 E3 neither died nor was idle after {LONGEST_RUN_SECONDS:.0f} s")
    elif child.has_failed:
        report.violate(f"{armed}: E3 ended with an error")
    elif child.was_killed:
        report.kills[f"at {armed.split(':')[0]}"] += 1
        scene.bury(child.pid)
        return True
    return False


def freeze_at(scene: Scene, report: Report, armed: str) -> Child | None:
    """Run E3 until it freezes at a failpoint; None when it never came there."""
    child = start(scene, armed)
    if child.wait_frozen(LONGEST_RUN_SECONDS):
        report.kills[f"frozen at {armed.split(':')[0]}"] += 1
        scene.bury(child.pid)
        return child
    child.kill()
    return None


def wake(child: Child, report: Report, what: str) -> None:
    """Let a frozen process go on, and wait for its end."""
    child.signal(signal.SIGCONT)
    finish(child, report, what)
