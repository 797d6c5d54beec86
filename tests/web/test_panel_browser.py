"""The panel in a real browser: as a page of its own, and in each frontend that E3_FRONTENDS holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from comfyui_e3.tests.web import fake_server
from comfyui_e3.tests.web.conftest import SURFACES, TAB_BUTTON, on_every_surface

pytestmark = pytest.mark.browser

Fake = fake_server.FakeE3
NARROW = {"viewport": {"width": 320, "height": 760}}

COUNT_WRITES = """() => {
    window.writes = 0;
    new MutationObserver((all) => { window.writes += all.length; })
        .observe(document.querySelector('e3-panel'),
                 {subtree: true, childList: true, attributes: true, characterData: true});
}"""

FAKE_NOTIFICATION = """window.Notification = class {
    static permission = 'granted';
    constructor(title, { body }) { (window.told ??= []).push(`${title}: ${body}`); }
};"""

TOO_WIDE = """() => [...document.querySelectorAll('e3-panel, .e3-tabs, .e3-filters, .e3-list')]
    .filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => element.className)"""

DROP_FILES = """(files) => {
    const transfer = new DataTransfer();
    for (const [name, text] of files) transfer.items.add(new File([text], name));
    const panel = document.querySelector('e3-panel');
    for (const type of ['dragenter', 'dragover', 'drop']) {
        panel.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }
}"""

CONTRASTS = """() => {
    const dot = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
    const pen = dot.getContext('2d', {willReadFrequently: true});
    const paint = (colors) => {
        pen.clearRect(0, 0, 1, 1);
        for (const color of colors) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = [];
    for (const element of document.querySelectorAll('e3-panel *')) {
        const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        const box = element.getBoundingClientRect();
        const style = getComputedStyle(element);
        const isHidden = style.visibility === 'hidden' || element.closest('.e3-offscreen, [hidden]');
        if (!isText || !box.width || isHidden) continue;
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            layers.unshift(getComputedStyle(at).backgroundColor);
        }
        const [a, b] = [luminance(paint(layers)), luminance(paint([...layers, style.color]))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const text = element.textContent.slice(0, 20);
        if (ratio < 4.5) found.push(`${element.className || element.tagName} "${text}" ${ratio.toFixed(2)}`);
    }
    return [...new Set(found)];
}"""

CONTROLS = "button, input, select, textarea, a, [role=grid], [role=tablist]"

NAMELESS = """(controls) => [...document.querySelectorAll(`e3-panel :is(${controls})`)]
    .filter((element) => !element.hidden && element.checkVisibility() && !(element.getAttribute('aria-label')
        || element.textContent.trim() || element.labels?.length || element.title))
    .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def studio(fake: Fake) -> Fake:
    return fake_server.seed(fake)


def add_jobs(fake: Fake, names: str, **values: Any) -> None:
    for name in names:
        fake.add(f"T2I_20260301120000_1_{name}.yaml", **values)


def row(page: Any, title: str) -> Any:
    return page.locator("e3-job-row", has=page.locator(f".e3-row-name:text-is('{title}')"))


def shown(page: Any) -> str:
    return "".join(page.locator(".e3-row-name").all_inner_texts())


def order(fake: Fake) -> str:
    waiting = [job for job in fake.jobs.values() if job["status"] == "pending"]
    return "".join(job["config_name"][-6] for job in sorted(waiting, key=fake_server.SORT_KEYS["order"]))


def wait_until(page: Any, done: Any) -> None:
    for _ in range(100):
        if done():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to that")


@on_every_surface
def test_panel_shows_five_views_with_counts(studio: Fake, open_panel: Any) -> None:
    page = open_panel()
    counts = page.locator(".e3-count").all_inner_texts()
    first_rows = {}
    for tab in ("queue", "processing", "done", "failed"):
        page.click(f"#e3-tab-{tab}")
        page.wait_for_selector("e3-job-row")
        first_rows[tab] = page.locator(".e3-row-name").first.inner_text()
    page.click("#e3-tab-rejected")

    assert counts == ["18", "2", "24", "7", "2"]
    assert first_rows == {
        "queue": "knight",
        "processing": "lighthouse",
        "done": "knight",
        "failed": "giant_knight",
    }
    assert "did you mean 'prompt'?" in page.locator(".e3-rejection-reason").first.inner_text()


@on_every_surface
def test_panel_verbs_reach_the_server(studio: Fake, open_panel: Any) -> None:
    page = open_panel()
    row(page, "astronaut").first.hover()
    row(page, "astronaut").first.locator("[data-act=god-mode]").click()
    wait_until(page, lambda: page.locator(".e3-row-name").first.inner_text() == "astronaut")
    row(page, "harbour").first.locator(".e3-priority").click()
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    wait_until(page, lambda: studio.jobs["T2I_20260301013000_1_harbour.yaml"]["priority"] == 7)
    page.click(".e3-pause")
    page.wait_for_selector(".e3-pause[aria-label=Resume]")
    page.click("#e3-tab-failed")
    page.click(".e3-cause >> nth=0 >> button")
    wait_until(page, lambda: sum(job["status"] == "failed" for job in studio.jobs.values()) == 2)

    assert studio.jobs["T2I_20260301053000_1_astronaut.yaml"]["priority"] == 1
    assert studio.user_paused is True


@pytest.mark.parametrize("base_url", [s for s in SURFACES if s != "page"], indirect=True)
def test_panel_tab_has_a_badge_and_survives_reopening(studio: Fake, open_panel: Any) -> None:
    page = open_panel()
    badge = page.locator(TAB_BUTTON).inner_text()
    page.click(TAB_BUTTON)
    page.wait_for_selector("e3-panel", state="detached")
    page.click(TAB_BUTTON)
    page.wait_for_selector("e3-job-row")
    box = page.locator("e3-panel").bounding_box()

    assert "20" in badge
    assert page.locator("e3-panel").count() == 1
    assert box is not None and box["y"] + box["height"] <= 800


def test_panel_drag_moves_a_job(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "abcde")
    page = open_panel()
    page.wait_for_selector("e3-job-row")
    start, target = row(page, "e").bounding_box(), row(page, "b").bounding_box()
    page.mouse.move(start["x"] + 150, start["y"] + 25)
    page.mouse.down()
    page.mouse.move(target["x"] + 150, target["y"] + 20, steps=6)
    page.mouse.move(target["x"] + 150, target["y"] + 3, steps=3)
    page.mouse.up()
    wait_until(page, lambda: order(fake) == "aebcd")

    assert page.locator("e3-panel.e3-with-details").count() == 0
    wait_until(page, lambda: shown(page) == "aebcd")


def test_panel_drag_moves_all_chosen_jobs(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "abcde")
    page = open_panel()
    row(page, "b").click(modifiers=["Control"])
    row(page, "d").click(modifiers=["Control"])
    start, target = row(page, "d").bounding_box(), row(page, "a").bounding_box()
    page.mouse.move(start["x"] + 150, start["y"] + 25)
    page.mouse.down()
    page.mouse.move(target["x"] + 150, target["y"] + 2, steps=8)
    page.mouse.up()

    wait_until(page, lambda: order(fake) == "bdace")


def test_panel_keyboard_alone_reorders_opens_and_deletes(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "abcde")
    page = open_panel()
    row(page, "a").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    wait_until(page, lambda: order(fake) == "acbde")
    page.keyboard.press("Alt+End")
    wait_until(page, lambda: order(fake) == "acdeb")
    page.keyboard.press("Alt+Home")
    wait_until(page, lambda: order(fake) == shown(page) == "bacde")
    page.keyboard.press("p")
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    wait_until(page, lambda: fake.jobs["T2I_20260301120000_1_b.yaml"]["priority"] == 9)
    page.keyboard.press("Enter")
    page.wait_for_selector(".e3-details-title:text-is('b')")
    page.keyboard.press("Escape")
    page.keyboard.press("Delete")
    wait_until(page, lambda: shown(page) == "acde")
    focused = page.evaluate("document.activeElement.job?.config_name")
    page.keyboard.press("Control+z")
    wait_until(page, lambda: order(fake) == "bacde")

    assert focused == "T2I_20260301120000_1_a.yaml"


def test_panel_cancel_can_be_undone(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "ab")
    page = open_panel()
    row(page, "a").hover()
    row(page, "a").locator("[data-act=cancel]").click()
    wait_until(page, lambda: order(fake) == "b")
    page.click(".e3-toast-action")

    wait_until(page, lambda: order(fake) == "ab")


def test_panel_range_of_jobs_is_retried(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "abcdef", status="failed", error_type="error", error_trace="no")
    page = open_panel()
    page.click("#e3-tab-failed")
    first, last = page.locator("e3-job-row").nth(1), page.locator("e3-job-row").nth(3)
    first.click(modifiers=["Control"])
    last.click(modifiers=["Shift"])
    page.click(".e3-bulk [aria-label=Retry]")

    wait_until(page, lambda: len(order(fake)) == 3)
    wait_until(page, lambda: page.locator(".e3-bulk").is_hidden())


def test_panel_all_that_match_go_by_filter(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "abcdef")
    fake.add("T2I_20260301120000_1_other.yaml", workflow_id="wf_other")
    page = open_panel()
    page.fill(".e3-search-input", "wf_portrait")
    wait_until(page, lambda: page.locator("e3-job-row").count() == 6)
    row(page, "a").focus()
    page.keyboard.press("Control+a")
    page.click(".e3-bulk [aria-label=Delete]")
    wait_until(page, lambda: len(fake.jobs) == 1)
    body = next(json.loads(text) for method, path, text in fake.requests if path.endswith("/bulk"))

    assert body == {"action": "delete", "filter": {"status": ["pending"], "q": "wf_portrait"}}


def test_panel_search_is_kept_for_the_browser_tab(studio: Fake, open_panel: Any) -> None:
    page = open_panel()
    page.click("#e3-tab-done")
    page.fill(".e3-search-input", "harbour")
    wait_until(page, lambda: set(page.locator(".e3-row-name").all_inner_texts()) == {"harbour"})
    page.reload()
    page.wait_for_selector("e3-job-row")

    assert page.input_value(".e3-search-input") == "harbour"
    assert page.get_attribute("#e3-tab-done", "aria-selected") == "true"


def test_panel_search_is_not_lost_when_the_focus_moves_on_at_once(studio: Fake, open_panel: Any) -> None:
    page = open_panel()
    page.wait_for_selector("e3-job-row")
    page.evaluate("""() => {
        const search = document.querySelector('.e3-search-input');
        search.focus();
        search.value = 'harbour';
        search.dispatchEvent(new Event('input'));
        search.blur();
        document.querySelector('e3-panel').render();
    }""")
    wait_until(page, lambda: set(page.locator(".e3-row-name").all_inner_texts()) == {"harbour"})

    assert page.input_value(".e3-search-input") == "harbour"


@pytest.mark.parametrize("page", [NARROW], indirect=True)
def test_panel_details_copy_with_changes(studio: Fake, open_panel: Any) -> None:
    page = open_panel()
    page.click("#e3-tab-failed")
    row(page, "giant_harbour").click()
    trace = page.locator(".e3-trace").inner_text()
    page.click(".e3-details-verbs [title^=Copy]")
    page.fill("dialog [name=seed]", "")
    page.fill("dialog [name=steps]", "12")
    page.click("dialog [type=submit]")
    complaint = page.locator(".e3-complaint").inner_text()
    page.fill("dialog [name=seed]", "99")
    page.click("dialog [type=submit]")
    page.wait_for_selector("dialog", state="detached")
    wait_until(page, lambda: any(path.endswith("/copy") for _, path, _ in studio.requests))
    body = next(json.loads(text) for _, path, text in studio.requests if path.endswith("/copy"))

    assert "common_ksampler" in trace
    assert complaint.startswith("seed is not valid")
    assert body == {"inputs": {"seed": 99, "steps": 12}}


def test_panel_details_show_pictures_and_offer_files(fake: Fake, open_panel: Any) -> None:
    files = [
        ("a.png", "image/png"),
        ("b.mp4", "video/mp4"),
        ("c.wav", "audio/wav"),
        ("d.glb", "model/gltf-binary"),
    ]
    outputs = [
        {"index": n, "name": f, "media_type": t, "bytes": 9, "path": f, "url": ""} for n, (f, t) in enumerate(files)
    ]
    add_jobs(fake, "a", status="done", end_time=1, duration=1, outputs=outputs)
    page = open_panel()
    page.click("#e3-tab-done")
    row(page, "a").click()
    page.wait_for_selector(".e3-output >> nth=3")
    wait_until(page, lambda: page.evaluate("document.querySelector('img.e3-preview').naturalWidth") > 0)

    assert [page.locator(f"{tag}.e3-preview").count() for tag in ("img", "video", "audio")] == [1, 1, 1]
    assert page.locator(".e3-output").nth(3).locator("a[download]").get_attribute("href").endswith("/outputs/3")


@on_every_surface
def test_panel_takes_dropped_files(fake: Fake, open_panel: Any) -> None:
    page = open_panel()
    page.wait_for_selector(".e3-empty")
    good = ("T2I_20260301120000_2_b.yaml", "workflow_id: wf")
    page.evaluate(
        DROP_FILES,
        [good, ("T2I_20260301120000_1_a.yml", "workflow_id: wf"), ("bad.yaml", "x: 1"), ("c.png", "")],
    )
    page.wait_for_selector(".e3-toast li")
    wait_until(page, lambda: page.locator("e3-job-row").count() == 2)

    assert page.locator(".e3-toast li").all_inner_texts() == ["workflow_id is missing (bad.yaml)"]
    assert list(fake.jobs) == ["T2I_20260301120000_1_a.yml", "T2I_20260301120000_2_b.yaml"]


def test_panel_empty_queue_teaches(fake: Fake, open_panel: Any) -> None:
    page = open_panel()
    page.wait_for_selector(".e3-empty")

    assert "jobs/processing/<media>/" in page.locator(".e3-empty").inner_text()
    assert "workflow_id:" in page.locator(".e3-empty pre").inner_text()


def test_panel_tells_why_it_is_paused_and_what_is_wrong(fake: Fake, open_panel: Any) -> None:
    fake.auto_reason = "5 jobs failed in a row (oom)"
    fake.problems = [{"code": "standby", "message": "Another ComfyUI runs the jobs", "fix": "Nothing to do"}]
    page = open_panel()
    page.wait_for_selector(".e3-problem")
    text = page.locator(".e3-banner").inner_text()
    page.click(".e3-problem .e3-button")
    wait_until(page, lambda: fake.auto_reason is None)

    assert "5 jobs failed in a row (oom)" in text and "Another ComfyUI runs the jobs" in text
    wait_until(page, lambda: page.locator(".e3-problem").count() == 1)


def test_panel_shows_a_pushed_change_at_once(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "a")
    page = open_panel()
    page.wait_for_selector("e3-job-row")
    wait_until(page, lambda: len(fake.sockets) == 1)
    page.wait_for_timeout(1600)
    add_jobs(fake, "b", priority=1)
    fake.push_soon("e3.job", config_name="T2I_20260301120000_1_b.yaml", status="pending")

    wait_until(page, lambda: shown(page) == "ba")


def test_panel_progress_comes_by_push(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "a", status="processing", phase="executing", start_time=fake_server.now_ms())
    page = open_panel()
    page.wait_for_selector(".e3-now-name")
    asked = len(fake.requests)
    progress = {"node": "KSampler", "value": 5, "max": 20, "nodes_done": 1, "nodes_total": 3}
    fake.push_soon("e3.progress", config_name="T2I_20260301120000_1_a.yaml", progress=progress)
    page.wait_for_selector(".e3-now-step:text-is('KSampler, step 5 of 20')")

    assert len(fake.requests) == asked


def test_panel_notifies_of_the_end_when_asked_to(fake: Fake, open_panel: Any, page: Any, base_url: str) -> None:
    add_jobs(fake, "a")
    page.context.grant_permissions(["notifications"], origin=base_url)
    page.add_init_script(FAKE_NOTIFICATION)
    open_panel()
    page.click(".e3-header [aria-haspopup=menu]")
    page.click("[role=menuitemcheckbox]")
    wait_until(page, lambda: len(fake.sockets) == 1)
    fake.jobs["T2I_20260301120000_1_a.yaml"].update(status="done", end_time=1, duration=1)
    fake.push_soon("e3.job", config_name="T2I_20260301120000_1_a.yaml", status="done")

    wait_until(page, lambda: page.evaluate("window.told") == ["E3: the batch is finished: 1 job done"])


def test_panel_identical_data_writes_nothing(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "abc")
    page = open_panel()
    row(page, "b").focus()
    page.wait_for_timeout(300)
    page.evaluate(COUNT_WRITES)
    asked = len(fake.requests)
    page.evaluate("document.querySelector('e3-panel').reload()")
    wait_until(page, lambda: len(fake.requests) >= asked + 5)
    page.wait_for_timeout(300)

    assert page.evaluate("window.writes") == 0
    assert page.evaluate("document.activeElement.job.config_name") == "T2I_20260301120000_1_b.yaml"


def test_panel_at_rest_asks_seldom(fake: Fake, open_panel: Any) -> None:
    add_jobs(fake, "abc")
    page = open_panel()
    page.wait_for_timeout(500)
    asked = len(fake.requests)
    page.wait_for_timeout(6000)

    assert len(fake.requests) - asked <= 4


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><b>x</b>",
    "</textarea><script>alert(1)</script>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<math><mtext></mtext><script>alert(1)</script>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//x>",
    "<base href=//x>",
    "<meta http-equiv=refresh content=0>",
    "<object data=x>",
    "<embed src=x>",
    "<form action=//x><button>x",
    "<marquee onstart=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<!--<img src=x onerror=alert(1)>-->",
    "<svg><animate onbegin=alert(1) attributeName=x>",
    "<body onload=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<noscript><img src=x onerror=alert(1)></noscript>",
    "<xss contenteditable onblur=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202egpj.exe",
    "\u0000<script>",
    "<e3-panel></e3-panel>",
    "<dialog open>x</dialog>",
    "<template shadowrootmode=open><script>alert(1)</script>",
    "<select><option>x",
    "<portal src=x>",
    "<image src=x onerror=alert(1)>",
    "<plaintext>",
    "]]><script>alert(1)</script>",
]


def test_panel_text_of_jobs_never_becomes_markup(fake: Fake, open_panel: Any) -> None:
    for n, text in enumerate(PAYLOADS):
        for status in ("pending", "failed", "done", "processing"):
            output = {
                "index": 0,
                "name": text,
                "media_type": text,
                "bytes": 1,
                "path": text,
                "url": f"javascript:alert({n})",
            }
            fake.add(
                f"{text}_{n}_{status}.yaml",
                status=status,
                workflow_id=text,
                media=text,
                error_type=text,
                error_trace=f"{text}\n{text}",
                inputs={text: text, "x": f"{text}{n}"},
                metadata={text: text},
                warnings=[text],
                phase="executing",
                end_time=n + 1,
                duration=1,
                start_time=1,
                outputs=[output] if status == "done" else [],
                attempts=[
                    {"number": 1, "started_at": 1, "ended_at": 2, "outcome": text, "error_type": text, "error": text}
                ],
            )
        fake.progress[f"{text}_{n}_processing.yaml"] = {
            "node": text,
            "value": 1,
            "max": 3,
            "nodes_done": 0,
            "nodes_total": 1,
        }
        fake.rejections.append({"path": text, "code": text, "reason": text, "line": 1, "column": 1, "seen_at": 1})
        fake.problems.append({"code": text, "message": text, "fix": text})
    fake.auto_reason = PAYLOADS[1]
    page = open_panel()
    seen = set()
    for tab in ("queue", "processing", "failed", "done", "rejected"):
        page.click(f"#e3-tab-{tab}")
        page.wait_for_timeout(200)
        for at in range(0, 4000, 900):
            page.evaluate(f"document.querySelector('e3-job-list').scrollTop = {at}")
            page.wait_for_timeout(60)
            rows = page.locator("e3-job-row")
            if tab != "rejected" and rows.count():
                rows.nth(rows.count() // 2).evaluate("(row) => row.click()")
                page.wait_for_timeout(60)
            seen |= set(
                page.evaluate("[...document.querySelectorAll('e3-panel *')].map((element) => element.localName)")
            )
    hrefs = page.evaluate("[...document.querySelectorAll('e3-panel a')].map((a) => a.href)")

    assert not seen & {
        "script",
        "iframe",
        "b",
        "style",
        "object",
        "embed",
        "marquee",
        "math",
        "base",
        "link",
        "meta",
        "template",
        "e3-panel",
        "xss",
        "dialog",
    }
    assert not any(href.startswith(("javascript:", "data:")) for href in hrefs)


def test_panel_asks_for_the_token_and_goes_on(fake: Fake, open_panel: Any, page: Any, base_url: str) -> None:
    fake.token = "secret"
    add_jobs(
        fake,
        "a",
        status="done",
        end_time=1,
        duration=1,
        outputs=[{"index": 0, "name": "a.png", "media_type": "image/png", "bytes": 1, "path": "a.png"}],
    )
    page.goto(f"{base_url}/e3/")
    page.fill("dialog [name=token]", "secret")
    page.click("dialog [type=submit]")
    page.wait_for_selector(".e3-count:text-is('1')")
    page.click("#e3-tab-done")
    page.wait_for_selector(".e3-thumb img")
    wait_until(page, lambda: page.evaluate("document.querySelector('.e3-thumb img').naturalWidth") > 0)

    assert page.locator(".e3-thumb img").get_attribute("src").startswith("blob:")


def test_panel_works_under_a_strict_policy(studio: Fake, open_panel: Any) -> None:
    studio.csp = True
    page = open_panel()
    page.click("#e3-tab-done")
    page.locator("e3-job-row").nth(0).click()
    page.wait_for_selector("img.e3-preview")

    wait_until(page, lambda: page.evaluate("document.querySelector('img.e3-preview').naturalWidth") > 0)


@pytest.mark.parametrize(
    "page",
    [NARROW | {"color_scheme": scheme} for scheme in ("dark", "light")],
    indirect=True,
    ids=["dark", "light"],
)
def test_panel_can_be_read_and_every_control_has_a_name(studio: Fake, open_panel: Any) -> None:
    studio.auto_reason = "disk full"
    studio.problems = [{"code": "standby", "message": "standing by", "fix": "wait"}]
    page = open_panel()
    faint, nameless = [], []
    for tab in ("queue", "processing", "done", "failed", "rejected"):
        page.click(f"#e3-tab-{tab}")
        page.wait_for_timeout(250)
        if tab != "rejected":
            page.locator("e3-job-row").first.click(modifiers=["Control"])
        faint += page.evaluate(CONTRASTS)
        nameless += page.evaluate(NAMELESS, CONTROLS)
    page.click("#e3-tab-failed")
    page.locator("e3-job-row").first.click()
    page.wait_for_selector(".e3-trace")
    faint += page.evaluate(CONTRASTS)
    nameless += page.evaluate(NAMELESS, CONTROLS)

    assert faint == []
    assert nameless == []


@on_every_surface
def test_panel_fits_its_tab_in_dark(studio: Fake, open_panel: Any) -> None:
    page = open_panel()
    page.wait_for_selector("e3-job-row")
    wide = page.evaluate(TOO_WIDE)

    assert wide == []
    assert page.evaluate(CONTRASTS) == []
