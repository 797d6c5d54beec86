"""The contract of a backend: how a payload is run, wherever ComfyUI is.

One contract suite (``tests/contract/test_backends.py``) runs against every backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ..model import Progress, Result


@dataclass(frozen=True)
class Prompt:
    """One prompt as it is handed over.

    Attributes:
        prompt_id: A fresh lowercase UUID, stored in the row before the prompt is handed over.
        token: The attempt's token; its files are written under ``e3/<token>/``.
        graph: The graph in API format.
        targets: The output nodes to run.
        job_name: Shown to people who look into ComfyUI's own queue.
    """

    prompt_id: str
    token: str
    graph: Mapping[str, Any]
    targets: Sequence[str]
    job_name: str = ""


@dataclass(frozen=True)
class Sighting:
    """What one look at a prompt saw.

    Attributes:
        place: ``pending``, ``running``, ``ended``, ``gone``: ComfyUI knows nothing of it, or ``died``: the same,
            since ComfyUI ended while it had the prompt, and was started anew.
        result: How it ended, with artifacts on this machine, when ``place`` is ``ended``.
        behind: Whether another prompt ran when this one was last seen to wait.
    """

    place: Literal["pending", "running", "ended", "gone", "died"]
    result: Result = field(default_factory=Result)
    behind: bool = False


class Backend(Protocol):
    """A ComfyUI that prompts can be given to.

    Attributes:
        address: Where others reach it; empty for the ComfyUI that this process is, whose prompts die with it.
    """

    @property
    def address(self) -> str: ...

    def submit(self, prompt: Prompt) -> None:
        """Put a prompt into ComfyUI's queue, behind whatever people queue at the canvas.

        Raises:
            PromptRefused: ComfyUI says that the graph is invalid; it would say so again.
            HostUnavailable: ComfyUI cannot be reached.
        """
        ...

    def look(self, prompt: Prompt) -> Sighting:
        """Tell where a prompt stands; its files are at hand when it has ended."""
        ...

    def knows(self, prompt_id: str) -> bool:
        """Tell whether a prompt of an earlier life of E3 waits, runs or has ended here; cheap, fetches nothing.

        Raises:
            HostUnavailable: ComfyUI does not answer.
        """
        ...

    def take_back(self, prompt_id: str) -> bool:
        """Take a waiting prompt out of the queue; False when it runs already or is gone."""
        ...

    def interrupt(self, prompt_id: str) -> bool:
        """Interrupt the prompt if it is the one that runs; repeat until it has left the queue."""
        ...

    def progress(self, prompt_id: str) -> Progress | None:
        """Tell how far the running prompt has come."""
        ...

    def free_memory(self) -> None:
        """Ask ComfyUI to free its memory before the next prompt."""
        ...

    def problem(self) -> str | None:
        """Say what keeps ComfyUI from running prompts now, or None."""
        ...

    def staging(self, token: str) -> Path:
        """Return the attempt's private folder on this machine."""
        ...

    def deliver_input(self, source: Path, name: str) -> str:
        """Put a file where ComfyUI's loaders find it; return the value for the loader's field."""
        ...
