"""What was last seen of each prompt in a ComfyUI far away, and when it is worth to look again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import HostUnavailable
from ..logger import get_logger
from .base import Sighting

log = get_logger("http")

OUTAGE_SECONDS = 300.0
"""How long a ComfyUI that had a prompt may be away: long enough to restart with all of its plugins."""


@dataclass(frozen=True)
class Traces:
    """What tells, when a prompt has vanished, whether ComfyUI is still the process that had it.

    Attributes:
        losses: How often the connection had been lost; None while there was none, and nobody would notice a loss.
        witness: A prompt that stood in its history.
    """

    losses: int | None = 0
    witness: str | None = None


@dataclass
class _Seen:
    sighting: Sighting
    version: int
    looked_at: float
    traces: Traces
    away_since: float | None = None


class Sightings:
    """The last sighting of every prompt under watch.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def fresh(self, prompt_id: str, version: int, seconds: float) -> Sighting | None:
        """Return the last sighting while it is younger than ``seconds`` and nothing has changed since."""
        seen = self._seen.get(prompt_id)
        if seen is None or seen.version != version or self._clock() - seen.looked_at >= seconds:
            return None
        return seen.sighting

    def last(self, prompt_id: str) -> Sighting | None:
        """Return the last sighting, however old."""
        seen = self._seen.get(prompt_id)
        return None if seen is None else seen.sighting

    def before_an_outage(self, prompt_id: str, losses: int) -> Traces | None:
        """Return the traces of the last sighting if ComfyUI was out of sight since; None if it was not."""
        seen = self._seen.get(prompt_id)
        if seen is None or (seen.away_since is None and seen.traces.losses == losses):
            return None
        return seen.traces

    def keep(self, prompt_id: str, sighting: Sighting, version: int, traces: Traces) -> Sighting:
        """Remember a sighting, made when ``version`` changes had been counted; an end is forgotten."""
        self._seen.pop(prompt_id, None)
        if sighting.place in ("pending", "running"):
            self._seen[prompt_id] = _Seen(sighting, version, self._clock(), traces)
        return sighting

    def missed(self, prompt_id: str, version: int, reason: HostUnavailable) -> Sighting:
        """Return what was seen before ComfyUI went away: the prompt may still run there.

        Raises:
            HostUnavailable: It has been away for too long, or was never there.
        """
        seen, now = self._seen.get(prompt_id), self._clock()
        if seen is None:
            raise reason
        if seen.away_since is None:
            seen.away_since = now
            log.warning("Waiting for ComfyUI: %s", reason, extra={"action": "host_away"})
        if now - seen.away_since > OUTAGE_SECONDS:
            del self._seen[prompt_id]
            raise reason
        seen.version, seen.looked_at = version, now
        return seen.sighting
