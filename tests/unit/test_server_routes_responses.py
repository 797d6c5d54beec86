"""Errors and files on their way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from comfyui_e3.e3_nodes import errors
from comfyui_e3.server_routes import responses


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidConfig("x"), 422),
        (errors.InvalidConfig("x", code="bad_json"), 400),
        (errors.InvalidConfig("x", code="bad_encoding"), 400),
        (errors.InvalidConfig("x", code="not_a_mapping"), 400),
        (errors.InvalidConfig("x", code="yaml_syntax"), 400),
        (errors.InvalidConfig("x", code="too_large"), 413),
        (errors.InvalidWorkflow("x"), 422),
        (errors.UnknownJob("x"), 404),
        (errors.WrongState("x"), 409),
        (errors.NameConflict("x"), 409),
        (errors.OutputExists("x"), 409),
        (errors.StoreUnavailable("x"), 503),
        (errors.InvalidSettings("x"), 503),
        (errors.HostUnavailable("x"), 503),
        (errors.DiskFull("x"), 503),
        (responses.Refusal(418, "teapot", "x"), 418),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_server_routes_responses_failure_has_comfyuis_shape(error: errors.E3Error, status: int) -> None:
    response = responses.failure(error)

    assert response.status == status
    assert ("Retry-After" in response.headers) == (status == 503)
    assert json.loads(response.text or "") == {"error": {"type": error.code, "message": "x", "details": {}}}


def test_server_routes_responses_every_error_has_a_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.E3Error)]

    assert all(400 <= responses.status_of(kind("x")) <= 503 for kind in kinds)


def test_server_routes_responses_failure_tells_the_place() -> None:
    body = responses.error_body(errors.InvalidConfig("x", line=3, column=7))

    assert body["error"]["details"] == {"line": 3, "column": 7}


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_server_routes_responses_encode_refuses_what_is_no_json(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        responses.encode({"value": value})


@pytest.mark.parametrize(
    ("media_type", "disposition"),
    [
        ("image/png", "inline"),
        ("video/mp4", "inline"),
        ("audio/flac", "inline"),
        ("image/svg+xml", "attachment"),
        ("text/html", "attachment"),
        ("application/json", "attachment"),
        ("model/gltf-binary", "attachment"),
    ],
)
def test_server_routes_responses_file_is_shown_where_it_is_harmless(media_type: str, disposition: str) -> None:
    response = responses.file(Path('a";\r\nX: y.png'), media_type)

    assert response.headers["Content-Disposition"].startswith(f"{disposition}; filename*=UTF-8''")
    assert not set('";\r\n') & set(response.headers["Content-Disposition"].partition("''")[2])
    assert response.headers["Content-Security-Policy"] == "sandbox"
