"""File events: which of them name a file that arrived, and which wake the scan."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import file_events
from comfyui_e3.e3_nodes.drop_folder import DropFolder
from watchdog import events

WAIT = 10.0


class Told(DropFolder):
    def __init__(self) -> None:
        super().__init__("unused")
        self.hints: list[tuple[str, str]] = []

    def hint(self, path: str, kind: str) -> None:
        self.hints.append((path, kind))


@pytest.mark.parametrize(
    ("event", "hints"),
    [
        (events.FileMovedEvent(".a.part", "a.yaml"), [("a.yaml", "renamed")]),
        (events.FileClosedEvent("a.yaml"), [("a.yaml", "closed")]),
        (events.FileCreatedEvent("a.yaml"), []),
        (events.FileModifiedEvent("a.yaml"), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_file_events_arrivals_wake_the_scan(event: events.FileSystemEvent, hints: list[tuple[str, str]]) -> None:
    folder, wake = Told(), threading.Event()

    file_events._handler(folder, wake).dispatch(event)

    assert (folder.hints, wake.is_set()) == (hints, True)


@pytest.mark.parametrize(
    "event",
    [events.FileDeletedEvent("a.yaml"), events.FileOpenedEvent("a.yaml"), events.DirModifiedEvent("image")],
    ids=lambda value: type(value).__name__,
)
def test_file_events_what_is_no_arrival_is_not_asked_for(event: events.FileSystemEvent) -> None:
    assert not isinstance(event, tuple(file_events._news()))


def test_file_events_watch_folder_hears_nothing_of_reading_and_removing(tmp_path: Path) -> None:
    heard: list[str] = []

    class Hears(threading.Event):
        def set(self) -> None:
            heard.append("event")
            super().set()

    (tmp_path / "old.yaml").write_text("job")
    (tmp_path / ".new").write_text("job")
    folder, wake = Told(), Hears()
    stop = file_events.watch_folder(str(tmp_path), folder, wake)
    (tmp_path / "old.yaml").read_text()
    (tmp_path / "old.yaml").unlink()

    (tmp_path / ".new").rename(tmp_path / "new.yaml")

    try:
        assert wake.wait(WAIT), "the rename was not heard"
    finally:
        stop()
    assert heard == ["event"]


def test_file_events_watch_folder_tells_of_a_file_that_is_renamed_into_place(tmp_path: Path) -> None:
    folder, wake = Told(), threading.Event()
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / ".new").write_text("job")
    stop = file_events.watch_folder(str(tmp_path), folder, wake)

    (tmp_path / "image" / ".new").rename(tmp_path / "image" / "new.yaml")

    try:
        while not folder.hints:
            assert wake.wait(WAIT), "no event came"
            wake.clear()
    finally:
        stop()
    assert folder.hints[-1][0] == str(tmp_path / "image" / "new.yaml")


def test_file_events_watch_folder_by_watchdog_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_events.sys, "platform", "other")
    folder, wake = Told(), threading.Event()
    (tmp_path / ".new").write_text("job")
    stop = file_events.watch_folder(str(tmp_path), folder, wake)

    (tmp_path / ".new").rename(tmp_path / "new.yaml")

    try:
        while not folder.hints:
            assert wake.wait(WAIT), "no event came"
            wake.clear()
    finally:
        stop()
    assert folder.hints[-1][0] == str(tmp_path / "new.yaml")


def test_file_events_watch_folder_without_watches_leaves_it_to_the_rescan(tmp_path: Path) -> None:
    stop = file_events.watch_folder(str(tmp_path / "none"), Told(), threading.Event())

    assert stop() is None


def test_file_events_watch_folder_without_watchdog_leaves_it_to_the_rescan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_events.sys, "platform", "other")
    monkeypatch.setitem(sys.modules, "watchdog.observers", None)

    stop = file_events.watch_folder(str(tmp_path), Told(), threading.Event())

    assert stop() is None
