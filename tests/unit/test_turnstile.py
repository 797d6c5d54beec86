"""How many prompts may stand in ComfyUI's queue, and who is told when there is room."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from comfyui_e3.e3_nodes.turnstile import Turnstile, most_standing


def entered(turnstile: Turnstile) -> int:
    count = 0
    with ExitStack() as prompts:
        while not turnstile.is_full:
            prompts.enter_context(turnstile.standing())
            count += 1
    assert not turnstile.is_full
    return count


@pytest.mark.parametrize(
    ("lookahead", "run_seconds", "standing"),
    [
        pytest.param(1, None, 2, id="nothing known"),
        pytest.param(1, 60.0, 2, id="long jobs"),
        pytest.param(1, 0.1, 3, id="short jobs"),
        pytest.param(1, 0.001, most_standing(1), id="very short jobs"),
        pytest.param(4, 60.0, 5, id="a person wants more"),
        pytest.param(0, 0.001, 1, id="a person wants none to wait"),
    ],
)
def test_turnstile_lets_in_what_covers_the_next_preparation(
    lookahead: int, run_seconds: float | None, standing: int
) -> None:
    turnstile = Turnstile.with_lookahead(lookahead)

    if run_seconds is not None:
        turnstile.note_run(run_seconds)

    assert entered(turnstile) == standing


def test_turnstile_goes_back_to_usual_when_jobs_become_long() -> None:
    turnstile = Turnstile.with_lookahead(1)
    turnstile.note_run(0.001)

    turnstile.note_run(60.0)

    assert entered(turnstile) == 2


def test_turnstile_wait_for_room_ends_when_another_lane_calls() -> None:
    turnstile = Turnstile(1)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(turnstile.wait_for_room(10)))

    with turnstile.standing():
        waiting.start()
    turnstile.call_another()
    waiting.join(10)

    assert answers == [True]


def test_turnstile_wait_for_room_ends_when_more_may_stand() -> None:
    turnstile = Turnstile.with_lookahead(1)
    answers: list[bool] = []
    lanes = [threading.Thread(target=lambda: answers.append(turnstile.wait_for_room(10))) for _ in range(2)]
    with turnstile.standing(), turnstile.standing():
        for lane in lanes:
            lane.start()

        turnstile.note_run(0.001)
        for lane in lanes:
            lane.join(10)

    assert answers == [True, True]


def test_turnstile_wait_for_room_gives_up() -> None:
    turnstile = Turnstile(1)

    with turnstile.standing():
        assert turnstile.wait_for_room(0.0) is False


def test_turnstile_tells_who_stands_first() -> None:
    turnstile = Turnstile(3)
    with ExitStack() as rest:
        with turnstile.standing() as first:
            second, third = (rest.enter_context(turnstile.standing()) for _ in range(2))
            while_all_stand = [first.is_set(), second.is_set(), third.is_set()]

        assert while_all_stand == [True, False, False]
        assert [second.is_set(), third.is_set()] == [True, False]


@pytest.mark.parametrize(("run_seconds", "is_brief"), [(None, False), (0.01, True), (1.0, False)])
def test_turnstile_knows_whether_jobs_are_brief(run_seconds: float | None, is_brief: bool) -> None:
    turnstile = Turnstile(1)

    if run_seconds is not None:
        turnstile.note_run(run_seconds)

    assert turnstile.is_brief is is_brief


@pytest.mark.parametrize(
    ("run_seconds", "standing", "rest"),
    [(None, 4, 0.0), (1.0, 4, 0.0), (0.01, 4, 0.02), (0.01, 0, 0.0)],
    ids=["nothing known", "long jobs", "brief jobs", "nothing stands there"],
)
def test_turnstile_leaves_comfyui_alone_while_brief_jobs_keep_it_busy(
    run_seconds: float | None, standing: int, rest: float
) -> None:
    turnstile = Turnstile(9)
    if run_seconds is not None:
        turnstile.note_run(run_seconds)

    with ExitStack() as prompts:
        for _ in range(standing):
            prompts.enter_context(turnstile.standing())

        assert turnstile.rest_seconds() == pytest.approx(rest)


@contextmanager
def left_by_the_first(turnstile: Turnstile) -> Iterator[threading.Event]:
    """Have a second prompt stand there when the first one is gone; lend what tells it so."""
    with ExitStack() as rest:
        with turnstile.standing():
            second = rest.enter_context(turnstile.standing())
        yield second


@pytest.mark.parametrize("way", ["pass_on", "call_another", "wait_for_room"])
def test_turnstile_has_the_lanes_of_brief_jobs_work_one_after_the_other(way: str) -> None:
    turnstile = Turnstile(1)
    turnstile.note_run(0.01)

    with left_by_the_first(turnstile) as second:
        assert not second.is_set(), "the lane whose prompt is gone still has work"

        if way == "wait_for_room":
            assert not turnstile.wait_for_room(0.001)
        else:
            getattr(turnstile, way)()

        assert second.is_set()


def test_turnstile_tells_the_next_at_once_while_jobs_last() -> None:
    turnstile = Turnstile(1)
    turnstile.note_run(10.0)

    with left_by_the_first(turnstile) as second:
        assert second.is_set()
