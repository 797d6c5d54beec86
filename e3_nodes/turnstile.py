"""Counts our prompts that stand in ComfyUI's queue, and lets idle lanes know when there is room."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

COVERED_SECONDS = 0.15
"""So much work stands in ComfyUI's queue: a disk that is slow to commit for a moment starves no GPU."""

BRIEF_SECONDS = 0.05
"""Jobs that run no longer are brief."""

MOST_MORE = 7
"""How many prompts more than usual may stand there for it, while jobs are short."""


LOOKS_A_LINE = 2
"""While jobs are brief, ends are looked for so often in the time that what stands there takes."""


class Turnstile:
    """Lease and submit are one turn of it.

    Args:
        limit: How many prompts may stand in ComfyUI's queue: the running one and those waiting behind it.
        most: The same while jobs are so short that ``limit`` of them are over before the next one is prepared.
    """

    def __init__(self, limit: int = 1, most: int = 0) -> None:
        self.turn = threading.Lock()
        self._usual = self._limit = limit
        self._most = max(limit, most)
        self._line: list[threading.Event] = []
        self._room = threading.Condition()
        self._run_seconds: float | None = None

    @classmethod
    def with_lookahead(cls, lookahead: int) -> Turnstile:
        """Make the turnstile that the setting means; 0 is strict: nothing ever waits in ComfyUI's queue."""
        return cls(1 + lookahead, most_standing(lookahead))

    @property
    def is_full(self) -> bool:
        """Tell whether no further prompt may go in."""
        return len(self._line) >= self._limit

    @property
    def is_busy(self) -> bool:
        """Tell whether prompts of ours stand there."""
        return bool(self._line)

    @property
    def is_brief(self) -> bool:
        """Tell whether jobs run so shortly that what each of them costs beside its run counts."""
        return self._run_seconds is not None and self._run_seconds < BRIEF_SECONDS

    def rest_seconds(self) -> float:
        """How long ComfyUI can be left alone with what stands there while jobs are brief: the rest keeps it busy.

        Each look at ComfyUI takes Python from it for a moment, and so does each thread that wakes.
        """
        return (self._run_seconds or 0.0) * len(self._line) / LOOKS_A_LINE if self.is_brief else 0.0

    @contextmanager
    def standing(self) -> Iterator[threading.Event]:
        """Count a prompt while it stands there, however it ends. Then there is room, for this lane or another one.

        Yields:
            What is set once no other prompt of ours stands before it, and nobody else is at work on one.
        """
        is_first = threading.Event()
        with self._room:
            self._line.append(is_first)
            if not self.is_brief:
                self._tell_first()
        try:
            yield is_first
        finally:
            with self._room:
                self._line.remove(is_first)
                if not self.is_brief:
                    self._tell_first()

    def pass_on(self) -> None:
        """Let the first prompt's lane look at ComfyUI: the one that calls has nothing more to do with it for now.

        While jobs are brief, lanes work one after the other: each that runs beside others takes Python from ComfyUI.
        """
        with self._room:
            self._tell_first()

    def _tell_first(self) -> None:
        for first in self._line[:1]:
            first.set()

    def call_another(self) -> None:
        """Let a lane that waits for room go on: the one that calls has other work first, and cannot take it itself."""
        with self._room:
            self._tell_first()
            self._room.notify()

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until a prompt may go in; tell whether one may."""
        with self._room:
            if self.is_full:
                self._tell_first()
            return self._room.wait_for(lambda: not self.is_full, seconds)

    def note_run(self, seconds: float) -> None:
        """Learn how long jobs run, and how many of them it takes to cover the time that the next one needs."""
        known = seconds if self._run_seconds is None else self._run_seconds
        self._run_seconds = known + (seconds - known) / 4
        wanted = 1 + math.ceil(COVERED_SECONDS / max(self._run_seconds, 0.001))
        with self._room:
            before, self._limit = self._limit, max(self._usual, min(self._most, wanted))
            if self._limit > before:
                self._room.notify_all()


def most_standing(lookahead: int) -> int:
    """Return how many prompts of ours ever stand in ComfyUI's queue.

    Examples:
        >>> most_standing(0), most_standing(1)
        (1, 9)
    """
    return 1 + lookahead + MOST_MORE if lookahead else 1
