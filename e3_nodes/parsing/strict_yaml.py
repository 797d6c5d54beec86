"""Reads YAML from strangers: bounded, strict, and with the place of each mistake.

What is written plainly ``plain_yaml`` reads. Of anything else, values are built straight from the parser's
events. Making events is a loop in both of PyYAML's parsers; composing nodes from them recurses (the C one then
kills the process at great depth), so no loader ever sees the text, and depth and count are bounded here while the
events come in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from ..errors import InvalidConfig
from ..model import KeyPath
from . import plain_yaml, strict_values
from .strict_json import read_json

__all__ = ["Document", "KeyPath", "Position", "read", "read_json"]

MAX_DEPTH = 32
MAX_EVENTS = 20_000
MAX_KEY_LENGTH = 256
MAX_SCALAR_LENGTH = 64 * 1024
MAX_WARNINGS = 20

Position = tuple[int, int]

# A comment as people write one stands two spaces off the value and has a space behind its hash.
_COMMENT = re.compile(r"(?:[ ]{2}|[ ]*\t)[ \t]*#+(?:\s|\Z)")
_REST_OF_LINE = re.compile(r"[ \t]+#[^\r\n]*")

_FEATURE = "anchors, aliases and tags are not taken; put quotes around text that starts with &, * or !"
_ESCAPE = "in double quotes a backslash starts an escape; write the character itself, or use single quotes"

_TOO_DEEP = "maximum nesting depth"
"""What libyaml says of a thousand levels since PyYAML 6.0.4, before it has told of the first; older ones go on."""

# All that PyYAML was ever seen to raise on hostile bytes.
_FOREIGN = (
    yaml.YAMLError,
    ValueError,
    RecursionError,
    OverflowError,
    LookupError,
    AttributeError,
    TypeError,
    MemoryError,
)


@dataclass(frozen=True)
class Document:
    """A YAML mapping, what the reader wants to say about it, and where each of its keys stands.

    Attributes:
        data: The mapping, made of dict, list, str, int, float, bool and None.
        warnings: Sentences about text that is allowed but probably not what was meant.
        text: What it was read from.
    """

    data: dict[str, Any]
    warnings: list[str]
    text: str

    @cached_property
    def positions(self) -> Mapping[KeyPath, Position]:
        """Line and column, counted from 1, of every key and list item by its path; few who read ask for it."""
        reader = _Reader(self.text)
        reader.document()
        return reader.positions

    def position(self, path: KeyPath) -> Position | None:
        """Return line and column of a key, or of the nearest key around it.

        Args:
            path: The keys and list indexes that lead to it.

        Returns:
            Line and column, counted from 1, or None for the document itself.

        Examples:
            >>> read(b"outputs:\\n  nodes: ['9']\\n").position(("outputs", "file_path"))
            (1, 1)
        """
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path)


def read(data: bytes, *, source: str = "") -> Document:
    """Read one YAML mapping from untrusted bytes.

    Args:
        data: The file's bytes: UTF-8, with or without a byte order mark.
        source: What the bytes are called; it opens the message of an error.

    Returns:
        The document.

    Raises:
        InvalidConfig: The bytes break a rule; ``code``, ``line`` and ``column`` say which and where.

    Examples:
        >>> read(b"seed: 7\\nwhen: 12:30\\nok: no").data
        {'seed': 7, 'when': '12:30', 'ok': 'no'}
    """
    try:
        text = strict_values.decode(data)
        plain = plain_yaml.read(text)
        return _Reader(text).document() if plain is None else Document(plain, [], text)
    except InvalidConfig as exc:
        if not source:
            raise
        raise InvalidConfig(f"{source}: {exc}", code=exc.code, line=exc.line, column=exc.column) from exc


class _Reader:
    """Builds a document from the events of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.warnings: list[str] = []
        self.positions: dict[KeyPath, Position] = {}
        self.events = _bounded_events(text)

    def document(self) -> Document:
        try:
            return Document(self._root(), self.warnings, self.text)
        except InvalidConfig:
            raise
        except yaml.MarkedYAMLError as exc:
            raise _syntax_error(exc, self.text) from exc
        except _FOREIGN as exc:
            raise InvalidConfig(f"not YAML: {exc}", code="yaml_syntax") from exc

    def _root(self) -> dict[str, Any]:
        self._refuse_directive()
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise InvalidConfig("nothing in it; a mapping of keys is due", code="not_a_mapping")
        root = next(self.events)
        value = self._value(root, ())
        next(self.events)
        if not isinstance(after := next(self.events), yaml.StreamEndEvent):
            raise _at(after, "yaml_multi_doc", "a second document starts here; one file is one document")
        if not isinstance(value, dict):
            raise _at(root, "not_a_mapping", "the file must be a mapping, lines of 'key: value'")
        return value

    def _refuse_directive(self) -> None:
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.startswith("%"):
                raise _error("yaml_feature", "directives such as %YAML are not taken", number, 1)
            if line.strip() and not line.lstrip().startswith("#"):
                return

    def _value(self, event: Any, path: KeyPath) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if len(path) >= MAX_DEPTH:
            raise _at(event, "yaml_depth", f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            inner = (*path, len(items))
            self.positions[inner] = _position(event)
            items.append(self._value(event, inner))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            inner = (*path, key)
            if key in mapping:
                lines = f"lines {self.positions[inner][0]} and {_position(event)[0]}"
                raise _at(event, "yaml_duplicate_key", f"{key!r} is there twice, in {lines}; keep one")
            self.positions[inner] = _position(event)
            mapping[key] = self._value(next(self.events), inner)
        return mapping

    def _key(self, event: Any, path: KeyPath) -> str:
        """Take a key as the text that is written: ``on``, ``no`` and ``1`` stay themselves."""
        if not isinstance(event, yaml.ScalarEvent):
            self._value(event, (*path, "?"))  # a key that is too deep is that first
            raise _at(event, "yaml_key_type", "a key must be text, not a list or a mapping")
        if event.implicit[0] and event.value == "<<":
            raise _at(event, "yaml_feature", "merge keys (<<) are not taken; write the keys out")
        if len(event.value) > MAX_KEY_LENGTH:
            message = f"a key of {len(event.value)} characters, the limit is {MAX_KEY_LENGTH}"
            raise _at(event, "too_large", message)
        _check_text(event)
        return event.value

    def _scalar(self, event: Any) -> Any:
        if len(event.value) > MAX_SCALAR_LENGTH:
            message = f"a text of {len(event.value)} characters, the limit is {MAX_SCALAR_LENGTH}"
            raise _at(event, "too_large", message)
        _check_text(event)
        if not event.implicit[0]:
            return event.value
        try:
            value = strict_values.plain(event.value)
        except InvalidConfig as exc:
            raise _at(event, exc.code, str(exc)) from exc
        if isinstance(value, str) and len(self.warnings) < MAX_WARNINGS:
            self._warn_of_dropped_text(event)
        return value

    def _warn_of_dropped_text(self, event: Any) -> None:
        """Say so where YAML reads `` #`` in a text as the start of a comment, as in ``a cat #1 best``."""
        rest = _REST_OF_LINE.match(self.text, event.end_mark.index)
        if rest is not None and not _COMMENT.match(rest[0]):
            dropped = rest[0].strip()[:60]
            line = event.end_mark.line + 1
            self.warnings.append(f"line {line}: text after # dropped ({dropped}); quote the text to keep it")


def _bounded_events(text: str) -> Iterator[Any]:
    """Yield so many events; this knows nothing of the reader, for a cycle would wait for the garbage collector."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for count, event in enumerate(yaml.parse(text, Loader=loader)):
        if count >= MAX_EVENTS:
            raise _at(event, "too_large", f"more than {MAX_EVENTS} YAML elements")
        if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
            raise _at(event, "yaml_feature", _FEATURE)
        yield event


def _check_text(event: Any) -> None:
    try:
        strict_values.check_text(event.value)
    except InvalidConfig as exc:
        raise _at(event, exc.code, f"{exc}; {_ESCAPE}") from exc


def _syntax_error(exc: yaml.MarkedYAMLError, text: str) -> InvalidConfig:
    """Translate the parser's complaint, with a hint for the mistakes that people make."""
    mark = exc.problem_mark or exc.context_mark
    problem = exc.problem or exc.context or "not YAML"
    if mark is None:
        return InvalidConfig(f"not YAML: {problem}", code="yaml_syntax")
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)  # as the parser counts them
    line = lines[mark.line] if mark.line < len(lines) else ""
    if _TOO_DEEP in problem:
        return _error("yaml_depth", f"nested deeper than {MAX_DEPTH} levels", mark.line + 1, mark.column + 1)
    message = f"not YAML: {problem}{_hint(problem, line, text[mark.index :])}"
    return _error("yaml_syntax", message, mark.line + 1, mark.column + 1)


def _hint(problem: str, line: str, rest: str) -> str:
    if rest.startswith("\t") or "\t" in line[: len(line) - len(line.lstrip())]:
        return "; use spaces here, not tabs"
    if not rest.strip():
        return "; the file ends inside a quote or a bracket"
    if "escape" in problem or "hexdecimal" in problem:  # libyaml's own spelling
        return f"; {_ESCAPE}"
    if "mapping values" in problem:
        return "; put quotes around text that has ': ' in it"
    if "cannot start any token" in problem or re.search(r"[:-]\s+[\[{'\"*&!]", line):
        return "; put quotes around the whole text"
    return ""


def _position(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _at(event: Any, code: str, message: str) -> InvalidConfig:
    return _error(code, message, *_position(event))


def _error(code: str, message: str, line: int, column: int) -> InvalidConfig:
    return InvalidConfig(message, code=code, line=line, column=column)
