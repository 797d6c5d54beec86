"""The panel on a phone: everything is wide enough for a finger, nothing is cut off, and a finger reorders."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_e3.tests.web import fake_server, views
from comfyui_e3.tests.web.test_panel_views import PICTURES

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LEAST_PX = 24
SMALL = """(least) => [...document.querySelectorAll("e3-panel :is(button, input, select, a, summary, [role=tab])")]
    .filter((each) => each.checkVisibility({visibilityProperty: true, opacityProperty: true}))
    .map((each) => [each, (each.closest("label") ?? each).getBoundingClientRect()])
    .filter(([, {width, height}]) => width > 1 && (width < least || height < least))
    .map(([each, {width, height}]) => `${each.outerHTML.slice(0, 120)} ${width}x${height}`)"""
FITS = "document.documentElement.scrollWidth <= innerWidth"

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])]


@pytest.fixture
def fake() -> fake_server.FakeE3:
    return fake_server.seed(fake_server.FakeE3())


def test_panel_phone_has_room_for_a_finger(open_panel: Any, fake: fake_server.FakeE3) -> None:
    page = open_panel()
    findings = []
    for number, name in enumerate(views.with_rows(page, fake), start=1):
        page.screenshot(path=PICTURES / "phone-390" / f"{number:02}-{name.replace(' ', '-')}.png")
        findings += [f"{name}: {found}" for found in page.evaluate(SMALL, LEAST_PX)]
        assert page.evaluate(FITS), name

    assert findings == []


def test_panel_phone_moves_a_job_by_its_menu(open_panel: Any, fake: fake_server.FakeE3) -> None:
    page = open_panel()
    page.wait_for_selector("e3-job-row")
    shown = "[...document.querySelectorAll('e3-job-row')].map((row) => row.title)"
    before = page.evaluate(shown)

    page.locator(f'e3-job-row[title="{before[3]}"] [data-act=row-menu]').tap()
    page.locator("e3-menu button:has-text('Move up')").tap()

    page.wait_for_selector(".e3-toast")
    assert page.evaluate(shown)[:4] == [*before[:2], before[3], before[2]]
