"""E3 in ComfyUI's own ways: its commands, keys, menu and settings, and a job's graph on the canvas.

It runs in each frontend that E3_FRONTENDS holds, in the embedded host always and in the ComfyUI that
``COMFYUI_PATH`` and ``COMFYUI_PYTHON`` name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.tests.e2e.studio import Studio, image_graph
from comfyui_e3.tests.hosts import available_hosts
from comfyui_e3.tests.web.conftest import SURFACES, TAB_BUTTON, frontend_of, problems_of
from comfyui_e3.tests.web.hands import Keyboard, Mouse, Person

pytestmark = pytest.mark.browser

PLACES = [(host, surface) for host in available_hosts() for surface in SURFACES if surface != "page"]
MANAGER = "window.comfyAPI.app.app.extensionManager"
COMMANDS = {"E3.Open", "E3.TogglePause", "E3.Submit", "E3.OpenPage"}
GRAPH_ON_CANVAS = """() => Object.fromEntries(window.comfyAPI.app.app.graph._nodes.map((node) =>
    [node.id, [node.type, (node.widgets ?? []).filter(({name}) => name === "width").map(({value}) => value)]]))"""
FAKE_PERMISSION = """window.asked = 0; window.Notification = class {
    static permission = "default";
    static async requestPermission() { window.asked += 1; return (this.permission = "granted"); }
};"""


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: f"{place[0].name}-{place[1]}")
def studio(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A host with E3 and a frontend, its queue paused."""
    host, surface = request.param
    frontend = ["--front-end-root", str(frontend_of(surface))]
    folder = tmp_path_factory.mktemp("native")
    words_in_french(folder / "base" / "custom_nodes" / "words")
    with Studio(host(), folder, host_args=frontend) as studio:
        studio.host.post("/settings/Comfy.TutorialCompleted", True)
        studio.workflow("image", image_graph(), inputs={"width": {"node": "1", "field": "width", "type": "int"}})
        yield studio


def words_in_french(pack: Path) -> None:
    """Make a node pack that brings nothing but a translation of E3, in a language that ComfyUI has."""
    folder = pack / "locales" / "fr"
    folder.mkdir(parents=True)
    (pack / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n", "utf-8")
    words = {"tabs": {"queue": "File"}, "done": {"pause": "File en pause"}}
    (folder / "main.json").write_text(json.dumps({"e3": words}), "utf-8")


@pytest.fixture
def person(browser: Any, studio: Studio) -> Iterator[Person]:
    """A person in front of ComfyUI; the sidebar is closed."""
    studio.post("queue/pause")
    context = browser.new_context(viewport={"width": 1300, "height": 800})
    page = context.new_page()
    problems = problems_of(page)
    page.add_init_script(FAKE_PERMISSION)
    person = Mouse(page, wait=15_000)
    page.goto(studio.host.url)
    page.wait_for_selector(TAB_BUTTON)
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    yield person
    context.close()
    assert problems == []


def execute(person: Person, command: str) -> None:
    person.page.evaluate(f"(id) => {MANAGER}.command.execute(id)", command)


def is_paused(studio: Studio) -> bool:
    return studio.host.get("/e3/queue")[1]["paused"]


def test_panel_native_commands_are_in_the_palette(person: Person) -> None:
    known = person.page.evaluate(f"{MANAGER}.command.commands.map(({{id, label}}) => [id, String(label)])")

    assert {command for command, _ in known} >= COMMANDS
    assert dict(known)["E3.TogglePause"] == "E3: pause or resume the queue"


def test_panel_native_pause_works_without_the_panel(person: Person, studio: Studio) -> None:
    execute(person, "E3.TogglePause")
    person.until(lambda: not is_paused(studio), "the queue to go on")
    person.page.wait_for_selector("text=Queue resumed")

    execute(person, "E3.TogglePause")

    person.until(lambda: is_paused(studio), "the queue to pause")


def test_panel_native_keys_show_the_queue_and_pause_it(person: Person, studio: Studio) -> None:
    person.page.keyboard.press("Alt+Shift+KeyE")
    person.page.wait_for_selector("e3-panel [role=tab][aria-selected=true]:focus")
    person.page.keyboard.press("Alt+Shift+KeyE")
    person.page.wait_for_timeout(200)
    assert person.page.locator("e3-panel").is_visible()

    person.page.keyboard.press("Alt+Shift+KeyP")

    person.until(lambda: not is_paused(studio), "the queue to go on")


def test_panel_native_files_are_picked_from_a_command(person: Person, studio: Studio, tmp_path: Path) -> None:
    job = studio.job("image", title="picked")
    (tmp_path / job["name"]).write_text(json.dumps(job["body"]), "utf-8")

    with person.page.expect_file_chooser() as chooser:
        execute(person, "E3.Submit")
    chooser.value.set_files(str(tmp_path / job["name"]))

    studio.becomes(job, "pending")


def test_panel_native_page_opens_from_a_command(person: Person, studio: Studio) -> None:
    with person.page.context.expect_page() as opened:
        execute(person, "E3.OpenPage")

    assert opened.value.url == f"{studio.host.url}/e3/"


def test_panel_native_notifications_are_one_wish_in_settings_and_menu(person: Person, studio: Studio) -> None:
    person.page.evaluate(f'{MANAGER}.setting.set("E3.Notify", true)')
    person.until(lambda: person.page.evaluate("window.asked") == 1, "the browser's question")
    execute(person, "E3.Open")
    person.page.click(".e3-header [aria-haspopup=menu]")
    person.page.wait_for_selector("[role=menuitemcheckbox][aria-checked=true]")

    person.page.click("[role=menuitemcheckbox]")

    person.until(lambda: studio.host.get("/settings/E3.Notify")[1] is False, "ComfyUI to keep it")
    assert person.page.evaluate(f'{MANAGER}.setting.get("E3.Notify")') is False


def test_panel_native_undo_is_offered_as_long_as_the_settings_say(person: Person, studio: Studio) -> None:
    job = studio.job("image", title="undo")
    studio.drop(job)
    studio.becomes(job, "pending")
    person.page.evaluate(f'{MANAGER}.setting.set("E3.UndoSeconds", 3)')
    execute(person, "E3.Open")
    person.page.clock.install()

    person.delete(job)
    undo = person.page.locator("e3-panel .e3-toast-action")
    undo.wait_for()
    person.page.clock.run_for(2_500)
    assert undo.count() == 1
    person.page.clock.run_for(1_000)

    assert undo.count() == 0


def test_panel_native_speaks_the_language_of_comfyui(person: Person, studio: Studio) -> None:
    studio.host.post("/settings/Comfy.Locale", "fr")
    try:
        person.page.reload()
        person.page.wait_for_selector(TAB_BUTTON)
        execute(person, "E3.Open")
        person.page.wait_for_selector("#e3-tab-queue .e3-tab-label:text-is('File')")
        person.page.wait_for_selector("#e3-tab-done .e3-tab-label:text-is('Done')")
    finally:
        studio.host.post("/settings/Comfy.Locale", "en")
    told = studio.host.get("/i18n")[1]["en"]
    assert set(told["commands"]) >= {command.replace(".", "_") for command in COMMANDS}
    assert told["settings"]["E3_Notify"]["name"] == "Notify me when the batch ends"


@pytest.mark.parametrize("hand", [Mouse, Keyboard], ids=["mouse", "keyboard"])
def test_panel_native_job_opens_in_the_canvas_beside_what_was_there(
    person: Person, studio: Studio, hand: type[Person]
) -> None:
    person = hand(person.page, wait=15_000)
    job = studio.job("image", {"width": 96}, title="canvas")
    studio.drop(job)
    studio.becomes(job, "pending")
    execute(person, "E3.Open")
    before = person.page.evaluate(f"{MANAGER}.workflow.openWorkflows.length")

    person.open_details(job)
    person.press(person.page.locator("e3-job-details button[title='Open in the canvas']"))

    wanted = {"1": ["EmptyImage", [96]], "9": ["SaveImage", []]}
    person.until(
        lambda: person.page.evaluate(GRAPH_ON_CANVAS) == wanted,
        "the graph",
        lambda: person.page.evaluate(GRAPH_ON_CANVAS),
    )
    person.until(
        lambda: person.page.evaluate(f"{MANAGER}.workflow.openWorkflows.length") == before + 1, "a tab of its own"
    )
    assert job["name"].removesuffix(".yaml") in person.page.evaluate(f"{MANAGER}.workflow.activeWorkflow.path")
