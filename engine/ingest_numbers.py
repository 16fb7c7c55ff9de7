"""Whole numbers beyond 64 bits become text: as floats they would be others, and two ids could be one."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, Final

import orjson

from phrasemill.engine.ingest_depth import is_too_deep, may_be_deep

INT64: Final = range(-(2**63), 2**63)
UINT64_STOP: Final = 2**64


def parsed_exactly(line: bytes) -> Any:
    """Return the JSON of a line; in an object with whole numbers beyond 64 bits these are text, at any depth.

    Only values of the object itself tell that there are any. One that is nested too deep comes as it is.

    Raises:
        orjson.JSONDecodeError: the line is no JSON.

    """
    value = orjson.loads(line)
    if not isinstance(value, dict) or not any(map(_is_beyond, value.values())):
        return value
    if may_be_deep(line) and is_too_deep(value):
        return value
    return json.loads(line, parse_int=_number)


def parsed_whole(line: bytes) -> Any:
    """Return the JSON of a line with whole numbers of any size as such, at any depth up to too deep.

    Raises:
        orjson.JSONDecodeError: the line is no JSON.

    """
    value = orjson.loads(line)
    if not isinstance(value, dict) or (may_be_deep(line) and is_too_deep(value)) or not _has_beyond(value):
        return value
    return json.loads(line)


def with_floats(value: Any) -> Any:
    """Return a JSON value with floats in place of decimals. It must not be nested too deep.

    Raises:
        OverflowError: no float holds a decimal.

    """
    if isinstance(value, dict):
        return {key: with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_floats(item) for item in value]
    if not isinstance(value, Decimal):
        return value
    number = float(value)
    if math.isinf(number):
        raise OverflowError("a number is larger than any float")
    return number


def exact(value: Any) -> Any:
    """Return a JSON value with whole numbers beyond 64 bits as text. It must not be nested too deep."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return str(value) if isinstance(value, int) and not -(2**63) <= value < UINT64_STOP else value


def _is_beyond(value: Any) -> bool:
    """Whether this may have been a whole number that no 64 bits hold."""
    return isinstance(value, float) and abs(value) >= INT64.stop


def _has_beyond(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_beyond, value.values()))
    return any(map(_has_beyond, value)) if isinstance(value, list) else _is_beyond(value)


def _number(digits: str) -> int | str:
    return digits if len(digits) > 20 or not -(2**63) <= int(digits) < UINT64_STOP else int(digits)
