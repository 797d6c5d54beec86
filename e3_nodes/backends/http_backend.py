"""Runs prompts in a ComfyUI that is reached by URL."""

from __future__ import annotations

import itertools
import os
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..errors import AttemptFailed, HostUnavailable, PromptRefused
from ..logger import get_logger
from ..model import Artifact, ErrorType, Progress
from . import history
from .base import Prompt, Sighting
from .http_client import ComfyClient
from .prompts import BATCH_NUMBER, STAGING, check_accepted, prompt_body
from .sightings import Sightings
from .ws import Events

log = get_logger("http")

Place = Literal["pending", "running", "ended", "gone"]

LOOK_SECONDS = 2.0
"""How long a look is good for while no event says that something has changed."""
LOOK_WITHOUT_EVENTS_SECONDS = 0.25
IDLE_SECONDS = 60.0
EVENTS_SECONDS = 5.0
NOT_LOOKED = -1


class HttpBackend:
    """The backend for any ComfyUI by URL. It connects when it is first used; ``close`` it in the end.

    A prompt of an earlier life of E3 can be looked at like one of this life: its id and token are enough.

    Args:
        cfg: The settings; ``home`` and the section ``comfyui`` are read.

    Raises:
        InvalidSettings: ``comfyui.api_base_url`` is no URL.
    """

    def __init__(self, cfg: Mapping[str, Any]) -> None:
        comfyui = cfg["comfyui"]
        self._client = ComfyClient(comfyui["api_base_url"], comfyui.get("headers"))
        self._staging = Path(cfg["home"]) / "jobs" / "staging" / STAGING
        self._numbers = itertools.count(BATCH_NUMBER)
        # An id of our own keeps our events out of the graph that a person has open.
        self._client_id = f"comfyui-e3-{uuid.uuid4().hex}"
        self._events: Events | None = None
        self._lock = threading.Lock()
        self._sightings = Sightings()
        self._idle_since: float | None = None

    def close(self) -> None:
        """Close every connection; prompts that run go on running."""
        self._client.close()

    # --- what a backend does ----------------------------------------------------------------------
    def submit(self, prompt: Prompt) -> None:
        """Hand the prompt over, with the websocket open before."""
        self._listen().wait_until_tried(EVENTS_SECONDS)
        body = prompt_body(prompt, self._client_id, next(self._numbers))
        try:
            check_accepted(*self._client.post_prompt(body))
        except PromptRefused:
            # A graph of which a part is valid is in the queue nevertheless.
            if not self.take_back(prompt.prompt_id):
                self.interrupt(prompt.prompt_id)
            raise
        except HostUnavailable:
            # The prompt may have arrived although its answer did not.
            if self._place(prompt.prompt_id) == "gone":
                raise
        self._sightings.keep(prompt.prompt_id, Sighting("pending"), NOT_LOOKED)

    def look(self, prompt: Prompt) -> Sighting:
        """Tell where the prompt stands; asks ComfyUI only when something may have changed.

        While ComfyUI is away the prompt stands where it stood: it may still run, or ComfyUI restarts.

        Raises:
            HostUnavailable: ComfyUI has been away for too long, or was never there.
        """
        events = self._listen()
        version = events.version
        seconds = LOOK_SECONDS if events.connected else LOOK_WITHOUT_EVENTS_SECONDS
        known = self._sightings.fresh(prompt.prompt_id, version, seconds)
        if known is not None:
            return known
        try:
            return self._sightings.keep(prompt.prompt_id, self._look(prompt), version)
        except HostUnavailable as exc:
            return self._sightings.missed(prompt.prompt_id, version, exc)

    def take_back(self, prompt_id: str) -> bool:
        """Take a waiting prompt out of the queue; False unless it waited before and is gone after."""
        try:
            if self._place(prompt_id) != "pending":
                return False
            self._client.post("/queue", {"delete": [prompt_id]})
            return self._place(prompt_id) == "gone"
        except HostUnavailable as exc:
            log.warning("A waiting prompt could not be taken back: %s", exc)
            return False

    def interrupt(self, prompt_id: str) -> bool:
        """Interrupt the prompt if it is the one that runs."""
        try:
            if self._place(prompt_id) != "running":
                return False
            self._client.post("/interrupt", {"prompt_id": prompt_id})
            return True
        except HostUnavailable as exc:
            log.warning("The running prompt could not be interrupted: %s", exc)
            return False

    def progress(self, prompt_id: str) -> Progress | None:
        """Tell how far the running prompt has come."""
        return self._listen().progress(prompt_id)

    def free_memory(self) -> None:
        """Ask ComfyUI to free its memory before the next prompt."""
        try:
            self._client.post("/free", {"unload_models": True, "free_memory": True})
        except HostUnavailable as exc:
            log.warning("ComfyUI could not be asked to free its memory: %s", exc)

    def problem(self) -> str | None:
        """Notice a ComfyUI that is away, and one whose prompt worker has died."""
        try:
            self._queue()
        except HostUnavailable as exc:
            return str(exc)
        if self._idle_since is None or time.monotonic() - self._idle_since < IDLE_SECONDS:
            return None
        return "ComfyUI runs nothing although prompts wait: its prompt worker has died; restart ComfyUI"

    def staging(self, token: str) -> Path:
        """Return ``<home>/jobs/staging/e3/<token>``, where downloads of the attempt are put."""
        return self._staging / token

    def deliver_input(self, source: Path, name: str) -> str:
        """Upload the file as ``e3/<name>`` unless it is there; the name tells the content."""
        there = {"filename": name, "subfolder": STAGING, "type": "input"}
        if self._client.size_of(there) == source.stat().st_size:
            return f"{STAGING}/{name}"
        return self._client.upload(source, name, STAGING)

    def outputs(self, prompt_id: str) -> dict[str, Any]:
        """Return what each node of an ended prompt put out, as ComfyUI's history has it."""
        entry = self._client.history_entry(prompt_id) or {}
        return entry.get("outputs") or {}

    # --- details ----------------------------------------------------------------------------------
    def _listen(self) -> Events:
        """Open the websocket when it is first needed; ``Events`` keeps it open from then on."""
        with self._lock:
            if self._events is None:
                self._events = Events()
                self._client.listen(self._client_id, self._events)
            return self._events

    def _look(self, prompt: Prompt) -> Sighting:
        place, entry = self._find(prompt.prompt_id)
        if entry is None:
            return Sighting(place)
        result = history.read_verdict(entry)
        if result.get("outcome") == "success":
            result["artifacts"] = self._artifacts(entry, prompt.token)
        return Sighting("ended", result)

    def _find(self, prompt_id: str) -> tuple[Place, dict[str, Any] | None]:
        """Look into the queue first: a prompt moves from there to the history, never back."""
        running, pending = self._queue()
        if prompt_id in running:
            return "running", None
        if prompt_id in pending:
            return "pending", None
        entry = self._client.history_entry(prompt_id)
        return "gone" if entry is None else "ended", entry

    def _place(self, prompt_id: str) -> Place:
        return self._find(prompt_id)[0]

    def _queue(self) -> tuple[set[str], set[str]]:
        """Return who runs and who waits, and note since when nobody runs although somebody waits."""
        running, pending = self._client.queue()
        is_idle = bool(pending) and not running
        self._idle_since = (self._idle_since or time.monotonic()) if is_idle else None
        return running, pending

    def _artifacts(self, entry: Mapping[str, Any], token: str) -> list[Artifact]:
        """Fetch the files that history names into our staging."""
        named = history.files_of_attempt(entry.get("outputs"), f"{STAGING}/{token}")
        return [Artifact(node=file["node"], path=str(self._fetch(file, token))) for file in named]

    def _fetch(self, file: history.NamedFile, token: str) -> Path:
        """Download a file unless that was done before.

        Raises:
            AttemptFailed: ComfyUI names a file that it does not serve, or one that leads out of our staging.
        """
        target = Path(os.path.normpath(self._staging.parent / file["subfolder"] / file["filename"]))
        if not target.is_relative_to(self.staging(token)):
            raise AttemptFailed(f"ComfyUI names a file that leads out of the attempt's folder: {file['filename']!r}")
        query = {"filename": file["filename"], "subfolder": file["subfolder"], "type": file["type"]}
        if not target.exists() and not self._client.download(query, target):
            raise AttemptFailed(
                f"ComfyUI's history names a file that is not there: {file['subfolder']}/{file['filename']}",
                code=ErrorType.NO_OUTPUTS.value,
            )
        return target
