"""File events from the system, where there are any: they only shorten the wait for the next scan."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from . import inotify
from .drop_folder import DropFolder
from .logger import get_logger

log = get_logger("file_events")


def watch_folder(root: str, folder: DropFolder, wake: threading.Event) -> Callable[[], None]:
    """Tell the drop folder what happens below ``root``, and wake the scan.

    Args:
        root: The folder that is watched, with everything below it.
        folder: Told which files arrived whole, and which were closed by their writer.
        wake: Set at each event.

    Returns:
        A function that ends the watch. Without watchdog (which Linux does not need), or where the system has no
        watches left, it does nothing, and the rescan finds every file a little later.
    """
    watch = _by_inotify if sys.platform == "linux" else _by_watchdog
    try:
        return watch(root, folder, wake)
    except ImportError:
        log.warning("watchdog is not installed, so new files are found by the rescan; pip install watchdog")
    except Exception as exc:
        log.warning("File events are not to be had (%s); new files are found by the rescan", exc)
    return lambda: None


def _by_inotify(root: str, folder: DropFolder, wake: threading.Event) -> Callable[[], None]:
    def tell(path: str, happening: inotify.Happening) -> None:
        if happening != "other":
            folder.hint(path, happening)

    watch = inotify.Inotify(root, tell, wake.set)
    watch.start()
    return watch.stop


def _by_watchdog(root: str, folder: DropFolder, wake: threading.Event) -> Callable[[], None]:
    from watchdog.observers import Observer

    observer = Observer()
    observer.daemon = True
    observer.schedule(_handler(folder, wake), root, recursive=True, event_filter=_news())
    observer.start()
    return observer.stop


def _news() -> list[Any]:
    """Name the events to ask the system for: E3's own reading and filing of job files must cause none."""
    from watchdog import events

    return [events.FileCreatedEvent, events.FileModifiedEvent, events.FileMovedEvent, events.FileClosedEvent]


def _handler(folder: DropFolder, wake: threading.Event) -> Any:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type == "moved":
                folder.hint(os.fsdecode(event.dest_path), "renamed")
            elif event.event_type == "closed":
                folder.hint(os.fsdecode(event.src_path), "closed")
            wake.set()

    return Handler()
