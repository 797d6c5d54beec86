"""A home, a ComfyUI with E3 in it, and the gestures of the person who uses them."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from comfyui_e3.e3_nodes import config_loader, queue_manager, store
from comfyui_e3.e3_nodes.errors import UnknownJob
from hosts import REPO, Host

T = TypeVar("T")

PACKS = Path(__file__).parent / "packs"
WAIT_SECONDS = 60.0


class Studio:
    """One home and one ComfyUI process.

    Args:
        host: The server class to run.
        folder: An empty folder; home and ComfyUI's base directory are made in it.
        plugin_folder: The name that the plugin's folder has in custom_nodes.
        settings: Written into ``global_config.yaml``.
        host_args: More arguments of the server's command line.
    """

    def __init__(
        self,
        host: Host,
        folder: Path,
        *,
        plugin_folder: str = "comfyui-e3",
        settings: Mapping[str, Any] | None = None,
        host_args: Sequence[str] = (),
    ) -> None:
        self.host = host
        self.host_args = host_args
        self.folder = folder
        self.home = folder / "home"
        self.base = folder / "base"
        self.plugin_folder = plugin_folder
        self._numbers = itertools.count(1)
        self.home.mkdir(parents=True)
        quick = {"poll_interval_ms": 200, **(settings or {})}
        (self.home / "global_config.yaml").write_text(json.dumps(quick, indent=1), "utf-8")
        self._workflows: dict[str, Any] = {}

    # --- ComfyUI -----------------------------------------------------------------------------------
    def open(self) -> Studio:
        """Start ComfyUI with the plugin, and wait until E3 answers."""
        packs = {self.plugin_folder: REPO, "troublemakers": PACKS / "troublemakers"}
        env = {"E3_HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}
        self.host.start(self.base, packs, extra_args=self.host_args, env=env)
        try:
            self.until(lambda: self.host.get("/e3/health")[0] == 200, "E3 to answer")
        except BaseException:
            self.host.stop()
            raise
        return self

    def close(self) -> None:
        """Stop ComfyUI."""
        self.host.stop()

    def __enter__(self) -> Studio:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- files ---------------------------------------------------------------------------------------
    @property
    def processing(self) -> Path:
        """Where job files are dropped."""
        return self.home / "jobs" / "processing"

    @property
    def finished(self) -> Path:
        """Where results and finished job files appear."""
        return self.home / "jobs" / "finished"

    def workflow(self, workflow_id: str, template: Mapping[str, Any], **entry: Any) -> str:
        """Add a workflow of the user's own."""
        own = self.home / "workflows"
        (own / "api").mkdir(parents=True, exist_ok=True)
        (own / "api" / f"{workflow_id}.json").write_text(json.dumps(template), "utf-8")
        self._workflows[workflow_id] = {
            "template_path": f"api/{workflow_id}.json",
            "required_inputs": [],
            **entry,
        }
        write_whole(own / "workflows.yaml", json.dumps(self._workflows, indent=1))
        return workflow_id

    def job(self, workflow_id: str, inputs: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Make a job: its name under ``name``, its body under ``body``."""
        job_type = changes.pop("job_type", "T2I")
        media = {"T2I": "image", "T2V": "video", "AUDIO": "audio", "SPEECH": "speech", "3D": "3d"}[job_type]
        extension = changes.pop("extension", "png")
        stem = f"{job_type}_20250101120000_{next(self._numbers)}_{changes.pop('title', 'test')}"
        outputs = {"file_path": f"jobs/finished/{media}/{stem}.{extension}", **changes.pop("outputs", {})}
        body = {
            "job_type": job_type,
            "workflow_id": workflow_id,
            "inputs": dict(inputs or {}),
            "outputs": outputs,
            **changes,
        }
        return {"name": f"{stem}.yaml", "media": media, "body": body, "result": self.home / outputs["file_path"]}

    def drop(self, *jobs: Mapping[str, Any]) -> None:
        """Drop job files whole: written under another name, then renamed."""
        for job in jobs:
            write_whole(self.processing / job["media"] / job["name"], json.dumps(job["body"], indent=1))

    # --- what can be seen ------------------------------------------------------------------------------
    def row(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return a job's details; an empty mapping while E3 does not know it."""
        status, answer = self.host.get(f"/e3/jobs/{job['name']}")
        return answer if status == 200 else {}

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """POST to E3 as a script does."""
        return self.host.post(f"/e3/{path}", {} if body is None else body)

    def ended(self, job: Mapping[str, Any], *wanted: str) -> dict[str, Any]:
        """Wait until a job has ended, with one of the wanted statuses, and its file is where it belongs."""
        wanted = wanted or ("done",)

        def has_ended() -> bool:
            row = self.row(job)
            filed = row.get("status") != "done" or (self.finished / job["media"] / job["name"]).exists()
            return row.get("status") in ("done", "failed", "cancelled") and filed

        self.until(has_ended, f"{job['name']} to end", lambda: json.dumps(self.row(job), indent=1))
        row = self.row(job)
        assert row["status"] in wanted, f"{row['status']}: {row.get('error_trace')}\n{self.host.log_tail()}"
        return row

    def becomes(self, job: Mapping[str, Any], status: str) -> dict[str, Any]:
        """Wait until a job has a status."""
        self.until(lambda: self.row(job).get("status") == status, f"{job['name']} to be {status}")
        return self.row(job)

    def rejections(self) -> dict[str, dict[str, Any]]:
        """Return the rejections by file name."""
        _, answer = self.host.get("/e3/rejections")
        return {Path(rejection["path"]).name: rejection for rejection in answer["rejections"]}

    def until(self, fact: Callable[[], T], what: str, detail: Callable[[], str] = lambda: "") -> T:
        """Wait for a fact; say what was waited for when it does not come."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            found = fact()
            if found:
                return found
            time.sleep(0.03)
        raise AssertionError(f"waited {WAIT_SECONDS:g} s for {what}\n{detail()}\n{self.host.log_tail()}")


class Agent:
    """``e3 run --loop --monitor`` in a process of its own, on a home, for the ComfyUI at an address."""

    def __init__(self, home: Path, url: str, log_path: Path) -> None:
        command = [sys.executable, "-m", "comfyui_e3.e3_nodes.cli", "run", "--loop", "--monitor", "--url", url]
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, "E3_HOME": str(home)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self, *, kill: bool = False) -> None:
        """End it: politely, or at once as a crash does."""
        if kill or os.name == "nt":
            self.process.kill()
        else:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)


class AgentStudio(Studio):
    """The same gestures where E3 is an agent outside: ComfyUI has no plugin, and is reached by its address alone."""

    agent: Agent | None = None

    def open(self) -> AgentStudio:
        """Start ComfyUI without E3, and the agent beside it."""
        self.start_host()
        self.start_agent()
        return self

    def start_host(self) -> None:
        """Start ComfyUI, at the address that it had before."""
        self.host.start(self.base, {"troublemakers": PACKS / "troublemakers"}, port=self.host.port)

    def close(self) -> None:
        """Stop the agent, then ComfyUI."""
        self.stop_agent()
        self.host.stop()

    def start_agent(self) -> Agent:
        """Start the agent on this home."""
        self.agent = Agent(self.home, self.host.url, self.folder / "agent.log")
        self.until(lambda: Path(self._cfg["paths"]["database"]).exists(), "the agent's job table")
        return self.agent

    def stop_agent(self, *, kill: bool = False) -> None:
        """End the agent: politely, or at once as a crash does."""
        if self.agent is not None:
            self.agent.stop(kill=kill)
        self.agent = None

    def row(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return a job's details, read from the table itself."""
        with store.init_db(self._cfg["paths"]["database"]) as db:
            try:
                return queue_manager.job_details(db, job["name"])
            except UnknownJob:
                return {}

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Do what the route of that path does, as the command line would."""
        verbs = {
            "god-mode": queue_manager.god_mode,
            "cancel": queue_manager.cancel_job,
            "retry": queue_manager.retry_job,
        }
        with store.init_db(self._cfg["paths"]["database"]) as db:
            match path.split("/"):
                case ["queue", verb]:
                    db.set_user_paused(verb == "pause")
                case ["jobs", name, verb]:
                    verbs[verb](db, name)
        return 200, {}

    def rejections(self) -> dict[str, dict[str, Any]]:
        """Return the rejections by file name."""
        with store.init_db(self._cfg["paths"]["database"]) as db:
            return {Path(rejection["path"]).name: dict(rejection) for rejection in db.list_rejections(limit=1000)}

    @property
    def _cfg(self) -> dict[str, Any]:
        return config_loader.load_global_config(str(self.home / "global_config.yaml"))


def write_whole(path: Path, text: str) -> None:
    """Write a file under a hidden name and rename it, so that it is whole when it appears."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.tmp")
    hidden.write_text(text, "utf-8")
    hidden.replace(path)


# --- templates ------------------------------------------------------------------------------------------
def image_graph(width: int = 64, color: int = 255, batch: int = 1) -> dict[str, Any]:
    """EmptyImage into SaveImage."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": width, "height": 64, "batch_size": batch, "color": color},
        },
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }


def through(class_type: str, **inputs: Any) -> dict[str, Any]:
    """EmptyImage through a node of the troublemakers into SaveImage."""
    graph = image_graph()
    graph["5"] = {"class_type": class_type, "inputs": {"image": ["1", 0], **inputs}}
    graph["9"]["inputs"]["images"] = ["5", 0]
    return graph


def video_graph() -> dict[str, Any]:
    """Eight frames into a film."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 8, "color": 255}},
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0}},
        "9": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["2", 0], "filename_prefix": "x", "format": "mp4", "codec": "h264"},
        },
    }


def audio_graph() -> dict[str, Any]:
    """A second of silence."""
    return {
        "1": {"class_type": "EmptyAudio", "inputs": {"duration": 0.5, "sample_rate": 44100, "channels": 2}},
        "9": {"class_type": "SaveAudio", "inputs": {"audio": ["1", 0], "filename_prefix": "x"}},
    }
