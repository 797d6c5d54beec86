"""What the text of an argument may say."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Make a reader of whole numbers within bounds.

    Examples:
        >>> whole_number(1, 999)("20")
        20
    """

    def read(text: str) -> int:
        is_number = text.removeprefix("-").isdecimal()
        if not is_number or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return read


def assignment(text: str) -> tuple[str, str]:
    """Read ``input=value``.

    Examples:
        >>> assignment("prompt=a=b")
        ('prompt', 'a=b')
    """
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"must be INPUT=VALUE, such as steps=40, got {text!r}")
    return name, value
