"""What the doctor asks ComfyUI: the nodes, models and values of workflows and of waiting jobs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import delivery, outputs, payload
from ..errors import E3Error
from ..inputs import check_unchanged
from ..model import Job, Status, Workflow
from ..payload import graph
from ..store.protocol import JobFilter
from . import node_info
from .checks import Check
from .home import Home

ANSWER_SECONDS = 60
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Nodes = dict[str, Any]


def ask(cfg: Mapping[str, Any], path: str) -> Any:
    """Ask ComfyUI, and return its JSON.

    Raises:
        OSError: Nobody answers, or somebody else than ComfyUI.
    """
    base = cfg["comfyui"]["api_base_url"].rstrip("/")
    request = urllib.request.Request(f"{base}{path}", headers=dict(cfg["comfyui"]["headers"]))
    with _DIRECT.open(request, timeout=ANSWER_SECONDS) as answer:
        try:
            return json.loads(answer.read())
        except ValueError as exc:
            raise OSError(f"{base} answers, and is no ComfyUI") from exc


def check_reachable(cfg: Mapping[str, Any]) -> tuple[list[Check], Nodes | None]:
    """Look for ComfyUI; return what was found, and what it says of its nodes."""
    url = cfg["comfyui"]["api_base_url"]
    try:
        version = ask(cfg, "/system_stats").get("system", {}).get("comfyui_version", "of an unknown version")
        nodes = ask(cfg, "/object_info")
    except (OSError, ValueError, AttributeError) as exc:
        reason = getattr(exc, "reason", None) or exc
        message = f"no ComfyUI answers on {url} ({reason}): nodes and models were not checked"
        return [Check("comfyui", "warn", message, "start it, or name it with --url")], None
    return [
        Check("comfyui", "ok", f"ComfyUI {version} on {url} has {len(nodes)} nodes"),
        *_plugin(cfg),
    ], nodes


def _plugin(cfg: Mapping[str, Any]) -> list[Check]:
    """Pass on what E3 inside that ComfyUI knows to be wrong."""
    try:
        health = ask(cfg, "/e3/health")
        problems = health.get("problems", []) if isinstance(health, dict) else []
    except (OSError, ValueError):
        return []
    return [
        Check(
            problem.get("code", "health"),
            "warn",
            f"E3 in ComfyUI: {problem.get('message')}",
            problem.get("fix", ""),
        )
        for problem in problems
        if problem.get("code") != "standby"
    ]


def check_workflows(home: Home, nodes: Nodes | None) -> Iterator[Check]:
    """Look at every workflow: does it load, and would ComfyUI take it?"""
    for problem in home.workflow_problems:
        yield Check("workflow_invalid", "warn", str(problem), "mend the file")
    ready = 0
    for workflow_id, workflow in sorted(home.workflows.items()):
        finished = graph.finish(workflow["template"])
        found = list(_refusals(finished, workflow, nodes))
        ready += not found
        for refusal in found:
            yield Check(refusal.code, "warn", f"workflow {workflow_id}: {refusal.message}", refusal.fix)
        for said in node_info.ignored_inputs(finished, nodes or {}):
            fix = "open the workflow in ComfyUI and export it again"
            yield Check("input_ignored", "warn", f"workflow {workflow_id}: {said}", fix)
    if nodes is not None:
        yield Check("workflows", "ok", f"{ready} of {len(home.workflows)} workflows can run there")


def check_jobs(home: Home, nodes: Nodes | None) -> Iterator[Check]:
    """Look at every waiting job; jobs that fail for the same reason are told together."""
    causes: dict[node_info.Refusal, list[str]] = {}
    number = 0
    for job in _waiting(home):
        number += 1
        for refusal in _job_refusals(job, home, nodes):
            causes.setdefault(refusal, []).append(job["config_name"])
    for refusal, names in causes.items():
        who = names[0] if len(names) == 1 else f"{len(names)} jobs ({names[0]} is the first)"
        yield Check(refusal.code, "fail", f"{who} will fail: {refusal.message}", refusal.fix)
    yield from _clashes(home)
    if number and not causes:
        yield Check("jobs", "ok", f"nothing is known that would stop the {number} waiting jobs")


def _waiting(home: Home) -> Iterator[Job]:
    cursor = None
    while True:
        page = home.db.list_jobs(JobFilter(status=[Status.PENDING.value]), limit=1000, cursor=cursor)
        for light in page["jobs"]:
            job = home.db.get_job(light["config_name"])
            if job is not None:
                yield job
        cursor = page["next"]
        if cursor is None:
            return


def _job_refusals(job: Job, home: Home, nodes: Nodes | None) -> Iterator[node_info.Refusal]:
    """Yield why a job would fail: its files, its result's place, its graph."""
    config, workflow_id = job["config"], job["workflow_id"]
    pinned: Any = home.db.workflow_version(job["workflow_sha256"]) or home.workflows.get(workflow_id)
    try:
        for name, file in config.get("files", {}).items():
            check_unchanged(name, Path(file["path"]), file["sha256"])
        outputs.preflight(_destination(job, home))
        known = {**home.workflows, workflow_id: pinned} if pinned else home.workflows
        built = payload.build_payload(workflow_id, config["inputs"], known)
    except (E3Error, OSError) as exc:
        code = getattr(exc, "code", "error")
        yield node_info.Refusal(code, str(exc), "mend it, then e3 doctor again; or e3 rm the job")
        return
    yield from _refusals(built, pinned, nodes)


def _refusals(built: graph.Graph, workflow: Workflow, nodes: Nodes | None) -> Iterator[node_info.Refusal]:
    """Ask about a graph; a model that the workflow names under ``needs`` tells where it belongs."""
    for refusal in node_info.refusals(built, nodes) if nodes is not None else ():
        need = next((need for need in workflow.get("needs", []) if need.rsplit("/", 1)[-1] in refusal.message), "")
        fix = f"put it there: models/{need}" if need and refusal.code == "value_missing" else refusal.fix
        yield node_info.Refusal(refusal.code, refusal.message, fix)


def _destination(job: Job, home: Home) -> dict[str, Any]:
    asked = job["config"]["outputs"]
    return {
        "file_path": outputs.final_path(asked["file_path"], home.cfg),
        "if_exists": asked.get("if_exists", "fail"),
        "nodes": asked.get("nodes"),
        "roots": delivery.output_roots(home.cfg),
        "earlier": home.db.list_intents(job["id"]),
    }


def _clashes(home: Home) -> Iterator[Check]:
    """Two waiting jobs that ask for one path: the second would find it taken."""
    first: dict[str, str] = {}
    for job in _waiting(home):
        asked = job["config"]["outputs"]
        if asked.get("if_exists", "fail") != "fail":
            continue
        path = outputs.final_path(asked["file_path"], home.cfg)
        if path in first:
            message = f"{job['config_name']} will fail: {first[path]} asks for {path} as well"
            yield Check("output_exists", "fail", message, "give it another outputs.file_path, or if_exists: version")
        first.setdefault(path, job["config_name"])
