"""What a station remembers: how often things are done there."""

from __future__ import annotations

from comfyui_e3.e3_nodes.station import REAL_SECONDS, FitFolders, Seldom


def test_station_seldom_is_due_at_once_and_then_after_its_seconds() -> None:
    now = [100.0]
    seldom = Seldom(5.0, clock=lambda: now[0])

    answers = [seldom.is_due() for now[0] in (100.0, 104.9, 105.0, 106.0, 200.0)]

    assert answers == [True, False, True, False, True]


def test_station_fit_folders_forget_where_a_folder_was_after_a_while() -> None:
    now = [100.0]
    folders = FitFolders(clock=lambda: now[0])
    folders.real_paths["/a"] = "/b"

    now[0] += REAL_SECONDS / 2
    assert folders.real_paths == {"/a": "/b"}

    now[0] += REAL_SECONDS / 2
    assert folders.real_paths == {}
