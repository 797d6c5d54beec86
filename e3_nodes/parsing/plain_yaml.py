"""Reads the YAML that nearly every job is written in: lines of ``key: value``, nested by indentation.

Of anything else it says nothing, and the parser is asked. What it does read is what the parser would give: a test
compares the two.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import InvalidConfig
from . import strict_values

MAX_LENGTH = 16 * 1024
MAX_DEPTH = 16

_KEY = r"(?P<key>\w[\w.-]{0,100})"
_PLAIN = r"""(?P<plain>(?:-(?=[^ \n])|[^\-?:,\[\]{}#&*!|>'"%@` \n])[^:#\n]*(?::(?=[^ \n])[^:#\n]*)*)"""
_QUOTED = r"""(?P<quoted>"[^"\\\n]*"|'[^'\n]*')"""
_LINE = re.compile(rf"^(?:(?P<indent> *){_KEY}:(?: +(?:{_PLAIN}|{_QUOTED} *))?| *(?:#[^\n]*)?)\n", re.MULTILINE)
"""A key with a value on its line or with none, or a comment, or an empty line; ``:`` and ``#`` with care."""

_UNUSUAL = re.compile(r"[^\n -~\w\u2013\u2014\u2018-\u201d\u2026]")
"""Characters that may have a meaning for YAML, which has more spaces and line ends than one thinks."""


def read(text: str) -> dict[str, Any] | None:
    """Read a mapping, if it is written plainly.

    Args:
        text: What ``strict_values.decode`` returned.

    Returns:
        The mapping, or None for what only a parser can read, or refuse.

    Examples:
        >>> read("seed: 7\\nmetadata:\\n  mood: 'calm'\\n")
        {'seed': 7, 'metadata': {'mood': 'calm'}}
        >>> read("nodes: ['9']") is None
        True
    """
    if len(text) > MAX_LENGTH:
        return None
    text = f"{text}\n".replace("\r\n", "\n")
    lines = _LINE.findall(text)
    if len(lines) != text.count("\n") or _UNUSUAL.search(text):
        return None
    try:
        return _nested(lines) or None
    except InvalidConfig:
        return None


def _nested(lines: list[tuple[str, str, str, str]]) -> dict[str, Any] | None:
    """Put each key into the mapping that its indentation says; None where it says none, or the key is there."""
    mapping: dict[str, Any] = {}
    around = {0: mapping}
    column, opened = 0, ""
    for indent, key, plain, quoted in lines:
        if not key:
            continue
        if (place := len(indent)) != column:
            if place > column:
                if not opened or len(around) == MAX_DEPTH:
                    return None
                mapping[opened] = mapping = around[place] = {}
            elif place in around:
                around = {other: outer for other, outer in around.items() if other <= place}
                mapping = around[place]
            else:
                return None
            column = place
        if key in mapping:
            return None
        mapping[key] = quoted[1:-1] if quoted else strict_values.plain(plain.rstrip())
        opened = "" if plain or quoted else key
    return around[0]
