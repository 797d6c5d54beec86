"""The routes do what ``/e3/openapi.json`` says of them, whatever is sent: tried by schemathesis."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from hosts import EmbeddedHost
from studio import Studio, image_graph, through

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not there; it wants Python 3.11"
)

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """The embedded host with E3 and jobs of every state, so that names of jobs lead somewhere."""
    with Studio(EmbeddedHost(), tmp_path) as studio:
        studio.workflow("image", image_graph())
        studio.workflow("raises", through("TestRaises", message="out of luck"))
        ended = [studio.job("image"), studio.job("raises", retry_limit=0)]
        studio.drop(*ended)
        for job in ended:
            studio.ended(job, "done", "failed")
        studio.post("queue/pause")
        waiting = [studio.job("image") for _ in range(3)]
        studio.drop(*waiting)
        for job in waiting:
            studio.becomes(job, "pending")
        studio.post(f"jobs/{waiting[0]['name']}/cancel")
        yield studio


def test_openapi_conformance_of_every_route(studio: Studio, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", "--no-color"]
    command += ["--checks", "all", "--seed", "1", "--max-examples", "12", "--continue-on-failure"]

    run = subprocess.run(
        [*command, f"{studio.host.url}/e3/openapi.json"],
        cwd=tmp_path,  # where it keeps what it has found
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=180,
    )

    assert run.returncode == 0, run.stdout + run.stderr + studio.host.log_tail()
