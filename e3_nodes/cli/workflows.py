"""``e3 workflows``: what jobs can name, and how an exported workflow becomes one of them."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import config_loader, file_utils, workflow_files
from ..errors import E3Error, InvalidConfig, InvalidWorkflow
from ..model import Workflow, WorkflowInput
from ..payload import proposals, slots, templates
from ..payload.graph import Graph
from . import initialize
from .answers import Answer, Block, Failure, Line, Table
from .home import Home, open_home
from .render import Screen

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def run_ls(args: argparse.Namespace, screen: Screen) -> Answer:
    """List the workflows that jobs can name, and those that cannot be used."""
    with open_home() as home:
        told = [_told(key, workflow) for key, workflow in sorted(home.workflows.items())]
        broken = [{"code": problem.code, "message": str(problem)} for problem in home.workflow_problems]
    rows = [
        (workflow["id"], _names(workflow), ", ".join(workflow["needs"]), workflow["description"]) for workflow in told
    ]
    blocks: list[Block] = [Table(("ID", "INPUTS", "NEEDS", "WHAT"), rows)]
    blocks += [Line(f"cannot be used: {problem['message']}", "bad") for problem in broken]
    data = {"workflows": told, "broken": broken}
    failure = Failure("workflow_invalid", f"{len(broken)} workflows cannot be used") if broken else None
    return Answer(data, blocks, failure)


def run_add(args: argparse.Namespace, screen: Screen) -> Answer:
    """Take in a workflow in API format under workflows/user/."""
    source = Path(args.file)
    template = templates.parse_template(_read(source), source.name)
    workflow_id = _checked_id(args.id or re.sub(r"[^A-Za-z0-9_.-]+", "_", source.stem).strip("_.-"))
    proposed = proposals.propose_inputs(template)
    with open_home() as home:
        _check_free(workflow_id, home, replace=args.replace)
        path = _write(workflow_id, template, proposed, Path(home.cfg["paths"]["workflows"]) / "user")
        workflow = config_loader.load_workflows(str(path))[workflow_id]
        home.workflows[workflow_id] = workflow
        initialize.refresh_schemas(home)
    told = _told(workflow_id, workflow)
    rows = [(name, slots.address(slot), slot["type"], _note(slot)) for name, slot in _slots(workflow).items()]
    table = [Table(("INPUT", "GOES TO", "TYPE", ""), rows)] if rows else []
    where = f"its inputs are named in {path}; change them as you like"
    return Answer(
        {**told, "path": str(path)}, [Line(f"jobs can say workflow_id: {workflow_id}", "good"), *table, where]
    )


def entry_text(workflow_id: str, proposed: Mapping[str, WorkflowInput], *, source: str) -> str:
    """Write a workflow's entry as people would.

    Examples:
        >>> seed = {"node": "3", "field": "seed", "random": True}
        >>> print(entry_text("wf", {"seed": seed}, source="wf.json"))
        # From wf.json. The names under inputs are a proposal; a job sets an input by its name.
        # Other fields can be set as <node>.<field>. `min`, `max` and `default` may be added to each.
        "wf":
          template_path: "api/wf.json"
          required_inputs: []
          inputs:
            "seed": {node: "3", field: "seed", random: true}
        <BLANKLINE>
    """
    lines = [
        f"# From {source}. The names under inputs are a proposal; a job sets an input by its name.",
        "# Other fields can be set as <node>.<field>. `min`, `max` and `default` may be added to each.",
        f"{json.dumps(workflow_id)}:",
        f"  template_path: {json.dumps(f'api/{workflow_id}.json')}",
        f"  required_inputs: {json.dumps(proposals.required_inputs(proposed))}",
    ]
    if proposed:
        lines.append("  inputs:")
    lines += [f"    {json.dumps(name)}: {{{_flow(entry)}}}" for name, entry in proposed.items()]
    return "\n".join(lines) + "\n"


def _flow(entry: WorkflowInput) -> str:
    plain = {"type": str(entry.get("type"))}
    return ", ".join(f"{key}: {plain.get(key, json.dumps(value))}" for key, value in entry.items())


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(templates.MAX_TEMPLATE_BYTES + 1)


def _checked_id(workflow_id: str) -> str:
    if not _ID.fullmatch(workflow_id):
        raise InvalidConfig(
            "an id is letters, digits, '_', '.' and '-', and starts with a letter or digit, "
            f"got {workflow_id!r}; give another one with --id"
        )
    return workflow_id


def _check_free(workflow_id: str, home: Home, *, replace: bool) -> None:
    """Refuse an id that a workflow has; only one of the user's own, written here before, may be replaced."""
    own = Path(home.cfg["paths"]["workflows"]) / "user" / f"{workflow_id}.yaml"
    if own.exists() and replace:
        return
    if own.exists() or workflow_id in home.workflows:
        source = own if own.exists() else home.workflows[workflow_id].get("source")
        raise InvalidWorkflow(
            f"there is a workflow {workflow_id} already, in {source}; choose another --id, or --replace one of your own"
        )


def _write(workflow_id: str, template: Graph, proposed: Mapping[str, WorkflowInput], folder: Path) -> Path:
    """Write template and entry, and take both back if they do not load."""
    path, template_path = folder / f"{workflow_id}.yaml", folder / "api" / f"{workflow_id}.json"
    before = {file: file.read_bytes() if file.exists() else None for file in (template_path, path)}
    file_utils.make_folder(template_path.parent)
    file_utils.write_atomically(template_path, json.dumps(template, indent=2, ensure_ascii=False).encode() + b"\n")
    file_utils.write_atomically(path, entry_text(workflow_id, proposed, source=template_path.name).encode())
    try:
        workflow_files.load_workflows(str(path))
    except E3Error:
        for file, data in before.items():
            file.unlink() if data is None else file_utils.write_atomically(file, data)
        raise
    return path


def _told(workflow_id: str, workflow: Workflow) -> dict[str, Any]:
    inputs = [
        {
            "name": name,
            "to": slots.address(slot),
            "type": slot["type"],
            "required": slot.get("required", False),
            **{key: slot.get(key) for key in ("default", "min", "max", "random") if key in slot},
        }
        for name, slot in _slots(workflow).items()
    ]
    return {
        "id": workflow_id,
        "description": " ".join(workflow.get("description", "").split()),
        "needs": workflow.get("needs", []),
        "source": workflow.get("source"),
        "inputs": inputs,
    }


def _slots(workflow: Workflow) -> dict[str, slots.Slot]:
    """List the inputs with names: the map's and those of E3 Input nodes, else whatever is unambiguous."""
    template, found = workflow["template"], slots.input_slots(workflow)
    named = {
        name: slot
        for name, slot in found.items()
        if name in workflow.get("inputs", {}) or template[slot["node"]]["class_type"].startswith("E3Input")
    }
    return named or found


def _names(workflow: Mapping[str, Any]) -> str:
    return " ".join(f"{entry['name']}{'*' * entry['required']}" for entry in workflow["inputs"])


def _note(slot: slots.Slot) -> str:
    words = ["required"] if slot.get("required") else []
    return ", ".join([*words, *(["drawn when a job leaves it out"] if slot.get("random") else [])])
