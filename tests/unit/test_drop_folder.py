"""Which files of a folder are whole and new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes.drop_folder import LOOK_SECONDS, SORTED_AT_ONCE, DropFolder, in_order, signature_of


class Clock:
    """Seconds that the test chooses."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path, clock: Clock) -> DropFolder:
    (tmp_path / "image").mkdir()
    return DropFolder(str(tmp_path), clock)


@pytest.fixture
def drop(tmp_path: Path) -> Callable[..., str]:
    def make(name: str, text: str = "a: 1") -> str:
        path = tmp_path / "image" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return str(path)

    return make


def _settle(folder: DropFolder, clock: Clock) -> list[str]:
    """Look, wait out the two seconds, look again."""
    found = folder.look()
    clock.now += LOOK_SECONDS
    return found + folder.look()


def test_drop_folder_look_waits_until_a_file_is_unchanged(folder, clock, drop) -> None:
    path = drop("a.yaml")

    assert folder.look() == []
    assert folder.settling() == [path]
    clock.now += LOOK_SECONDS
    assert folder.look() == [path]
    assert folder.settling() == []


def test_drop_folder_look_starts_anew_when_a_file_grows(folder, clock, drop) -> None:
    path = drop("a.yaml")
    folder.look()
    clock.now += 1.5
    drop("a.yaml", "a: 1\nb: 2")

    folder.look()
    clock.now += 1.5

    assert folder.look() == []
    clock.now += 0.5
    assert folder.look() == [path]


def test_drop_folder_look_reports_a_file_once(folder, clock, drop) -> None:
    drop("a.yaml")
    _settle(folder, clock)

    clock.now += 100

    assert _settle(folder, clock) == []


@pytest.mark.parametrize(("kind", "wait"), [("renamed", 0.0), ("closed", 0.2)])
def test_drop_folder_hint_shortens_the_wait(folder, clock, drop, kind, wait) -> None:
    path = drop("a.yaml")
    folder.hint(path, kind)

    found = folder.look()
    clock.now += wait

    assert found + (folder.look() if wait else []) == [path]


def test_drop_folder_hint_notices_an_edit_in_place(folder, clock, drop) -> None:
    path = drop("a.yaml")
    _settle(folder, clock)
    drop("a.yaml", "a: 22")

    folder.hint(path, "closed")
    folder.look()
    clock.now += 0.2

    assert folder.look() == [path]


def test_drop_folder_look_notices_an_edit_in_place_on_the_full_pass(folder, clock, drop) -> None:
    path = drop("a.yaml")
    _settle(folder, clock)
    drop("a.yaml", "a: 22")

    clock.now += 61

    assert _settle(folder, clock) == [path]


def test_drop_folder_look_goes_into_new_folders(folder, clock, drop) -> None:
    folder.look()

    path = drop("series/deep/a.yaml")

    assert _settle(folder, clock) == [path]


@pytest.mark.parametrize(
    ("name", "seen"),
    [("a.yml", True), ("a.YAML", True), ("a.yaml.txt", True), ("a.txt", False), (".a.yaml.tmp", False)],
)
def test_drop_folder_look_shows_what_is_meant_as_a_job(folder, clock, drop, name, seen) -> None:
    path = drop(name)

    assert _settle(folder, clock) == ([path] if seen else [])


def test_drop_folder_judge_again_gives_only_refused_files(folder, clock, drop) -> None:
    good, bad = drop("a.yaml"), drop("b.yaml")
    _settle(folder, clock)
    folder.judged(good, signature_of(Path(good).stat()))
    folder.refuse(bad)

    folder.judge_again()

    assert _settle(folder, clock) == [bad]


def test_drop_folder_take_gone_tells_of_a_removed_refused_file_once(folder, clock, drop) -> None:
    bad = drop("b.yaml")
    _settle(folder, clock)
    folder.refuse(bad)
    Path(bad).unlink()

    assert folder.take_gone() == [bad]
    assert folder.take_gone() == []


def test_drop_folder_unsettle_starts_anew(folder, clock, drop) -> None:
    path = drop("a.yaml")
    _settle(folder, clock)

    folder.unsettle(path)

    assert folder.look() == []
    clock.now += LOOK_SECONDS
    assert folder.look() == [path]


def test_drop_folder_look_survives_the_folder_being_removed_and_made_again(folder, clock, drop, tmp_path) -> None:
    drop("a.yaml")
    _settle(folder, clock)
    (tmp_path / "image" / "a.yaml").unlink()
    (tmp_path / "image").rmdir()
    tmp_path.rmdir()
    assert folder.look() == []

    path = drop("a.yaml")
    clock.now += 61

    assert _settle(folder, clock) == [path]


def test_drop_folder_seconds_to_next_look_is_the_first_due(folder, clock, drop) -> None:
    assert folder.seconds_to_next_look(5.0) == 5.0

    drop("a.yaml")
    folder.look()

    assert folder.seconds_to_next_look(5.0) == pytest.approx(LOOK_SECONDS)


@pytest.mark.parametrize("count", [0, 1, SORTED_AT_ONCE, 2 * SORTED_AT_ONCE + 1])
def test_drop_folder_in_order_sorts_over_its_slices(count: int) -> None:
    names = [f"{number * 7919 % 100_003:06}.yaml" for number in range(count)]

    assert in_order(names) == sorted(names)
