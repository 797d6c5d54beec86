"""A scratch home with one workflow of two nodes, and jobs for it: as files, as prompts, as rows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import config_loader

WORKFLOW = "bench"
SIDE = 512
"""EmptyImage's own default: a picture that costs what a picture costs."""


@dataclass(frozen=True)
class Work:
    """What a job of the benchmark makes.

    Attributes:
        side: Width and height of its picture.
        gpu_seconds: How long a node in its middle waits, as one does whose work a GPU does; 0 leaves it out.
    """

    side: int = SIDE
    gpu_seconds: float = 0.0


def graph(color: int, work: Work, prefix: str = "x") -> dict[str, Any]:
    """EmptyImage into SaveImage."""
    side = work.side
    nodes = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": side, "height": side, "batch_size": 1, "color": color},
        },
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }
    if work.gpu_seconds:
        nodes["5"] = {"class_type": "BenchGpu", "inputs": {"image": ["1", 0], "seconds": work.gpu_seconds}}
        nodes["9"]["inputs"]["images"] = ["5", 0]
    return nodes


class Home:
    """A home in an empty folder.

    Args:
        folder: Where.
        settings: Written into ``global_config.yaml``.
        work: What its jobs make.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None, work: Work | None = None) -> None:
        self.folder = folder
        self._count = 0
        own = folder / "workflows"
        (own / "api").mkdir(parents=True)
        (own / "api" / "bench.json").write_text(json.dumps(graph(0, work or Work())), "utf-8")
        entry = {WORKFLOW: {"template_path": "api/bench.json", "required_inputs": []}}
        (own / "workflows.yaml").write_text(json.dumps(entry), "utf-8")
        (folder / "global_config.yaml").write_text(json.dumps(dict(settings or {})), "utf-8")
        self.processing.mkdir(parents=True)

    @property
    def processing(self) -> Path:
        """Where images' job files are dropped."""
        return self.folder / "jobs" / "processing" / "image"

    def settings(self) -> dict[str, Any]:
        """Load the settings as a runtime does."""
        return config_loader.load_global_config(str(self.folder / "global_config.yaml"))

    def make_file(self) -> Path:
        """Write one job file under a hidden name; a rename to ``final_name`` of it drops it."""
        self._count += 1
        hidden = self.processing / f".{name_of(self._count)}.tmp"
        hidden.write_text(job_text(self._count), "utf-8")
        return hidden

    def drop(self, count: int) -> list[str]:
        """Drop so many new jobs, whole; return their names."""
        return [drop_file(self.make_file()) for _ in range(count)]


def drop_file(hidden: Path) -> str:
    """Rename a hidden job file to its name, which is returned."""
    name = hidden.name[1:].removesuffix(".tmp")
    hidden.rename(hidden.with_name(name))
    return name


def name_of(number: int) -> str:
    """Name the job of a number."""
    return f"T2I_20250101120000_{number}_bench.yaml"


def job_text(number: int) -> str:
    """Write a job as a person would, with a text of usual length."""
    return (
        f"job_type: T2I\nworkflow_id: {WORKFLOW}\npriority: 50\ninputs:\n  color: {number % 16_777_216}\n"
        f"outputs:\n  file_path: jobs/finished/image/{name_of(number).removesuffix('.yaml')}.png\n"
        "metadata:\n  prompt: Ultra-realistic portrait of a medieval knight in rain\n  creator: bench\n"
    )


def prompt(number: int, work: Work) -> dict[str, Any]:
    """Make the body of ``POST /prompt`` that asks for the same, with a folder of its own."""
    return {"prompt": graph(number % 16_777_216, work, f"bare/{uuid.uuid4().hex}/x"), "client_id": "bench"}


def rows(first: int, count: int) -> Iterator[dict[str, Any]]:
    """Make rows as the monitor makes them of such files."""
    for number in range(first, first + count):
        name = name_of(number)
        config = {
            "job_type": "T2I",
            "workflow_id": WORKFLOW,
            "priority": 50,
            "retry_limit": 2,
            "inputs": {"color": number},
            "outputs": {"file_path": f"jobs/finished/image/{name}.png", "if_exists": "fail"},
            "metadata": {},
        }
        yield {
            "config_name": name,
            "job_type": "T2I",
            "media": "image",
            "workflow_id": WORKFLOW,
            "priority": 50,
            "retry_limit": 2,
            "config": config,
            "config_path": f"/e3/jobs/processing/image/{name}",
            "config_sha256": f"{number:064x}",
            "source_yaml": job_text(number),
            "metadata": {"creator": "bench"},
        }
