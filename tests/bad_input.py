"""The corpus of bad input, ``tests/corpus/*.json``: its README says what each key means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"


def cases(name: str, *, bombs: bool = False) -> list[dict[str, Any]]:
    """Read a file of the corpus: its bombs, which need a process of their own, or all the others."""
    found = json.loads((CORPUS / name).read_text("utf-8"))
    return [case for case in found if case.get("bomb", False) == bombs]


def bytes_of(case: dict[str, Any]) -> bytes:
    """Make the bytes of a case."""
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "repeat" in case:
        return "".join(text * count for text, count in case["repeat"]).encode()
    if "numbered" in case:
        return "".join(f"key{number}: 1\n" for number in range(case["numbered"])).encode()
    return case.get("text", "").encode()
