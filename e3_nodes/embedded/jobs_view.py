"""``/api/jobs``: queue and history told in one shape, which newer frontends draw their queue from."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .routes_queue import bind
from .server import PromptServer

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


def add_job_routes(server: PromptServer) -> None:
    """Add /api/jobs and /api/jobs/{id} to the server's table."""
    server.routes.get("/api/jobs")(bind(_list_jobs, server))
    server.routes.get("/api/jobs/{job_id}")(bind(_get_job, server))


async def _list_jobs(server: PromptServer, request: web.Request) -> web.Response:
    query = request.rel_url.query
    wanted = [part.strip().lower() for part in query.get("status", "").split(",") if part.strip()]
    unknown = [status for status in wanted if status not in STATUSES]
    if unknown:
        valid = ", ".join(STATUSES)
        return _refuse(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {valid}")
    sort_by, order = query.get("sort_by", "created_at"), query.get("sort_order", "desc")
    if sort_by not in ("created_at", "execution_duration"):
        return _refuse("sort_by must be 'created_at' or 'execution_duration'")
    if order not in ("asc", "desc"):
        return _refuse("sort_order must be 'asc' or 'desc'")
    limit, offset = _whole(query.get("limit")), _whole(query.get("offset", "0"))
    if (limit is None and "limit" in query) or offset is None:
        return _refuse(f"{'limit' if offset is not None else 'offset'} must be an integer")
    if limit == 0:
        return _refuse("limit must be a positive integer")
    jobs = [job for job in all_jobs(server) if not wanted or job["status"] in wanted]
    if "workflow_id" in query:
        jobs = [job for job in jobs if job.get("workflow_id") == query["workflow_id"]]
    key = _duration if sort_by == "execution_duration" else lambda job: job.get("create_time", 0)
    jobs.sort(key=key, reverse=order == "desc")
    page = jobs[offset : None if limit is None else offset + limit]
    has_more = offset + len(page) < len(jobs)
    pages = {"offset": offset, "limit": limit, "total": len(jobs), "has_more": has_more}
    return web.json_response({"jobs": page, "pagination": pages})


async def _get_job(server: PromptServer, request: web.Request) -> web.Response:
    job_id = request.match_info["job_id"]
    entry = server.prompt_queue.get_history(prompt_id=job_id).get(job_id)
    if entry is not None:
        _, _, prompt, extra_data, _ = entry["prompt"]
        workflow = {"prompt": prompt, "extra_data": extra_data}
        more = {"outputs": entry["outputs"], "execution_status": entry["status"], "workflow": workflow}
        return web.json_response(_ended_job(job_id, entry) | more)
    found = next((job for job in all_jobs(server) if job["id"] == job_id), None)
    return _refuse("Job not found", 404) if found is None else web.json_response(found)


def all_jobs(server: PromptServer) -> list[dict[str, Any]]:
    """Return every known prompt as a job: running, waiting, ended."""
    running, pending = server.prompt_queue.get_current_queue_volatile()
    jobs = [_waiting_job(item, "in_progress") for item in running]
    jobs += [_waiting_job(item, "pending") for item in pending]
    history = server.prompt_queue.get_history()
    return jobs + [_ended_job(prompt_id, entry) for prompt_id, entry in history.items()]


def _waiting_job(item: tuple, status: str) -> dict[str, Any]:
    counts = {"outputs_count": 0, "previewable_outputs_count": 0}
    return {"id": item[1], "status": status, "priority": item[0], **_origin(item[3]), **counts}


def _ended_job(prompt_id: str, entry: dict[str, Any]) -> dict[str, Any]:
    priority, _, _, extra_data, _ = entry["prompt"]
    messages = dict((entry["status"] or {}).get("messages", []))
    end = next((name for name in _ENDS if name in messages), None)
    files = [found for found in _shown_items(entry) if isinstance(found[2], dict)]
    job = {
        "id": prompt_id,
        "status": _status(entry["status"], end),
        "priority": priority,
        **_origin(extra_data),
        "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
        "execution_end_time": messages[end]["timestamp"] if end else None,
        "execution_error": messages.get("execution_error"),
        "outputs_count": len(files),
        "previewable_outputs_count": len(files),
        "preview_output": _preview(entry, files),
    }
    return {key: value for key, value in job.items() if value is not None}


def _shown_items(entry: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Everything the nodes showed: node id, key, item."""
    return [
        (node_id, key, item)
        for node_id, output in entry["outputs"].items()
        for key, items in output.items()
        if isinstance(items, (list, tuple)) and key != "animated"
        for item in items
    ]


def _preview(entry: dict[str, Any], files: list[tuple[str, str, Any]]) -> dict[str, Any] | None:
    """The item that stands for the job: a saved file, else any file, else the first text."""
    saved = [found for found in files if found[2].get("type") == "output"] or files
    texts = [found for found in _shown_items(entry) if found[1] == "text" and isinstance(found[2], str)]
    if not saved and not texts:
        return None
    node_id, key, item = (saved or texts)[0]
    told = item if isinstance(item, dict) else {"content": item[:1024]}
    return {**told, "nodeId": node_id, "mediaType": key}


def _status(status: dict[str, Any] | None, end: str | None) -> str:
    if status is None or status["status_str"] == "success":
        return "completed"
    return "cancelled" if end == "execution_interrupted" else "failed"


def _origin(extra_data: dict[str, Any]) -> dict[str, Any]:
    workflow = extra_data.get("extra_pnginfo", {}).get("workflow", {})
    told = {"create_time": extra_data.get("create_time"), "workflow_id": workflow.get("id")}
    return {key: value for key, value in told.items() if value is not None}


def _duration(job: dict[str, Any]) -> int:
    return job.get("execution_end_time", 0) - job.get("execution_start_time", 0)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _refuse(message: str, status: int = 400) -> web.Response:
    return web.json_response({"error": message}, status=status)
