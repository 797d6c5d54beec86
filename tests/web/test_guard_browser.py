"""Another site's page cannot change the queue, nor read it, in a real browser; with and without open CORS."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.server_routes.openapi import path_of
from comfyui_e3.server_routes.routes import ROUTES

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from comfyui_e3.tests.web import strangers
from comfyui_e3.tests.web.conftest import find_chromium
from hosts import Host, RealComfyUI, available_hosts
from studio import Studio, image_graph

pytestmark = pytest.mark.browser

HOSTS = [(host, cors) for host in available_hosts() for cors in ("its own check", "open CORS")]
TABLES = ("jobs", "attempts", "queue_state", "removed_jobs", "rejections")


@pytest.fixture(scope="module")
def web_browser(browser: Any) -> Iterator[Any]:
    """A Chromium to which several names mean this machine."""
    launched = browser.browser_type.launch(executable_path=find_chromium(), args=strangers.FLAGS)
    yield launched
    launched.close()


@pytest.fixture(scope="module", params=HOSTS, ids=lambda param: f"{param[0].name}, {param[1]}")
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A host with E3, whose queue is paused, and a job that waits, as ``studio.waiting``."""
    host, cors = request.param
    studio = Studio(host(), tmp_path_factory.mktemp("guard"))
    with pytest.MonkeyPatch.context() as patch:
        if cors == "open CORS":
            _open_cors(host, studio, patch)
        studio.workflow("image", image_graph())
        with studio:
            studio.post("queue/pause")
            job = studio.job("image")
            studio.drop(job)
            studio.becomes(job, "pending")
            studio.waiting = job["name"]  # type: ignore[attr-defined]
            yield studio


def _open_cors(host: type[Host], studio: Studio, patch: pytest.MonkeyPatch) -> None:
    if host is RealComfyUI:
        patch.setenv("COMFYUI_ARGS", "--enable-cors-header")
        return
    packs = studio.base / "custom_nodes"
    packs.mkdir(parents=True)
    shutil.copytree(Path(__file__).parent / "packs" / "open_cors", packs / "open_cors")


@pytest.fixture
def page(web_browser: Any) -> Iterator[Any]:
    """A tab; ``page.answers`` collects method, URL and status of what was answered in it."""
    context = web_browser.new_context()
    page = context.new_page()
    page.answers = []
    page.on("response", lambda answer: page.answers.append((answer.request.method, answer.url, answer.status)))
    yield page
    context.close()


def state_of(studio: Studio) -> str:
    """Return everything that a page might change: the tables, and the files under jobs/."""
    database = studio.home / "jobs" / "e3.sqlite3"
    with sqlite3.connect(f"file:{database.as_posix()}?mode=ro", uri=True) as con:
        rows = {table: con.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    con.close()
    files = sorted(str(path) for path in (studio.home / "jobs").rglob("*") if "sqlite3" not in path.name)
    return strangers.as_text([rows, files])


@pytest.mark.parametrize("target", ["127.0.0.1", "nas.lan"])
@pytest.mark.parametrize("origin", ["127.0.0.1", "evil.example"], ids=["another port", "another name"])
def test_guard_browser_no_strange_page_changes_anything(studio: Studio, page: Any, origin: str, target: str) -> None:
    before = state_of(studio)
    address = f"http://{target}:{studio.host.port}"

    with strangers.stranger_page() as port:
        page.goto(f"http://{origin}:{port}/")
        page.evaluate(strangers.ATTACK, {"target": address, "wishes": strangers.wishes(studio.waiting)})  # type: ignore[attr-defined]

    assert state_of(studio) == before
    changes = [answer for answer in page.answers if answer[0] in ("POST", "PATCH", "DELETE")]
    assert changes and {status for *_, status in changes} <= {403, 415}, changes


def test_guard_browser_own_page_changes_what_it_wants(studio: Studio, page: Any) -> None:
    """The same requests work from E3's own page: it is the guard that refuses them elsewhere."""
    page.goto(f"{studio.host.url}/e3/docs")

    answered = page.evaluate(
        """async (name) => {
            const headers = {"Content-Type": "application/json"}, body = JSON.stringify({priority: 7});
            const answer = await fetch(`/e3/jobs/${name}`, {method: "PATCH", headers, body});
            return [answer.status, (await answer.json()).priority];
        }""",
        studio.waiting,  # type: ignore[attr-defined]
    )

    assert answered == [200, 7]


def test_guard_browser_rebound_name_reads_nothing(studio: Studio, page: Any) -> None:
    address = f"http://rebind.example:{studio.host.port}"
    paths = [
        path_of(route).format(config_name=studio.waiting, n=0, path="page/docs.js")
        for route in ROUTES
        if not route.is_change
    ]  # type: ignore[attr-defined]

    page.goto(f"{address}/")
    told = page.evaluate(
        """(paths) => {
            const read = async (path) => { const a = await fetch(path); return [a.status, await a.text()]; };
            return Promise.all(paths.map(read));
        }""",
        [f"{prefix}/e3{path}" for prefix in ("", "/api") for path in paths],
    )

    assert {status for status, _ in told} == {421}
    assert not [text for _, text in told if studio.waiting in text]  # type: ignore[attr-defined]


@pytest.mark.parametrize("origin", ["127.0.0.1", "evil.example"], ids=["another port", "another name"])
def test_guard_browser_strange_page_reads_nothing(studio: Studio, page: Any, origin: str) -> None:
    with strangers.stranger_page() as port:
        page.goto(f"http://{origin}:{port}/")
        told = page.evaluate(
            """async (target) => {
                const read = (path) => fetch(target + path).then((a) => a.text(), () => "");
                return Promise.all(["/e3/jobs", "/e3/health", "/e3/workflows", "/api/e3/queue"].map(read));
            }""",
            studio.host.url,
        )

    assert not [text for text in told if text and '"error"' not in text]
