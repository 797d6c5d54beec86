"""What the HTTP edge needs of the engine behind it."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any, Protocol

from ..e3_nodes.runtime import Runtime


class Engine(Protocol):
    """E3 in one process: at work, starting, or broken with a reason."""

    @property
    def runtime(self) -> Runtime:
        """The engine at work.

        Raises:
            E3Error: E3 is starting, or could not start; the message says why and what would be right.
        """
        ...

    @property
    def version(self) -> str:
        """E3's version."""
        ...

    @property
    def home(self) -> str:
        """The folder that holds jobs/ and workflows/."""
        ...

    @property
    def threads(self) -> Executor:
        """Where requests are worked on: few threads, since each that runs makes ComfyUI's event loop wait."""
        ...

    @property
    def artists(self) -> Executor:
        """Where small pictures are drawn, so that a page full of them keeps no other request waiting."""
        ...

    def problems(self) -> list[dict[str, Any]]:
        """List what is wrong now: code, message, and the way out under ``fix``."""
        ...
