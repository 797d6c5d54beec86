"""Stores to run the contract on. A second database joins by adding its name and its factory here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.store import init_db
from comfyui_e3.e3_nodes.store.protocol import JobStore
from comfyui_e3.tests.stores import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite-file", "sqlite-memory"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the stores of a test live."""
    return ":memory:" if request.param == "sqlite-memory" else str(tmp_path / "e3.sqlite3")


@pytest.fixture
def open_store(database: str, clock: Clock) -> Iterator[Callable[..., JobStore]]:
    """Open the database; a second call shares it, as another process would."""
    opened: list[JobStore] = []

    def factory(**options: Any) -> JobStore:
        if opened and database == ":memory:":
            return opened[0]
        opened.append(init_db(database, **{"clock": clock, "jitter": lambda: 0.5, **options}))
        return opened[-1]

    yield factory
    for store in opened:
        store.close()


@pytest.fixture
def db(open_store: Callable[..., JobStore]) -> JobStore:
    return open_store()
