"""E3's routes on a server of their own, registered twice as ComfyUI does, over a runtime without threads."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from comfyui_e3.e3_nodes.errors import E3Error
from comfyui_e3.e3_nodes.runtime import Runtime
from comfyui_e3.server_routes import routes

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "2": {"class_type": "TestText", "inputs": {"text": "", "image": ["1", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
}
PREFIXES = ("/e3", "/api/e3")


class FakeEngine:
    """What the plugin gives the routes; broken while ``problem`` is set."""

    version = "1.2.3"

    def __init__(self, runtime: Any = None, problem: E3Error | None = None) -> None:
        self._runtime = runtime
        self.problem = problem
        self.threads = self.artists = ThreadPoolExecutor(2)
        self.home = runtime.cfg["home"] if runtime else "/home/e3"

    @property
    def runtime(self) -> Any:
        if self.problem is not None:
            raise self.problem
        return self._runtime

    def problems(self) -> list[dict[str, Any]]:
        if self.problem is not None:
            return [{"code": self.problem.code, "message": str(self.problem), "fix": "mend it"}]
        return self._runtime.problems()


class BareRuntime:
    """Settings and nothing else, for tests of the guard."""

    def __init__(self, **settings: Any) -> None:
        self.cfg = {"allowed_hosts": [], "api_token": "", "home": "/home/e3", "job_types": {}, **settings}


def write_home(folder: Path, **settings: Any) -> dict[str, Any]:
    """Make a home with the workflow ``wf_text``; return its settings."""
    from comfyui_e3.e3_nodes import config_loader

    (folder / "workflows" / "api").mkdir(parents=True)
    (folder / "workflows" / "api" / "wf_text.json").write_text(json.dumps(GRAPH), "utf-8")
    entry = {
        "template_path": "api/wf_text.json",
        "required_inputs": ["text"],
        "inputs": {
            "text": {"node": "2", "field": "text", "type": "string"},
            "width": {"node": "1", "field": "width", "type": "int", "min": 1, "max": 4096},
            "color": {"node": "1", "field": "color", "type": "int", "min": 0, "max": 99, "random": True},
        },
    }
    (folder / "workflows" / "workflows.yaml").write_text(json.dumps({"wf_text": entry}), "utf-8")
    (folder / "global_config.yaml").write_text(json.dumps(settings), "utf-8")
    return config_loader.load_global_config(str(folder / "global_config.yaml"))


def make_app(engine: Any) -> web.Application:
    """Serve the routes at ``/e3`` and ``/api/e3``, in front of static files, as ComfyUI does."""
    table = web.RouteTableDef()
    routes.add_routes(table, engine)
    prefixed = web.RouteTableDef()
    for route in table:
        assert isinstance(route, web.RouteDef)
        prefixed.route(route.method, f"/api{route.path}")(route.handler, **route.kwargs)
    app = web.Application(client_max_size=100 * 1024 * 1024)
    app.add_routes(prefixed)
    app.add_routes(table)
    return app


class Rest:
    """A client of the routes, and the runtime behind them.

    Args:
        client: Talks to the server.
        runtime: What is behind it.
        engine: What the routes see.
    """

    def __init__(self, client: TestClient[Any, Any], runtime: Runtime, engine: FakeEngine) -> None:
        self.client, self.runtime, self.engine = client, runtime, engine
        self.db = runtime.db
        self._numbers = itertools.count(1)

    async def get(self, path: str, **kwargs: Any) -> SimpleNamespace:
        return await self.send("GET", path, **kwargs)

    async def post(self, path: str, body: Any = None, **kwargs: Any) -> SimpleNamespace:
        return await self.send("POST", path, body, **kwargs)

    async def send(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> SimpleNamespace:
        """Send a request; a change carries JSON unless ``body`` is bytes with headers of their own."""
        sent = dict(headers or {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if method != "GET":
            sent.setdefault("Content-Type", "application/json")
        path = path if path.startswith("/") else f"/e3/{path}"
        async with self.client.request(method, path, data=data, headers=sent, allow_redirects=False) as answer:
            content = await answer.read()
            is_json = answer.content_type == "application/json" and "Content-Disposition" not in answer.headers
            return SimpleNamespace(
                status=answer.status,
                headers=answer.headers,
                content=content,
                json=json.loads(content, parse_constant=_refuse) if is_json else None,
            )

    def body(self, stem: str = "picture", **changes: Any) -> dict[str, Any]:
        """Return the body of a job that makes ``<stem>.png``."""
        return {
            "job_type": "T2I",
            "workflow_id": "wf_text",
            "inputs": {"text": "a knight", "width": 32, **changes.pop("inputs", {})},
            "outputs": {"file_path": f"jobs/finished/image/{stem}.png"},
            **changes,
        }

    def add(self, title: str = "test", **changes: Any) -> str:
        """Take a job in; return its name."""
        stem = f"T2I_20250101120000_{next(self._numbers)}_{title}"
        self.runtime.submit(f"{stem}.yaml", json.dumps(self.body(stem, **changes)).encode())
        return f"{stem}.yaml"

    def bring_to(self, status: str, **changes: Any) -> str:
        """Take a job in and bring it to a status, before all others; return its name."""
        name = self.add(**{"priority": 1, "retry_limit": 0, **changes})
        if status == "cancelled":
            self.db.cancel_job(name)
        elif status != "pending":
            self.db.god_mode(name)
            job = self.db.lease_next_job("worker", 60)
            assert job is not None and job["config_name"] == name
            if status != "processing":
                self.end(job, status)
        return name

    def end(self, job: Any, status: str = "done", **updates: Any) -> None:
        """End a leased job; a done one has a real file."""
        token = job["lease_token"]
        if status == "failed":
            updates = {"error_type": "error", "error_trace": "first line\nsecond line", **updates}
        else:
            path = Path(self.runtime.cfg["home"]) / job["config"]["outputs"]["file_path"]
            path.write_bytes(picture())
            updates = {"metadata": {"saved": [str(path)]}, "start_time": 1000, "end_time": 3500, **updates}
        assert self.db.complete_job(job["id"], success=status == "done", updates=updates, lease_token=token)

    def file_of(self, name: str) -> Path:
        """Return where the job's file was dropped."""
        return Path(self.runtime.cfg["paths"]["jobs_processing"]) / "image" / name


def picture(size: int = 40) -> bytes:
    """Paint a small PNG."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (size, size // 2), (200, 30, 30)).save(out, "PNG")
    return out.getvalue()


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")
