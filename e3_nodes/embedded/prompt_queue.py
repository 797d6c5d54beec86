"""The queue of prompts: what waits, what runs, what has ended. Same surface as ComfyUI's ``PromptQueue``."""

from __future__ import annotations

import copy
import heapq
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

MAXIMUM_HISTORY_SIZE = 10000

Item = tuple[Any, ...]
"""(number, prompt_id, prompt, extra_data, outputs_to_execute, sensitive): the smallest number runs first."""


class ExecutionStatus(NamedTuple):
    """How a prompt ended, and every message on the way."""

    status_str: str
    completed: bool
    messages: list[Any]


class PromptQueue:
    """A heap of waiting items, the running one, and the history, all under one re-entrant lock.

    Args:
        queue_updated: Called after every change, on the acting thread, with the lock held.
        interrupt: Asks the running prompt to stop.
    """

    ExecutionStatus = ExecutionStatus

    def __init__(self, queue_updated: Callable[[], None], interrupt: Callable[[], None]) -> None:
        self._queue_updated = queue_updated
        self._interrupt = interrupt
        self.mutex = threading.RLock()
        self.not_empty = threading.Condition(self.mutex)
        self.task_counter = 0
        self.queue: list[Item] = []
        self.currently_running: dict[int, Item] = {}
        self.history: dict[str, dict[str, Any]] = {}
        self.flags: dict[str, Any] = {}

    def put(self, item: Item) -> None:
        """Add an item and wake the worker."""
        with self.mutex:
            heapq.heappush(self.queue, item)
            self._queue_updated()
            self.not_empty.notify()

    def get(self, timeout: float | None = None) -> tuple[Item, int] | None:
        """Take the first item and mark it running; None when nothing came within ``timeout`` seconds."""
        with self.not_empty:
            while not self.queue:
                self.not_empty.wait(timeout)
                if timeout is not None and not self.queue:
                    return None
            item = heapq.heappop(self.queue)
            item_id = self.task_counter
            self.task_counter += 1
            self.currently_running[item_id] = copy.deepcopy(item)
            self._queue_updated()
            return item, item_id

    def task_done(
        self,
        item_id: int,
        history_result: dict[str, Any],
        status: ExecutionStatus | None,
        process_item: Callable[[Item], Item] | None = None,
    ) -> None:
        """Move the running item into the history, with its outputs and status."""
        with self.mutex:
            item = self.currently_running.pop(item_id)
            if len(self.history) > MAXIMUM_HISTORY_SIZE:
                self.history.pop(next(iter(self.history)))
            if process_item is not None:
                item = process_item(item)
            ended = copy.deepcopy(status._asdict()) if status is not None else None
            self.history[item[1]] = {"prompt": item, "outputs": {}, "status": ended, **history_result}
            self._queue_updated()

    def get_current_queue(self) -> tuple[list[Item], list[Item]]:
        """Return what runs and a deep copy of what waits (heap order)."""
        with self.mutex:
            return list(self.currently_running.values()), copy.deepcopy(self.queue)

    def get_current_queue_volatile(self) -> tuple[list[Item], list[Item]]:
        """Return what runs and what waits, without copying the items."""
        with self.mutex:
            return list(self.currently_running.values()), list(self.queue)

    def get_tasks_remaining(self) -> int:
        """Return how many items wait or run."""
        with self.mutex:
            return len(self.queue) + len(self.currently_running)

    def interrupt_if_running(self, prompt_id: str) -> bool:
        """Interrupt ``prompt_id`` if it is the one that runs; tells whether it was."""
        with self.mutex:
            running = any(item[1] == prompt_id for item in self.currently_running.values())
            if running:
                self._interrupt()
            return running

    def wipe_queue(self) -> None:
        """Forget everything that waits; what runs goes on."""
        with self.mutex:
            self.queue = []
            self._queue_updated()

    def delete_queue_item(self, function: Callable[[Item], bool]) -> bool:
        """Remove the first waiting item for which ``function`` is true; tells whether there was one."""
        with self.mutex:
            found = next((item for item in self.queue if function(item)), None)
            if found is None:
                return False
            self.queue.remove(found)
            heapq.heapify(self.queue)
            self._queue_updated()
            return True

    def get_history(
        self,
        prompt_id: str | None = None,
        max_items: int | None = None,
        offset: int = -1,
        map_function: Callable[[dict[str, Any]], Any] | None = None,
    ) -> dict[str, Any]:
        """Return one entry as a deep copy, or a page of them in the order they ended.

        Args:
            prompt_id: The entry wanted; without it, a page.
            max_items: The size of the page; without an offset, the newest entries.
            offset: How many of the oldest entries to skip.
            map_function: Applied to each entry in place of the copy.
        """
        with self.mutex:
            if prompt_id is not None:
                entry = self.history.get(prompt_id)
                change = map_function or copy.deepcopy
                return {} if entry is None else {prompt_id: change(entry)}
            if offset < 0:
                offset = 0 if max_items is None else max(0, len(self.history) - max_items)
            end = None if max_items is None else offset + max_items
            page = list(self.history.items())[offset:end]
            return {key: map_function(entry) if map_function else entry for key, entry in page}

    def wipe_history(self) -> None:
        """Forget everything that has ended."""
        with self.mutex:
            self.history = {}

    def delete_history_item(self, id_to_delete: str) -> None:
        """Forget one entry, if it is there."""
        with self.mutex:
            self.history.pop(id_to_delete, None)

    def set_flag(self, name: str, data: Any) -> None:
        """Leave a wish (``unload_models``, ``free_memory``) for the worker and wake it."""
        with self.mutex:
            self.flags[name] = data
            self.not_empty.notify()

    def get_flags(self, reset: bool = True) -> dict[str, Any]:
        """Return the wishes, and forget them unless ``reset`` is false."""
        with self.mutex:
            flags = dict(self.flags)
            if reset:
                self.flags = {}
            return flags
