"""What requests may hold and answers look like, as JSON Schema: the guard checks by it, OpenAPI shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..e3_nodes.model import MAX_PRIORITY, MEDIA, MIN_PRIORITY, Status
from ..e3_nodes.thumbnails import MAX_SIZE, MIN_SIZE
from ..e3_nodes.validation.job_schema import job_schema

MOST_BULK_NAMES = 2_000
EXAMPLE_NAME = "T2I_20250809123001_1_knight"

STATUSES = [status.value for status in Status]
SORTS = ["order", "created", "ended", "duration", "name"]

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "integer"}
MAYBE_TEXT: dict[str, Any] = {"type": ["string", "null"]}
MAYBE_NUMBER: dict[str, Any] = {"type": ["integer", "null"]}
FLAG: dict[str, Any] = {"type": "boolean"}
ANY_OBJECT: dict[str, Any] = {"type": "object"}


def closed(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def shape(**properties: Any) -> dict[str, Any]:
    """Return the schema of an answer: these fields are always there, others may be."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def list_of(items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


PRIORITY = {
    "type": "integer",
    "minimum": MIN_PRIORITY,
    "maximum": MAX_PRIORITY,
    "description": "Lower runs first.",
}
LIMIT = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}

FILTER: dict[str, Any] = {
    "status": {"type": "array", "items": {"type": "string", "enum": STATUSES}, "description": "May repeat."},
    "media": {"type": "string", "enum": list(MEDIA)},
    "workflow_id": TEXT,
    "q": {"type": "string", "description": "Searches names and workflow ids."},
}
LIST_QUERY: dict[str, Any] = {
    **FILTER,
    "sort": {
        "type": "string",
        "enum": [prefix + sort for sort in SORTS for prefix in ("", "-")],
        "default": "order",
        "description": "With - for descending.",
    },
    "limit": LIMIT,
    "cursor": {"type": "string", "description": "``next`` of the page before."},
}
NAME_QUERY: dict[str, Any] = {"name": {"type": "string", "description": "TYPE_YYYYMMDDHHMMSS_X_jobname"}}
THUMBNAIL_QUERY: dict[str, Any] = {
    "thumbnail": {
        "type": "integer",
        "minimum": MIN_SIZE,
        "maximum": MAX_SIZE,
        "description": "A small picture instead; its longest side.",
    }
}


def new_job(job_types: Mapping[str, str]) -> dict[str, Any]:
    """Return the schema of a job that comes through a door: a job file's, and its name."""
    schema = job_schema(job_types)
    name = {**MAYBE_TEXT, "description": f"Such as {EXAMPLE_NAME}; E3 finds one where it is left out."}
    return {**schema, "properties": {"name": name, **schema["properties"]}, "examples": [_EXAMPLE_JOB]}


_EXAMPLE_JOB = {
    "job_type": "T2I",
    "workflow_id": "wf_hello_image",
    "inputs": {"width": 768, "color": 3381759},
    "outputs": {"file_path": f"jobs/finished/image/{EXAMPLE_NAME}.png"},
}


CHANGE = {
    **closed(priority=PRIORITY, before={"type": ["string", "null"], "description": "null: the end of its priority"}),
    "minProperties": 1,
    "maxProperties": 1,
    "examples": [{"priority": 20}],
}
COPY = {
    **closed(
        inputs={
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            "description": "Inputs that differ; null leaves one out.",
        }
    ),
    "examples": [{"inputs": {"seed": 7}}],
}
BULK = {
    **closed(
        ("action",),
        action={"type": "string", "enum": ["retry", "cancel", "delete", "set_priority", "god-mode"]},
        names={"type": "array", "items": TEXT, "maxItems": MOST_BULK_NAMES},
        filter=closed(**FILTER),
        priority=PRIORITY,
    ),
    "oneOf": [{"required": ["names"]}, {"required": ["filter"]}],
    "if": {"properties": {"action": {"const": "set_priority"}}},
    "then": {"required": ["priority"]},
    "examples": [{"action": "retry", "filter": {"status": ["failed"]}}],
}

TOTALS = {**shape(**dict.fromkeys(STATUSES, NUMBER)), "description": "Jobs by status."}
JOB_ROW = {
    **shape(
        config_name=TEXT,
        job_type=TEXT,
        media=TEXT,
        workflow_id=TEXT,
        priority=NUMBER,
        position=NUMBER,
        status={"type": "string", "enum": STATUSES},
        phase=MAYBE_TEXT,
        run_count=NUMBER,
        retries_attempted=NUMBER,
        retry_limit=NUMBER,
        crash_count=NUMBER,
        cancel_requested=FLAG,
        not_before=MAYBE_NUMBER,
        start_time=MAYBE_NUMBER,
        end_time=MAYBE_NUMBER,
        duration=MAYBE_NUMBER,
        error_type=MAYBE_TEXT,
        error_summary=MAYBE_TEXT,
        warnings=list_of(TEXT),
        created_at=NUMBER,
        updated_at=NUMBER,
        inputs=ANY_OBJECT,
        metadata=ANY_OBJECT,
        outputs_count=NUMBER,
    ),
    "description": "Times are UTC milliseconds; in lists, long texts are cut.",
}
ATTEMPT = shape(
    number=NUMBER,
    started_at=NUMBER,
    ended_at=MAYBE_NUMBER,
    outcome=MAYBE_TEXT,
    error_type=MAYBE_TEXT,
    error=MAYBE_TEXT,
)
OUTPUT = shape(index=NUMBER, name=TEXT, media_type=TEXT, bytes=MAYBE_NUMBER, url=TEXT, path=TEXT)
JOB_PAGE = shape(
    **JOB_ROW["properties"],
    config=ANY_OBJECT,
    attempts=list_of(ATTEMPT),
    error_trace=MAYBE_TEXT,
    outputs=list_of(OUTPUT),
)
JOBS = shape(jobs=list_of(JOB_ROW), next=MAYBE_TEXT, totals=TOTALS)
BULK_ANSWER = shape(
    results=list_of({**shape(config_name=TEXT, ok=FLAG), "description": "``error`` says why not."}),
    changed=NUMBER,
)
RUNNING = shape(
    config_name=TEXT,
    workflow_id=TEXT,
    phase=MAYBE_TEXT,
    start_time=MAYBE_NUMBER,
    progress={"type": ["object", "null"]},
)
QUEUE = shape(user_paused=FLAG, auto_reason=MAYBE_TEXT, paused=FLAG, running=list_of(RUNNING), totals=TOTALS)
REJECTIONS = shape(
    rejections=list_of(shape(path=TEXT, code=TEXT, reason=TEXT, line=MAYBE_NUMBER, column=MAYBE_NUMBER, seen_at=NUMBER))
)
WORKFLOWS = shape(
    workflows=list_of(shape(workflow_id=TEXT, description=TEXT, required_inputs=list_of(TEXT), inputs=ANY_OBJECT))
)
STATS = shape(
    workflows=ANY_OBJECT,
    eta={"type": ["object", "null"]},
    throughput=ANY_OBJECT,
    failures=list_of(shape(workflow_id=TEXT, error_type=TEXT, summary=TEXT, count=NUMBER, names=list_of(TEXT))),
)
HEALTH = shape(
    status={"type": "string", "enum": ["ok", "unavailable"]},
    version=TEXT,
    home=TEXT,
    problems=list_of(shape(code=TEXT, message=TEXT, fix=TEXT)),
    totals=ANY_OBJECT,
    monitor=FLAG,
)
ERROR = shape(error=shape(type=TEXT, message=TEXT, details=ANY_OBJECT))
