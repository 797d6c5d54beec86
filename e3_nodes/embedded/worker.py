"""The thread that takes prompts from the queue and runs them, one at a time, for ever."""

from __future__ import annotations

import gc
import logging
import threading
import time
from typing import TYPE_CHECKING

from .execution import PromptExecutor
from .prompt_queue import ExecutionStatus

if TYPE_CHECKING:
    from .server import PromptServer

_GC_SECONDS = 10.0


def start_worker(server: PromptServer) -> threading.Thread:
    """Start the thread; its name contains ``prompt_worker``, by which others tell whether it lives.

    As in ComfyUI, nothing catches what a node raises besides an ``Exception``: a ``SystemExit`` ends the
    thread silently, and the prompt stays "running".
    """
    thread = threading.Thread(target=prompt_worker, args=(server,), name="Thread-1 (prompt_worker)", daemon=True)
    thread.start()
    return thread


def prompt_worker(server: PromptServer) -> None:
    """Take, run, file away; then look at the wishes left by ``/free``."""
    executor = PromptExecutor(server, server.registry, server.interrupt, server.progress)
    collected_at = 0.0
    while True:
        taken = server.prompt_queue.get(timeout=1000.0)
        if taken is not None:
            run_one(server, executor, *taken)
        if server.prompt_queue.get_flags().get("free_memory", False):
            executor.reset()
            collected_at = 0.0
        if time.perf_counter() - collected_at > _GC_SECONDS:
            gc.collect()
            collected_at = time.perf_counter()


def run_one(server: PromptServer, executor: PromptExecutor, item: tuple, item_id: int) -> None:
    """Run one item of the queue and write its history entry; only then is ``executing: null`` sent."""
    began = time.perf_counter()
    _, prompt_id, prompt, extra_data, outputs = item[:5]
    server.last_prompt_id = prompt_id
    executor.execute(prompt, prompt_id, {**extra_data, **item[5]}, outputs)
    server.prompt_queue.task_done(
        item_id,
        executor.history_result,
        status=ExecutionStatus(
            "success" if executor.success else "error", executor.success, list(executor.status_messages)
        ),
        process_item=lambda ended: ended[:5],
    )
    if server.client_id is not None:
        server.send_sync("executing", {"node": None, "prompt_id": prompt_id}, server.client_id)
    logging.info("Prompt executed in %.2f seconds", time.perf_counter() - began)
