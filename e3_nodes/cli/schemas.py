"""JSON Schemas of the three files that people write, made from the tables that validation itself reads."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from typing import Any

from .. import config_loader, payload, workflow_files
from ..config_loader import Setting
from ..model import MEDIA, Workflow
from ..payload import graph, slots
from ..validation.job_schema import job_schema
from .answers import Answer, UsageError
from .home import open_home
from .render import Screen

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_JSON_TYPES: dict[type, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    list: "array",
    dict: "object",
    float: "number",
}
_INPUT_TYPES = {"string": "string", "int": "integer", "float": "number", "bool": "boolean", "file": "string"}
_ENTRY_DOCS = {
    "template_path": "The template, relative to this file and inside its folder.",
    "required_inputs": "The inputs that a job must give.",
    "inputs": "Where each input goes, by its name; E3 Input nodes need no entry.",
    "description": "What the workflow does.",
    "needs": "The models and node packs that it needs.",
}
_INPUT_SCHEMAS: dict[str, dict[str, Any]] = {
    "node": {"type": ["string", "integer"], "description": "The id of the node."},
    "field": {"type": "string", "description": "The field of the node."},
    "type": {"enum": list(slots.TYPES), "description": "What it takes; else what the template holds there."},
    "min": {"type": "number", "description": "The least value."},
    "max": {"type": "number", "description": "The greatest value."},
    "default": {"type": ["string", "number", "boolean"], "description": "The value where a job gives none."},
    "random": {
        "type": "boolean",
        "description": "Drawn once when a job leaves it out, and kept with the job.",
    },
}


def run_schema(args: argparse.Namespace, screen: Screen) -> Answer:
    """Print a schema."""
    if args.workflow and args.kind != "job":
        raise UsageError("e3 schema: --workflow goes with job; right is: e3 schema job --workflow ID")
    if args.kind == "config":
        schema = config_schema()
    elif args.kind == "workflows":
        schema = workflows_schema()
    else:
        with open_home() as home:
            workflows = home.workflows
            if args.workflow:
                workflows = {args.workflow: payload.find_workflow(args.workflow, workflows)}
            schema = job_file_schema(workflows, home.cfg["job_types"])
    return Answer(schema, [json.dumps(schema, indent=2, ensure_ascii=False)])


def job_file_schema(workflows: Mapping[str, Workflow], job_types: Mapping[str, str]) -> dict[str, Any]:
    """Return the schema of job files that name one of these workflows, their inputs included.

    Examples:
        >>> template = {"3": {"class_type": "KSampler", "inputs": {"steps": 20}}}
        >>> schema = job_file_schema({"wf": {"template": template}}, {})
        >>> schema["allOf"][0]["then"]["properties"]["inputs"]["properties"]["steps"]["default"]
        20
    """
    schema = _in_standard_words(job_schema(job_types))
    schema["properties"]["workflow_id"] |= {"enum": sorted(workflows)}
    schema["allOf"] = [
        {
            "if": {"properties": {"workflow_id": {"const": key}}, "required": ["workflow_id"]},
            "then": {"properties": {"inputs": inputs_schema(workflows[key])}},
        }
        for key in sorted(workflows)
    ]
    return schema


def inputs_schema(workflow: Workflow) -> dict[str, Any]:
    """Return the schema of a job's inputs for one workflow: named ones, and addresses of its nodes."""
    template, declared = workflow["template"], workflow.get("inputs", {})
    nodes = sorted((key for key, node in template.items() if not graph.is_e3_input(node)), key=len, reverse=True)
    found = slots.input_slots(workflow)
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _slot_schema(slot) for name, slot in found.items()},
        "patternProperties": {f"^({'|'.join(map(re.escape, nodes))})[._].": {}} if nodes else {},
    }
    required = [name for name, slot in found.items() if slot.get("required")]
    if description := workflow.get("description"):
        schema["description"] = " ".join(description.split())
    # An input may be given by its address as well, so only those that the file names itself are required.
    return schema | {
        "required": [name for name in required if name in (*declared, *workflow.get("required_inputs", []))]
    }


def workflows_schema() -> dict[str, Any]:
    """Return the schema of ``workflows.yaml`` and of the files in ``workflows/user/``.

    Examples:
        >>> workflows_schema()["additionalProperties"]["required"]
        ['template_path', 'required_inputs']
    """
    entry = {key: _entry_schema(key, kind) for key, (_, kind) in workflow_files.ENTRY_FIELDS.items()}
    return {
        "$schema": DIALECT,
        "title": "E3 workflows",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": False,
            "required": ["template_path", "required_inputs"],
            "properties": entry,
        },
    }


def config_schema() -> dict[str, Any]:
    """Return the schema of ``global_config.yaml``.

    Examples:
        >>> config_schema()["properties"]["retry_limit"]["default"]
        2
    """
    sections = {"paths": config_loader.PATHS, "comfyui": config_loader.COMFYUI}
    schema = _settings_schema(config_loader.SETTINGS)
    schema["properties"] |= {name: _settings_schema(table) for name, table in sections.items()}
    schema["properties"]["job_types"] |= {
        "propertyNames": {"pattern": "^[A-Z0-9]{1,16}$"},
        "additionalProperties": {"enum": list(MEDIA)},
    }
    return {"$schema": DIALECT, "title": "E3 settings", **schema}


def _in_standard_words(schema: Any) -> Any:
    """Leave out the word that is ours: an editor marks what a file's reader would clamp."""
    if isinstance(schema, dict):
        return {key: _in_standard_words(value) for key, value in schema.items() if key != "clampable"}
    return [_in_standard_words(item) for item in schema] if isinstance(schema, list) else schema


def _slot_schema(slot: slots.Slot) -> dict[str, Any]:
    limits = {"minimum": slot.get("min"), "maximum": slot.get("max")}
    if slot.get("random") and (slot.get("min") or 0) >= 0:
        limits["minimum"] = -1
    words = [f"Goes to {slots.address(slot)}."]
    words += ["Drawn when it is left out or -1."] if slot.get("random") else []
    return {
        "type": _INPUT_TYPES[slot["type"]],
        "description": " ".join(words),
        "default": slot["default"],
        **{key: value for key, value in limits.items() if value is not None},
    }


def _entry_schema(key: str, kind: type) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _JSON_TYPES[kind], "description": _ENTRY_DOCS.get(key, "")}
    if kind is list:
        schema["items"] = {"type": "string"}
    if key == "inputs":
        fields = {field: _INPUT_SCHEMAS.get(field, {}) for field in workflow_files.INPUT_FIELDS}
        required = ["node", "field"]
        one = {"type": "object", "additionalProperties": False, "required": required, "properties": fields}
        schema["additionalProperties"] = one
    return schema


def _settings_schema(table: Mapping[str, Setting]) -> dict[str, Any]:
    properties = {key: _setting_schema(setting) for key, setting in table.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _setting_schema(setting: Setting) -> dict[str, Any]:
    """Describe a setting; text like ``${VAR}`` may stand for a number or a switch."""
    kind = _JSON_TYPES[setting.kind]
    rule: dict[str, Any] = {"type": kind}
    rule |= {"minimum": setting.low, "maximum": setting.high} if setting.low is not None else {}
    rule |= {"enum": list(setting.choices)} if setting.choices else {}
    rule |= {"items": {"type": "string"}} if setting.kind is list else {}
    told = {"description": f"{setting.doc[0].upper()}{setting.doc[1:]}.", "default": setting.default}
    if setting.kind in (int, bool) or setting.choices:
        return {"anyOf": [rule, {"type": "string", "pattern": r"\$\{"}, {"type": "null"}], **told}
    return {**rule, "type": [kind, "null"], **told}
