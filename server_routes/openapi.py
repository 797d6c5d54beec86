"""The catalogue as OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from . import responses, schemas
from .call import Route
from .guard import JSON_TYPE, YAML_TYPES

REFUSALS = {
    400: "The body is malformed.",
    401: "The token is missing or wrong.",
    403: "Another site's page asks.",
    404: "No job, result or file has that name.",
    408: "The body did not arrive in time.",
    409: "The job's state, or a job of the same name, does not allow it.",
    413: "The body has more than 256 KiB.",
    415: "The body's type is not one that the route takes.",
    416: "The range lies outside the file.",
    421: "The Host is neither local nor in allowed_hosts.",
    422: "A value breaks a rule.",
    503: "E3 is starting, or cannot work; Retry-After says when to ask again.",
}
"""Every refusal that is documented; anything else would be a fault of E3."""

FILE = "*/*"
"""What a route returns whose answer is a file, of whatever type it is."""

_PARAMETER = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_BY_NAME = "/jobs/{config_name}"
_EXAMPLES = {"config_name": schemas.EXAMPLE_NAME, "n": "0", "path": "page/docs.html"}


def document(routes: Iterable[Route], version: str, job_types: Mapping[str, str]) -> dict[str, Any]:
    """Describe every route.

    Args:
        routes: The catalogue.
        version: E3's version.
        job_types: TYPE words of the settings, besides the built-in ones.

    Returns:
        The document, ready for JSON.
    """
    catalogue = list(routes)
    links = _links(catalogue)
    paths: dict[str, dict[str, Any]] = {}
    for route in catalogue:
        paths.setdefault(f"/e3{path_of(route)}", {})[route.method.lower()] = _operation(route, links)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "E3",
            "version": version,
            "description": "Jobs for ComfyUI. Every path is served under /api as well.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": schemas.ERROR, "Job": schemas.new_job(job_types)},
            "responses": {f"Refusal{status}": _refusal(status) for status in REFUSALS},
            "links": links,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def path_of(route: Route) -> str:
    """Return a route's path as OpenAPI writes it, without the patterns of its parameters."""
    return _PARAMETER.sub(r"{\1}", route.path)


def refusals_of(route: Route) -> list[int]:
    """List with which statuses a route may refuse, besides 405 for a method that it does not take."""
    statuses = {403, 421}
    if not route.is_open:
        statuses |= {401, 422, 503}
    if route.is_change:
        statuses |= {400, 408, 413, 415}
    if _PARAMETER.search(route.path):
        statuses |= {404}
    if route.is_change and route.path.startswith("/jobs") and route.path != "/jobs/bulk":
        statuses |= {409}
    if route.returns == FILE:
        statuses |= {416}
    return sorted(statuses)


def _operation(route: Route, links: Collection[str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {
            **_successes(route, links),
            **{str(status): {"$ref": f"#/components/responses/Refusal{status}"} for status in refusals_of(route)},
        },
    }
    if route.is_open:
        operation["security"] = []
    if route.is_change:
        operation["requestBody"] = {"required": True, "content": _body(route)}
    return operation


def _successes(route: Route, links: Collection[str]) -> dict[str, Any]:
    if route.status == 302:
        headers = {"Location": {"required": True, "schema": schemas.TEXT}}
        return {"302": {"description": "The page's address.", "headers": headers}}
    done: dict[str, Any] = {"description": "Done.", "content": _content(route.returns)}
    if route.returns is schemas.JOB_ROW:
        done["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in links}
    found = {str(route.status): done}
    if route.returns == FILE:
        found["206"] = {"description": "The part that the header Range asks for.", "content": _content(FILE)}
    return found


def _content(returns: Any) -> dict[str, Any]:
    return {returns: {}} if isinstance(returns, str) else {JSON_TYPE: {"schema": dict(returns)}}


def _body(route: Route) -> dict[str, Any]:
    if route.takes_yaml:
        job = {"schema": {"$ref": "#/components/schemas/Job"}}
        return {JSON_TYPE: job, YAML_TYPES[0]: job}
    return {JSON_TYPE: {"schema": route.body or schemas.closed()}}


def _refusal(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": REFUSALS[status],
        "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if status == 416:
        answer["content"] = {}
    if status == 503:
        seconds = {"type": "integer", "default": responses.RETRY_SECONDS}
        answer["headers"] = {"Retry-After": {"required": True, "schema": seconds}}
    return answer


def _links(routes: Iterable[Route]) -> dict[str, Any]:
    """Say what can be done next with the job that an answer holds."""
    return {
        route.handler.__name__: {
            "operationId": route.handler.__name__,
            "parameters": {"config_name": "$response.body#/config_name"},
        }
        for route in routes
        if route.path.startswith(_BY_NAME) and route.returns != FILE
    }


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.TEXT, "example": _EXAMPLES[name]}
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in (route.query or {}).items()
    ]
