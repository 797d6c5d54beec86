"""The panel in front of 100,000 jobs in a real table: few elements, quick to paint and scroll, silent at rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_e3.e3_nodes.store import init_db
from comfyui_e3.tests.e2e.studio import Studio, image_graph
from comfyui_e3.tests.hosts import EmbeddedHost
from comfyui_e3.tests.stores import make_row

pytestmark = pytest.mark.browser

JOBS = 100_000
BATCH = 5_000
PAINTED = """() => {
    new MutationObserver((_, observer) => {
        if (!document.querySelector("e3-job-row")) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => performance.mark("e3-painted")));
    }).observe(document, {subtree: true, childList: true});
}"""
FIRST_PAINT = """() => {
    const [data] = performance.getEntriesByType("resource").filter(({name}) => name.includes("/e3/jobs?"));
    const [painted] = performance.getEntriesByName("e3-painted");
    return painted.startTime - data.responseEnd;
}"""
SCROLL_DOWN = "{ const list = document.querySelector('e3-job-list'); list.scrollTop = list.scrollHeight; }"
LOADED = "document.querySelector('e3-job-list').rows.length"
DEEP = 10_000
FRAMES = """async (where) => {
    const frame = () => new Promise(requestAnimationFrame);
    const list = document.querySelector("e3-job-list");
    const plain = Object.assign(document.createElement("div"), {innerHTML: "<div></div>"});
    plain.style.cssText = "position: fixed; inset: 100px 0 0; z-index: 9; overflow: auto; background: white";
    plain.firstChild.style.height = `${list.scrollHeight}px`;
    const scroller = where === "list" ? list : document.body.appendChild(plain);
    scroller.scrollTop = 0;
    for (let n = 0; n < 10; n += 1) await frame();
    const times = [performance.now()];
    for (let n = 0; n < 180; n += 1) {
        scroller.scrollTop += n < 90 ? 120 : 1_500;
        await frame();
        times.push(performance.now());
    }
    plain.remove();
    return times.slice(1).map((time, n) => time - times[n]).sort((a, b) => a - b);
}"""
HIDE = """(isHidden) => {
    Object.defineProperty(document, "hidden", {value: isHidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A paused host whose table holds 100,000 waiting jobs."""
    studio = Studio(EmbeddedHost(), tmp_path_factory.mktemp("speed"), settings={"start_paused": True})
    studio.workflow("image", image_graph())
    database = studio.home / "jobs" / "e3.sqlite3"
    database.parent.mkdir()
    with init_db(str(database)) as db:
        for start in range(0, JOBS, BATCH):
            db.ingest_jobs([make_row(number) for number in range(start, start + BATCH)])
    with studio:
        yield studio


def load_deep(page: Any) -> None:
    """Scroll to the end again and again, as somebody who looks for the last jobs."""
    deadline = time.monotonic() + 120
    while page.evaluate(LOADED) < DEEP:
        page.evaluate(SCROLL_DOWN)
        page.wait_for_timeout(20)
        assert time.monotonic() < deadline


def told(frames: list[float]) -> str:
    """Tell how long frames took; the floor is the same scroll over an empty element."""
    at = [(share, frames[share * (len(frames) - 1) // 100]) for share in (50, 95, 99, 100)]
    return ", ".join(f"p{share} {value:.1f} ms" for share, value in at)


def count_requests(page: Any, seconds: float) -> int:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(seconds * 1000)
    return len(asked)


def test_panel_speed_hundred_thousand_jobs(page: Any, studio: Studio) -> None:
    page.add_init_script(f"({PAINTED})()")
    page.goto(f"{studio.host.url}/e3/")
    page.wait_for_selector(".e3-count:text-is('100k')", timeout=60_000)
    page.wait_for_function("() => performance.getEntriesByName('e3-painted').length")
    first_paint = page.evaluate(FIRST_PAINT)
    for _ in range(4):
        page.evaluate(SCROLL_DOWN)
        page.wait_for_timeout(500)
    rows, loaded = page.locator("e3-job-row").count(), page.evaluate(LOADED)
    page.wait_for_timeout(2_000)
    at_rest = count_requests(page, 8)
    page.evaluate(HIDE, True)
    page.wait_for_timeout(500)
    hidden = count_requests(page, 6)
    print(f"first paint {first_paint:.0f} ms after the data, {rows} rows, {at_rest} requests in 8 s, {hidden} hidden")

    page.evaluate(HIDE, False)
    load_deep(page)
    floor, list_ = page.evaluate(FRAMES, "plain"), page.evaluate(FRAMES, "list")
    print(f"frames of an empty element: {told(floor)}\nframes of {DEEP:,} rows: {told(list_)}")
    print(f"all frames of the list against the floor: {sum(list_) / sum(floor):.2f}")

    assert rows < 100
    assert 400 <= loaded < 5_000
    assert first_paint < 5_000
    assert at_rest <= 8
    assert hidden == 0
