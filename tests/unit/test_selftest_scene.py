"""The scene of a crash run: what it can tell of the table from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_e3.e3_nodes.selftest.scene import Scene
from comfyui_e3.e3_nodes.store import init_db, opening


def test_selftest_scene_knows_whether_somebody_stays_within_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.05)
    scene = Scene(tmp_path)

    with init_db(scene.cfg["paths"]["database"]) as db:
        assert not scene.is_table_locked()
        with db._db.transaction():
            assert scene.is_table_locked()
        assert not scene.is_table_locked()
