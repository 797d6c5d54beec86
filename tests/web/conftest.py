"""A browser, a host, and the panel in it: the one place that knows where each comes from."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.tests.web import fake_server

FRONTENDS = Path(os.environ["E3_FRONTENDS"]) if os.environ.get("E3_FRONTENDS") else None
SURFACES = (
    ["page", *sorted(p.name for p in FRONTENDS.iterdir() if (p / "index.html").is_file())] if FRONTENDS else ["page"]
)
WALKS = SURFACES if os.environ.get("E3_EVERY_FRONTEND") else [*SURFACES[:1], *SURFACES[1:][-1:]]
"""Where the long walks go: the page and the newest frontend, or everywhere when E3_EVERY_FRONTEND is set."""

RUN_AXE = """(where) => axe.run(where, {resultTypes: ["violations"]}).then(({violations}) =>
    violations.flatMap(({id, nodes}) =>
        nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`)))"""
TAB_BUTTON = '.e3-tab-button, [data-testid="e3-tab-button"]'


def find_chromium() -> str | None:
    named = os.environ.get("E3_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return named or next((path for path in map(shutil.which, names) if path), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, started once."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    with api.sync_playwright() as playwright:
        path = find_chromium()
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium is here: install one, or name it in E3_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The text of axe-core, from the package that brings it."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("axe-playwright-python is not installed; it brings axe-core")
    return Path(spec.origin).with_name("axe.min.js").read_text("utf-8")


@pytest.fixture
def fake() -> fake_server.FakeE3:
    """The jobs that the host holds; a test may fill it before it asks for the panel."""
    return fake_server.FakeE3()


@pytest.fixture
def base_url(request: pytest.FixtureRequest, fake: fake_server.FakeE3) -> Iterator[str]:
    """Where the host answers: E3's stand-in, with a real frontend where the surface names one."""
    surface = getattr(request, "param", "page")
    with fake_server.ServerThread(fake_server.create_app(fake, frontend_of(surface))) as url:
        yield url


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    """A browser tab in a context of its own; ``page.problems`` holds what went wrong in E3's own files."""
    options = getattr(request, "param", {})
    context = browser.new_context(**({"viewport": {"width": 1300, "height": 800}} | options))
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.problems = problems_of(page)
    yield page
    context.close()
    assert page.problems == []


def problems_of(page: Any) -> list[str]:
    """Collect what goes wrong in E3's own files while the tab is open."""
    problems: list[str] = []
    page.on("pageerror", lambda error: "e3/" in (error.stack or "") and problems.append(str(error)))
    page.on("console", lambda message: "Content Security" in message.text and problems.append(message.text))
    page.on("dialog", lambda dialog: (problems.append("a dialog opened"), dialog.dismiss()))
    return problems


@pytest.fixture
def open_panel(page: Any, base_url: str, request: pytest.FixtureRequest) -> Any:
    """Open the panel on the surface of the test, and wait until it shows its counts."""
    surface = getattr(getattr(request.node, "callspec", None), "params", {}).get("base_url", "page")
    return lambda: show_panel(page, base_url, surface)


def frontend_of(surface: str) -> Path | None:
    """Return where the frontend of a surface lies; None for the page of its own."""
    return None if surface == "page" or FRONTENDS is None else FRONTENDS / surface


def show_panel(page: Any, url: str, surface: str) -> Any:
    """Open the panel, and wait until it shows its counts."""
    page.goto(f"{url}/e3/" if surface == "page" else url)
    if surface != "page":
        page.wait_for_selector(TAB_BUTTON, timeout=30_000)
        page.keyboard.press("Escape")
        page.click(TAB_BUTTON)
    page.wait_for_selector("e3-panel .e3-count:not(:has-text('–'))")
    return page


on_every_surface = pytest.mark.parametrize("base_url", SURFACES, indirect=True)
