"""The page of the routes, in a real browser: whole, light and dark, alone, and behind a token."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.server_routes.openapi import path_of
from comfyui_e3.server_routes.routes import ROUTES
from comfyui_e3.tests.web.conftest import RUN_AXE

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from hosts import REPO, EmbeddedHost

pytestmark = pytest.mark.browser

LISTED = "() => [...document.querySelectorAll('section > h2')].map((each) => each.textContent.split(/\\s+/).join(' '))"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    folder = tmp_path_factory.mktemp("docs")
    home = folder / "home"
    home.mkdir()
    (home / "global_config.yaml").write_text("api_token: secret", "utf-8")
    with EmbeddedHost().start(folder / "base", {"comfyui-e3": REPO}, env={"E3_HOME": str(home)}) as host:
        deadline = time.monotonic() + 30
        while host.request("GET", "/e3/queue", None, {"Authorization": "Bearer secret"})[0] != 200:
            assert time.monotonic() < deadline, host.log_tail()
            time.sleep(0.05)
        yield host


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, host: EmbeddedHost) -> Iterator[Any]:
    """A tab whose person has given the token before; what goes wrong in it ends in ``page.faults``."""
    context = browser.new_context(color_scheme=request.param)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(host.url) else page.faults.append(asked.url))
    yield page
    context.close()


@pytest.mark.parametrize("prefix", ["/e3", "/api/e3"])
def test_docs_browser_lists_every_route(page: Any, host: EmbeddedHost, prefix: str) -> None:
    page.add_init_script("sessionStorage.setItem('e3.token', 'secret')")
    page.goto(f"{host.url}{prefix}/docs")
    page.wait_for_selector("section")

    assert page.evaluate(LISTED) == [f"{route.method} /e3{path_of(route)}" for route in ROUTES]
    assert page.locator("pre").first.inner_text() == f"curl {host.url}{prefix}/jobs"
    surface, text = page.evaluate(
        "() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]; }"
    )
    page.set_viewport_size({"width": 360, "height": 700})
    assert surface != text and page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.faults == []


def test_docs_browser_satisfies_axe(page: Any, host: EmbeddedHost, axe_source: str) -> None:
    page.goto(f"{host.url}/e3/docs")
    page.wait_for_selector("input[name=token]")
    page.evaluate(axe_source)
    found = page.evaluate(RUN_AXE, "html")
    page.fill("input[name=token]", "secret")
    page.keyboard.press("Enter")
    page.wait_for_selector("section")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")

    found += page.evaluate(RUN_AXE, "html")

    assert found == []


def test_docs_browser_asks_for_the_token(page: Any, host: EmbeddedHost) -> None:
    page.goto(f"{host.url}/e3/docs")
    page.fill("input[name=token]", "wrong")
    page.keyboard.press("Enter")
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect(page.locator("input[name=token]")).to_have_value("")
    page.fill("input[name=token]", "secret")
    page.keyboard.press("Enter")

    page.wait_for_selector("section")
    assert page.locator("section").count() == len(ROUTES)
