"""The catalogue: every route of E3, from which ComfyUI's router is filled and OpenAPI is written."""

from __future__ import annotations

from typing import Any

from ..e3_nodes.errors import E3Error
from . import guard, jobs, openapi, queue, schemas, system
from .call import Call, Route
from .engine import Engine


async def describe(call: Call) -> bytes:
    """Answer the catalogue as OpenAPI; with the TYPE words of the settings, where there are settings."""
    try:
        job_types = call.cfg["job_types"]
    except E3Error:
        job_types = {}
    return await call.answer(openapi.document, ROUTES, call.engine.version, job_types)


JOB = "/jobs/{config_name}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/jobs", jobs.list_jobs, "List jobs, page by page", schemas.LIST_QUERY, returns=schemas.JOBS),
    Route(
        "POST",
        "/jobs",
        jobs.submit_job,
        "Take a new job in; without a name it gets TYPE_<now>_<n>_<workflow>",
        schemas.NAME_QUERY,
        returns=schemas.JOB_ROW,
        status=201,
        needs_body=True,
        takes_yaml=True,
    ),
    Route(
        "POST",
        "/jobs/bulk",
        jobs.bulk,
        "Do one action to many jobs",
        body=schemas.BULK,
        returns=schemas.BULK_ANSWER,
        needs_body=True,
    ),
    Route("GET", JOB, jobs.job_details, "Everything about a job", returns=schemas.JOB_PAGE),
    Route(
        "PATCH",
        JOB,
        jobs.change_job,
        "Change its priority or place",
        body=schemas.CHANGE,
        returns=schemas.JOB_ROW,
    ),
    Route("DELETE", JOB, jobs.remove_job, "Remove it, for seven days within reach", returns=schemas.JOB_ROW),
    Route("GET", f"{JOB}/graph", jobs.job_graph, "The graph it runs, in API format", returns=schemas.ANY_OBJECT),
    Route("POST", f"{JOB}/restore", jobs.restore_job, "Bring a removed job back", returns=schemas.JOB_ROW),
    Route("POST", f"{JOB}/retry", jobs.retry_job, "Run a failed or cancelled job again", returns=schemas.JOB_ROW),
    Route("POST", f"{JOB}/god-mode", jobs.god_mode, "Make it the next one", returns=schemas.JOB_ROW),
    Route("POST", f"{JOB}/cancel", jobs.cancel_job, "Cancel it", returns=schemas.JOB_ROW),
    Route("POST", f"{JOB}/repin", jobs.repin_job, "Take its workflow as it is now", returns=schemas.JOB_ROW),
    Route(
        "POST",
        f"{JOB}/copy",
        jobs.copy_job,
        "Make a new job from it",
        body=schemas.COPY,
        returns=schemas.JOB_ROW,
        status=201,
    ),
    Route(
        "GET",
        f"{JOB}/outputs/{{n}}",
        jobs.output,
        "A result, counted from 0, or a small picture of it",
        schemas.THUMBNAIL_QUERY,
        returns=openapi.FILE,
    ),
    Route("GET", "/queue", queue.list_queue, "The state of the queue", returns=schemas.QUEUE),
    Route("POST", "/queue/pause", queue.pause_queue, "Let no further job start", returns=schemas.QUEUE),
    Route("POST", "/queue/resume", queue.resume_queue, "Let jobs start again", returns=schemas.QUEUE),
    Route(
        "GET",
        "/rejections",
        system.list_rejections,
        "Files that are no jobs, and why",
        {"limit": schemas.LIMIT},
        returns=schemas.REJECTIONS,
    ),
    Route("GET", "/workflows", system.list_workflows, "Workflows and their inputs", returns=schemas.WORKFLOWS),
    Route("GET", "/stats", queue.queue_stats, "Durations, estimates, causes of failure", returns=schemas.STATS),
    Route(
        "GET",
        "/health",
        system.health,
        "Whether jobs get done here, and what is wrong",
        returns=schemas.HEALTH,
    ),
    Route("GET", "/metrics", queue.metrics, "The queue for Prometheus", returns="text/plain"),
    Route("GET", "/openapi.json", describe, "This description", returns=schemas.ANY_OBJECT),
    Route("GET", "", system.to_page, "Leads to the page", None, status=302, is_open=True),
    Route("GET", "/docs", system.docs, "The routes as a page", None, returns="text/html", is_open=True),
    Route("GET", "/", system.page, "The panel as a full page", None, returns="text/html", is_open=True),
    Route(
        "GET",
        "/web/{path:(?s:.+)}",
        system.asset,
        "The page's files",
        None,
        returns=openapi.FILE,
        is_open=True,
    ),
)


def add_routes(route_table: Any, engine: Engine) -> None:
    """Put every path on ComfyUI's route table, once, for all methods; ComfyUI adds each under /api as well.

    Args:
        route_table: ``PromptServer.instance.routes``.
        engine: E3, which may still be starting, or be broken.
    """
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    nothing = Route("GET", "/{path}", system.nothing, "Nothing", None)
    by_path["/{path:(?s:.*)}"] = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), nothing)
    for path, methods in by_path.items():
        route_table.route("*", f"/e3{path}")(guard.guarded(methods, engine))
