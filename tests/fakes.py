"""Small fakes with real behaviour, and factories, for tests of the engine."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from comfyui_e3.e3_nodes import config_loader, store
from comfyui_e3.e3_nodes.backends.base import Prompt, Sighting
from comfyui_e3.e3_nodes.model import Artifact, Progress, Result
from comfyui_e3.e3_nodes.monitor import submit_job
from comfyui_e3.e3_nodes.payload import templates

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
)

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


class FakeBackend:
    """A ComfyUI in a dict: prompts wait, run and end when the test says so, and their files are real.

    Args:
        folder: Where staging folders are made.
        behave: Tells how a prompt ends; success with one image when None.
    """

    def __init__(self, folder: Path, behave: Callable[[Prompt], Result] | None = None) -> None:
        self.folder = folder
        self.behave = behave or self.success
        self.prompts: dict[str, Prompt] = {}
        self.places: dict[str, str] = {}
        self.submitted: list[str] = []
        self.interrupted: list[str] = []
        self.freed = 0
        self.address = ""
        self.refusal: Exception | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.initial_place = "pending"

    def success(self, prompt: Prompt) -> Result:
        """Write one image, as SaveImage does."""
        path = self.staging(prompt.token) / "9_00001_.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
        return Result(outcome="success", start_time=1000, end_time=1250, artifacts=[Artifact(node="9", path=str(path))])

    def submit(self, prompt: Prompt) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.prompts[prompt.prompt_id] = prompt
        self.places[prompt.prompt_id] = self.initial_place
        self.submitted.append(prompt.job_name)

    def look(self, prompt: Prompt) -> Sighting:
        place = self.places.get(prompt.prompt_id, "gone")
        if place in ("pending", "running") and self.hold.is_set():
            return Sighting("ended", self.behave(prompt))
        return Sighting(place)  # type: ignore[arg-type]

    def knows(self, prompt_id: str) -> bool:
        return prompt_id in self.places

    def take_back(self, prompt_id: str) -> bool:
        if self.places.get(prompt_id) != "pending":
            return False
        del self.places[prompt_id]
        return True

    def interrupt(self, prompt_id: str) -> bool:
        self.interrupted.append(prompt_id)
        self.behave = lambda prompt: Result(outcome="interrupted", error_type="interrupted", error_trace="stopped")
        self.hold.set()
        return True

    def progress(self, prompt_id: str) -> Progress | None:
        return None

    def free_memory(self) -> None:
        self.freed += 1

    def problem(self) -> str | None:
        return None

    def staging(self, token: str) -> Path:
        return self.folder / "e3" / token

    def deliver_input(self, source: Path, name: str) -> str:
        return f"e3/{name}"


class Home:
    """A home on a temporary folder, with one workflow ``wf`` and a job table.

    Args:
        folder: An empty folder.
        settings: What ``global_config.yaml`` says.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        (folder / "global_config.yaml").write_text(json.dumps(settings), "utf-8")
        self.cfg = config_loader.load_global_config(str(folder / "global_config.yaml"))
        for key in ("jobs_processing", "jobs_finished"):
            Path(self.cfg["paths"][key], "image").mkdir(parents=True)
        self.db = store.init_db(":memory:", crash_limit=self.cfg["crash_limit"])
        self.workflows = {"wf": workflow_of(GRAPH)}
        self._numbers = itertools.count(1)

    @property
    def processing(self) -> Path:
        return Path(self.cfg["paths"]["jobs_processing"]) / "image"

    @property
    def finished(self) -> Path:
        return Path(self.cfg["paths"]["jobs_finished"]) / "image"

    def body(self, stem: str, **changes: Any) -> dict[str, Any]:
        """Return the body of a job that makes ``<stem>.png``."""
        outputs = {"file_path": f"jobs/finished/image/{stem}.png", **changes.pop("outputs", {})}
        return {"job_type": "T2I", "workflow_id": "wf", "inputs": {"width": 32}, "outputs": outputs, **changes}

    def write(self, name: str | None = None, **changes: Any) -> Path:
        """Write a job file into processing/, and return its path."""
        name = name or f"T2I_20250101120000_{next(self._numbers)}_test.yaml"
        path = self.processing / name
        path.write_text(json.dumps(self.body(path.stem, **changes)), "utf-8")
        return path

    def submit(self, **changes: Any) -> dict[str, Any]:
        """Take a job in and return its row."""
        name = changes.pop("name", f"T2I_20250101120000_{next(self._numbers)}_test.yaml")
        data = json.dumps(self.body(name.removesuffix(".yaml"), **changes)).encode()
        return dict(submit_job(name, data, self.cfg, self.workflows, self.db))

    def row(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Read a job's row anew."""
        row = self.db.get_job(job["config_name"])
        assert row is not None
        return dict(row)


@contextmanager
def opened_home(folder: Path, **settings: Any) -> Iterator[Home]:
    """Make a folder and a home in it, and close the home's table at the end."""
    folder.mkdir()
    home = Home(folder, **settings)
    yield home
    home.db.close()


def workflow_of(template: dict[str, Any], **entry: Any) -> Any:
    """Make a workflow of a graph."""
    entry = {"template_path": "api/wf.json", "required_inputs": [], "inputs": {}, **entry}
    return {**entry, "template": template, "sha256": templates.workflow_sha256(template, entry), "source": "test"}
