"""The home that a command works on; each part of it is opened when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import config_loader, locks, queue_manager, store
from ..errors import E3Error, InvalidWorkflow, UnknownJob
from ..model import Job, Workflow
from ..store.protocol import JobStore
from . import comfyui
from .answers import Answer, Failure


class Home:
    """Settings, workflows and job table of the home that ``E3_HOME`` names, or of the plugin's own folder.

    Args:
        environ: The environment that names it; the process's own when None.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ

    @cached_property
    def cfg(self) -> dict[str, Any]:
        """The settings, with ComfyUI's input folder where it can be found."""
        cfg = config_loader.load_home(self._environ)
        folder = comfyui.input_folder(cfg["home"])
        return {**cfg, "input_folder": str(folder)} if folder else cfg

    @cached_property
    def db(self) -> JobStore:
        """The job table."""
        return store.open_store(self.cfg)

    @cached_property
    def workflows(self) -> dict[str, Workflow]:
        """The workflows that can be used."""
        return self._loaded[0]

    @property
    def workflow_problems(self) -> list[InvalidWorkflow]:
        """Why the others cannot."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[dict[str, Workflow], list[InvalidWorkflow]]:
        broken: list[InvalidWorkflow] = []
        files = config_loader.workflow_files_of(self.cfg)
        return config_loader.load_all_workflows(files, broken.append), broken

    def find_job(self, name: str) -> Job:
        """Return a job's row by name, with or without ``.yaml``.

        Raises:
            UnknownJob: There is none; the message names the nearest.
        """
        try:
            return queue_manager.find_job(self.db, name)
        except UnknownJob as exc:
            raise unknown_job(self.db, name) from exc

    def close(self) -> None:
        """Close the table, if it was opened."""
        if "db" in vars(self):
            self.db.close()


@contextmanager
def open_home() -> Iterator[Home]:
    """Lend the home; its table is closed at the end.

    Raises:
        E3Error: Settings, workflows or table cannot be used.
    """
    home = Home()
    try:
        yield home
    finally:
        home.close()


def workers_of(db: JobStore) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Tell the workers that live from those whose lock is free: their process is gone."""
    dead = [worker for worker in db.list_workers() if locks.is_free(Path(worker["lock_path"]))]
    alive = [worker for worker in db.list_workers() if worker not in dead]
    return alive, dead


def unknown_job(db: JobStore, name: str) -> UnknownJob:
    """Say that no job has a name, and which names are near it."""
    near = queue_manager.similar_names(db, name)
    hint = f"did you mean {' or '.join(near)}?" if near else "names look like T2I_20250809123001_1_knight.yaml"
    return UnknownJob(f"no job is called {name}; {hint}")


def each(names: Sequence[str], do: Callable[[str], Job]) -> list[dict[str, Any]]:
    """Do one thing to each named job; a refusal is noted with its code, and the others go on."""
    return [_outcome(name, do) for name in names]


def _outcome(name: str, do: Callable[[str], Job]) -> dict[str, Any]:
    try:
        job = do(name)
    except E3Error as exc:
        return {"config_name": name, "ok": False, "error": {"code": exc.code, "message": str(exc)}}
    keys = ("config_name", "status", "priority", "config_path")
    return {**{key: job.get(key) for key in keys}, "ok": True}


def answer_of(outcomes: Sequence[dict[str, Any]], past: str) -> Answer:
    """Tell what became of each job.

    Args:
        outcomes: What ``each`` returned.
        past: What was done, such as ``retried``.
    """
    good = [outcome for outcome in outcomes if outcome["ok"]]
    refused = [outcome["error"] for outcome in outcomes if not outcome["ok"]]
    lines = [f"{past} {outcome['config_name']}" for outcome in good]
    data = {"jobs": list(outcomes)}
    if not refused:
        return Answer(data, lines)
    if len(outcomes) == 1:
        return Answer(data, lines, Failure(refused[0]["code"], refused[0]["message"]))
    causes = "\n".join(f"    {error['message']}" for error in refused)
    message = f"{len(refused)} of {len(outcomes)} jobs were not {past}:\n{causes}"
    return Answer(data, lines, Failure(refused[0]["code"], message))
