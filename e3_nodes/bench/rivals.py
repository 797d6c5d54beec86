"""Queues on SQLite that others wrote, at our durability: what taking a job and saying that it is done costs there.

None of them keeps attempts, leases, states or counts; huey forgets a job the moment it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

PAYLOAD = "x" * 900
"""As long as a job's configuration."""

Step = Callable[[], None]


def _huey(path: Path, count: int) -> Step:
    storage = import_module("huey.storage").SqliteStorage(filename=str(path), fsync=True)
    for _ in range(count):
        storage.enqueue(PAYLOAD.encode())
    numbers = iter(range(10**9))

    def step() -> None:
        storage.dequeue()
        storage.put_data(f"job-{next(numbers)}", b"done", is_result=True)

    return step


def _litequeue(path: Path, count: int) -> Step:
    queue = import_module("litequeue").LiteQueue(str(path))
    queue.conn.execute("PRAGMA synchronous = FULL")
    for _ in range(count):
        queue.put(PAYLOAD)

    def step() -> None:
        message = queue.pop()
        assert message is not None
        queue.done(message.message_id)

    return step


def _persist_queue(path: Path, count: int) -> Step:
    queue = import_module("persistqueue").SQLiteAckQueue(str(path))
    for _ in range(count):
        queue.put(PAYLOAD)
    return lambda: queue.ack(queue.get())


RIVALS: Mapping[str, Callable[[Path, int], Step]] = {
    "huey": _huey,
    "litequeue": _litequeue,
    "persist_queue": _persist_queue,
}
