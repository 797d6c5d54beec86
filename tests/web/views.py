"""Every view of the panel, one after the other, as a person may come to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfyui_e3.tests.web import fake_server

LONG_REASON = "the disk of /mnt/results is full: 214 MB are left, 500 MB are kept free"


def first_row(page: Any, tab: str) -> Any:
    page.click(f"#e3-tab-{tab}")
    page.wait_for_selector("e3-job-row")
    return page.locator("e3-job-row").first


def with_rows(page: Any, fake: fake_server.FakeE3) -> Iterator[str]:
    """Go through the views of a busy evening; yields the name of each while it is shown."""
    for tab in ("queue", "processing", "done", "failed"):
        first_row(page, tab)
        yield tab
    page.click("#e3-tab-rejected")
    page.wait_for_selector(".e3-rejection")
    yield "rejected"

    first_row(page, "done").click()
    page.wait_for_function("() => document.querySelector('img.e3-preview')?.naturalWidth > 0")
    yield "details with a result"
    page.click(".e3-back")
    first_row(page, "failed").click()
    page.wait_for_selector(".e3-trace")
    yield "details with a trace"
    page.click(".e3-back")

    first_row(page, "queue").hover()
    page.locator("e3-job-row [data-act=row-menu]").first.click()
    yield "menu of a job"
    page.keyboard.press("Escape")
    page.click("e3-header [aria-haspopup=menu]")
    yield "menu of the panel"
    page.keyboard.press("Escape")

    for n in range(3):
        page.locator("e3-job-row").nth(n).click(modifiers=["Control"])
    yield "several chosen"
    page.click(".e3-bulk [aria-label^='Set priority']")
    yield "question for a priority"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.click(".e3-filter-button")
    page.fill(".e3-search-input", "harbour")
    page.wait_for_function("() => document.querySelectorAll('e3-job-row').length < 5")
    yield "filters"
    page.fill(".e3-search-input", "nothing like it")
    page.wait_for_selector(".e3-empty")
    yield "nothing found"
    page.fill(".e3-search-input", "")
    page.click(".e3-filter-button")

    page.wait_for_selector("e3-job-row")
    page.locator("e3-job-row .e3-priority").first.click()
    yield "priority being edited"
    page.keyboard.press("Escape")
    page.keyboard.press("Delete")
    page.wait_for_selector(".e3-toast")
    yield "message with a way back"

    fake.auto_reason = f"disk_full: {LONG_REASON}"
    fake.problems = [{"code": "standby", "message": "Another ComfyUI runs the jobs", "fix": "Nothing to do."}]
    page.evaluate("document.querySelector('e3-panel').reload()")
    page.wait_for_selector(".e3-problem")
    yield "banner"


def without_rows(page: Any) -> Iterator[str]:
    """Go through the five views of somebody who has just installed E3."""
    for tab in ("queue", "processing", "done", "failed", "rejected"):
        page.click(f"#e3-tab-{tab}")
        page.wait_for_selector(".e3-empty")
        yield f"empty {tab}"
    page.click("e3-header [aria-haspopup=menu]")
    page.click("e3-menu button:has-text('Keyboard')")
    yield "keys"
    page.keyboard.press("Escape")
