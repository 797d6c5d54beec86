"""A throw-away home under test, and what the checker remembers about it from one crash to the next."""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import config_loader
from ..errors import StoreUnavailable
from ..store.sqlite import SqliteDatabase
from .simulated import FINE

TIME_FACTOR = 200
"""How much faster the table's clock and the settling of files run than real time: a backoff is soon over."""

_GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@dataclass
class Ledger:
    """What was seen at earlier checks, and must still be true at later ones."""

    done: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    buried: set[int] = field(default_factory=set)


class Scene:
    """One home: its settings, what was dropped into it, and what strangers own in it.

    Args:
        folder: An empty folder.
        settings: What ``global_config.yaml`` says besides quick defaults.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.home, self.output = folder / "home", folder / "output"
        self.watch_log = folder / "watch.log"
        (self.home / "workflows" / "api").mkdir(parents=True)
        self.output.mkdir()
        quick = {"poll_interval_ms": 50, "lease_seconds": 1, "crash_limit": 100, **settings}
        (self.home / config_loader.CONFIG_NAME).write_text(json.dumps(quick), "utf-8")
        (self.home / "workflows" / "api" / "wf.json").write_text(json.dumps(_GRAPH), "utf-8")
        entry = {"wf": {"template_path": "api/wf.json", "required_inputs": []}}
        (self.home / "workflows" / "workflows.yaml").write_text(json.dumps(entry), "utf-8")
        self.cfg = config_loader.load_global_config(str(self.home / config_loader.CONFIG_NAME))
        for key in ("jobs_processing", "jobs_finished"):
            Path(self.cfg["paths"][key], "image").mkdir(parents=True)
        self.epoch = time.time()
        self.dropped: dict[str, bytes] = {}
        self.broken: dict[str, bytes] = {}
        self.strangers: dict[Path, bytes] = {}
        self.ledger = Ledger()
        self._numbers = itertools.count(1)

    @property
    def processing(self) -> Path:
        """Where job files are dropped."""
        return Path(self.cfg["paths"]["jobs_processing"], "image")

    @property
    def finished(self) -> Path:
        """Where results and finished job files appear."""
        return Path(self.cfg["paths"]["jobs_finished"], "image")

    def is_table_locked(self) -> bool:
        """Tell whether some process is within a write of the table, and stays there."""
        database = SqliteDatabase(self.cfg["paths"]["database"])
        try:
            with database.transaction():
                return False
        except StoreUnavailable as exc:
            return exc.code == "db_locked"
        finally:
            database.close()

    def now(self, wrong_by_days: int = 0) -> int:
        """Return the table's time: UTC milliseconds that run fast since the scene began."""
        seconds = self.epoch + (time.time() - self.epoch) * TIME_FACTOR
        return max(1, round((seconds + wrong_by_days * 86_400) * 1000))

    def monotonic(self) -> float:
        """Return the seconds by which files settle."""
        return time.monotonic() * TIME_FACTOR

    def drop(
        self,
        *,
        kind: int = FINE,
        batch: int = 1,
        slowly: bool = False,
        file_path: str | None = None,
        **changes: Any,
    ) -> str:
        """Drop a job file, by a rename or written in place, and return the job's name."""
        name = f"T2I_20250101120000_{next(self._numbers)}_chaos.yaml"
        body = self.body(name, kind, batch, file_path, changes)
        data = json.dumps(body, indent=1).encode()
        self.dropped[name] = data
        if slowly:
            with (self.processing / name).open("wb") as file:
                for start in range(0, len(data), 100):
                    file.write(data[start : start + 100])
                    file.flush()
        else:
            write_whole(self.processing / name, data)
        return name

    def body(
        self, name: str, kind: int, batch: int, file_path: str | None, changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the content of a job file."""
        target = file_path or f"jobs/finished/image/{name.removesuffix('.yaml')}.png"
        outputs = {"file_path": target, **changes.get("outputs", {})}
        inputs = {"color": kind, "batch_size": batch}
        return {"job_type": "T2I", "workflow_id": "wf", "inputs": inputs, **changes, "outputs": outputs}

    def drop_broken(self) -> str:
        """Drop a file that is no job."""
        name = f"T2I_20250101120000_{next(self._numbers)}_broken.yaml"
        self.broken[name] = b"job_type: T2I\nworkflow_id: no_such_workflow\n"
        write_whole(self.processing / name, self.broken[name])
        return name

    def drop_some(self, chance: random.Random) -> None:
        """Drop what a busy evening drops: one to three jobs, now and then a broken file."""
        for _ in range(chance.randint(1, 3)):
            self.drop(batch=chance.choice([1, 1, 1, 3]), slowly=chance.random() < 0.2)
        if chance.random() < 0.1:
            self.drop_broken()

    def result_of(self, name: str) -> Path:
        """Return where the first result of a job belongs."""
        return self.finished / f"{name.removesuffix('.yaml')}.png"

    def complain(self, said: str) -> None:
        """Write down, from any process, what the next check will tell."""
        with self.watch_log.open("a", encoding="utf-8") as file:
            file.write(f"{said}\n")

    def complaints(self) -> list[str]:
        """Take what was written down since the last check."""
        if not self.watch_log.exists():
            return []
        said = self.watch_log.read_text("utf-8").splitlines()
        self.watch_log.unlink()
        return said

    def bury(self, pid: int) -> None:
        """Remember that a process was killed or frozen: from it, and from no other, jobs may be taken."""
        self.ledger.buried.add(pid)

    def put_stranger(self, path: Path) -> None:
        """Put somebody else's file at a path."""
        data = f"not E3's, made {time.time_ns()}".encode()
        write_whole(path, data)
        self.strangers[path] = data


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a hidden name, durably, then rename it: the way job files should be dropped."""
    hidden = path.with_name(f".{path.name}.tmp")
    with hidden.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)
