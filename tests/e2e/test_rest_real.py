"""Every route of the catalogue answers with its documented status and shape, in every host there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from comfyui_e3.e3_nodes.validation import job_schema
from comfyui_e3.server_routes.call import Route
from comfyui_e3.server_routes.openapi import path_of
from comfyui_e3.server_routes.routes import ROUTES
from hosts import available_hosts
from studio import Studio, image_graph


@pytest.fixture(scope="module", params=available_hosts(), ids=lambda host: host.name)
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A host with a job that is done, as ``studio.done``, and a queue that is paused."""
    with Studio(request.param(), tmp_path_factory.mktemp("rest")) as studio:
        studio.workflow("image", image_graph())
        job = studio.job("image")
        studio.drop(job)
        studio.ended(job)
        studio.post("queue/pause")
        studio.done = job["name"]  # type: ignore[attr-defined]
        yield studio


def waiting(studio: Studio) -> str:
    job = studio.job("image")
    status, answer = studio.post(f"jobs?name={job['name']}", job["body"])
    assert status == 201, answer
    return job["name"]


def cancelled(studio: Studio) -> str:
    name = waiting(studio)
    assert studio.post(f"jobs/{name}/cancel")[0] == 200
    return name


def removed(studio: Studio) -> str:
    name = waiting(studio)
    assert studio.host.request("DELETE", f"/e3/jobs/{name}", {})[0] == 200
    return name


def done(studio: Studio) -> str:
    return studio.done  # type: ignore[attr-defined]


JOB_OF: dict[str, Callable[[Studio], str]] = {
    "retry_job": cancelled,
    "restore_job": removed,
    "job_details": done,
    "output": done,
}
"""The job that a route is tried on; one that waits for all others."""

BODY_OF: dict[str, Callable[[Studio], Any]] = {
    "submit_job": lambda studio: studio.job("image")["body"],
    "bulk": lambda studio: {"action": "set_priority", "names": [waiting(studio)], "priority": 7},
    "change_job": lambda _: {"priority": 20},
    "copy_job": lambda _: {"inputs": {"width": 32}},
}


@pytest.mark.parametrize("prefix", ["", "/api"], ids=["e3", "api"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.handler.__name__)
def test_rest_real_route_answers_as_documented(studio: Studio, route: Route, prefix: str) -> None:
    handler = route.handler.__name__
    name = JOB_OF.get(handler, waiting)(studio) if "{config_name}" in route.path else ""
    path = path_of(route).format(config_name=name, n=0, path="page/docs.js")
    body = BODY_OF.get(handler, lambda _: {})(studio) if route.is_change else None

    status, answer = studio.host.request(route.method, f"{prefix}/e3{path}", body)

    assert status == (200 if route.status == 302 else route.status), answer  # urllib goes where it is led
    if isinstance(route.returns, dict) and route.returns:
        assert list(job_schema.violations(answer, route.returns)) == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/e3/jobs/nobody", {}, 404),
        ("GET", "/e3/nothing", {}, 404),
        ("PUT", "/e3/queue", {}, 405),
        ("POST", "/e3/queue/pause", {"Content-Type": "text/plain"}, 415),
        ("GET", "/e3/jobs", {"Host": "rebind.example"}, 421),
        ("GET", "/e3/jobs?limit=0", {}, 422),
        ("PATCH", "/e3/queue/pause", {"Origin": "null"}, 403),
    ],
    ids=lambda value: str(value),
)
@pytest.mark.parametrize("prefix", ["", "/api"], ids=["e3", "api"])
def test_rest_real_refusals_come_through_the_hosts_own_checks(
    studio: Studio, prefix: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    body = None if method == "GET" else b"{}"

    assert studio.host.request(method, prefix + path, body, headers)[0] == status
