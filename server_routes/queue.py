"""Handlers of the queue as a whole: its state, pause and resume, the past and what it says of the future."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from ..e3_nodes import job_views, queue_manager, stats
from .call import Call


async def list_queue(call: Call) -> bytes:
    """Answer the state of the queue: paused or not, what runs and how far it is, totals."""
    return await call.answer(_view, call)


async def pause_queue(call: Call) -> bytes:
    """Let no further job start."""
    await call.run(queue_manager.pause_queue, call.db)
    return await call.answer(_view, call)


async def resume_queue(call: Call) -> bytes:
    """Let jobs start again, whoever paused the queue."""
    await call.run(queue_manager.resume_queue, call.db)
    return await call.answer(_view, call)


async def queue_stats(call: Call) -> bytes:
    """Answer durations by workflow, the estimated end of the queue, throughput, and failures by cause."""
    now = time.time_ns() // 1_000_000
    return await call.answer(stats.queue_stats, call.db, list(call.runtime.workflows), now)


async def metrics(call: Call) -> web.Response:
    """Answer the state of the queue in Prometheus's text format."""
    text = await call.run(stats.metrics_text, call.db, call.engine.version)
    return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _view(call: Call) -> dict[str, Any]:
    station = call.runtime.station
    return job_views.queue_view(call.db, None if station is None else station.backend)
