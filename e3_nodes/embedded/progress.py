"""How far the running prompt has come, and the wish to stop it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from typing import Any, NamedTuple, TypedDict

Send = Callable[[str, Any], None]
"""Sends an event to the client of the running prompt (to everybody when it named none)."""


class InterruptProcessingException(Exception):
    """Raised inside a node when somebody pressed Stop."""


class Interrupt:
    """The one flag that asks the running prompt to stop; looked at between nodes and at each step."""

    def __init__(self) -> None:
        self._requested = False

    def request(self, value: bool = True) -> None:
        """Ask for a stop, or take the request back."""
        self._requested = value

    def is_requested(self) -> bool:
        """Tell whether a stop was asked for and has not been obeyed yet."""
        return self._requested

    def raise_if_requested(self) -> None:
        """Obey: forget the request and leave the node.

        Raises:
            InterruptProcessingException: A stop was asked for.
        """
        if self._requested:
            self._requested = False
            raise InterruptProcessingException()


class NodeState(Enum):
    """The state of one node in the running prompt."""

    Pending = "pending"
    Running = "running"
    Finished = "finished"
    Error = "error"


class NodeProgressState(TypedDict):
    """How far one node is."""

    state: NodeState
    value: float
    max: float


class ExecutionContext(NamedTuple):
    """Which node runs on this thread, for hooks that are called from deep inside it."""

    prompt_id: str
    node_id: str
    list_index: int | None


current_node: ContextVar[ExecutionContext | None] = ContextVar("e3_embedded_current_node", default=None)


class ProgressRegistry:
    """The progress of every node of one prompt; each change is sent as ``progress_state``."""

    def __init__(self, prompt_id: str, send: Send) -> None:
        self.prompt_id = prompt_id
        self.nodes: dict[str, NodeProgressState] = {}
        self._send = send

    def start_progress(self, node_id: str) -> None:
        """Note that a node has begun."""
        self._change(node_id, NodeState.Running, 0.0, 1.0)

    def update_progress(self, node_id: str, value: float, max_value: float, image: Any = None) -> None:
        """Note a step of a node; previews (``image``) are not sent."""
        self._change(node_id, NodeState.Running, value, max_value)

    def finish_progress(self, node_id: str) -> None:
        """Note that a node has ended."""
        maximum = self.nodes[node_id]["max"] if node_id in self.nodes else 1
        self._change(node_id, NodeState.Finished, maximum, maximum)

    def _change(self, node_id: str, state: NodeState, value: float, maximum: float) -> None:
        self.nodes[node_id] = NodeProgressState(state=state, value=value, max=maximum)
        told = {name: self._told(name, entry) for name, entry in list(self.nodes.items())}
        self._send("progress_state", {"prompt_id": self.prompt_id, "nodes": told})

    def _told(self, node_id: str, entry: NodeProgressState) -> dict[str, Any]:
        ids = {
            "node_id": node_id,
            "display_node_id": node_id,
            "real_node_id": node_id,
            "parent_node_id": None,
        }
        values = {"value": entry["value"], "max": entry["max"], "state": entry["state"].value}
        return {**values, **ids, "prompt_id": self.prompt_id}


class ProgressTracker:
    """Owns the registry of the running prompt and the hook that progress bars call.

    Args:
        interrupt: Looked at on every step.
        send: Carries ``progress`` and ``progress_state``.
    """

    def __init__(self, interrupt: Interrupt, send: Send) -> None:
        self._interrupt = interrupt
        self._send = send
        self._registry = ProgressRegistry("", send)

    def reset(self, prompt_id: str) -> None:
        """Begin a new prompt with no progress."""
        self._registry = ProgressRegistry(prompt_id, self._send)

    def get_progress_state(self) -> ProgressRegistry:
        """Return the registry of the running (or last) prompt."""
        return self._registry

    def step(self, value: float, total: float, preview: Any = None, node_id: str | None = None) -> None:
        """Take a step of the running node, unless somebody asked to stop.

        Raises:
            InterruptProcessingException: A stop was asked for.
        """
        self._interrupt.raise_if_requested()
        running = current_node.get()
        prompt_id = running.prompt_id if running else self._registry.prompt_id
        node = node_id or (running.node_id if running else "")
        self._registry.update_progress(node, value, total, preview)
        self._send("progress", {"value": value, "max": total, "prompt_id": prompt_id, "node": node})

    def make_bar_class(self) -> type[ProgressBar]:
        """Return the ``ProgressBar`` for nodes, tied to this tracker."""
        return type("ProgressBar", (ProgressBar,), {"hook": staticmethod(self.step)})


class ProgressBar:
    """What nodes know as ``comfy.utils.ProgressBar``: ten reports a second at most, first and last always."""

    hook: Callable[..., None]
    min_seconds = 0.1
    min_share = 0.005

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total = total
        self.current: float = 0
        self.node_id = node_id
        self._told_at = 0.0
        self._told_value: float = -1

    def update_absolute(self, value: float, total: float | None = None, preview: Any = None) -> None:
        """Set the position."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        if self._told_value < 0 or self.current >= self.total or preview is not None or self._is_due():
            self._told_at, self._told_value = time.perf_counter(), self.current
            self.hook(self.current, self.total, preview, node_id=self.node_id)

    def update(self, value: float) -> None:
        """Move on by ``value``."""
        self.update_absolute(self.current + value)

    def _is_due(self) -> bool:
        moved = (self.current - self._told_value) / self.total if self.total > 0 else 1.0
        return time.perf_counter() - self._told_at >= self.min_seconds and moved >= self.min_share
