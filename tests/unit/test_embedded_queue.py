"""The queue, the order of nodes, what is known already, and progress."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_e3.e3_nodes.embedded import prompt_queue
from comfyui_e3.e3_nodes.embedded.caching import CacheEntry, OutputCache, make_signatures
from comfyui_e3.e3_nodes.embedded.ordering import next_node, nodes_to_run
from comfyui_e3.e3_nodes.embedded.progress import Interrupt, InterruptProcessingException, ProgressTracker
from comfyui_e3.e3_nodes.embedded.prompt_queue import ExecutionStatus, PromptQueue
from comfyui_e3.e3_nodes.embedded.registry import Graph, NodeRegistry


class Told:
    """Counts what a queue tells."""

    def __init__(self) -> None:
        self.updates = 0
        self.interrupts = 0
        self.had_lock: list[bool] = []
        self.queue = PromptQueue(self.update, self.interrupt)

    def update(self) -> None:
        self.updates += 1
        self.had_lock.append(self.queue.mutex._is_owned())  # type: ignore[attr-defined]

    def interrupt(self) -> None:
        self.interrupts += 1


def item(number: float, prompt_id: str) -> tuple[Any, ...]:
    return number, prompt_id, {"1": {"class_type": "X", "inputs": {}}}, {}, ["1"], {}


def taken(queue: PromptQueue) -> tuple[Any, int]:
    found = queue.get(timeout=1)
    assert found is not None
    return found


def finish(queue: PromptQueue, item_id: int) -> None:
    queue.task_done(item_id, {"outputs": {}, "meta": {}}, ExecutionStatus("success", True, []), lambda i: i[:5])


def test_embedded_queue_get_smallest_number_then_id_first() -> None:
    queue = Told().queue
    for one in (item(5, "b"), item(-1, "z"), item(5, "a")):
        queue.put(one)

    assert [taken(queue)[0][1] for _ in range(3)] == ["z", "a", "b"]


def test_embedded_queue_get_returns_none_after_the_timeout() -> None:
    assert Told().queue.get(timeout=0.001) is None


def test_embedded_queue_get_runs_a_copy_of_the_item() -> None:
    queue = Told().queue
    queue.put(item(0, "a"))

    original, item_id = taken(queue)
    original[2]["1"]["inputs"]["changed"] = True

    assert queue.currently_running[item_id][2]["1"]["inputs"] == {}


def test_embedded_queue_tells_each_change_with_the_lock_held() -> None:
    told = Told()
    told.queue.put(item(0, "a"))
    told.queue.put(item(0, "b"))
    _, item_id = taken(told.queue)
    finish(told.queue, item_id)
    told.queue.delete_queue_item(lambda one: one[1] == "b")
    told.queue.wipe_queue()
    before = told.updates
    told.queue.wipe_history()

    assert (before, told.updates) == (6, 6)
    assert all(told.had_lock)


def test_embedded_queue_task_done_writes_history_without_the_sixth_part() -> None:
    queue = Told().queue
    queue.put(item(0, "a"))
    _, item_id = taken(queue)

    finish(queue, item_id)

    entry = queue.get_history(prompt_id="a")["a"]
    assert (len(entry["prompt"]), entry["status"]) == (
        *(5, {"status_str": "success", "completed": True, "messages": []}),
    )
    assert (queue.currently_running, queue.get_tasks_remaining()) == ({}, 0)


def test_embedded_queue_history_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_queue, "MAXIMUM_HISTORY_SIZE", 2)
    queue = Told().queue
    for name in "abcde":
        queue.put(item(0, name))
        finish(queue, taken(queue)[1])

    assert list(queue.get_history()) == ["c", "d", "e"]


@pytest.mark.parametrize(
    ("page", "expected"),
    [({}, "abcd"), ({"max_items": 2}, "cd"), ({"max_items": 2, "offset": 1}, "bc"), ({"offset": 3}, "d")],
    ids=["all", "newest", "page", "rest"],
)
def test_embedded_queue_history_pages(page: dict[str, int], expected: str) -> None:
    queue = Told().queue
    for name in "abcd":
        queue.put(item(0, name))
        finish(queue, taken(queue)[1])

    assert "".join(queue.get_history(**page)) == expected


def test_embedded_queue_delete_takes_one_waiting_item_only() -> None:
    queue = Told().queue
    for name in "abc":
        queue.put(item(0, name))
    taken(queue)

    assert [queue.delete_queue_item(lambda one, n=name: one[1] == n) for name in "abb"] == [
        False,
        True,
        False,
    ]
    assert [one[1] for one in queue.queue] == ["c"]


def test_embedded_queue_interrupts_only_what_runs() -> None:
    told = Told()
    told.queue.put(item(0, "a"))
    told.queue.put(item(1, "b"))
    taken(told.queue)

    assert [told.queue.interrupt_if_running(name) for name in "ab"] == [True, False]
    assert told.interrupts == 1


def test_embedded_queue_flags_are_taken_once() -> None:
    queue = Told().queue
    queue.set_flag("free_memory", True)

    assert queue.get_flags(reset=False) == queue.get_flags() == {"free_memory": True}
    assert queue.get_flags() == {}


# --- order and memory ---------------------------------------------------------------------------------


class Step:
    RETURN_TYPES = ("X",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}

    def run(self, **_: Any) -> tuple[int]:
        return (1,)


class End(Step):
    OUTPUT_NODE = True


class Personal(Step):
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}, "hidden": {"me": "UNIQUE_ID"}}


class Restless(Step):
    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        return float("nan")


class Moody(Step):
    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        raise ValueError("no idea")


@pytest.fixture
def registry() -> NodeRegistry:
    registry = NodeRegistry()
    registry.add({node.__name__: node for node in (Step, End, Personal, Restless, Moody)}, "nodes")
    return registry


def graph(**nodes: tuple[str, dict[str, Any]]) -> Graph:
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def order(prompt: Graph, outputs: list[str], registry: NodeRegistry, known: set[str] | None = None) -> str:
    waiting, ran = nodes_to_run(prompt, outputs, known or set()), ""
    while waiting:
        ran += next_node(prompt, waiting, registry)
        del waiting[ran[-1]]
    return ran


CHAINS = graph(
    a=("Step", {}),
    b=("Step", {"x": ["a", 0]}),
    c=("End", {"x": ["b", 0]}),
    d=("Step", {}),
    e=("End", {"x": ["d", 0]}),
    f=("Step", {"x": ["a", 0]}),
)


@pytest.mark.parametrize(
    ("outputs", "known", "expected"),
    [(["c"], set(), "abc"), (["c", "e"], set(), "deabc"), (["c"], {"a"}, "bc"), (["c"], {"c"}, "c")],
    ids=["needed only", "nearest output first", "known source", "known output"],
)
def test_embedded_ordering_runs_what_is_needed(
    registry: NodeRegistry, outputs: list[str], known: set[str], expected: str
) -> None:
    assert order(CHAINS, outputs, registry, known) == expected


async def signature(prompt: Graph, registry: NodeRegistry, node_id: str = "b") -> Any:
    return (await make_signatures("p", prompt, registry))[node_id]


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"a": ("Step", {"v": 2})}, False),
        ({"b": ("Step", {"x": ["a", 0], "_e3": "n"})}, False),
        ({"b": ("Step", {"x": ["a", 1]})}, False),
        ({"z": ("Step", {})}, True),
        ({"a": ("Restless", {"v": 1})}, False),
        ({"a": ("Moody", {"v": 1})}, False),
        ({"b": ("Step", {"x": ["gone", 0]})}, False),
    ],
    ids=[
        "same",
        "value before",
        "unknown key",
        "socket",
        "elsewhere",
        "always new",
        "unsure",
        "into nothing",
    ],
)
async def test_embedded_caching_signature_sees_everything_before(
    registry: NodeRegistry, change: dict[str, Any], is_same: bool
) -> None:
    base = {"a": ("Step", {"v": 1}), "b": ("Step", {"x": ["a", 0]})}

    before, after = (
        await signature(graph(**base), registry),
        await signature(graph(**base | change), registry),
    )

    assert (before == after) is is_same


async def test_embedded_caching_signature_ignores_ids_unless_a_node_asks(registry: NodeRegistry) -> None:
    plain = [await signature(graph(**{name: ("Step", {})}), registry, name) for name in "ab"]
    personal = [await signature(graph(**{name: ("Personal", {})}), registry, name) for name in "ab"]

    assert plain[0] == plain[1]
    assert personal[0] != personal[1]


async def test_embedded_caching_always_new_node_is_known_within_its_prompt(registry: NodeRegistry) -> None:
    cache, entry = OutputCache(), CacheEntry(None, [[1]])
    mine = await signature(graph(b=("Restless", {})), registry)
    cache.set(mine, entry)

    assert cache.get(mine) is entry
    assert cache.get(await signature(graph(b=("Restless", {})), registry)) is None


def test_embedded_caching_keeps_what_the_next_prompt_shares() -> None:
    cache = OutputCache()
    for key in "ab":
        cache.set(key, CacheEntry(None, []))

    cache.keep_only("bc")

    assert (cache.get("a"), cache.get("b")) == (None, CacheEntry(None, []))


# --- progress -----------------------------------------------------------------------------------------


def make_tracker() -> tuple[ProgressTracker, Interrupt, list[tuple[str, Any]]]:
    sent: list[tuple[str, Any]] = []
    interrupt = Interrupt()
    tracker = ProgressTracker(interrupt, lambda event, data: sent.append((event, data)))
    tracker.reset("p")
    return tracker, interrupt, sent


def test_embedded_progress_bar_tells_first_and_last_step_at_least() -> None:
    tracker, _, sent = make_tracker()
    bar = tracker.make_bar_class()(50, node_id="4")

    for _ in range(50):
        bar.update(1)

    steps = [data["value"] for event, data in sent if event == "progress"]
    assert (steps[0], steps[-1]) == (1, 50)
    assert tracker.get_progress_state().nodes["4"]["value"] == 50
    assert sent[-1][1] == {"value": 50, "max": 50, "prompt_id": "p", "node": "4"}


def test_embedded_progress_bar_stays_within_its_total() -> None:
    tracker, _, _ = make_tracker()
    bar = tracker.make_bar_class()(3, node_id="4")

    bar.update_absolute(9)

    assert tracker.get_progress_state().nodes["4"]["value"] == 3


def test_embedded_progress_step_obeys_the_interrupt_once() -> None:
    tracker, interrupt, _ = make_tracker()
    interrupt.request()

    with pytest.raises(InterruptProcessingException):
        tracker.step(1, 2, node_id="4")

    assert not interrupt.is_requested()
    tracker.step(2, 2, node_id="4")


def test_embedded_progress_reset_begins_anew() -> None:
    tracker, _, _ = make_tracker()
    tracker.get_progress_state().start_progress("4")

    tracker.reset("q")

    assert (tracker.get_progress_state().prompt_id, tracker.get_progress_state().nodes) == ("q", {})
