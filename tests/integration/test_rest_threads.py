"""ComfyUI's event loop does nothing for E3 but pass on: the table is read and JSON written in E3's threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.runtime import Runtime
from comfyui_e3.server_routes import responses
from comfyui_e3.server_routes.routes import ROUTES

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import FakeBackend
from rest import FakeEngine, Rest, make_app, write_home

READS = [route.path for route in ROUTES if not route.is_change and isinstance(route.returns, dict) and route.returns]


class ThreadNoter:
    """Stands before the store, and notes which threads call it."""

    def __init__(self, db: Any, seen: set[int]) -> None:
        self._db, self._seen = db, seen

    def __getattr__(self, name: str) -> Any:
        self._seen.add(threading.get_ident())
        return getattr(self._db, name)


@pytest.fixture
async def rest(tmp_path: Path, aiohttp_client: Any) -> AsyncIterator[Rest]:
    home = tmp_path / "home"
    home.mkdir()
    runtime = Runtime(write_home(home), FakeBackend(tmp_path / "output"))
    yield Rest(await aiohttp_client(make_app(FakeEngine(runtime))), runtime, FakeEngine(runtime))
    runtime.db.close()


@pytest.mark.parametrize("path", READS)
async def test_rest_reads_leave_the_event_loop_alone(rest: Rest, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    name = rest.add()
    encoders: set[int] = set()
    readers: set[int] = set()
    encode = responses.encode

    def noting(data: Any) -> bytes:
        encoders.add(threading.get_ident())
        return encode(data)

    monkeypatch.setattr(responses, "encode", noting)
    monkeypatch.setattr(rest.runtime, "db", ThreadNoter(rest.db, readers))

    answer = await rest.get(f"/e3{path.format(config_name=name)}")

    assert answer.status == 200
    assert encoders
    assert threading.get_ident() not in encoders | readers
