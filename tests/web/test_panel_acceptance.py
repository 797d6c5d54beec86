"""The panel with the real plugin behind it: each thing a person does, by mouse and by keyboard alone.

It runs on the page of its own and in the newest frontend that E3_FRONTENDS holds (with E3_EVERY_FRONTEND in
each), in the embedded host always and in the ComfyUI that ``COMFYUI_PATH`` and ``COMFYUI_PYTHON`` name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.tests.e2e.studio import Studio, image_graph, through
from comfyui_e3.tests.hosts import available_hosts
from comfyui_e3.tests.web.conftest import WALKS, frontend_of, problems_of
from comfyui_e3.tests.web.hands import Keyboard, Mouse, Person

pytestmark = pytest.mark.browser

PLACES = [(host, surface) for host in available_hosts() for surface in WALKS]


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: f"{place[0].name}-{place[1]}")
def studio(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A host with E3 and a frontend; ``studio.surface`` says which."""
    host, surface = request.param
    folder = frontend_of(surface)
    frontend = ["--front-end-root", str(folder)] if folder else []
    with Studio(host(), tmp_path_factory.mktemp("panel"), host_args=frontend) as studio:
        studio.surface = surface  # type: ignore[attr-defined]
        studio.host.post("/settings/Comfy.TutorialCompleted", True)
        studio.workflow("image", image_graph())
        studio.workflow("slow", through("TestSleeps", seconds=1.0))
        studio.workflow("raises", through("TestRaises", message="out of luck"))
        yield studio


@pytest.fixture(scope="module", params=[Mouse, Keyboard], ids=lambda hand: hand.name)
def seated(request: pytest.FixtureRequest, browser: Any, studio: Studio) -> Iterator[Person]:
    """A person who has opened the panel and stays for the whole file."""
    context = browser.new_context(viewport={"width": 1300, "height": 800})
    person = request.param(context.new_page())
    problems = problems_of(person.page)
    surface = studio.surface  # type: ignore[attr-defined]
    person.open(studio.host.url, None if surface == "page" else surface)
    yield person
    context.close()
    assert problems == []


@pytest.fixture
def person(seated: Person, studio: Studio) -> Iterator[Person]:
    """The person in front of an empty, paused queue."""
    studio.post("queue/pause")
    yield seated
    studio.post("jobs/bulk", {"action": "cancel", "filter": {"status": ["pending", "processing"]}})
    studio.until(lambda: not studio.host.get("/e3/queue")[1]["totals"]["processing"], "the running job to stop")
    seated.show("queue")
    seated.sees()
    studio.post("jobs/bulk", {"action": "delete", "filter": {"status": ["done", "failed", "cancelled"]}})


def waiting(studio: Studio, *titles: str, workflow: str = "image", **changes: Any) -> list[Any]:
    jobs = [studio.job(workflow, title=title, **changes) for title in titles]
    studio.drop(*jobs)
    for job in jobs:
        studio.becomes(job, "pending")
    return jobs


def test_panel_acceptance_files_are_submitted(person: Person, studio: Studio, tmp_path: Path) -> None:
    jobs = [studio.job("image", title=title) for title in ("first", "second")]
    for job in jobs:
        (tmp_path / job["name"]).write_text(json.dumps(job["body"]), "utf-8")

    person.submit(*(tmp_path / job["name"] for job in jobs))

    person.sees(*jobs)
    assert (studio.processing / "image" / jobs[0]["name"]).exists()


def test_panel_acceptance_copied_job_is_pasted(person: Person, studio: Studio) -> None:
    if not isinstance(person, Keyboard):
        pytest.skip("pasting is a keyboard's gesture")
    body = studio.job("image", title="pasted")["body"]

    person.paste(json.dumps(body))

    person.sees_count("queue", 1)
    assert studio.host.get("/e3/jobs")[1]["jobs"][0]["workflow_id"] == "image"


def test_panel_acceptance_run_is_watched_and_its_result_seen(person: Person, studio: Studio) -> None:
    (job,) = waiting(studio, "watched", workflow="slow", inputs={"seconds": 2.0})
    person.sees(job)

    person.show("processing")
    person.toggle_pause()
    person.page.wait_for_selector("e3-job-row [role=progressbar][aria-valuenow]:not([aria-valuenow='0'])")
    person.show("done")
    person.sees(job)
    person.open_details(job)
    person.page.wait_for_selector("img.e3-preview")
    person.until(
        lambda: person.page.evaluate("document.querySelector('img.e3-preview').naturalWidth") == 64, "the picture"
    )
    person.close_details()

    assert studio.ended(job)["metadata"]["saved"] == [str(job["result"])]


def test_panel_acceptance_queue_is_resumed_and_paused(person: Person, studio: Studio) -> None:
    first, second = waiting(studio, "before"), studio.job("image", title="after")
    person.until(person.is_told_paused, "the header to say so")

    person.toggle_pause()
    studio.ended(first[0])
    person.until(lambda: not person.is_told_paused(), "the header to say so")
    person.toggle_pause()
    person.until(person.is_told_paused, "the header to say so")
    studio.drop(second)

    person.sees(second)
    assert studio.row(second)["status"] == "pending"


def test_panel_acceptance_waiting_jobs_change_places(person: Person, studio: Studio) -> None:
    a, b, c = waiting(studio, "a", "b", "c")
    person.sees(a, b, c)

    person.move_up(c, above=a)
    person.sees(c, a, b)
    person.set_priority(b, 7)
    person.sees(b, c, a)
    person.god_mode(a)
    person.sees(a, b, c)

    order = [job["config_name"] for job in studio.host.get("/e3/jobs?status=pending&sort=order")[1]["jobs"]]
    assert order == [a["name"], b["name"], c["name"]]
    assert [studio.row(job)["priority"] for job in (a, b, c)] == [1, 7, 50]


def test_panel_acceptance_waiting_job_is_cancelled_and_retried(person: Person, studio: Studio) -> None:
    (job,) = waiting(studio, "doubtful")
    person.sees(job)

    person.cancel(job)
    person.sees()
    person.show("failed")
    person.sees(job)
    person.retry(job)
    person.sees()
    person.show("queue")

    person.sees(job)
    assert studio.row(job)["status"] == "pending"


def test_panel_acceptance_running_job_is_stopped(person: Person, studio: Studio) -> None:
    (job,) = waiting(studio, "endless", workflow="slow", inputs={"seconds": 300.0})
    studio.post("queue/resume")
    studio.until(lambda: studio.row(job).get("phase") == "executing", "it to run")
    person.show("processing")
    person.sees(job)

    person.cancel(job)
    person.sees()

    assert studio.ended(job, "cancelled")["status"] == "cancelled"


def test_panel_acceptance_trace_is_read_and_the_job_retried(person: Person, studio: Studio) -> None:
    (job,) = waiting(studio, "unlucky", workflow="raises", retry_limit=0)
    studio.post("queue/resume")
    studio.ended(job, "failed")
    person.show("failed")
    person.sees(job)

    person.open_details(job)
    error = person.reads(".e3-error")
    person.close_details()
    person.retry(job)

    studio.until(lambda: studio.row(job).get("run_count") == 2, "it to run again")
    assert "TestRaises" in error and "out of luck" in error
    studio.ended(job, "failed")


def test_panel_acceptance_deleted_job_comes_back(person: Person, studio: Studio) -> None:
    keep, job = waiting(studio, "keep", "regretted")
    person.sees(keep, job)

    person.delete(job)
    person.sees(keep)
    removed = (studio.home / "jobs" / "removed").rglob(job["name"])
    assert [path.name for path in removed] == [job["name"]]
    person.undo()

    person.sees(keep, job)
    assert (studio.processing / "image" / job["name"]).exists()
