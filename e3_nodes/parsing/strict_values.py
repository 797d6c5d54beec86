"""What text and which numbers a job may hold: the bounds that YAML and JSON share."""

from __future__ import annotations

import codecs
import math
import re
from typing import Any

from ..errors import InvalidConfig
from ..model import MAX_CONFIG_BYTES

MIN_INTEGER, MAX_INTEGER = -(2**63 - 1), 2**64 - 1  # seeds use the upper half

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""What no text of a job may hold: control characters (line ends and tabs are fine) and half characters."""

_PLAIN_BYTES = bytes([*b"\t\n\r", *range(0x20, 0x7F)])
"""ASCII without its control characters: bytes that are text, whatever stands beside them."""

_NULLS: dict[str, None] = dict.fromkeys(["", "~", "null", "Null", "NULL"])
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False, **_NULLS}
_NUMBERS_BEGIN = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_WIDE_BOMS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def decode(data: bytes) -> str:
    """Turn a file's bytes into text: small enough, UTF-8, and free of control characters.

    Args:
        data: The bytes, with or without UTF-8's byte order mark.

    Returns:
        The text without its byte order mark.

    Raises:
        InvalidConfig: ``too_large`` or ``bad_encoding``.

    Examples:
        >>> decode(b"\\xef\\xbb\\xbfa: 1")
        'a: 1'
    """
    if len(data) > MAX_CONFIG_BYTES:
        limit = f"{MAX_CONFIG_BYTES // 1024} KiB"
        raise InvalidConfig(f"{len(data)} bytes are too much, the limit is {limit}", code="too_large")
    if not data.translate(None, _PLAIN_BYTES):
        return data.decode("ascii")
    return _decode_with_care(data)


def _decode_with_care(data: bytes) -> str:
    for bom, encoding in _WIDE_BOMS.items():
        if data.startswith(bom):
            raise InvalidConfig(f"the file is {encoding}; save it as UTF-8", code="bad_encoding")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = exc.object[: exc.start].decode("utf-8")
        wrong = f"byte 0x{exc.object[exc.start]:02x} is not UTF-8 (Latin-1, Windows or Shift-JIS text?)"
        raise _encoding_error(f"{wrong}; save the file as UTF-8", before) from exc
    if (found := UNPRINTABLE.search(text)) is not None:
        hint = "; is the file UTF-16? Save it as UTF-8" if found[0] == "\0" else ""
        message = f"character U+{ord(found[0]):04X} is not text{hint}"
        raise _encoding_error(message, text[: found.start()])
    return text


def plain(text: str) -> Any:
    """Resolve an unquoted YAML scalar by YAML 1.2's core words, with decimal numbers only.

    Args:
        text: The scalar as it is written.

    Returns:
        None, a boolean, a number, or the text itself.

    Raises:
        InvalidConfig: ``bad_value`` for a number that no job may hold.

    Examples:
        >>> [plain(text) for text in ("true", "no", "0x1F", "-3", "1e3", "2024-01-01", "~")]
        [True, 'no', '0x1F', -3, 1000.0, '2024-01-01', None]
    """
    if text[:1] not in _NUMBERS_BEGIN:
        return _WORDS.get(text, text)
    if _INTEGER.fullmatch(text):
        return integer(text)
    if _LEADING_ZERO.fullmatch(text):
        raise InvalidConfig(f"{text[:30]} starts with a zero; quote it, or drop the zero")
    if _NOT_FINITE.fullmatch(text):
        raise InvalidConfig(f"{text} is not a number that can be used; quote it if it is text")
    return finite(text) if _FLOAT.fullmatch(text) else text


def integer(text: str) -> int:
    """Read a decimal whole number.

    Args:
        text: Digits, with or without a sign; any number of them.

    Returns:
        The number, from -(2^63 - 1) to 2^64 - 1.

    Raises:
        InvalidConfig: ``bad_value`` for a number out of this range.

    Examples:
        >>> integer("18446744073709551615") == 2**64 - 1
        True
    """
    value = int(text) if len(text) <= 21 else MAX_INTEGER + 1
    if MIN_INTEGER <= value <= MAX_INTEGER:
        return value
    raise InvalidConfig(f"{text[:30]} is out of range, which is {MIN_INTEGER} to {MAX_INTEGER}")


def finite(text: str) -> float:
    """Read a decimal number that is not infinite.

    Args:
        text: The number, with a point or an exponent.

    Returns:
        The number.

    Raises:
        InvalidConfig: ``bad_value`` for a number that is too large.

    Examples:
        >>> finite("7.5e-1")
        0.75
    """
    value = float(text)
    if math.isfinite(value):
        return value
    raise InvalidConfig(f"{text[:30]} is too large for a number")


def check_text(text: str) -> None:
    """Refuse text that holds a control character.

    Args:
        text: A key or a value.

    Raises:
        InvalidConfig: ``bad_value``.

    Examples:
        >>> check_text("two\\nlines")
    """
    if (found := UNPRINTABLE.search(text)) is not None:
        raise InvalidConfig(f"the control character U+{ord(found[0]):04X} may not stand in text")


def _encoding_error(message: str, before: str) -> InvalidConfig:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return InvalidConfig(message, code="bad_encoding", line=line, column=column)
