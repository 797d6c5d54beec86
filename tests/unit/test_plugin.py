"""The plugin's start: what it does when the engine cannot start, now or for good."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_e3.e3_nodes.errors import InvalidSettings, StoreUnavailable
from comfyui_e3.server_routes import plugin


class Host:
    """As much of a ComfyUI as a start needs."""

    send = None

    def input_folder(self) -> str:
        return "input"

    def public_folders(self) -> list[Any]:
        return []


class Engine:
    """An engine that starts once nothing is left of what keeps it from that."""

    faults: list[Exception]

    def __init__(self, *_: Any, **__: Any) -> None:
        if self.faults:
            raise self.faults.pop(0)

    def start(self) -> None: ...

    def stop(self, timeout_seconds: float) -> None: ...

    def problems(self) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("E3_HOME", str(tmp_path))
    monkeypatch.setattr(plugin.runtime, "Runtime", Engine)
    monkeypatch.setattr(plugin, "LOCKED_SECONDS", 0.0)

    def start(*faults: Exception) -> plugin.Plugin:
        Engine.faults = list(faults)
        started = plugin.Plugin(Host())  # type: ignore[arg-type]
        started._start()
        return started

    return start


def test_plugin_tries_again_while_the_database_is_locked(start) -> None:
    locked = StoreUnavailable("the database stayed locked", code="db_locked")

    started = start(locked, locked)

    assert isinstance(started.runtime, Engine)
    assert started.problems() == []


def test_plugin_gives_up_on_what_only_a_person_can_mend(start) -> None:
    started = start(InvalidSettings("lookahead must be 0 to 4, got 9"))

    assert Engine.faults == []
    with pytest.raises(InvalidSettings):
        _ = started.runtime
    assert "mend global_config.yaml" in started.problems()[0]["fix"]


def test_plugin_stops_trying_when_comfyui_ends(start, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = [StoreUnavailable("locked", code="db_locked") for _ in range(3)]
    monkeypatch.setattr(plugin.threading.Event, "wait", lambda *_: True)

    started = start(*tries)

    assert len(Engine.faults) == 2
    assert "tries again by itself" in started.problems()[0]["fix"]
