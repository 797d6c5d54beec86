"""One job, or a few: look at it, run it again, stop it, copy it, take it away and bring it back."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .. import authoring, job_views, payload, queue_manager, removal
from ..errors import InvalidConfig
from ..model import Workflow
from ..payload import slots
from ..store.protocol import JobFilter
from .answers import Answer, Block, Line, Table, UsageError
from .home import answer_of, each, open_home
from .queue_verbs import seconds
from .render import Screen

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def run_show(args: argparse.Namespace, screen: Screen) -> Answer:
    """Show everything about a job."""
    with open_home() as home:
        page = job_views.job_page(home.db, home.find_job(args.name)["config_name"], home.cfg)
    return Answer(page, _page_blocks(page))


def run_retry(args: argparse.Namespace, screen: Screen) -> Answer:
    """Send jobs back to the queue: the named ones, or all that have failed."""
    if bool(args.names) == args.failed:
        raise UsageError("e3 retry: name the jobs, or say --failed; right is: e3 retry NAME... or e3 retry --failed")
    with open_home() as home:
        if not args.failed:
            return answer_of(each(args.names, lambda n: queue_manager.retry_job(home.db, _name(home, n))), "retried")
        answers = home.db.bulk("retry", where=JobFilter(status=["failed"]))
    names = [answer.get("config_name", "") for answer in answers]
    data = {"jobs": [{"config_name": name, "ok": True, "status": "pending"} for name in names]}
    return Answer(data, [f"retried {name}" for name in names] or ["no job has failed"])


def run_cancel(args: argparse.Namespace, screen: Screen) -> Answer:
    """Cancel waiting jobs; ask whoever runs a running one to stop it."""
    with open_home() as home:
        outcomes = each(args.names, lambda name: queue_manager.cancel_job(home.db, _name(home, name)))
    return answer_of(outcomes, "cancelled")


def run_rm(args: argparse.Namespace, screen: Screen) -> Answer:
    """Take jobs out of the table, with their files."""
    with open_home() as home:
        outcomes = each(args.names, lambda name: removal.remove_job(home.db, _name(home, name), home.cfg))
    return answer_of(outcomes, "removed")


def run_restore(args: argparse.Namespace, screen: Screen) -> Answer:
    """Bring removed jobs back."""
    with open_home() as home:
        outcomes = each(args.names, lambda n: removal.restore_job(home.db, queue_manager.canonical_name(n), home.cfg))
    return answer_of(outcomes, "restored")


def run_repin(args: argparse.Namespace, screen: Screen) -> Answer:
    """Pin jobs to their workflow as it is now."""
    with open_home() as home:
        outcomes = each(args.names, lambda name: queue_manager.repin_job(home.db, _name(home, name), home.workflows))
    return answer_of(outcomes, "repinned")


def run_copy(args: argparse.Namespace, screen: Screen) -> Answer:
    """Make a new job from another one, with some inputs changed."""
    with open_home() as home:
        source = home.find_job(args.name)
        workflow = payload.find_workflow(source["workflow_id"], home.workflows)
        changes = {name: value_of(name, text, workflow) for name, text in args.changes}
        job = authoring.copy_job(home.db, source["config_name"], changes, home.cfg, home.workflows)
        row = job_views.job_row(home.db, job["config_name"])
    return Answer(row, [f"took {row['config_name']}, a copy of {source['config_name']}"])


def value_of(name: str, text: str, workflow: Workflow) -> Any:
    """Read an input's value from text, by the type of the place where it goes.

    Raises:
        InvalidConfig: The name fits nothing, or the text is no value of that type.

    Examples:
        >>> template = {"3": {"class_type": "KSampler", "inputs": {"steps": 20}}}
        >>> value_of("steps", "40", {"template": template})
        40
    """
    kind = slots.resolve(workflow, name)["type"]
    try:
        if kind in ("int", "float"):
            return int(text) if kind == "int" else float(text)
        return _TRUTH[text.lower()] if kind == "bool" else text
    except (ValueError, KeyError) as exc:
        raise InvalidConfig(f"input {name} must be {slots.TYPES[kind][0]}, got {text!r}", code="bad_type") from exc


def _name(home: Any, name: str) -> str:
    return home.find_job(name)["config_name"]


def _page_blocks(page: dict[str, Any]) -> list[Block]:
    facts = [
        ("status", page["status"] + (f" ({page['phase']})" if page["phase"] else "")),
        ("priority", str(page["priority"])),
        ("workflow", page["workflow_id"]),
        ("runs", f"{page['run_count']} (retries {page['retries_attempted']}, limit {page['retry_limit']})"),
        ("taken in", _clock(page["created_at"])),
        ("started", _clock(page["start_time"])),
        ("ended", _clock(page["end_time"])),
        ("took", seconds(page["duration"]) if page["duration"] is not None else ""),
        ("job file", page["config_path"]),
        *(("result", file["path"]) for file in page["outputs"]),
        *(("warning", warning) for warning in page["warnings"]),
        *((f"input {name}", str(value)) for name, value in page["inputs"].items()),
    ]
    width = max(len(name) for name, _ in facts)
    lines = [Line(f"{name:<{width}}  {value}", page["status"] * (name == "status")) for name, value in facts if value]
    return [
        Line(page["config_name"], "head"),
        *lines,
        *_attempt_blocks(page["attempts"]),
        *_trace_blocks(page),
    ]


def _attempt_blocks(attempts: Sequence[dict[str, Any]]) -> list[Block]:
    rows = [
        (
            str(attempt["number"]),
            _clock(attempt["started_at"]),
            attempt["outcome"] or "runs",
            attempt["worker_id"],
            (attempt["error"] or "").split("\n")[0],
        )
        for attempt in attempts
    ]
    return ["", Table(("RUN", "STARTED", "OUTCOME", "WORKER", "WHY"), rows)] if rows else []


def _trace_blocks(page: dict[str, Any]) -> list[Block]:
    if not page["error_trace"]:
        return []
    lines = [Line(f"  {line}") for line in page["error_trace"].splitlines()]
    return ["", Line(f"error ({page['error_type']})", "bad"), *lines]


def _clock(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
