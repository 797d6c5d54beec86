"""The queue: what waits, runs and has ended; its order, and its pause."""

from __future__ import annotations

import argparse
import time
from typing import Any

from .. import job_views, queue_manager
from ..store.protocol import JobFilter, JobStore
from .answers import Answer, Line, Table
from .home import Home, open_home
from .render import Screen

PAGE = 1000


def run_ls(args: argparse.Namespace, screen: Screen) -> Answer:
    """List jobs, or the files that could not become any."""
    with open_home() as home:
        return _rejections(home, args.limit) if args.status == "rejected" else _jobs(home, args)


def run_set_priority(args: argparse.Namespace, screen: Screen) -> Answer:
    """Change a job's priority."""
    with open_home() as home:
        name = home.find_job(args.name)["config_name"]
        return _changed(home, queue_manager.set_priority(home.db, name, args.priority)["config_name"])


def run_god_mode(args: argparse.Namespace, screen: Screen) -> Answer:
    """Make a job the next one."""
    with open_home() as home:
        name = home.find_job(args.name)["config_name"]
        return _changed(home, queue_manager.god_mode(home.db, name)["config_name"])


def run_pause(args: argparse.Namespace, screen: Screen) -> Answer:
    """Let no further job start."""
    with open_home() as home:
        state = queue_manager.pause_queue(home.db)
    return Answer(dict(state), ["paused: what runs is finished, nothing new starts until e3 queue resume"])


def run_resume(args: argparse.Namespace, screen: Screen) -> Answer:
    """Let jobs start again."""
    with open_home() as home:
        state = queue_manager.resume_queue(home.db)
    return Answer(dict(state), ["resumed"])


def run_names(args: argparse.Namespace, screen: Screen) -> Answer:
    """Print the names that a shell may complete."""
    with open_home() as home:
        jobs = home.db.list_jobs(JobFilter(sort="-created"), limit=PAGE)["jobs"]
    names = [job["config_name"] for job in jobs if job["config_name"].startswith(args.prefix)]
    return Answer(names, names)


def _jobs(home: Home, args: argparse.Namespace) -> Answer:
    where = JobFilter(status=[args.status]) if args.status else JobFilter()
    if args.search:
        where["q"] = args.search
    page = _pages(home.db, where, args.limit)
    state = home.db.queue_state()
    rows = [_row_of(job) for job in page["jobs"]]
    table = [Table(("STATUS", "PRIO", "NAME", "WORKFLOW", "TIME", "WHY"), rows)] if rows else []
    return Answer({**page, "queue": state}, [*table, *_summary(page, state, args.status)])


def _pages(db: JobStore, where: JobFilter, limit: int) -> dict[str, Any]:
    """Read as many pages as the limit takes."""
    page = job_views.list_jobs(db, where, limit=min(limit, PAGE))
    while page["next"] and len(page["jobs"]) < limit:
        rest = min(limit - len(page["jobs"]), PAGE)
        more = job_views.list_jobs(db, where, limit=rest, cursor=page["next"])
        page = {**more, "jobs": page["jobs"] + more["jobs"]}
    return page


def _row_of(job: dict[str, Any]) -> tuple[str, ...]:
    cells = (job["status"], str(job["priority"]), job["config_name"], job["workflow_id"], _time_of(job))
    return (*cells, (job["error_summary"] or "") if job["status"] in ("failed", "cancelled") else "")


def _time_of(job: dict[str, Any]) -> str:
    """Say how long a job ran, or runs."""
    if job["duration"] is not None:
        return seconds(job["duration"])
    is_running = job["status"] == "processing" and job["start_time"]
    return seconds(time.time() * 1000 - job["start_time"]) if is_running else ""


def seconds(milliseconds: float) -> str:
    """Write a span of time for people.

    Examples:
        >>> seconds(950), seconds(75_000), seconds(7_260_000)
        ('0.9 s', '1:15 min', '2:01 h')
    """
    if milliseconds < 60_000:
        return f"{int(milliseconds / 100) / 10} s"
    minutes, rest = divmod(int(milliseconds / 1000), 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"


def _summary(page: dict[str, Any], state: Any, status: str | None) -> list[Line]:
    totals = page["totals"]
    counts = ", ".join(f"{number} {name}" for name, number in totals.items() if number) or "no jobs"
    matching = totals.get(status, 0) if status else sum(totals.values())
    left = matching - len(page["jobs"])
    more = f"; {left} more with a larger --limit" if left > 0 else ""
    lines = [Line(f"{counts}{more}", "dim")]
    if state["paused"]:
        why = state["auto_reason"] or "by a person"
        lines.append(Line(f"the queue is paused ({why}); e3 queue resume lets jobs start", "cancelled"))
    return lines


def _rejections(home: Home, limit: int) -> Answer:
    found = home.db.list_rejections(limit=min(limit, PAGE))
    rows = [(str(entry["line"] or ""), str(entry["column"] or ""), entry["path"], entry["reason"]) for entry in found]
    table = Table(("LINE", "COL", "FILE", "WHY"), rows)
    blocks = [table] if rows else [Line("no file is rejected", "dim")]
    return Answer({"rejections": found}, blocks)


def _changed(home: Home, name: str) -> Answer:
    job = job_views.job_row(home.db, name)
    return Answer(job, [f"{job['config_name']}: {job['status']}, priority {job['priority']}"])
