"""Results of short jobs are published together, each with an end of its own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from comfyui_e3.e3_nodes import delivery, executor, publisher, store
from comfyui_e3.e3_nodes.delivery import Made
from comfyui_e3.e3_nodes.leases import token_of
from comfyui_e3.e3_nodes.station import Station
from comfyui_e3.tests.fakes import FakeBackend, Home


class Scene:
    """A home with a table on disk, and a ComfyUI that makes results at once."""

    def __init__(self, folder: Path) -> None:
        (folder / "home").mkdir()
        self.home = Home(folder / "home")
        self.home.db = store.init_db(folder / "jobs.sqlite3")
        self.backend = FakeBackend(folder / "output")
        self.filed: list[str] = []
        self.station = Station.around(self.backend, self.home.cfg, None, self.filed.append)
        self.publisher = publisher.Publisher(self.home.cfg, self.home.db, self.station)

    def made(self) -> Made:
        """Lease a new job and have ComfyUI make its result."""
        self.home.submit()
        job = self.station.in_hand.lease(self.home.db, "w", 60)
        assert job is not None
        where = delivery.destination(job, self.home.cfg, self.home.db, self.backend)
        prompt = executor.prepare_prompt(job, self.home.workflows, self.home.db, self.backend)
        return Made(job, self.backend.success(prompt), where)

    def status(self, made: Made) -> str:
        row = self.home.db.get_job(made.job["config_name"])
        assert row is not None
        return row["status"]

    def publish(self, *made: Made) -> None:
        publisher.publish(made, self.home.cfg, self.home.db, self.station)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.home.db.close()


def test_publisher_publish_makes_every_result_appear_and_has_it_filed(scene: Scene) -> None:
    made = [scene.made() for _ in range(3)]

    scene.publish(*made)

    assert [scene.status(one) for one in made] == ["done"] * 3
    assert all(Path(one.where["file_path"]).is_file() for one in made)
    assert scene.filed == [one.job["config_name"] for one in made]


def test_publisher_publish_needs_two_commits_and_one_wait_a_folder(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [scene.made() for _ in range(5)]
    synced: list[int] = []
    monkeypatch.setattr(delivery.outputs.publishing.disk, "sync_folder", synced.append)
    before = scene.home.db._db._commits

    scene.publish(*made)

    assert scene.home.db._db._commits - before == 2
    assert len(synced) == 1


def _lose_the_file(scene: Scene, made: Made) -> None:
    Path(made.result["artifacts"][0]["path"]).unlink()


def _take_the_place(scene: Scene, made: Made) -> None:
    Path(made.where["file_path"]).write_bytes(b"somebody's own")


def _steal(scene: Scene, made: Made) -> None:
    assert scene.home.db.steal_job(made.job["id"], token_of(made.job), "another", 60)


@pytest.mark.parametrize(
    ("spoil", "status"),
    [(_lose_the_file, "pending"), (_take_the_place, "failed"), (_steal, "processing")],
    ids=["file lost", "place taken", "lease lost"],
)
def test_publisher_publish_one_that_fails_takes_no_other_with_it(
    scene: Scene, spoil: Callable[[Scene, Made], None], status: str
) -> None:
    made = [scene.made() for _ in range(3)]
    spoil(scene, made[1])

    scene.publish(*made)

    assert [scene.status(one) for one in made] == ["done", status, "done"]


def test_publisher_publish_a_promise_that_cannot_be_committed_lets_nothing_appear(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [scene.made() for _ in range(2)]

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *values)

    database = scene.home.db._db
    with closing(sqlite3.connect(database.path, isolation_level=None, factory=Failing)) as failing:
        failing.row_factory = sqlite3.Row
        monkeypatch.setattr(database, "_writer", failing)
        scene.publish(*made)
    monkeypatch.undo()

    assert not any(Path(one.where["file_path"]).exists() for one in made)
    assert scene.filed == []


def test_publisher_work_publishes_what_was_taken_before_it_ends(scene: Scene) -> None:
    made = [scene.made() for _ in range(3)]
    for one in made:
        assert scene.publisher.take(one)

    scene.publisher.end()
    scene.publisher.work()

    assert [scene.status(one) for one in made] == ["done"] * 3


def test_publisher_take_refuses_what_comes_after_the_end(scene: Scene) -> None:
    scene.publisher.end()

    assert not scene.publisher.take(scene.made())


def test_publisher_take_lets_a_lane_wait_while_too_much_is_unpublished(scene: Scene) -> None:
    first = scene.made()
    for _ in range(publisher.MOST_AT_ONCE):
        scene.publisher.take(first)
    answers: list[bool] = []
    lane = threading.Thread(target=lambda: answers.append(scene.publisher.take(first)))
    lane.start()
    lane.join(0.1)
    assert lane.is_alive()

    scene.publisher.end()
    lane.join(10)

    assert answers == [False]


def test_publisher_holds_a_job_in_hand_until_it_is_published(scene: Scene) -> None:
    made = scene.made()
    scene.publisher.take(made)

    scene.station.in_hand.let_go(made.job)  # as its lane does
    lost_meanwhile = scene.station.in_hand.lost(scene.home.db, "w")
    scene.publisher.end()
    scene.publisher.work()

    assert lost_meanwhile == []
    assert scene.status(made) == "done"


def test_publisher_waits_for_others_only_while_more_of_ours_runs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "GATHER_SECONDS", 3600)
    first, second = scene.made(), scene.made()
    working = threading.Thread(target=scene.publisher.work)
    with ExitStack() as prompts:
        prompts.enter_context(scene.station.turnstile.standing())
        scene.publisher.take(first)
        working.start()
        scene.publisher.take(second)
        working.join(0.1)
        assert scene.status(first) == "processing"
    scene.publisher.end()
    working.join(10)

    assert [scene.status(first), scene.status(second)] == ["done", "done"]


def test_executor_hands_the_results_of_short_jobs_over(scene: Scene) -> None:
    taken: list[Made] = []

    def take(made: Made) -> bool:
        taken.append(made)
        return True

    station = Station(scene.backend, file_later=scene.filed.append, publish_later=take)
    station.turnstile.note_run(0.01)
    scene.home.submit()
    scene.backend.behave = lambda prompt: {**scene.backend.success(prompt), "start_time": 1000, "end_time": 1010}

    executor.run_once(scene.home.cfg, scene.home.workflows, scene.home.db, "w", station=station)

    assert [scene.status(one) for one in taken] == ["processing"]
