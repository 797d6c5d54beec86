"""One finding of the doctor, and how many are told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """What was looked at, and what was found.

    Attributes:
        code: A stable word.
        level: ``fail`` when something will fail; ``warn`` when somebody should look.
        message: What was found.
        fix: What to do.
        is_fixed: Whether ``--fix`` has done it.
    """

    code: str
    level: Level
    message: str
    fix: str = ""
    is_fixed: bool = False

    def as_data(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)
