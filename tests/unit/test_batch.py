"""Pieces of work that share their steps: each ends by itself."""

from __future__ import annotations

import pytest
from comfyui_e3.e3_nodes.batch import Batch, Once, only


def test_batch_step_leaves_out_what_has_ended() -> None:
    batch = Batch([["a"], [], ["c"]])
    seen: list[list[str]] = []

    batch.step(lambda piece: piece.pop())
    batch.step(seen.append)

    assert seen == [[], []]
    assert isinstance(batch.ends[1], IndexError)


def test_batch_step_at_once_takes_all_that_have_not_ended() -> None:
    batch = Batch([["a"], [], ["c"], ["d"]])
    batch.step(lambda piece: piece.pop())
    fault = OSError("not this one")
    asked: list[int] = []

    def work(pieces):
        asked.append(len(pieces))
        return [None, fault, None]

    batch.step_at_once(work)

    assert asked == [3]
    assert [type(end) for end in batch.ends] == [list, IndexError, OSError, list]


def test_batch_step_at_once_lets_each_go_alone_where_all_cannot() -> None:
    batch = Batch([["a"], [], ["c"]])
    asked: list[int] = []

    def work(pieces):
        asked.append(len(pieces))
        for piece in pieces:
            piece.pop()
        return [None] * len(pieces)

    batch.step_at_once(work)

    assert asked == [3, 1, 1, 1]
    assert [type(end) for end in batch.ends] == [IndexError, IndexError, list]


def test_batch_step_at_once_asks_a_single_piece_once() -> None:
    batch, asked = Batch([["a"]]), []

    def work(pieces):
        asked.append(pieces)
        raise OSError("gone")

    batch.step_at_once(work)

    assert len(asked) == 1 and isinstance(batch.ends[0], OSError)


def test_batch_step_at_once_lets_nobody_swallow_the_end_of_the_process() -> None:
    def work(_pieces):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Batch([["a"], ["b"]]).step_at_once(work)


def test_batch_only_raises_what_ended_the_piece() -> None:
    with pytest.raises(OSError, match="gone"):
        only([OSError("gone")])


def test_batch_step_only_faults_that_were_named_end_a_piece() -> None:
    batch = Batch([[]], (OSError,))

    with pytest.raises(IndexError):
        batch.step(lambda piece: piece.pop())


def test_batch_once_tells_a_fault_to_all_who_ask_and_tries_no_second_time() -> None:
    once, tried = Once(), []

    def fail() -> None:
        tried.append("folder")
        raise OSError("the disk reports a fault")

    for _ in range(2):
        with pytest.raises(OSError, match="reports a fault"):
            once.do("folder", fail)

    assert tried == ["folder"]
