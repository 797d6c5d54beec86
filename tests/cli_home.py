"""A home for the command line: job files in it, and ``e3`` in this process or in one of its own.

home = CliHome(tmp_path)
code, out, err = home.process("queue", "ls", "--json")
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from comfyui_e3.e3_nodes import cli, config_loader, monitor, store
from comfyui_e3.e3_nodes.model import Job, Workflow
from comfyui_e3.e3_nodes.store.protocol import JobStore

REPO = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "comfyui_e3.e3_nodes.cli"]


class Said(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The one object on stdout."""
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        """What the envelope holds."""
        return self.envelope["data"]


class CliHome:
    """An empty home on a folder.

    Args:
        folder: An empty folder.
        settings: What ``global_config.yaml`` says.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder / "home"
        self.folder.mkdir()
        self.drafts = folder / "drafts"
        self.drafts.mkdir()
        self.env = {**os.environ, "E3_HOME": str(self.folder), "COLUMNS": "200", "PYTHONUTF8": "1"}
        self.env.pop("COMFYUI_PATH", None)
        self._numbers = itertools.count(1)
        if settings:
            (self.folder / "global_config.yaml").write_text(json.dumps(settings), "utf-8")

    # --- e3 -----------------------------------------------------------------------------------------
    def e3(self, *argv: str) -> Said:
        """Run a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        before = os.environ.get("E3_HOME")
        os.environ["E3_HOME"] = str(self.folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.main(argv)
        finally:
            os.environ.pop("E3_HOME")
            if before is not None:
                os.environ["E3_HOME"] = before
        return Said(code, out.getvalue(), err.getvalue())

    def process(self, *argv: str, stdin: str = "", timeout: float = 60) -> Said:
        """Run a command in a process of its own."""
        done = subprocess.run(
            [*COMMAND, *argv],
            input=stdin,
            env=self.env,
            cwd=self.folder.parent,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    # --- jobs ---------------------------------------------------------------------------------------
    def draft(self, name: str | None = None, **changes: Any) -> Path:
        """Write a job file outside of processing/."""
        name = name or f"T2I_20250101120000_{next(self._numbers)}_test.yaml"
        path = self.drafts / name
        body = {
            "job_type": "T2I",
            "workflow_id": "wf_hello_image",
            "inputs": {"width": 32, "height": 32},
            "outputs": {"file_path": f"jobs/finished/image/{path.stem}.png"},
            **changes,
        }
        path.write_text(json.dumps(body, indent=1), "utf-8")
        return path

    def job(self, name: str | None = None, **changes: Any) -> str:
        """Take a job in, and return its name."""
        return self.jobs(self.draft(name, **changes))[0]

    def jobs(self, *drafts: Path) -> list[str]:
        """Take many jobs in, and return their names."""
        cfg, workflows = self.cfg, self.workflows
        with contextlib.closing(self.store()) as db:
            rows = [monitor.submit_job(path.name, path.read_bytes(), cfg, workflows, db) for path in drafts]
        return [row["config_name"] for row in rows]

    def row(self, name: str) -> Job:
        """Read a job's row."""
        with contextlib.closing(self.store()) as db:
            row = db.get_job(name)
        assert row is not None, f"{name} is no job"
        return row

    def end(self, name: str, *, error: str | None = None) -> None:
        """Lease the most urgent job, which must be the named one, and end it."""
        with contextlib.closing(self.store()) as db:
            end_job(db, name, error=error)

    def store(self) -> JobStore:
        """Open the table."""
        return store.open_store(self.cfg)

    @cached_property
    def workflows(self) -> dict[str, Workflow]:
        """The workflows that come with E3."""
        return config_loader.load_all_workflows(config_loader.workflow_files_of(self.cfg))

    @property
    def cfg(self) -> dict[str, Any]:
        """The settings."""
        return config_loader.load_global_config(str(self.folder / "global_config.yaml"))


def end_job(db: JobStore, name: str, *, error: str | None = None) -> None:
    """Lease the most urgent job, which must be the named one, and end it as done or failed for good."""
    job = db.lease_next_job("test", 60)
    assert job is not None and job["config_name"] == name
    updates: dict[str, Any] = {"metadata": {"saved": []}}
    if error is not None:
        updates = {"error_type": "invalid", "error_trace": error}
    assert db.complete_job(job["id"], success=error is None, updates=updates, lease_token=job["lease_token"])
