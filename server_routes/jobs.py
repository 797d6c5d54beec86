"""Handlers of jobs: lists, one job, and what may be wished of it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ..e3_nodes import authoring, job_views, queue_manager, removal, validation
from ..e3_nodes.errors import InvalidConfig
from ..e3_nodes.store.protocol import BulkAnswer, JobFilter
from . import responses, schemas
from .call import Call

_FILTER_KEYS = ("status", "media", "workflow_id", "q", "sort")


async def list_jobs(call: Call) -> bytes:
    """Answer a page of light rows, the cursor of the next, and totals."""
    where = _filter(call.query)
    limit, cursor = call.query.get("limit", 100), call.query.get("cursor")
    return await call.answer(job_views.list_jobs, call.db, where, limit=limit, cursor=cursor)


async def submit_job(call: Call) -> bytes:
    """Take a new job in, at once, and answer its row."""
    runtime = call.runtime

    def submit() -> dict[str, Any]:
        job = authoring.submit_new(call.body, call.query.get("name"), runtime.cfg, runtime.workflows, runtime.db)
        return job_views.job_row(runtime.db, job["config_name"])

    return await call.answer(submit)


async def job_details(call: Call) -> bytes:
    """Answer everything about a job."""
    return await call.answer(job_views.job_page, call.db, call.config_name, call.cfg)


async def job_graph(call: Call) -> bytes:
    """Answer the graph that a job runs, as ComfyUI's canvas takes it."""
    return await call.answer(job_views.job_graph, call.db, call.config_name, call.runtime.workflows)


async def change_job(call: Call) -> bytes:
    """Change a job's place: by priority, or right before another job."""
    if len(call.body) != 1:
        raise InvalidConfig('a change is either {"priority": 1-999} or {"before": config_name or null}')
    return await (set_priority(call) if "priority" in call.body else move_job(call))


async def set_priority(call: Call) -> bytes:
    """Set a job's priority; it goes to the end of it."""
    return await _row_after(call, queue_manager.set_priority, call.body["priority"])


async def move_job(call: Call) -> bytes:
    """Put a job right before another one, or at the end of its priority."""
    before = call.body["before"]
    target = None if before is None else validation.canonical_config_name(before)
    return await _row_after(call, queue_manager.move_job, target)


async def retry_job(call: Call) -> bytes:
    """Send a failed or cancelled job back to the queue."""
    return await _row_after(call, queue_manager.retry_job)


async def god_mode(call: Call) -> bytes:
    """Make a job the next one."""
    return await _row_after(call, queue_manager.god_mode)


async def cancel_job(call: Call) -> bytes:
    """Cancel a job; ``changed`` is false for one that was cancelled already."""
    db, name = call.db, call.config_name

    def cancel() -> dict[str, Any]:
        before = queue_manager.find_job(db, name)
        queue_manager.cancel_job(db, name)
        row = job_views.job_row(db, name)
        told = (before["status"], bool(before["cancel_requested"]))
        return {**row, "changed": told != (row["status"], row["cancel_requested"])}

    return await call.answer(cancel)


async def repin_job(call: Call) -> bytes:
    """Pin a job to its workflow as it is now."""
    return await _row_after(call, queue_manager.repin_job, call.runtime.workflows)


async def copy_job(call: Call) -> bytes:
    """Make a new job from this one, with some inputs changed."""
    runtime, name, inputs = call.runtime, call.config_name, call.body.get("inputs", {})

    def copy() -> dict[str, Any]:
        job = authoring.copy_job(runtime.db, name, inputs, runtime.cfg, runtime.workflows)
        return job_views.job_row(runtime.db, job["config_name"])

    return await call.answer(copy)


async def remove_job(call: Call) -> bytes:
    """Take a job out of the queue, with its file; answer its row as it was."""
    db, cfg, name = call.db, call.cfg, call.config_name

    def remove() -> dict[str, Any]:
        row = job_views.job_row(db, name)
        removal.remove_job(db, name, cfg)
        return row

    return await call.answer(remove)


async def restore_job(call: Call) -> bytes:
    """Bring a removed job back, with its file."""
    return await _row_after(call, removal.restore_job, call.cfg)


async def bulk(call: Call) -> bytes:
    """Do one action to many jobs, by name or by filter; each gets its answer."""
    body = call.body
    if ("names" in body) == ("filter" in body):
        raise InvalidConfig("a bulk action wants either names or filter")
    if len(body.get("names", ())) > schemas.MOST_BULK_NAMES:
        most, got = schemas.MOST_BULK_NAMES, len(body["names"])
        raise InvalidConfig(f"names may be {most:,} at most, got {got:,}; use a filter")
    return await call.answer(_bulk, call, body["action"], body.get("names"), body.get("filter"))


async def output(call: Call) -> web.StreamResponse:
    """Serve a result, or a small picture of it."""
    from ..e3_nodes import thumbnails

    size = call.query.get("thumbnail")
    number = call.request.match_info["n"]
    path = await call.run(_output_path, call, int(number) if number.isascii() and number.isdigit() else -1)
    media_type = job_views.media_type_of(path)
    if size is not None:
        folder = thumbnails.folder_of(call.cfg)
        path = await call.draw(thumbnails.thumbnail, path, size, folder)
        media_type = thumbnails.MEDIA_TYPE
    return responses.file(path, media_type)


def _filter(given: Any) -> JobFilter:
    return JobFilter(**{key: given[key] for key in _FILTER_KEYS if key in given})


async def _row_after(call: Call, verb: Any, *args: Any) -> bytes:
    """Let the engine do it, and answer the job's row after it."""
    db, name = call.db, call.config_name

    def act() -> dict[str, Any]:
        verb(db, name, *args)
        return job_views.job_row(db, name)

    return await call.answer(act)


def _bulk(call: Call, action: Any, names: list[str] | None, where: Any) -> dict[str, Any]:
    db, filtered = call.db, None if where is None else _filter(where)
    known = None if names is None else [validation.canonical_config_name(name) for name in names]
    if action == "delete":
        answers = removal.remove_jobs(db, call.cfg, names=known, where=filtered)
    else:
        answers = db.bulk(action, names=known, where=filtered, priority=call.body.get("priority"))
    results = [_told(answer) for answer in answers]
    return {"results": results, "changed": sum(bool(answer.get("ok")) for answer in answers)}


def _told(answer: BulkAnswer) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "config_path"}


def _output_path(call: Call, number: int) -> Any:
    job = queue_manager.find_job(call.db, call.config_name)
    paths = job_views.output_paths(job, call.cfg)
    if not 0 <= number < len(paths) or not paths[number].is_file():
        raise responses.Refusal(404, "output_unknown", f"{job['config_name']} has no result of that number")
    return paths[number]
