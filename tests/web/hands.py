"""A person at the panel: what they see, and what they do by mouse or by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

TAB_BUTTON = '.e3-tab-button, [data-testid="e3-tab-button"]'
MOST_TABS = 150
FOCUS_IS_ON = "(element) => element.contains(document.activeElement)"
WAY_TO = """(control) => {
    const {activeElement} = document;
    if (control.contains(activeElement)) return "";
    const isBefore = activeElement.compareDocumentPosition(control) & Node.DOCUMENT_POSITION_PRECEDING;
    return isBefore ? "Shift+Tab" : "Tab";
}"""
PASTE = """(text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    const paste = new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true});
    document.activeElement.dispatchEvent(paste);
}"""


class Person:
    """Looks at the panel in one browser tab.

    Args:
        page: The browser tab.
        wait: How long a thing may take before the person gives up, in milliseconds.
    """

    def __init__(self, page: Any, wait: float = 45_000) -> None:
        self.page = page
        self.page.set_default_timeout(wait)

    # --- what is seen ----------------------------------------------------------------------------------
    def row(self, job: Any) -> Any:
        """Return the row of a job."""
        return self.page.locator(f'e3-job-row[title="{job["name"]}"]')

    def sees(self, *jobs: Any) -> None:
        """Wait until the list shows these jobs and no others, in this order."""
        wanted = [job["name"] for job in jobs]
        self.until(lambda: self.shown() == wanted, f"rows {wanted}", self.shown)

    def shown(self) -> list[str]:
        """Return the names in the list, as they stand from top to bottom."""
        rows = "[...document.querySelectorAll('e3-job-row')].map((row) => row.title)"
        return self.page.evaluate(rows)

    def sees_count(self, tab: str, count: int) -> None:
        """Wait until a tab shows its count."""
        self.page.wait_for_selector(f"#e3-tab-{tab} .e3-count:text-is('{count}')")

    def reads(self, selector: str) -> str:
        """Return the text of one part of the panel, as soon as it is there."""
        return self.page.locator(f"e3-panel {selector}").first.inner_text()

    def until(self, fact: Callable[[], Any], what: str, detail: Callable[[], Any] = str) -> None:
        """Wait for a fact about the page."""
        for _ in range(900):
            if fact():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited in vain for {what}; seen: {detail()}")

    # --- what both do alike ----------------------------------------------------------------------------
    def open(self, url: str, frontend: str | None) -> None:
        """Go to the panel: the page of its own, or the tab in ComfyUI's sidebar."""
        self.page.goto(url if frontend else f"{url}/e3/")
        if frontend:
            self.page.wait_for_selector(TAB_BUTTON)
            self.page.wait_for_timeout(500)
            self.page.keyboard.press("Escape")
            self.press(self.page.locator(TAB_BUTTON))
        self.page.wait_for_selector("e3-panel .e3-count:not(:has-text('–'))")

    def toggle_pause(self) -> None:
        """Press the button that says Pause or Resume."""
        self.press(self.page.locator("e3-panel .e3-pause"))

    def is_told_paused(self) -> bool:
        """Tell whether the header says that the queue is paused."""
        return self.reads(".e3-state-text").startswith("Paused")

    def press(self, control: Any) -> None:
        """Use a button."""
        raise NotImplementedError


class Mouse(Person):
    """Points, clicks and drags."""

    name = "mouse"

    def press(self, control: Any) -> None:
        control.click()

    def show(self, tab: str) -> None:
        self.page.click(f"#e3-tab-{tab}")

    def submit(self, *files: Path) -> None:
        """Drag files from the desktop onto the panel."""
        box = self.page.locator("e3-panel .e3-view").bounding_box()
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 40}
        data = {"items": [], "files": [str(path) for path in files], "dragOperationsMask": 1}
        devtools = self.page.context.new_cdp_session(self.page)
        for step in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": step, **at, "data": data})
        devtools.detach()

    def move_up(self, job: Any, above: Any) -> None:
        """Drag a row to the place before another."""
        start, target = self.row(job).bounding_box(), self.row(above).bounding_box()
        middle = start["x"] + start["width"] * 0.45
        self.page.mouse.move(middle, start["y"] + 12)
        self.page.mouse.down()
        self.page.mouse.move(middle, target["y"] + 15, steps=6)
        self.page.mouse.move(middle, target["y"] + 3, steps=2)
        self.page.mouse.up()

    def set_priority(self, job: Any, priority: int) -> None:
        self.row(job).locator(".e3-priority").click()
        self.page.keyboard.type(str(priority))
        self.page.keyboard.press("Enter")

    def god_mode(self, job: Any) -> None:
        self._quick(job, "god-mode")

    def cancel(self, job: Any) -> None:
        self._quick(job, "cancel")

    def retry(self, job: Any) -> None:
        self._quick(job, "retry")

    def delete(self, job: Any) -> None:
        self.row(job).click(button="right")
        self.page.click("e3-menu [role=menuitem]:has-text('Delete')")

    def undo(self) -> None:
        self.page.click(".e3-toast-action >> nth=-1")

    def open_details(self, job: Any) -> None:
        self.row(job).locator(".e3-row-name").click()

    def close_details(self) -> None:
        self.page.click(".e3-back")

    def _quick(self, job: Any, act: str) -> None:
        self.row(job).hover()
        self.row(job).locator(f"[data-act={act}]").click()


class Keyboard(Person):
    """Never touches the mouse: Tab goes from control to control, arrows go inside of one."""

    name = "keyboard"

    def press(self, control: Any) -> None:
        self.reach(control)
        self.page.keyboard.press("Enter")

    def reach(self, control: Any) -> None:
        """Press Tab, or Shift and Tab, until the control has the focus."""
        for _ in range(MOST_TABS):
            key = control.first.evaluate(WAY_TO)
            if not key:
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"Tab does not lead to {control}")

    def show(self, tab: str) -> None:
        self.reach(self.page.locator("e3-tabs"))
        wanted = self.page.locator(f"#e3-tab-{tab}")
        while not wanted.evaluate(FOCUS_IS_ON):
            self.page.keyboard.press("ArrowRight")

    def go_to(self, job: Any) -> None:
        """Put the focus on a row."""
        self.row(job).wait_for()
        self.reach(self.page.locator("e3-job-list"))
        self.page.keyboard.press("Home")
        for _ in range(MOST_TABS):
            if self.row(job).evaluate("(row) => row === document.activeElement"):
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrows do not lead to {job['name']}")

    def submit(self, *files: Path) -> None:
        """Choose files in the dialog behind the menu."""
        self.press(self.page.locator("e3-header [aria-haspopup=menu]"))
        with self.page.expect_file_chooser() as chooser:
            self._choose("Add job files")
        chooser.value.set_files([str(path) for path in files])

    def paste(self, text: str) -> None:
        """Paste a job's text with the focus anywhere in the panel."""
        self.reach(self.page.locator("e3-panel .e3-pause"))
        self.page.evaluate(PASTE, text)

    def move_up(self, job: Any, above: Any) -> None:
        self.go_to(job)
        steps = self.shown().index(job["name"]) - self.shown().index(above["name"])
        for _ in range(steps):
            self.page.keyboard.press("Alt+ArrowUp")

    def set_priority(self, job: Any, priority: int) -> None:
        self.go_to(job)
        self.page.keyboard.press("p")
        self.page.keyboard.type(str(priority))
        self.page.keyboard.press("Enter")

    def god_mode(self, job: Any) -> None:
        self.go_to(job)
        self.page.keyboard.press("Alt+Home")

    def cancel(self, job: Any) -> None:
        self.go_to(job)
        self.page.keyboard.press("Shift+F10")
        self._choose("Stop this job" if self.row(job).get_attribute("data-status") == "processing" else "Cancel")

    def retry(self, job: Any) -> None:
        self.go_to(job)
        self.page.keyboard.press("r")

    def delete(self, job: Any) -> None:
        self.go_to(job)
        self.page.keyboard.press("Delete")

    def undo(self) -> None:
        self.page.wait_for_selector(".e3-toast-action")
        self.page.keyboard.press("Control+z")

    def open_details(self, job: Any) -> None:
        self.go_to(job)
        self.page.keyboard.press("Enter")

    def close_details(self) -> None:
        self.page.keyboard.press("Escape")

    def _choose(self, label: str) -> None:
        item = self.page.locator(f"e3-menu button:has-text('{label}')")
        item.wait_for()
        while not item.evaluate(FOCUS_IS_ON):
            self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")
