"""How often things are done."""

from __future__ import annotations

import time
from collections.abc import Callable


class Seldom:
    """Lets a thing be done no more often than so, whoever asks; the first time at once.

    Args:
        seconds: From one time to the next.
        clock: Seconds that only grow.

    Examples:
        >>> search = Seldom(60.0)
        >>> search.is_due(), search.is_due()
        (True, False)
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._due = float("-inf")

    def is_due(self) -> bool:
        """Tell whether it is time; whoever hears so does it."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True
