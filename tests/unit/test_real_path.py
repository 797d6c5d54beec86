"""Real paths that share a folder: what is remembered of it changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes.errors import InvalidConfig
from comfyui_e3.e3_nodes.file_utils import disk, resolve_text_inside
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

parts = st.sampled_from(["a", "b", "in", "out", "loop", "file", "none", "..", ".", "", "x.png", "\udcff"])
# Nothing lies below a link that leads to itself, and Python's own realpath follows no link any more from there on.
paths = st.lists(parts, min_size=1, max_size=4).map("/".join).filter(lambda path: "loop/" not in path)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    (root / "a" / "b").mkdir(parents=True)
    (root / "file").write_text("x")
    try:
        (root / "in").symlink_to(root / "a")
        (root / "a" / "out").symlink_to(root.parent)
        (root / "a" / "x.png").symlink_to(root / "none" / "x.png")
        (root / "loop").symlink_to(root / "loop")
    except OSError:
        pytest.skip("no symbolic links here")
    return root


@settings(deadline=None, database=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(paths, max_size=6))
def test_disk_real_text_is_the_same_with_what_was_seen(tree: Path, asked: list[str]) -> None:
    seen: dict[str, str] = {}

    for path in asked:
        assert disk.real_text(f"{tree}/{path}", seen) == os.path.realpath(f"{tree}/{path}")


def test_disk_real_text_asks_for_a_folder_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name == "nt":
        pytest.skip("there each path is asked for whole")
    asked: list[str] = []
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: asked.append(path) or real(path))
    seen: dict[str, str] = {}

    for number in range(5):
        disk.real_text(f"{tree}/a/{number}.png", seen)

    assert [path for path in asked if not path.endswith(".png")].count(f"{tree}/a") == 1
    assert len(set(asked)) == len(asked)


def test_resolve_text_inside_sees_a_link_in_a_folder_that_was_seen(tree: Path) -> None:
    seen: dict[str, str] = {}
    resolve_text_inside("a/y.png", [str(tree)], base=str(tree), seen=seen)
    (tree / "a" / "away.png").symlink_to(tree.parent / "away.png")

    with pytest.raises(InvalidConfig, match="leads out"):
        resolve_text_inside("a/away.png", [str(tree)], base=str(tree), seen=seen)
