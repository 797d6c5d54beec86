"""More files than the system tells of: a flood (F34), lost events (F35), no watches at all (F36).

``E3_FLOOD_FILES=100000 pytest tests/chaos/test_floods.py`` takes as many in as the promise names; a few minutes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.selftest import hosted, invariants, rounds
from comfyui_e3.e3_nodes.selftest.invariants import View
from comfyui_e3.e3_nodes.selftest.processes import CAN_FORK
from comfyui_e3.e3_nodes.selftest.scene import Scene

SCRIPT = Path(__file__).with_name("take_in.py")
QUEUED_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")
EVENTS_A_FILE = 4  # created, modified, closed and moved, at the least
NO_WATCHES = 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"'

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about Linux's file events")


@contextmanager
def taking_in(scene: Scene, count: int, wrapped_in: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run E3's monitor in a process of its own, from the moment when it watches the folder."""
    command = [*wrapped_in, sys.executable, str(SCRIPT), str(scene.home), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            if process.stdout.readline() != "ready\n":
                pytest.fail(process.stderr.read())
            yield process
        finally:
            process.kill()


def flood(scene: Scene, count: int) -> None:
    """Drop many files, each whole by a rename; none of them is synced, as a copying tool would not."""
    body = json.dumps(scene.body("x.yaml", 0, 1, None, {}))
    for number in range(count):
        hidden = scene.processing / f".{number}.tmp"
        hidden.write_text(body.replace("image/x.png", f"image/{number}.png"), "utf-8")
        hidden.rename(scene.processing / f"T2I_20250101120000_{number}_flood.yaml")


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return {**json.loads(out), "log": err}


def test_floods_of_files_are_taken_in_and_paged(tmp_path: Path) -> None:
    count = int(os.environ.get("E3_FLOOD_FILES", "3000"))
    scene = Scene(tmp_path, pending_warning_threshold=100_000_000)

    with taking_in(scene, count) as process:
        flood(scene, count)
        found = told(process)

    print(found)
    assert (found["taken"], found["page"]) == (count, 100)
    assert found["grown_mb"] < 50 + count / 200  # 5 KB a file on top, for names and signatures


@pytest.mark.skipif(not CAN_FORK, reason="needs the embedded host of the chaos run")
def test_floods_do_not_block_the_event_loop(tmp_path: Path) -> None:
    count, report = 1000, rounds.Report()
    scene = Scene(tmp_path, start_paused=True)

    with hosted.running(scene, report):
        flood(scene, count)
        deadline = time.monotonic() + 60
        while waiting(scene) < count and time.monotonic() < deadline:
            hosted.ask_for(scene, random.Random(1), 0.5)
        assert waiting(scene) == count

    view = View.of(scene, scene.complaints())
    assert not list(invariants.i17_comfyui_is_unharmed(scene, view))
    assert not list(invariants.i18_event_loop_is_free(scene, view))
    assert report.violations == []


def waiting(scene: Scene) -> int:
    port = (scene.output.parent / "port").read_text()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/e3/queue", timeout=30) as answer:
            return json.load(answer)["totals"]["pending"]
    except urllib.error.HTTPError as exc:
        assert exc.code == 503, "only an engine that still starts has no queue to show"
        return 0


def test_floods_that_overflow_the_events_lose_nothing(tmp_path: Path) -> None:
    queued = int(QUEUED_EVENTS.read_text())
    if queued > 65_536:
        pytest.skip(f"{queued} events fit into the queue here")
    count = queued // EVENTS_A_FILE + 100
    scene = Scene(tmp_path, pending_warning_threshold=100_000_000)

    with taking_in(scene, count) as process:
        process.send_signal(signal.SIGSTOP)  # who does not read events loses those that do not fit
        flood(scene, count)
        process.send_signal(signal.SIGCONT)
        found = told(process)

    assert found["taken"] == count


def test_floods_without_watches_are_found_by_polling(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here")
    namespace = ["unshare", "-Ur", "sh", "-c", NO_WATCHES, "sh"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a system without watches cannot be had here")
    scene = Scene(tmp_path)

    with taking_in(scene, 20, namespace) as process:
        flood(scene, 20)
        found = told(process)

    assert found["taken"] == 20
    assert found["log"].count("File events are not to be had") == 1
