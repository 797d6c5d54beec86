"""The order that survives a loss of power, read from the system calls of one job (F50).

fsync(file) < intent < link < fsync(folder) < done < job file linked < fsync(folder) < unlink.
A SIGKILL cannot tell whether an fsync is missing; the order can.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("one_job.py")
CALLS = "fsync,fdatasync,link,linkat,unlink,unlinkat,rename,renameat,renameat2,stat,newfstatat"


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The job's system calls, one a line, each with the paths behind its descriptors."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    folder = tmp_path_factory.mktemp("order")
    out = folder / "trace.txt"
    command = [strace, "-f", "-y", "-s", "300", "-e", f"trace={CALLS}", "-o", str(out)]
    done = subprocess.run(
        [*command, sys.executable, str(SCRIPT), str(folder / "scene")], capture_output=True, text=True, check=False
    )
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("this system forbids strace")
    assert done.returncode == 0, done.stderr
    return [line for line in out.read_text("utf-8", "replace").splitlines() if "resumed>" not in line]


def at(calls: list[str], pattern: str, after: int = -1) -> int:
    """Return where the first call after a place matches."""
    for number, line in enumerate(calls):
        if number > after and re.search(pattern, line):
            return number
    raise AssertionError(f"no call after {after} matches {pattern}")


def between(calls: list[str], pattern: str, first: str, last: str) -> bool:
    start, end = at(calls, f"/e3-marker/{first}"), at(calls, f"/e3-marker/{last}")
    return any(re.search(pattern, line) for line in calls[start:end])


def test_order_results_are_durable_before_they_are_promised(calls: list[str]) -> None:
    promised = at(calls, "/e3-marker/publish.hashed")

    for name in ("00000_.png", "00001_.png"):
        assert at(calls, rf"fsync\(\d+<.*/e3/.*{name}>") < promised


@pytest.mark.parametrize(
    ("first", "last"), [("publish.hashed", "publish.intent_committed"), ("publish.dir_synced", "done.committed")]
)
def test_order_promise_and_done_are_durable_when_they_are_said(calls: list[str], first: str, last: str) -> None:
    assert between(calls, r"f(data)?sync\(\d+<.*e3\.sqlite3(-wal)?>", first, last)


def test_order_nothing_appears_before_its_promise(calls: list[str]) -> None:
    promised = at(calls, "/e3-marker/publish.intent_committed")

    for name in ("chaos.png", "chaos_2.png"):
        assert at(calls, rf'link(at)?\(.*"[^"]*{name}"') > promised


def test_order_names_are_durable_before_done(calls: list[str]) -> None:
    linked = at(calls, r'link(at)?\(.*"[^"]*chaos_2.png"')

    assert linked < at(calls, r"fsync\(\d+<.*/finished/image>", linked) < at(calls, "/e3-marker/publish.dir_synced")
    assert at(calls, "/e3-marker/publish.dir_synced") < at(calls, "/e3-marker/done.committed")


def test_order_job_file_is_in_finished_for_good_before_it_leaves_processing(calls: list[str]) -> None:
    linked = at(calls, r'(link|linkat|rename|renameat2?)\(.*finished.*chaos\.yaml"')
    removed = at(calls, r'unlink(at)?\(.*processing.*chaos\.yaml"')

    assert at(calls, "/e3-marker/done.committed") < linked
    assert linked < at(calls, r"fsync\(\d+<.*/finished/image>", linked) < removed
    assert removed < at(calls, r"fsync\(\d+<.*/processing/image>", removed)
