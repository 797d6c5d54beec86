"""Every view, in dark and in light: no finding of axe-core, and a picture in .artifacts/screenshots to look at."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.tests.web import fake_server, views
from comfyui_e3.tests.web.conftest import SURFACES, frontend_of, problems_of, show_panel

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / ".artifacts" / "screenshots"
RUN_AXE = """(where) => axe.run(where, {resultTypes: ["violations"]}).then(({violations}) =>
    violations.flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`)))"""
PLACES = [("page", 250), ("page", 600), ("page", 1300), *((surface, 0) for surface in SURFACES if surface != "page")]


@pytest.fixture(scope="module")
def axe_source() -> str:
    """The text of axe-core, from the package that brings it."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("axe-playwright-python is not installed; it brings axe-core")
    return Path(spec.origin).with_name("axe.min.js").read_text("utf-8")


class Inspector:
    """Looks at one view after the other."""

    def __init__(self, page: Any, surface: str, folder: Path) -> None:
        self.page = page
        self.where = "html" if surface == "page" else "e3-panel"
        self.folder = folder
        self.findings: list[str] = []
        self.seen: list[str] = []

    def look(self, steps: Iterator[str]) -> None:
        """Go through the steps: ask axe, take a picture."""
        for name in steps:
            self.page.wait_for_timeout(120)
            found = self.page.evaluate(RUN_AXE, self.where)
            self.findings += [f"{name}: {each}" for each in found]
            self.seen.append(name)
            self.page.screenshot(path=self.folder / f"{len(self.seen):02}-{name.replace(' ', '-')}.png")


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize(("surface", "width"), PLACES, ids=[f"{s}-{w}" if w else s for s, w in PLACES])
def test_panel_views_satisfy_axe(browser: Any, axe_source: str, surface: str, width: int, scheme: str) -> None:
    folder = PICTURES / f"{surface}{f'-{width}' if width else ''}-{scheme}"
    fake = fake_server.seed(fake_server.FakeE3())
    fake.settings["Comfy.ColorPalette"] = scheme
    context = browser.new_context(viewport={"width": width or 1300, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(20_000)
    problems = problems_of(page)
    with fake_server.ServerThread(fake_server.create_app(fake, frontend_of(surface))) as url:
        show_panel(page, url, surface)
        page.evaluate(axe_source)
        inspector = Inspector(page, surface, folder)
        inspector.look(views.with_rows(page, fake))
        fake.clear()
        page.evaluate("document.querySelector('e3-panel').reload()")
        inspector.look(views.without_rows(page))
        context.close()

    assert inspector.findings == []
    assert problems == []
