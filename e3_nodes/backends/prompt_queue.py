"""Runs prompts in the ComfyUI that this process is."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import file_utils
from ..errors import PromptRefused
from ..host import ComfyHost
from ..model import Artifact, Progress
from . import history
from .base import Prompt, Sighting
from .prompts import BATCH_NUMBER, STAGING, check_accepted, prompt_body

STUCK_SECONDS = 60.0


class PromptQueueBackend:
    """The in-process backend.

    Args:
        host: The ComfyUI around us.
        clock: Seconds that only grow.
    """

    address = ""

    def __init__(self, host: ComfyHost, clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._clock = clock
        self._stuck_since: float | None = None
        self._numbers = itertools.count(BATCH_NUMBER)
        # An id of our own keeps our events out of the graph that a person has open.
        self._client_id = f"comfyui-e3-{uuid.uuid4().hex}"

    def submit(self, prompt: Prompt) -> None:
        """Hand the prompt to ComfyUI's own ``POST /prompt`` handler."""
        status, answer = self._host.post_prompt(prompt_body(prompt, self._client_id, next(self._numbers)))
        try:
            check_accepted(status, answer)
        except PromptRefused:
            # A graph of which a part is valid is in the queue nevertheless.
            if not self.take_back(prompt.prompt_id):
                self.interrupt(prompt.prompt_id)
            raise

    def look(self, prompt: Prompt) -> Sighting:
        """Look into queue and history; an ended prompt comes with its files."""
        place = self._host.where(prompt.prompt_id)
        entry = self._host.history_entry(prompt.prompt_id) if place == "ended" else None
        if entry is None:
            return Sighting("gone" if place in (None, "ended") else place)
        result = history.read_verdict(entry)
        if result.get("outcome") == "success":
            result["artifacts"] = self._artifacts(entry, prompt.token)
        return Sighting("ended", result)

    def knows(self, prompt_id: str) -> bool:
        """Know no prompt of an earlier life: queue and history were in the memory of the process that died."""
        return False

    def take_back(self, prompt_id: str) -> bool:
        """Take a waiting prompt out of the queue."""
        return self._host.remove_pending(prompt_id)

    def interrupt(self, prompt_id: str) -> bool:
        """Interrupt the prompt if it is the one that runs."""
        return self._host.interrupt(prompt_id)

    def progress(self, prompt_id: str) -> Progress | None:
        """Tell how far the running prompt has come."""
        return self._host.progress(prompt_id)

    def free_memory(self) -> None:
        """Ask ComfyUI to free its memory before the next prompt."""
        self._host.free_memory()

    def problem(self) -> str | None:
        """Notice a dead prompt worker: ComfyUI accepts prompts then and never runs them."""
        if not self._host.worker_alive():
            return "ComfyUI's prompt worker has died: no prompt of anybody runs any more; restart ComfyUI"
        if not self._host.is_stuck():
            self._stuck_since = None
            return None
        now = self._clock()
        self._stuck_since = self._stuck_since or now
        if now - self._stuck_since < STUCK_SECONDS:
            return None
        return f"prompts wait in ComfyUI, and none has run for {STUCK_SECONDS:.0f} s; restart ComfyUI"

    def staging(self, token: str) -> Path:
        """Return ``<output>/e3/<token>``."""
        return self._host.output_folder() / STAGING / token

    def deliver_input(self, source: Path, name: str) -> str:
        """Copy the file to ``<input>/e3/<name>`` unless it is there."""
        target = self._host.input_folder() / STAGING / name
        if not target.exists():
            file_utils.copy_whole(source, target)
        return f"{STAGING}/{name}"

    def _artifacts(self, entry: Mapping[str, Any], token: str) -> list[Artifact]:
        """Resolve what history names; where it names nothing of ours, whatever lies in our staging counts."""
        staging = self.staging(token)
        output = self._host.output_folder()
        named = [
            Artifact(node=file["node"], path=str(output / file["subfolder"] / file["filename"]))
            for file in history.files_of_attempt(entry.get("outputs"), f"{STAGING}/{token}")
        ]
        return named or [Artifact(node="", path=str(path)) for path in file_utils.regular_files_under(staging)]
