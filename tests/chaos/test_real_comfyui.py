"""SIGKILL of a whole ComfyUI with E3 in it, at named places and at random times (F04).

The embedded host stands in for ComfyUI, with a few kills; a real one, named by ``COMFYUI_PATH`` and
``COMFYUI_PYTHON``, is killed twenty times.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from studio import Studio, image_graph, through

sys.path.insert(0, str(Path(__file__).parents[1]))

from hosts import Host, RealComfyUI, available_hosts

PLACES = (
    "scan.before_insert",
    "scan.after_insert",
    "lease.after",
    "submit.before_put",
    "submit.after",
    "exec.started",
    "exec.output_written",
    "publish.hashed",
    "publish.intent_committed",
    "publish.before_link",
    "publish.linked:2",
    "publish.dir_synced",
    "done.committed",
    "receipt.after",
    "yaml.linked",
    "yaml.moved",
)
KILLS = {"comfyui": 20, "embedded": 4}


@pytest.mark.parametrize("host", available_hosts(), ids=lambda host: host.name)
def test_real_comfyui_killed_again_and_again_keeps_the_promise(
    host: type[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(host(), tmp_path, settings={"crash_limit": 100})
    studio.workflow("batch", image_graph(batch=3))
    studio.workflow("slow", through("TestSleeps", seconds=0.5))
    chance, jobs, kills = random.Random(7), [], []
    wanted = [*PLACES, *[""] * (20 - len(PLACES))]
    if host is not RealComfyUI:
        wanted = chance.sample(wanted, KILLS[host.name])

    for place in wanted:
        monkeypatch.setenv("E3_FAILPOINT", f"{place}:kill" if place else "")
        jobs += [studio.job("batch", {"width": 64 + 8 * len(jobs)}), studio.job("slow")]
        with _Tolerant(studio):
            studio.drop(*jobs[-2:])
            _let_die(studio, chance.uniform(0.0, 4.0) if not place else 30.0)
        kills.append(place or "at random")
    monkeypatch.delenv("E3_FAILPOINT")

    with studio:
        for job in jobs:
            row = studio.ended(job)
            assert row["retries_attempted"] == 0
            assert [attempt["outcome"] for attempt in row["attempts"]].count("done") == 1
            assert all(Path(path).read_bytes().endswith(b"IEND\xaeB`\x82") for path in row["metadata"]["saved"])
        assert not list((studio.processing / "image").glob("*.yaml"))
        assert studio.host.get("/e3/health")[1]["problems"] == []
    print(f"{len(kills)} kills of {host.name}: {', '.join(kills)}; {len(jobs)} jobs done once")


class _Tolerant:
    """Open a studio that may die while it opens: what an earlier life left is recovered at once."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def __enter__(self) -> None:
        try:
            self.studio.open()
        except (AssertionError, RuntimeError, OSError):
            if self.studio.host.is_alive:
                raise

    def __exit__(self, *_: object) -> None:
        if self.studio.host.is_alive:
            self.studio.host.kill()


def _let_die(studio: Studio, seconds: float) -> None:
    """Wait until it died at its failpoint, or for so long, and end what still lives."""
    deadline = time.monotonic() + seconds
    while studio.host.is_alive and time.monotonic() < deadline:
        time.sleep(0.05)
