"""Handlers of what surrounds the queue: rejections, workflows, health, the page and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from ..e3_nodes import payload
from ..e3_nodes.errors import E3Error
from . import responses
from .call import Call
from .engine import Engine

WEB = Path(__file__).resolve().parents[1] / "web"

KEEP_AWAY = frozenset(["host_dead", "disk_full"])
"""Problems with which no job would get done here: a load balancer should send work elsewhere."""

_ASSET_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}


async def list_rejections(call: Call) -> bytes:
    """Answer the files that are no jobs, and why."""
    limit = call.query.get("limit", 100)
    return await call.answer(lambda: {"rejections": call.db.list_rejections(limit=limit)})


async def list_workflows(call: Call) -> bytes:
    """Answer the workflows that jobs may name, each with the inputs that it takes."""
    workflows = dict(call.runtime.workflows)
    return await call.answer(lambda: {"workflows": _workflows(workflows)})


async def health(call: Call) -> web.Response:
    """Answer 200 while jobs get done here, else 503; with every problem and its way out."""

    def look() -> tuple[bool, bytes]:
        report = _health(call.engine)
        return report["status"] == "ok", responses.encode(report)

    is_well, encoded = await call.run(look)
    response = responses.answer(encoded, 200 if is_well else 503)
    if response.status == 503:
        response.headers["Retry-After"] = str(responses.RETRY_SECONDS)
    return response


async def page(call: Call) -> web.StreamResponse:
    """Serve the panel as a full page."""
    return responses.asset(_asset_path("page/page.html"), "text/html")


async def docs(call: Call) -> web.StreamResponse:
    """Serve the description of the routes as a page."""
    return responses.asset(_asset_path("page/docs.html"), "text/html")


async def to_page(call: Call) -> web.Response:
    """Lead the address without its slash to the page, under whichever prefix it was asked."""
    return web.Response(status=302, headers={"Location": f"{call.request.path}/"})


async def asset(call: Call) -> web.StreamResponse:
    """Serve a file of the page."""
    path = _asset_path(call.request.match_info["path"])
    return responses.asset(path, _ASSET_TYPES.get(path.suffix, ""))


async def nothing(call: Call) -> web.Response:
    """Refuse an address that is none."""
    raise responses.Refusal(404, "not_found", "E3 serves nothing here; /e3/openapi.json lists what it serves")


def _asset_path(asked: str) -> Path:
    """Find a file of the page; nothing outside web/, nothing of another kind."""
    try:
        path = (WEB / asked).resolve()
        if path.is_relative_to(WEB) and path.suffix in _ASSET_TYPES and path.is_file():
            return path
    except (OSError, ValueError):
        pass  # no name that this system could have
    raise responses.Refusal(404, "not_found", "the page has no such file")


def _workflows(workflows: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "workflow_id": key,
            "description": workflow.get("description", ""),
            "required_inputs": list(workflow.get("required_inputs", [])),
            "needs": list(workflow.get("needs", [])),
            "sha256": workflow["sha256"],
            "inputs": payload.input_slots(workflow),
        }
        for key, workflow in sorted(workflows.items())
    ]


def _health(engine: Engine) -> dict[str, Any]:
    """Report; while the engine does not work, with the error that every other route answers."""
    report = {"version": engine.version, "home": engine.home}
    try:
        runtime = engine.runtime
        problems = engine.problems()
        state = runtime.db.queue_state()
        is_away = state["auto_reason"] in KEEP_AWAY or any(problem["code"] in KEEP_AWAY for problem in problems)
        return {
            "status": "unavailable" if is_away else "ok",
            **report,
            "problems": problems,
            "totals": runtime.db.count_by_status(),
            "paused": state["paused"],
            "auto_reason": state["auto_reason"],
            "monitor": runtime.is_monitor,
            **(_first(problems) if is_away else {}),
        }
    except E3Error as exc:
        return {
            "status": "unavailable",
            **report,
            "problems": _problems(engine, exc),
            "totals": {},
            "monitor": False,
            **responses.error_body(exc),
        }


def _problems(engine: Engine, exc: E3Error) -> list[dict[str, Any]]:
    """List the problems, or the one that keeps them from being listed."""
    try:
        return engine.problems()
    except E3Error:
        return [{"code": exc.code, "message": str(exc), "fix": "mend what the message names"}]


def _first(problems: list[dict[str, Any]]) -> dict[str, Any]:
    worst = next((problem for problem in problems if problem["code"] in KEEP_AWAY), None)
    code, message = (worst["code"], worst["message"]) if worst else ("disk_full", "the disk is full; jobs wait")
    return {"error": {"type": code, "message": message, "details": {}}}
