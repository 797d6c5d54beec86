"""The catalogue as OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..e3_nodes import job_schema
from . import schemas
from .call import Route
from .guard import JSON_TYPE, YAML_TYPES

_PARAMETER = re.compile(r"\{(\w+)(?::[^}]*)?\}")


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """Describe every route.

    Args:
        routes: The catalogue.
        version: E3's version.

    Returns:
        The document, ready for JSON.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(f"/e3{path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "E3",
            "version": version,
            "description": "Jobs for ComfyUI. Every path is served under /api as well.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": schemas.ERROR, "Job": job_schema.job_schema()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {
            str(route.status): {"description": "Done.", "content": _content(route.returns)},
            "default": {
                "description": "Refused; 503 while E3 starts or is broken.",
                "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.is_change:
        schema = {"$ref": "#/components/schemas/Job"} if route.takes_yaml else route.body or schemas.closed()
        types = (JSON_TYPE, *YAML_TYPES[:1]) if route.takes_yaml else (JSON_TYPE,)
        content = {media_type: {"schema": schema} for media_type in types}
        operation["requestBody"] = {"required": route.needs_body, "content": content}
    return operation


def _content(returns: Any) -> dict[str, Any]:
    return {returns: {}} if isinstance(returns, str) else {JSON_TYPE: {"schema": dict(returns)}}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.TEXT}
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in (route.query or {}).items()
    ]
