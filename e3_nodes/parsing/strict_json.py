"""Reads JSON from strangers as strictly as ``strict_yaml`` reads YAML: no NaN, no key twice, not too deep."""

from __future__ import annotations

import codecs
import json
from typing import Any, NoReturn

from ..errors import InvalidConfig
from . import strict_values

MAX_JSON_DEPTH = 16


def read_json(data: bytes) -> Any:
    """Read one JSON value from an untrusted request body.

    Args:
        data: The body: UTF-8 without a byte order mark.

    Returns:
        The value, its depth, numbers and text within bounds.

    Raises:
        InvalidConfig: ``bad_json`` for a body that is no strict JSON, ``too_large``, ``bad_encoding``, or
            ``bad_value`` for a number or text that no job may hold.

    Examples:
        >>> read_json(b'{"priority": 5}')
        {'priority': 5}
    """
    if data.startswith(codecs.BOM_UTF8):
        raise InvalidConfig("the body starts with a byte order mark; JSON has none", code="bad_encoding")
    try:
        value = json.loads(
            strict_values.decode(data),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_int=strict_values.integer,
            parse_float=strict_values.finite,
        )
    except json.JSONDecodeError as exc:
        raise InvalidConfig(f"not JSON: {exc.msg}", code="bad_json", line=exc.lineno, column=exc.colno) from exc
    except RecursionError as exc:
        raise _too_deep() from exc
    _check(value, 0)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InvalidConfig(f"the key {key[:60]!r} is there twice; keep one", code="bad_json")
        result[key] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidConfig(f"{name} is not JSON; only finite numbers are", code="bad_json")


def _too_deep() -> InvalidConfig:
    return InvalidConfig(f"nested deeper than {MAX_JSON_DEPTH} levels", code="bad_json")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        strict_values.check_text(value)
    if not isinstance(value, (dict, list)):
        return
    if depth >= MAX_JSON_DEPTH:
        raise _too_deep()
    for item in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
        _check(item, depth + 1)
