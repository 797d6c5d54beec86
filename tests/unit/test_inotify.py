"""Linux's file events: what arrives below a folder is told, and what E3 does itself is not."""

from __future__ import annotations

import os
import queue
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import inotify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

WAIT = 5.0


class Ear:
    """Hears what happens below a folder, up to a file that ends the listening."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.heard: queue.Queue[tuple[str, str]] = queue.Queue()
        self.pauses: queue.Queue[None] = queue.Queue()
        self.watch = inotify.Inotify(str(root), self._hear, lambda: self.pauses.put(None))
        self.watch.start()

    def _hear(self, path: str, happening: str) -> None:
        self.heard.put((os.path.relpath(path, self.root), happening))

    def all(self) -> list[tuple[str, str]]:
        """Return all that was told of what was done since the last call."""
        (self.root / "end").write_text("end")
        told = [self.heard.get(timeout=WAIT)]
        while told[-1] != ("end", "closed"):
            told.append(self.heard.get(timeout=WAIT))
        return [(name, happening) for name, happening in told if name != "end"]


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    (tmp_path / "tree" / "image").mkdir(parents=True)
    made = Ear(tmp_path / "tree")
    yield made
    made.watch.stop()


def _drop(folder: Path, name: str) -> None:
    (folder / ".new").write_text("job")
    (folder / ".new").rename(folder / name)


def test_inotify_a_rename_within_the_tree_is_told_as_that(ear: Ear) -> None:
    _drop(ear.root / "image", "a.yaml")

    assert ear.all()[-1] == ("image/a.yaml", "renamed")


def test_inotify_a_rename_between_folders_of_the_tree_is_told_as_that(ear: Ear) -> None:
    (ear.root / "a.part").write_text("job")

    (ear.root / "a.part").rename(ear.root / "image" / "a.yaml")

    assert ear.all()[-1] == ("image/a.yaml", "renamed")


def test_inotify_a_rename_from_outside_may_have_a_writer_still(ear: Ear, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("job")

    (tmp_path / "a.yaml").rename(ear.root / "a.yaml")

    assert ear.all() == [("a.yaml", "other")]


def test_inotify_a_writer_is_heard_until_it_closes(ear: Ear) -> None:
    (ear.root / "a.yaml").write_text("job")

    assert ear.all() == [("a.yaml", "other"), ("a.yaml", "other"), ("a.yaml", "closed")]


def test_inotify_reading_and_removing_are_not_told(ear: Ear, tmp_path: Path) -> None:
    _drop(ear.root, "a.yaml")
    _drop(ear.root, "b.yaml")
    ear.all()

    (ear.root / "a.yaml").read_text()
    (ear.root / "a.yaml").unlink()
    (ear.root / "b.yaml").rename(tmp_path / "b.yaml")

    assert [told for told in ear.all() if "yaml" in told[0]] == []


def test_inotify_a_folder_that_comes_later_is_heard_too(ear: Ear) -> None:
    (ear.root / "image" / "more" / "deep").mkdir(parents=True)
    ear.all()

    _drop(ear.root / "image" / "more" / "deep", "a.yaml")

    assert ear.all()[-1] == ("image/more/deep/a.yaml", "renamed")


def test_inotify_a_folder_that_is_renamed_brings_its_files_and_has_its_new_name(ear: Ear) -> None:
    (ear.root / "image" / ".new").mkdir()
    (ear.root / "image" / ".new" / "a.yaml").write_text("job")
    ear.all()

    (ear.root / "image" / ".new").rename(ear.root / "image" / "batch")
    moved = ear.all()
    _drop(ear.root / "image" / "batch", "b.yaml")

    assert moved == [("image/batch/a.yaml", "renamed")]
    assert ear.all()[-1] == ("image/batch/b.yaml", "renamed")


def test_inotify_a_folder_that_leaves_the_tree_is_heard_no_more(ear: Ear, tmp_path: Path) -> None:
    (ear.root / "image").rename(tmp_path / "elsewhere")
    ear.all()

    _drop(tmp_path / "elsewhere", "a.yaml")

    assert [told for told in ear.all() if "yaml" in told[0]] == []


def test_inotify_the_pause_comes_after_what_is_told(ear: Ear) -> None:
    _drop(ear.root, "a.yaml")

    ear.pauses.get(timeout=WAIT)

    assert not ear.heard.empty()


def test_inotify_arrivals_that_never_come_are_not_expected_for_ever(ear: Ear, tmp_path: Path) -> None:
    for number in range(inotify._MOST_COOKIES + 10):
        (tmp_path / str(number)).symlink_to("nowhere")
        (tmp_path / str(number)).rename(ear.root / "image" / "x")
        (ear.root / "image" / "x").rename(tmp_path / "gone")

    ear.all()

    assert len(ear.watch._cookies) <= inotify._MOST_COOKIES


def test_inotify_events_that_were_lost_make_it_look_for_new_folders(ear: Ear) -> None:
    ear.watch._folders.clear()  # as if nothing of them had been heard

    is_told = ear.watch._take(-1, inotify._OVERFLOWN, 0, b"")
    _drop(ear.root / "image", "a.yaml")

    assert is_told
    assert ear.all()[-1] == ("image/a.yaml", "renamed")


def test_inotify_a_link_to_a_folder_is_not_followed(ear: Ear, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (ear.root / "link").symlink_to(tmp_path / "other")
    ear.all()

    _drop(tmp_path / "other", "a.yaml")

    assert ear.all() == []


def test_inotify_no_folder_is_no_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    monkeypatch.setattr(inotify.os, "close", closed.append)

    with pytest.raises(OSError, match="No such file"):
        inotify.Inotify(str(tmp_path / "none"), lambda path, happening: None, lambda: None)

    monkeypatch.undo()
    for fd in closed:
        os.close(fd)
    assert len(closed) == 3, "the events' and both ends of the pipe"


def test_inotify_a_tree_that_is_removed_ends_nothing(ear: Ear, tmp_path: Path) -> None:
    (ear.root / "image" / "more").mkdir()
    ear.all()

    shutil.rmtree(ear.root / "image")
    _drop(ear.root, "a.yaml")

    assert ear.all()[-1] == ("a.yaml", "renamed")
