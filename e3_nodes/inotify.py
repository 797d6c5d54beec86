"""Linux's file events straight from the kernel: in a flood of files, watchdog's objects and threads cost as much
as reading the files does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Literal

Happening = Literal["renamed", "closed", "other"]
"""A file was renamed within the tree, or closed by its writer; or anything else that may matter."""

Tell = Callable[[str, Happening], None]

_EVENT = struct.Struct("iIII")
_BUFFER = 1 << 18
_MOST_COOKIES = 4096

_MODIFIED, _CLOSED_BY_WRITER, _MOVED_FROM, _MOVED_TO, _CREATED = 0x02, 0x08, 0x40, 0x80, 0x100
_OVERFLOWN, _WATCH_IS_GONE, _IS_FOLDER = 0x4000, 0x8000, 0x4000_0000
_ONLY_FOLDERS, _NO_LINKS = 0x0100_0000, 0x0200_0000
_NEWS = _MODIFIED | _CLOSED_BY_WRITER | _MOVED_FROM | _MOVED_TO | _CREATED
"""What is asked of the kernel: E3's own reading of job files must cause no event, nor may their removal."""


class Inotify:
    """Watches a folder and all below it.

    Args:
        root: The folder.
        tell: Called with each path and what happened there, in a thread of this object.
        pause: Called when all that had happened is told.

    Raises:
        OSError: The system has no events to give, or the root is no folder.
    """

    def __init__(self, root: str, tell: Tell, pause: Callable[[], None]) -> None:
        self._root = root
        self._tell = tell
        self._pause = pause
        self._folders: dict[int, str] = {}
        self._cookies: set[int] = set()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._ended, self._end = os.pipe()
        try:
            self._watch(root, 0)
        except OSError:
            os.close(self._end)
            self._close()
            raise
        self._watch_tree(root)

    def start(self) -> None:
        """Begin to tell."""
        threading.Thread(target=self._run, name="e3-file-events", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end, which is not waited for."""
        os.close(self._end)

    def _run(self) -> None:
        waiter = select.poll()
        waiter.register(self._fd, select.POLLIN)
        waiter.register(self._ended, 0)  # tells when its other end is closed
        while all(fd == self._fd for fd, _ in waiter.poll()):
            told = [self._take(*event) for event in _parsed(os.read(self._fd, _BUFFER))]
            if any(told):
                self._pause()
        self._close()

    def _close(self) -> None:
        os.close(self._fd)
        os.close(self._ended)

    def _take(self, watch: int, mask: int, cookie: int, name: bytes) -> bool:
        """Tell of one event, or only learn from it; return which."""
        if mask & _OVERFLOWN:
            self._watch_tree(self._root)
            return True
        if mask & _WATCH_IS_GONE:
            self._folders.pop(watch, None)
        if watch not in self._folders:
            return False
        path = f"{self._folders[watch]}/{os.fsdecode(name)}"
        if mask & _MOVED_FROM:
            self._expect_arrival(path, cookie, is_folder=bool(mask & _IS_FOLDER))
            return False
        self._tell_of(path, mask, is_renamed=bool(cookie) and cookie in self._cookies)
        self._cookies.discard(cookie)
        return True

    def _tell_of(self, path: str, mask: int, *, is_renamed: bool) -> None:
        happening: Happening = "renamed" if is_renamed else "closed" if mask & _CLOSED_BY_WRITER else "other"
        for file in self._watch_tree(path) if mask & _IS_FOLDER else [path]:
            self._tell(file, happening)

    def _expect_arrival(self, path: str, cookie: int, *, is_folder: bool) -> None:
        """Remember what left its name; what left the tree never arrives, and must not be remembered for ever."""
        if len(self._cookies) >= _MOST_COOKIES:
            self._cookies.clear()
        self._cookies.add(cookie)
        if is_folder:
            for watch, folder in list(self._folders.items()):
                if f"{folder}/".startswith(f"{path}/"):
                    del self._folders[watch]
                    self._libc.inotify_rm_watch(self._fd, watch)

    def _watch_tree(self, top: str) -> list[str]:
        """Watch a folder and all below it, as far as that can be; return the files that are there already."""
        files: list[str] = []
        for folder, _, names in os.walk(top):
            with contextlib.suppress(OSError):  # gone by now, or no watch is left: the rescan finds its files
                self._watch(folder, _NO_LINKS if folder != self._root else 0)
            files += [f"{folder}/{name}" for name in names]
        return files

    def _watch(self, folder: str, flags: int) -> None:
        added = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _NEWS | _ONLY_FOLDERS | flags)
        self._folders[self._checked(added)] = folder

    @staticmethod
    def _checked(answer: int) -> int:
        if answer < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return answer


def _parsed(buffer: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Take apart what the kernel wrote: watch, mask, cookie and name of each event.

    Examples:
        >>> list(_parsed(struct.pack("iIII8s", 1, 0x80, 7, 8, b"a.yaml")))
        [(1, 128, 7, b'a.yaml')]
    """
    start = 0
    while start < len(buffer):
        watch, mask, cookie, length = _EVENT.unpack_from(buffer, start)
        start += _EVENT.size + length
        yield watch, mask, cookie, buffer[start - length : start].rstrip(b"\0")
