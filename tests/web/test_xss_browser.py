"""Whatever text a job, its file or its error holds, the page shows it as text: in every view, on a real host."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from hosts import EmbeddedHost
from rest import picture
from studio import Studio, image_graph, through

pytestmark = pytest.mark.browser

PAYLOADS: list[str] = json.loads((Path(__file__).parents[1] / "corpus" / "xss.json").read_text("utf-8"))
TABS = ("queue", "processing", "done", "failed", "rejected")
MARKER = "xss7"

CREATED = """() => {
    const banned = "script:not([src]), iframe, object, embed, base, style, marquee, math, animate, template, xss7, "
        + "e3-panel noscript, head > link:not([href^='web/']), body link, body meta, meta[http-equiv], video source, "
        + "svg a, svg use, svg script";
    const addresses = ["href", "src", "action", "data", "formaction"];
    const isBad = ({name, value}) => name.startsWith("on") || name === "srcdoc"
        || (addresses.includes(name) && /^\\s*(javascript|data:text|\\/\\/|x:|xss7)/i.test(value));
    const found = [...document.querySelectorAll("*")].filter((each) => [...each.attributes].some(isBad));
    const told = (element) => [element.nodeName, ...[...element.attributes].map(({name, value}) => `${name}=${value}`)];
    return [...document.querySelectorAll(banned), ...found].map((element) => told(element).join(" "));
}"""

LOADED = """(name) => {
    const details = document.querySelector("e3-job-details");
    return details?.name === name && details.querySelector(".e3-details-verbs button");
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The embedded host with hostile text in whatever E3 keeps and shows."""
    studio = Studio(EmbeddedHost(), tmp_path_factory.mktemp("xss"))
    studio.workflow("raises", through("TestRaises", message=""))
    studio.workflow("slow", through("TestSleeps", seconds=1.0))
    studio.workflow("image", image_graph(), description=PAYLOADS[0])
    with studio:
        submit_failing(studio)
        submit_waiting(studio, "done")
        studio.until(lambda: totals(studio)["done"] == len(PAYLOADS), "pictures to be made")
        spoil(studio, "done")
        keep_one_running(studio)
        submit_waiting(studio, "pending")
        spoil(studio, "pending")
        drop_rejected(studio)
        yield studio


def totals(studio: Studio) -> dict[str, int]:
    return studio.host.get("/e3/queue")[1]["totals"]


def submit_failing(studio: Studio) -> None:
    """Jobs whose prompt, metadata and, once they have run, error trace are hostile."""
    for number, payload in enumerate(PAYLOADS):
        job = studio.job("raises", {"message": payload}, retry_limit=0, title=f"failed{number}")
        status, answer = studio.post(f"jobs?name={job['name']}", {**job["body"], "metadata": {payload: payload}})
        assert status == 201, answer
    studio.until(lambda: totals(studio)["failed"] == len(PAYLOADS), "jobs to fail")


def submit_waiting(studio: Studio, title: str) -> None:
    for number, payload in enumerate(PAYLOADS):
        job = studio.job("image", title=f"{title}{number}", priority=9)
        status, answer = studio.post(f"jobs?name={job['name']}", {**job["body"], "metadata": {"note": payload}})
        assert status == 201, answer


def keep_one_running(studio: Studio) -> None:
    """A job that runs all the while, so that the others wait; it is hostile too."""
    job = studio.job("slow", {"seconds": 600.0}, priority=1, metadata={PAYLOADS[0]: PAYLOADS[3]})
    studio.drop(job)
    studio.until(lambda: studio.row(job).get("phase") == "executing", "the slow job to run")
    studio.post("queue/pause")
    texts = [json.dumps(PAYLOADS), json.dumps({payload: payload for payload in PAYLOADS})]
    write(studio, "UPDATE jobs SET warnings = ?, metadata = ? WHERE status = 'processing'", texts)


SPOIL = """UPDATE jobs
SET    config_name = :name, identity = :identity, workflow_id = :text, media = :text, warnings = :warnings,
       metadata = :metadata, error_type = :text, error_trace = :trace,
       config = json_set(config, '$.inputs.text', :text, '$.outputs.file_path', :text)
WHERE  status = :status AND config_name LIKE :old"""


def spoil(studio: Studio, status: str) -> None:
    """Write straight into the table what no door would let in: names, ids, warnings, results."""
    for number, payload in enumerate(PAYLOADS):
        name = f"{as_name(payload)}_{status}{number}.yaml"
        metadata: dict[str, Any] = {payload: payload}
        if status == "done":
            metadata["saved"] = [str(result_named(studio, f"{as_name(payload)}{number}"))]
        values = {
            "name": name,
            "identity": name.casefold(),
            "text": payload,
            "trace": f"{payload}\n{payload}",
            "warnings": json.dumps([payload]),
            "metadata": json.dumps(metadata),
            "status": status,
            "old": f"T2I%{status}{number}.yaml",
        }
        write(studio, SPOIL, values)


def result_named(studio: Studio, stem: str) -> Path:
    """Make a result of a hostile name, or of a plain one where the filesystem takes no other."""
    for name in (f"{stem}.png", "plain.png"):
        with contextlib.suppress(OSError):
            path = studio.finished / "image" / name
            path.write_bytes(picture())
            return path
    raise AssertionError("no result could be written")


def drop_rejected(studio: Studio) -> None:
    """Files whose names and contents are refused, and told."""
    for number, payload in enumerate(PAYLOADS):
        text = json.dumps({payload: payload, "job_type": payload, "workflow_id": payload})
        for name in (f"{as_name(payload)}.yaml", f"T2I_20250101120000_{number}_rejected.yaml"):
            with contextlib.suppress(OSError):
                (studio.processing / "image" / name).write_text(text, "utf-8")
    studio.until(lambda: len(studio.rejections()) >= len(PAYLOADS), "the rejections")


def write(studio: Studio, statement: str, values: Any) -> None:
    with contextlib.closing(sqlite3.connect(studio.home / "jobs" / "e3.sqlite3", timeout=10)) as con, con:
        assert con.execute(statement, values).rowcount == 1, values


def as_name(payload: str) -> str:
    """Keep what a path may hold; the rest of a URL's own characters stay."""
    return "".join("_" if char in "/\\{}\u2028" else char for char in payload)[:90]


@pytest.fixture
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    """A tab tall enough for every row; ``page.faults`` collects what must never happen in it."""
    context = browser.new_context(viewport={"width": 1400, "height": 4000})
    page = context.new_page()
    page.faults = []
    page.on("dialog", lambda dialog: (page.faults.append("a dialog"), dialog.dismiss()))
    page.on("pageerror", lambda error: page.faults.append(f"error: {error}"))
    page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: page.faults.append(request.url) if is_strange(request.url, studio) else None)
    yield page
    context.close()


def is_strange(url: str, studio: Studio) -> bool:
    """Tell a request that E3's own code would not make."""
    own = (f"{studio.host.url}/", studio.host.url.replace("http", "ws") + "/")
    path = unquote(url.split("?")[0])
    return not url.startswith(own) or (MARKER in path and "/e3/jobs/" not in path)


def open_details_of_every_row(page: Any) -> list[str]:
    """Click each row of the tab, look at the details, and return their texts."""
    texts = []
    rows = page.locator("e3-job-row")
    for number in range(rows.count()):
        name = rows.nth(number).evaluate(
            "(row) => { row.querySelector('.e3-row-name').click(); return row.job.config_name; }"
        )
        page.wait_for_function(LOADED, arg=name)
        texts.append(page.locator("e3-job-details").inner_text())
        assert page.evaluate(CREATED) == []
    return texts


@pytest.mark.parametrize("tab", TABS)
def test_xss_browser_hostile_text_stays_text(page: Any, studio: Studio, tab: str) -> None:
    page.goto(f"{studio.host.url}/e3/")
    page.wait_for_selector("e3-panel .e3-count:not(:has-text('–'))")

    page.click(f"#e3-tab-{tab}")
    page.wait_for_selector(".e3-rejection-reason" if tab == "rejected" else "e3-job-row")
    texts = [page.locator("e3-panel").inner_text()]
    if tab != "rejected":
        texts += open_details_of_every_row(page)

    shown = "\n".join(texts)
    assert len([payload for payload in PAYLOADS if payload[:20] in shown]) >= len(PAYLOADS) // 2, "it is shown, as text"
    assert page.evaluate(CREATED) == []
    assert page.faults == []
