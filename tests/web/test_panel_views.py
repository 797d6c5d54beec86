"""Every view, in dark and in light: no finding of axe-core, and a picture in .artifacts/screenshots to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.tests.web import fake_server, views
from comfyui_e3.tests.web.conftest import RUN_AXE, WALKS, frontend_of, problems_of, show_panel

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / ".artifacts" / "screenshots"
WIDE, HEIGHT = 1300, 800
STILL_MS = 120
AT_REST = """
Promise.all(document.getAnimations()
    .filter((animation) => animation.effect.getComputedTiming().endTime !== Infinity)
    .map((animation) => animation.finished.catch(() => {})))
"""
"""Waits for what fades or moves in: text that is half there has half the contrast."""
PLACES = {
    "page-narrow": ("page", [600, 250]),
    "page-wide": ("page", [WIDE]),
    **{surface: (surface, [WIDE]) for surface in WALKS if surface != "page"},
}


class Inspector:
    """Looks at one view after the other: asks axe, then takes a picture at each width."""

    def __init__(self, page: Any, surface: str, scheme: str, widths: list[int]) -> None:
        self.page = page
        self.where = "html" if surface == "page" else "e3-panel"
        self.folders = {width: PICTURES / f"{surface}-{width}-{scheme}" for width in widths}
        self.findings: list[str] = []
        self.count = 0

    def look(self, steps: Iterator[str]) -> None:
        """Go through the steps."""
        for name in steps:
            self.count += 1
            self.page.wait_for_timeout(STILL_MS)
            self.page.evaluate(AT_REST)
            self.findings += [f"{name}: {found}" for found in self.page.evaluate(RUN_AXE, self.where)]
            self.picture(f"{self.count:02}-{name.replace(' ', '-')}.png")

    def picture(self, name: str) -> None:
        """Take a picture at each width, and go back to the first."""
        for width, folder in self.folders.items():
            self.resize(width)
            self.page.screenshot(path=folder / name)
        self.resize(next(iter(self.folders)))

    def resize(self, width: int) -> None:
        if self.page.viewport_size["width"] != width:
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            self.page.wait_for_timeout(STILL_MS)


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize(("surface", "widths"), PLACES.values(), ids=PLACES)
def test_panel_views_satisfy_axe(browser: Any, axe_source: str, surface: str, widths: list[int], scheme: str) -> None:
    fake = fake_server.seed(fake_server.FakeE3())
    fake.settings["Comfy.ColorPalette"] = scheme
    context = browser.new_context(viewport={"width": widths[0], "height": HEIGHT}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(20_000)
    problems = problems_of(page)
    with fake_server.ServerThread(fake_server.create_app(fake, frontend_of(surface))) as url:
        show_panel(page, url, surface)
        page.evaluate(axe_source)
        inspector = Inspector(page, surface, scheme, widths)
        inspector.look(views.with_rows(page, fake))
        fake.clear()
        page.evaluate("document.querySelector('e3-panel').reload()")
        inspector.look(views.without_rows(page))
        context.close()

    assert inspector.findings == []
    assert problems == []
