"""Pieces of work that share their steps: each ends by itself."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from comfyui_e3.e3_nodes.batch import Batch, Once, only


def test_batch_step_leaves_out_what_has_ended() -> None:
    batch = Batch([["a"], [], ["c"]])
    seen: list[list[str]] = []

    batch.step(lambda piece: piece.pop())
    batch.step(seen.append)

    assert seen == [[], []]
    assert isinstance(batch.ends[1], IndexError)


def test_batch_sharing_a_scope_that_cannot_be_left_ends_every_piece_but_those_that_ended() -> None:
    batch = Batch([["a"], []])
    fault = OSError("no commit")

    @contextmanager
    def scope():
        yield
        raise fault

    with batch.sharing(scope()):
        batch.step(lambda piece: piece.pop())

    assert batch.ends[0] is fault
    assert isinstance(batch.ends[1], IndexError)


def test_batch_sharing_lets_nobody_swallow_the_end_of_the_process() -> None:
    batch = Batch([["a"]])

    @contextmanager
    def scope():
        yield
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), batch.sharing(scope()):
        batch.step(lambda piece: piece.pop())


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
