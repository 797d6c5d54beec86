"""Runs prompts in a ComfyUI that is reached by URL."""

from __future__ import annotations

import itertools
import os
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import AttemptFailed, HostUnavailable, PromptRefused
from ..logger import get_logger
from ..model import Artifact, ErrorType, Progress
from . import history, http_faults
from .base import Prompt, Sighting
from .http_client import ComfyClient
from .prompts import BATCH_NUMBER, STAGING, check_accepted, prompt_body
from .sightings import Sightings, Traces
from .ws import Events

log = get_logger("http")

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
        self._last_ended: str | None = None
        self._idle_since: float | None = None

    def close(self) -> None:
        """Close every connection; prompts that run go on running."""
        self._client.close()

    @property
    def address(self) -> str:
        """The URL, without a password in it."""
        return http_faults.shown(self._client.base)

    # --- what a backend does ----------------------------------------------------------------------
    def submit(self, prompt: Prompt) -> None:
        """Hand the prompt over, with the websocket open before."""
        events = self._listen()
        events.wait_until_tried(EVENTS_SECONDS)
        traces = self._traces(events)
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
        self._sightings.keep(prompt.prompt_id, Sighting("pending"), NOT_LOOKED, traces)

    def look(self, prompt: Prompt) -> Sighting:
        """Tell where the prompt stands; asks ComfyUI only when something may have changed.

        While ComfyUI is away the prompt stands where it stood: it may still run, or ComfyUI restarts.
        A prompt that has vanished when ComfyUI is back died with it (``_has_died`` says how that is told).

        Raises:
            HostUnavailable: ComfyUI has been away for too long, or was never there.
        """
        events = self._listen()
        version, traces = events.version, self._traces(events)
        seconds = LOOK_SECONDS if events.connected else LOOK_WITHOUT_EVENTS_SECONDS
        known = self._sightings.fresh(prompt.prompt_id, version, seconds)
        if known is not None:
            return known
        try:
            return self._sightings.keep(prompt.prompt_id, self._look(prompt), version, traces)
        except HostUnavailable as exc:
            return self._sightings.missed(prompt.prompt_id, version, exc)

    def knows(self, prompt_id: str) -> bool:
        """Look a prompt up; one that is known is under watch from now on, so that an outage does not lose it."""
        traces = self._traces(self._listen())
        place = self._place(prompt_id)
        if place == "gone":
            return False
        self._sightings.keep(prompt_id, Sighting("pending" if place == "pending" else "running"), NOT_LOOKED, traces)
        return True

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
        sighting, entry = self._find(prompt.prompt_id)
        if entry is None:
            return self._vanished(prompt.prompt_id) if sighting.place == "gone" else sighting
        result = history.read_verdict(entry)
        if result.get("outcome") == "success":
            result["artifacts"] = self._artifacts(entry, prompt.token)
            if not result["artifacts"]:
                result["error_trace"] = history.why_nothing(entry)
        self._last_ended = prompt.prompt_id
        return Sighting("ended", result)

    def _vanished(self, prompt_id: str) -> Sighting:
        last = self._sightings.last(prompt_id)
        if last is None or not self._has_died(prompt_id):
            return Sighting("gone")
        return Sighting("died", behind=last.behind)

    def _has_died(self, prompt_id: str) -> bool:
        """Tell a ComfyUI that died with a prompt from somebody who cleared its queue or its history.

        ComfyUI does not tell one of its processes from the next; what tells is that queue and history are in its
        memory, and that a prompt leaves the queue only for the history. So it died if (1) it was out of sight
        since the prompt was last seen: a request went unanswered, or the websocket broke or was not open at all;
        and (2) the prompt that had last ended before is not in the history any more either. A person who deletes
        prompts leaves that one there. Only one who clears the whole history just while the connection is
        broken is taken for a crash, which costs a job no retry.
        """
        before = self._sightings.before_an_outage(prompt_id, self._listen().losses)
        if before is None:
            return False
        return before.witness is None or self._client.history_entry(before.witness) is None

    def _traces(self, events: Events) -> Traces:
        return Traces(events.losses if events.connected else None, self._last_ended)

    def _find(self, prompt_id: str) -> tuple[Sighting, dict[str, Any] | None]:
        """Look into the queue first: a prompt moves from there to the history, never back."""
        running, pending = self._queue()
        if prompt_id in running:
            return Sighting("running"), None
        if prompt_id in pending:
            return Sighting("pending", behind=bool(running)), None
        entry = self._client.history_entry(prompt_id)
        return Sighting("gone" if entry is None else "ended"), entry

    def _place(self, prompt_id: str) -> str:
        return self._find(prompt_id)[0].place

    def _queue(self) -> tuple[set[str], set[str]]:
        """Return who runs and who waits, and note since when nobody runs although somebody waits."""
        running, pending = self._client.queue()
        is_idle = bool(pending) and not running
        self._idle_since = (self._idle_since or time.monotonic()) if is_idle else None
        return running, pending

    def _artifacts(self, entry: Mapping[str, Any], token: str) -> list[Artifact]:
        """Fetch the files that history names into our staging.

        The prompt may be of an earlier attempt: ComfyUI wrote into that one's folder, and a download of that one
        may still go on. So ours goes into a folder of our own.
        """
        given = history.what_was_given(entry).token or token
        named = history.files_of_attempt(entry.get("outputs"), f"{STAGING}/{given}")
        return [Artifact(node=file["node"], path=str(self._fetch(file, given, token))) for file in named]

    def _fetch(self, file: history.NamedFile, given: str, token: str) -> Path:
        """Download a file unless that was done before.

        Raises:
            AttemptFailed: ComfyUI names a file that it does not serve, or one that leads out of our staging.
        """
        named = Path(os.path.normpath(self._staging.parent / file["subfolder"] / file["filename"]))
        if not named.is_relative_to(self.staging(given)):
            raise AttemptFailed(f"ComfyUI names a file that leads out of the attempt's folder: {file['filename']!r}")
        target = self.staging(token) / named.relative_to(self.staging(given))
        query = {"filename": file["filename"], "subfolder": file["subfolder"], "type": file["type"]}
        if not target.exists() and not self._client.download(query, target):
            raise AttemptFailed(
                f"ComfyUI's history names a file that is not there: {file['subfolder']}/{file['filename']}",
                code=ErrorType.NO_OUTPUTS.value,
            )
        return target
