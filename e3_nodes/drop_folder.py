"""What lies in processing/: which files are whole and new, which still grow, which are gone.

Each look stats the folders and reads only those that changed; a full pass, which also notices files edited in
place, runs every minute, or more seldom where it is expensive. A pass over 100,000 files costs about half a
second of CPU, so it may not run every second.
"""

from __future__ import annotations

import heapq
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from . import failpoints, validation

LOOK_SECONDS = 2.0
"""How long a file must stay unchanged before it counts as whole."""

CLOSED_SECONDS = 0.2
"""The same for a file whose writer is known to have closed it."""

FULL_PASS_SECONDS = 60.0
FULL_PASS_COST_FACTOR = 800
LISTING_COST_FACTOR = 20
CHEAP_LISTING_SECONDS = 0.005
"""A folder that costs more is listed again after so many times that; file events name what is new meanwhile."""

SORTED_AT_ONCE = 5000

Signature = str
"""Inode, size, mtime and ctime of a file: equal in two looks means unchanged. One text and no tuple, for there is one
of every file, and Python's garbage collector counts whatever could hold other things."""

Hint = Literal["renamed", "closed"]


def signature_of(stat: os.stat_result) -> Signature:
    """Reduce a stat to what tells an unchanged file."""
    return f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


@dataclass
class _Growing:
    """A file that is not known to be whole yet."""

    signature: Signature
    since: float
    wait: float


class DropFolder:
    """Remembers what earlier looks at a folder tree saw.

    Args:
        root: The folder that job files are dropped into.
        clock: Monotonic seconds.
    """

    def __init__(self, root: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._folders: dict[str, int] = {}
        self._next_listing: dict[str, float] = {}
        self._judged: dict[str, Signature] = {}
        self._rejected: set[str] = set()
        self._growing: dict[str, _Growing] = {}
        self._whole: dict[str, Signature] = {}
        self._hints: dict[str, Hint] = {}
        self._next_full_pass = 0.0

    def look(self) -> list[str]:
        """Look once; return the files that are whole and have not been judged as they are now, in order."""
        now = self._clock()
        is_full = now >= self._next_full_pass
        present: set[str] = set()
        for folder, changed in self._changed_folders(is_full):
            present.update(self._look_into(folder, changed or is_full, is_full, now))
        for path in [*self._growing, *self._hints]:
            self._look_at(path, now)
        if is_full:
            self._forget_absent(present)
            self._next_full_pass = now + max(FULL_PASS_SECONDS, FULL_PASS_COST_FACTOR * (self._clock() - now))
        return in_order(self._take_whole(now))

    def hint(self, path: str, kind: Hint) -> None:
        """Be told by a file event that a file arrived whole (renamed), or that its writer closed it."""
        if _is_candidate(os.path.basename(path)):  # noqa: PTH119 - text: a flood of files asks for each
            self._hints[path] = kind

    def judged(self, path: str, signature: Signature) -> None:
        """Remember that the file was read as it is now."""
        self._judged[path] = signature
        self._rejected.discard(path)

    def refuse(self, path: str) -> None:
        """Remember that the file, as the look saw it, is no job."""
        self._rejected.add(path)

    def unsettle(self, path: str) -> None:
        """Start anew with a file that changed while it was read."""
        self._judged.pop(path, None)
        self._growing[path] = _Growing("", self._clock(), LOOK_SECONDS)

    def judge_again(self) -> None:
        """Let every refused file be judged anew, as the workflows have changed."""
        for path in self._rejected:
            self._judged.pop(path, None)
        self._folders.clear()
        self._next_listing.clear()

    def forget(self) -> None:
        """Judge every file anew: the table that knew them is gone."""
        self._judged.clear()
        self._rejected.clear()
        self._folders.clear()
        self._next_listing.clear()
        self._next_full_pass = 0.0

    def settling(self) -> list[str]:
        """List the files that are not known to be whole yet."""
        return sorted(self._growing)

    def take_gone(self) -> list[str]:
        """Return, once, the refused files that are gone."""
        gone = [path for path in self._rejected if not os.path.lexists(path)]
        self._rejected.difference_update(gone)
        return gone

    def seconds_to_next_look(self, poll_seconds: float) -> float:
        """Tell how long to wait: until the poll, or until the first growing file may be whole."""
        now = self._clock()
        dues = [entry.since + entry.wait - now for entry in self._growing.values()]
        return max(0.0, min([poll_seconds, *dues]))

    # --- details ----------------------------------------------------------------------------------
    def _changed_folders(self, is_full: bool) -> Iterator[tuple[str, bool]]:
        """Yield every folder of the tree, and whether its list of names changed since the last look."""
        known = [self._root] if is_full or not self._folders else list(self._folders)
        for folder in known:
            try:
                mtime = os.stat(folder).st_mtime_ns  # noqa: PTH116 - text, as elsewhere here
            except OSError:
                self._folders.pop(folder, None)
                continue
            changed = self._folders.get(folder) != mtime
            # A second change within one tick of the filesystem's clock leaves the same mtime.
            is_settled = time.time_ns() - mtime > LOOK_SECONDS * 1e9
            self._folders[folder] = mtime if is_settled else -1
            yield folder, changed

    def _look_into(self, folder: str, changed: bool, is_full: bool, now: float) -> Iterator[str]:
        """List a folder's candidates; note those that are new, or on a full pass those that changed."""
        if not changed:
            return
        if not is_full and now < self._next_listing.get(folder, 0.0):
            self._folders[folder] = -1  # it is still to be listed
            return
        began = time.thread_time()
        entries = _entries(folder)
        cost = time.thread_time() - began
        self._next_listing[folder] = now + (LISTING_COST_FACTOR * cost if cost > CHEAP_LISTING_SECONDS else 0.0)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not _is_candidate(entry.name):
                # Hidden folders belong to sync tools, which keep old versions of files in them.
                if not entry.name.startswith(".") and (is_full or entry.path not in self._folders):
                    yield from self._enter(entry.path, is_full, now)
            elif _is_candidate(entry.name):
                yield entry.path
                if is_full or entry.path not in self._judged or entry.path in self._hints:
                    self._look_at(entry.path, now)

    def _enter(self, folder: str, is_full: bool, now: float) -> Iterator[str]:
        self._folders[folder] = -1
        yield from self._look_into(folder, True, is_full, now)

    def _look_at(self, path: str, now: float) -> None:
        """Compare a file with what was seen of it before."""
        try:
            signature = signature_of(os.lstat(path))
        except OSError:
            self._growing.pop(path, None)
            self._judged.pop(path, None)
            return
        hint = self._hints.pop(path, None)
        if self._judged.get(path) == signature:
            return
        if hint == "renamed":
            self._growing.pop(path, None)
            self._whole[path] = signature
            return
        entry = self._growing.get(path)
        if entry is None or entry.signature != signature:
            self._growing[path] = _Growing(signature, now, CLOSED_SECONDS if hint else LOOK_SECONDS)
            failpoints.reach("settle.observing")
        elif hint is not None:
            entry.wait = min(entry.wait, CLOSED_SECONDS)

    def _take_whole(self, now: float) -> Iterator[str]:
        """Yield the files that were renamed into place, and those that have stayed unchanged long enough."""
        whole, self._whole = self._whole, {}
        self._judged.update(whole)
        yield from whole
        for path, entry in list(self._growing.items()):
            if now - entry.since >= entry.wait:
                del self._growing[path]
                self._judged[path] = entry.signature
                yield path

    def _forget_absent(self, present: set[str]) -> None:
        for path in [path for path in self._judged if path not in present]:
            del self._judged[path]


def in_order(paths: Iterable[str]) -> list[str]:
    """Sort paths in slices: one sort of 100,000 holds Python's lock for longer than ComfyUI's loop may wait.

    Examples:
        >>> in_order(["b", "c", "a"])
        ['a', 'b', 'c']
    """
    rest = iter(paths)
    slices = iter(lambda: sorted(itertools.islice(rest, SORTED_AT_ONCE)), [])
    return list(heapq.merge(*slices))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_candidate(name: str) -> bool:
    """Tell whether a name is meant as a job file: also the ``.yml`` and ``.YAML`` that are refused aloud."""
    lowered = name.lower()
    return (".yaml" in lowered or ".yml" in lowered) and not validation.is_ignored_name(name)
