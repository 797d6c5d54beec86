"""Running one prompt: its nodes in order, with ComfyUI's events, messages and cache."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Mapping
from typing import Any, Protocol

from .caching import CacheEntry, OutputCache, make_signatures
from .node_calls import ExecutionBlocker, call_over_lists, gather_inputs, split_results
from .ordering import next_node, nodes_to_run
from .progress import ExecutionContext, Interrupt, InterruptProcessingException, ProgressTracker
from .registry import Graph, NodeRegistry, full_type_name

OOM_TIP = (
    "This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might "
    "have accidentally set the batch_size to a large number."
)


class OutOfMemoryError(RuntimeError):
    """What nodes know as ``comfy.model_management.OOM_EXCEPTION``; named as the one of torch is."""


OutOfMemoryError.__module__ = "torch"


class EventSink(Protocol):
    """The parts of the server that an execution talks to."""

    client_id: str | None
    last_node_id: str | None

    def send_sync(self, event: str, data: Any, sid: str | None = None) -> None:
        """Send an event to one client, or to all when ``sid`` is None."""
        ...


class PromptExecutor:
    """Runs prompts one after the other; results of earlier ones are used again where nothing changed.

    Args:
        server: Told about every step.
        registry: The known node classes.
        interrupt: Looked at before each node.
        progress: Notes how far each node is.
    """

    def __init__(
        self, server: EventSink, registry: NodeRegistry, interrupt: Interrupt, progress: ProgressTracker
    ) -> None:
        self.server = server
        self._registry = registry
        self._interrupt = interrupt
        self._progress = progress
        self.reset()

    def reset(self) -> None:
        """Forget all results and node objects, as ``free_memory`` asks."""
        self._cache = OutputCache()
        self._objects: dict[tuple[str, str], Any] = {}
        self.status_messages: list[tuple[str, dict[str, Any]]] = []
        self.history_result: dict[str, Any] = {}
        self.success = True

    def execute(self, prompt: Graph, prompt_id: str, extra_data: Mapping[str, Any], outputs: list[str]) -> None:
        """Run a validated prompt; ``success``, ``status_messages`` and ``history_result`` tell how it went.

        Args:
            prompt: The graph in API format.
            prompt_id: Its id, told with every event.
            extra_data: ``client_id`` names who hears the events; ``extra_pnginfo`` is written into files.
            outputs: The output nodes to run.
        """
        self._interrupt.request(False)
        self.server.client_id = extra_data.get("client_id")
        self.status_messages = []
        self._tell("execution_start", {"prompt_id": prompt_id})
        self._progress.reset(prompt_id)
        asyncio.run(_Run(self, prompt, prompt_id, extra_data).run(outputs))
        self.server.last_node_id = None

    def _tell(self, event: str, data: dict[str, Any], *, to_all: bool = False) -> None:
        data = {**data, "timestamp": int(time.time() * 1000)}
        self.status_messages.append((event, data))
        if self.server.client_id is not None or to_all:
            self.server.send_sync(event, data, self.server.client_id)

    def _send(self, event: str, data: dict[str, Any]) -> None:
        if self.server.client_id is not None:
            self.server.send_sync(event, data, self.server.client_id)


class _Run:
    """One prompt on its way through the executor."""

    def __init__(self, executor: PromptExecutor, graph: Graph, prompt_id: str, extra_data: Mapping[str, Any]) -> None:
        self._executor = executor
        self._registry = executor._registry
        self._progress = executor._progress
        self._graph = graph
        self._prompt_id = prompt_id
        self._extra_data = extra_data
        self._signatures: dict[str, Any] = {}
        self._results: dict[str, CacheEntry] = {}
        self._executed: dict[str, None] = {}
        self._shown: dict[str, dict[str, Any]] = {}

    async def run(self, outputs: list[str]) -> None:
        self._signatures = await make_signatures(self._prompt_id, self._graph, self._registry)
        self._executor._cache.keep_only(self._signatures.values())
        self._keep_objects()
        for node_id, signature in self._signatures.items():
            entry = self._executor._cache.get(signature)
            if entry is not None:
                self._results[node_id] = entry
        cached = {"nodes": list(self._results), "prompt_id": self._prompt_id}
        self._executor._tell("execution_cached", cached)
        waiting = nodes_to_run(self._graph, outputs, set(self._results))
        while waiting:
            node_id = next_node(self._graph, waiting, self._registry)
            self._executor.success = await self._run_node(node_id)
            if not self._executor.success:
                break
            del waiting[node_id]
        else:
            self._executor._tell("execution_success", {"prompt_id": self._prompt_id})
        self._executor.history_result = {
            "outputs": {node_id: ui["output"] for node_id, ui in self._shown.items()},
            "meta": {node_id: ui["meta"] for node_id, ui in self._shown.items()},
        }

    def _keep_objects(self) -> None:
        """Node objects live as long as each next prompt has a node of the same id and class."""
        wanted = {(node_id, node["class_type"]) for node_id, node in self._graph.items()}
        objects = self._executor._objects
        self._executor._objects = {key: value for key, value in objects.items() if key in wanted}

    async def _run_node(self, node_id: str) -> bool:
        if node_id in self._results:
            self._reuse(node_id, self._results[node_id])
            return True
        inputs: dict[str, list[Any]] = {}
        try:
            self._progress.get_progress_state().start_progress(node_id)
            inputs.update(self._gather(node_id))
            if self._executor.server.client_id is not None:
                self._executor.server.last_node_id = node_id
            self._executor._send("executing", self._named(node_id))
            outputs, ui = await self._call(node_id, inputs)
        except InterruptProcessingException:
            logging.info("Processing interrupted")
            self._executor._tell("execution_interrupted", self._failed(node_id), to_all=True)
            return False
        except Exception as error:
            self._executor._tell("execution_error", self._error(node_id, inputs, error))
            return False
        self._keep(node_id, outputs, ui)
        self._progress.get_progress_state().finish_progress(node_id)
        self._executed[node_id] = None
        return True

    def _gather(self, node_id: str) -> dict[str, list[Any]]:
        node = self._graph[node_id]
        given = {name: entry.outputs for name, entry in self._results.items()}
        node_class = self._registry.classes[node["class_type"]]
        return gather_inputs(node_class, node_id, node["inputs"], given, self._graph, self._extra_data)

    async def _call(self, node_id: str, inputs: dict[str, list[Any]]) -> tuple[list[list[Any]], dict[str, Any]]:
        class_type = self._graph[node_id]["class_type"]
        node_class = self._registry.classes[class_type]
        node = self._executor._objects.get((node_id, class_type))
        if node is None:
            node = self._executor._objects[node_id, class_type] = node_class()
        results = await call_over_lists(
            node,
            node_class.FUNCTION,  # type: ignore[attr-defined]
            inputs,
            ExecutionContext(self._prompt_id, node_id, None),
            before=self._executor._interrupt.raise_if_requested,
            on_block=lambda blocker: self._blocked(node_id, blocker),
        )
        return split_results(results, node_class)

    def _keep(self, node_id: str, outputs: list[list[Any]], ui: dict[str, Any]) -> None:
        entry = CacheEntry(self._show(node_id, ui) if ui else None, outputs)
        self._results[node_id] = entry
        self._executor._cache.set(self._signatures[node_id], entry)

    def _show(self, node_id: str, output: dict[str, Any]) -> dict[str, Any]:
        meta = {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
        self._shown[node_id] = {"meta": meta, "output": output}
        self._executor._send("executed", {**self._named(node_id), "output": output})
        return self._shown[node_id]

    def _reuse(self, node_id: str, entry: CacheEntry) -> None:
        if entry.ui is not None:
            self._shown[node_id] = entry.ui
        output = None if entry.ui is None else entry.ui["output"]
        self._executor._send("executed", {**self._named(node_id), "output": output})
        self._progress.get_progress_state().finish_progress(node_id)

    def _blocked(self, node_id: str, blocker: ExecutionBlocker) -> ExecutionBlocker:
        """A blocker with a message tells the browser once, and goes on blocking silently."""
        if blocker.message is None:
            return blocker
        told = self._failed(node_id) | {
            "exception_message": f"Execution Blocked: {blocker.message}",
            "exception_type": "ExecutionBlocked",
            "traceback": [],
            "current_inputs": [],
            "current_outputs": [],
        }
        self._executor.server.send_sync("execution_error", told, self._executor.server.client_id)
        return ExecutionBlocker(None)

    def _error(self, node_id: str, inputs: dict[str, list[Any]], error: Exception) -> dict[str, Any]:
        logging.error("!!! Exception during processing !!! %s\n%s", error, traceback.format_exc())
        return self._failed(node_id) | {
            "exception_message": f"{error}\n{OOM_TIP if is_oom(error) else ''}",
            "exception_type": full_type_name(type(error)),
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": {name: [_plain(value) for value in values] for name, values in inputs.items()},
            "current_outputs": list(self._graph),
        }

    def _failed(self, node_id: str) -> dict[str, Any]:
        return {
            "prompt_id": self._prompt_id,
            "node_id": node_id,
            "node_type": self._graph[node_id]["class_type"],
            "executed": list(self._executed),
        }

    def _named(self, node_id: str) -> dict[str, Any]:
        return {"node": node_id, "display_node": node_id, "prompt_id": self._prompt_id}


def is_oom(error: BaseException) -> bool:
    """Tell whether a node failed for want of memory.

    Examples:
        >>> is_oom(OutOfMemoryError("Allocation on device")), is_oom(ValueError("x"))
        (True, False)
    """
    return type(error).__name__ == "OutOfMemoryError"


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, bool, str)) else str(value)
