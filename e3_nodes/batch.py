"""Several pieces of work that go through the same steps together, so that what a step costs is paid once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Batch(Generic[T]):
    """Takes pieces of work from step to step; an exception ends its own piece and no other one.

    Args:
        pieces: What each step works on; an exception among them is a piece that ended before.
        faults: The exceptions that end a piece; any other one ends the whole batch.

    Attributes:
        ends: Each piece, or the exception that ended it, in the order of the pieces.

    Examples:
        >>> batch = Batch([[4], [], [2]])
        >>> batch.step(lambda piece: piece.pop())
        >>> [type(end).__name__ for end in batch.ends]
        ['list', 'IndexError', 'list']
    """

    def __init__(self, pieces: Iterable[T | Exception], faults: tuple[type[Exception], ...] = (Exception,)) -> None:
        self.ends: list[T | Exception] = list(pieces)
        self._faults = faults

    def step(self, work: Callable[[T], object]) -> None:
        """Take each piece that has not ended one step further."""
        self.ends = [end if isinstance(end, Exception) else self._attempt(work, end) for end in self.ends]

    def _attempt(self, work: Callable[[T], object], piece: T) -> T | Exception:
        try:
            work(piece)
        except self._faults as exc:
            return exc
        return piece

    def step_at_once(self, work: Callable[[Sequence[T]], Sequence[Exception | None]]) -> None:
        """Take all pieces that have not ended one step further in one go.

        Args:
            work: Tells of each piece that it is given what ended it, or None. Where it raises, each piece goes
                alone, so that none ends by the fault of another one.
        """
        pieces = [end for end in self.ends if not isinstance(end, Exception)]
        try:
            faults = iter(work(pieces)) if len(pieces) > 1 else None
        except self._faults:
            faults = None
        if faults is None:
            self.step(lambda piece: _raise(*work([piece])))
        else:
            self.ends = [end if isinstance(end, Exception) else next(faults) or end for end in self.ends]


def _raise(fault: Exception | None) -> None:
    if fault is not None:
        raise fault


class Once:
    """Does a thing once for each key, however many ask; a fault is told to all, since doing it again may hide it.

    Examples:
        >>> once = Once()
        >>> [once.do("folder", lambda: print("synced")) for _ in range(2)]
        synced
        [None, None]
    """

    def __init__(self) -> None:
        self._faults: dict[Hashable, Exception | None] = {}

    def do(self, key: Hashable, work: Callable[[], object]) -> None:
        """Do the work unless that was done for the key; raise what went wrong with it."""
        if key not in self._faults:
            self._faults[key] = None
            try:
                work()
            except Exception as exc:
                self._faults[key] = exc
        if (fault := self._faults[key]) is not None:
            raise fault


def only(ends: Iterable[T | Exception]) -> T:
    """Return the one piece of a batch, or raise what ended it.

    Examples:
        >>> only([5])
        5
    """
    [end] = ends
    if isinstance(end, Exception):
        raise end
    return end
