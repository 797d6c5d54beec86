"""The queue, its past, results as files, health and the page, over REST."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes.errors import InvalidSettings, StoreUnavailable
from comfyui_e3.e3_nodes.runtime import Runtime
from comfyui_e3.server_routes import openapi, routes

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import FakeBackend
from rest import PREFIXES, FakeEngine, Rest, make_app, write_home


@pytest.fixture
async def rest(tmp_path: Path, aiohttp_client: Any) -> AsyncIterator[Rest]:
    home = tmp_path / "home"
    home.mkdir()
    runtime = Runtime(write_home(home, pending_warning_threshold=2), FakeBackend(tmp_path / "output"))
    engine = FakeEngine(runtime)
    yield Rest(await aiohttp_client(make_app(engine)), runtime, engine)
    runtime.db.close()


# --- the queue -------------------------------------------------------------------------------------
async def test_rest_queue_tells_what_runs_and_how_far(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    name = rest.bring_to("processing")
    job = rest.db.get_job(name)
    assert job is not None and job["lease_token"]
    rest.db.record_submission(job["id"], job["lease_token"], "prompt-1")
    rest.db.record_start(job["id"], job["lease_token"], 1234)
    monkeypatch.setattr(FakeBackend, "progress", lambda self, prompt_id: {"node": "9", "value": 3.0, "max": 30.0})

    answer = await rest.get("queue")

    progress = {"node": "9", "value": 3.0, "max": 30.0, "nodes_done": None, "nodes_total": None}
    assert answer.json == {
        "user_paused": False,
        "auto_reason": None,
        "paused": False,
        "running": [
            {
                "config_name": name,
                "workflow_id": "wf_text",
                "phase": "executing",
                "start_time": 1234,
                "progress": progress,
            }
        ],
        "totals": {"pending": 0, "processing": 1, "done": 0, "failed": 0, "cancelled": 0},
    }


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_rest_queue_pause_and_resume(rest: Rest, prefix: str) -> None:
    paused = await rest.post(f"{prefix}/queue/pause")
    rest.db.set_auto_pause("disk_full")
    resumed = await rest.post(f"{prefix}/queue/resume")

    assert (paused.status, paused.json["user_paused"], paused.json["paused"]) == (200, True, True)
    assert (resumed.json["user_paused"], resumed.json["auto_reason"], resumed.json["paused"]) == (
        False,
        None,
        False,
    )


async def test_rest_stats_tell_pace_eta_throughput_and_causes(rest: Rest) -> None:
    done, failed = [rest.bring_to("done") for _ in range(2)], [rest.bring_to("failed") for _ in range(2)]
    rest.add()

    answer = await rest.get("stats")

    assert len(done) == 2
    assert answer.json["workflows"]["wf_text"] == {"p50": 2500, "p80": 2500, "runs": 2}
    assert answer.json["eta"] == {"p50_ms": 2500, "p80_ms": 2500}
    assert answer.json["failures"] == [
        {
            "workflow_id": "wf_text",
            "error_type": "error",
            "summary": "first line",
            "count": 2,
            "names": failed[::-1],
        }
    ]
    assert set(answer.json["throughput"]) == {"last_hour", "last_day"}


async def test_rest_metrics_are_prometheus_text(rest: Rest) -> None:
    rest.add()
    rest.bring_to("done")

    answer = await rest.get("metrics")

    text = answer.content.decode()
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'e3_jobs{status="pending"} 1\n' in text
    assert 'e3_build_info{version="1.2.3"} 1\n' in text
    assert 'e3_job_duration_seconds{workflow_id="wf_text",quantile="0.5"} 2.5\n' in text
    assert "e3_queue_paused 0\n" in text


# --- results ---------------------------------------------------------------------------------------
async def test_rest_outputs_serve_the_file(rest: Rest) -> None:
    name = rest.bring_to("done")
    detail = (await rest.get(f"jobs/{name}")).json

    answer = await rest.get(detail["outputs"][0]["url"])

    path = Path(detail["outputs"][0]["path"])
    assert detail["outputs_count"] == 1
    assert (answer.status, answer.content) == (200, path.read_bytes())
    assert answer.headers["Content-Type"] == detail["outputs"][0]["media_type"] == "image/png"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert detail["outputs"][0]["bytes"] == len(answer.content)


async def test_rest_outputs_serve_a_range(rest: Rest) -> None:
    name = rest.bring_to("done")

    answer = await rest.get(f"jobs/{name}/outputs/0", headers={"Range": "bytes=1-3"})

    assert (answer.status, answer.content) == (206, b"PNG")


@pytest.mark.parametrize(
    ("extension", "disposition"),
    [
        ("svg", "attachment"),
        ("glb", "attachment"),
        ("json", "attachment"),
        ("txt", "attachment"),
        ("md", "attachment"),
        ("mp4", "inline"),
        ("flac", "inline"),
        ("webp", "inline"),
    ],
)
async def test_rest_outputs_are_shown_only_where_they_cannot_be_scripts(
    rest: Rest, extension: str, disposition: str
) -> None:
    path = Path(rest.runtime.cfg["paths"]["jobs_finished"]) / "image" / f"<script>é.{extension}"
    if os.name == "nt":
        path = path.with_name(f"é.{extension}")
    path.write_bytes(b"<script>alert(1)</script>")
    name = finish_with(rest, [str(path)])

    answer = await rest.get(f"jobs/{name}/outputs/0")

    assert answer.status == 200
    assert answer.headers["Content-Disposition"].startswith(disposition)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "html" not in answer.headers["Content-Type"]


@pytest.mark.parametrize("number", ["1", "-1", "x", "٣", "99999999999999999999", "0x0"])
async def test_rest_outputs_unknown_number_is_404(rest: Rest, number: str) -> None:
    name = rest.bring_to("done")

    assert (await rest.get(f"jobs/{name}/outputs/{number}")).status == 404


async def test_rest_outputs_of_a_lost_file_is_404(rest: Rest) -> None:
    name = rest.bring_to("done")
    detail = (await rest.get(f"jobs/{name}")).json
    Path(detail["outputs"][0]["path"]).unlink()

    assert (await rest.get(f"jobs/{name}/outputs/0")).status == 404
    assert (await rest.get(f"jobs/{name}")).json["outputs"][0]["bytes"] is None


async def test_rest_outputs_never_believe_the_metadata_of_a_job_file(rest: Rest) -> None:
    secret = Path(rest.runtime.cfg["home"]) / "global_config.yaml"
    inside = Path(rest.runtime.cfg["paths"]["jobs_finished"]) / "image" / "other.png"
    inside.write_bytes(b"other")
    name = rest.add(metadata={"saved": [str(secret), str(inside)]})

    assert (await rest.get(f"jobs/{name}")).json["outputs"] == []
    assert (await rest.get(f"jobs/{name}/outputs/1")).status == 404


@pytest.mark.parametrize("kind", ["absolute", "climbing", "link", "no text"])
async def test_rest_outputs_stay_within_the_output_folders(rest: Rest, kind: str) -> None:
    secret = Path(rest.runtime.cfg["home"]) / "global_config.yaml"
    path: Any = {
        "absolute": str(secret),
        "climbing": "jobs/finished/../../global_config.yaml",
        "no text": 7,
    }.get(kind)
    if kind == "link":
        link = Path(rest.runtime.cfg["paths"]["jobs_finished"]) / "link.png"
        try:
            link.symlink_to(secret)
        except OSError:
            pytest.skip("this account may not make links")
        path = str(link)
    name = finish_with(rest, [path])

    assert (await rest.get(f"jobs/{name}/outputs/0")).status == 404


async def test_rest_thumbnail_is_small_and_made_once(rest: Rest) -> None:
    from PIL import Image

    name = rest.bring_to("done")
    kept = Path(rest.runtime.cfg["home"]) / "jobs" / ".cache" / "thumbnails"

    first = await rest.get(f"jobs/{name}/outputs/0?thumbnail=16")
    made = [path.stat().st_mtime_ns for path in kept.iterdir()]
    second = await rest.get(f"jobs/{name}/outputs/0?thumbnail=16")

    assert (first.status, first.headers["Content-Type"]) == (200, "image/png")
    assert first.content == second.content
    assert [path.stat().st_mtime_ns for path in kept.iterdir()] == made and len(made) == 1
    with Image.open(next(kept.iterdir())) as picture:
        assert picture.size == (16, 8)


@pytest.mark.parametrize("size", ["0", "15", "1025", "x", "", "16&thumbnail=17"])
async def test_rest_thumbnail_size_is_bounded(rest: Rest, size: str) -> None:
    name = rest.bring_to("done")

    assert (await rest.get(f"jobs/{name}/outputs/0?thumbnail={size}")).status == 422


async def test_rest_thumbnail_of_something_without_picture_is_404(rest: Rest) -> None:
    path = Path(rest.runtime.cfg["paths"]["jobs_finished"]) / "image" / "broken.png"
    path.write_bytes(b"\x89PNG broken")
    name = finish_with(rest, [str(path)])

    answer = await rest.get(f"jobs/{name}/outputs/0?thumbnail=64")

    assert (answer.status, answer.json["error"]["type"]) == (404, "no_thumbnail")


def finish_with(rest: Rest, saved: list[Any]) -> str:
    """Take a job in and end it with these results; return its name."""
    name = rest.bring_to("processing")
    rest.end(rest.db.get_job(name), metadata={"saved": saved})
    return name


# --- what surrounds the queue ----------------------------------------------------------------------
async def test_rest_rejections_tell_why(rest: Rest) -> None:
    rest.db.record_rejection("/x/<b>.yaml", "yaml_syntax", "not YAML", line=3, column=7)

    answer = await rest.get("rejections?limit=5")

    rejection = answer.json["rejections"][0]
    assert rejection.pop("seen_at") > 0
    assert rejection == {
        "path": "/x/<b>.yaml",
        "code": "yaml_syntax",
        "reason": "not YAML",
        "line": 3,
        "column": 7,
    }


async def test_rest_workflows_tell_their_inputs(rest: Rest) -> None:
    answer = await rest.get("workflows")

    workflow = next(each for each in answer.json["workflows"] if each["workflow_id"] == "wf_text")
    assert workflow["required_inputs"] == ["text"]
    assert workflow["inputs"]["width"]["min"] == 1 and workflow["inputs"]["text"]["required"] is True
    assert "template" not in workflow


async def test_rest_health_is_ok_and_tells_what_could_be_better(rest: Rest) -> None:
    for _ in range(3):
        rest.add()

    answer = await rest.get("health")

    assert answer.status == 200
    assert {**answer.json, "problems": None} == {
        "status": "ok",
        "version": "1.2.3",
        "home": rest.runtime.cfg["home"],
        "problems": None,
        "totals": {"pending": 3, "processing": 0, "done": 0, "failed": 0, "cancelled": 0},
        "paused": False,
        "auto_reason": None,
        "monitor": False,
    }
    assert "backpressure" in [problem["code"] for problem in answer.json["problems"]]
    assert all(set(problem) == {"code", "message", "fix"} for problem in answer.json["problems"])


async def test_rest_health_is_503_when_the_host_is_dead(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBackend, "problem", lambda self: "ComfyUI's prompt worker is dead")

    answer = await rest.get("health")

    assert (answer.status, answer.json["status"]) == (503, "unavailable")
    assert answer.json["error"]["type"] == "host_dead"
    assert answer.headers["Retry-After"] == "5"


async def test_rest_health_is_503_when_the_disk_is_full(rest: Rest) -> None:
    rest.db.set_auto_pause("disk_full")

    answer = await rest.get("health")

    assert (answer.status, answer.json["error"]["type"]) == (503, "disk_full")


@pytest.mark.parametrize(
    "problem",
    [InvalidSettings("unknown setting retry_limt; did you mean retry_limit?"), StoreUnavailable("locked")],
    ids=["settings", "store"],
)
async def test_rest_health_tells_why_the_engine_is_broken(rest: Rest, problem: Any) -> None:
    rest.engine.problem = problem

    answer = await rest.get("health")

    assert answer.status == 503
    assert answer.json["problems"] == [{"code": problem.code, "message": str(problem), "fix": "mend it"}]
    assert answer.json["error"]["message"] == str(problem)


async def test_rest_health_is_503_when_the_table_fails(rest: Rest) -> None:
    rest.db.close()

    answer = await rest.get("health")

    assert (answer.status, answer.json["status"]) == (503, "unavailable")
    assert answer.json["problems"]


async def test_rest_answers_503_when_the_table_fails(rest: Rest) -> None:
    rest.db.close()

    answer = await rest.get("jobs")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_rest_openapi_describes_every_route(rest: Rest) -> None:
    answer = await rest.get("openapi.json")

    described = {(method.upper(), path) for path, methods in answer.json["paths"].items() for method in methods}
    assert answer.json["openapi"] == "3.1.0"
    assert described == {(route.method, "/e3" + openapi.path_of(route)) for route in routes.ROUTES}
    ids = [operation["operationId"] for methods in answer.json["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


async def test_rest_gets_change_nothing(rest: Rest) -> None:
    name = rest.bring_to("done")
    before = rest.db.change_counter()

    for route in routes.ROUTES:
        if route.method == "GET":
            path = openapi.path_of(route).format(config_name=name, n="0", path="page/page.html")
            assert (await rest.get(f"/e3{path}")).status < 400

    assert rest.db.change_counter() == before


# --- the page --------------------------------------------------------------------------------------
@pytest.mark.parametrize("prefix", PREFIXES)
async def test_rest_page_is_served_with_its_files(rest: Rest, prefix: str) -> None:
    page = await rest.get(f"{prefix}/")
    script = await rest.get(f"{prefix}/web/page/page.js")
    module = await rest.get(f"{prefix}/web/js/format.js")

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert module.status == 200


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_rest_page_without_slash_leads_to_it(rest: Rest, prefix: str) -> None:
    answer = await rest.get(prefix)

    assert (answer.status, answer.headers["Location"]) == (302, f"{prefix}/")


@pytest.mark.parametrize(
    "path",
    [
        "..%2F..%2Fpyproject.toml",
        "%2Fetc%2Fpasswd",
        "..%5C..%5Cpyproject.toml",
        "js/%00.js",
        "js/a%0Ab.js",
        "js",
        "js/nothing.js",
        "../server_routes/guard.py",
        "%2e%2e/%2e%2e/e3_nodes/errors.py",
        "js/" + "x" * 5000 + ".js",
    ],
)
async def test_rest_page_serves_nothing_else(rest: Rest, path: str) -> None:
    from yarl import URL

    url = rest.client.make_url("/").join(URL(f"/e3/web/{path}", encoded=True))
    answer = await rest.client.session.get(url)

    assert (answer.status, (await answer.json())["error"]["type"]) == (404, "not_found")


async def test_rest_private_files_cannot_be_fetched(rest: Rest) -> None:
    """Nothing under home is served but results: no settings, no table, no template, no job file."""
    home = Path(rest.runtime.cfg["home"])
    rest.add()
    private = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]

    for path in private:
        for url in (f"/e3/{path}", f"/e3/web/../../{path}", f"/e3/web/{path}"):
            assert (await rest.get(url)).status in (404, 405), url
    assert any(path.endswith("e3.sqlite3") for path in private)


async def test_rest_answers_are_strict_json(rest: Rest) -> None:
    rest.add()

    for path in ("jobs", "queue", "stats", "health", "rejections", "workflows", "openapi.json"):
        answer = await rest.get(path)  # the client refuses NaN
        assert json.dumps(answer.json, allow_nan=False)


async def test_rest_many_changes_at_once_do_no_harm(rest: Rest) -> None:
    import asyncio

    names = [rest.add() for _ in range(10)]
    verbs = ("retry", "cancel", "god-mode")

    answers = await asyncio.gather(
        *(rest.post(f"jobs/{names[n % 10]}/{verbs[n % 3]}") for n in range(100)),
        *(rest.send("PATCH", f"jobs/{names[n % 10]}", {"priority": 1 + n}) for n in range(100)),
    )

    assert {answer.status for answer in answers} <= {200, 409}
