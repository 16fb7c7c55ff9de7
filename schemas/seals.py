"""Records that carry a checksum over their own bytes: a single changed bit anywhere in one is told when it is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson
from blake3 import blake3

CHECKSUM: Final = "checksum"
"""The key of the checksum; no sealed record may have it as a key of its own."""

_OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE

# Two spaces after a line's start: a key of the record itself. Inside a string neither a line end nor a quote is bare.
_SEAL: Final = re.compile(rb'\n  "checksum": "([0-9a-f]{64})"')
_BLANK: Final = b'\n  "checksum": ""'

_LINE_HEAD: Final = b',"checksum":"'
_LINE_FOOT: Final = b'"}\n'
_LINE_DIGITS: Final = 32
_LINE_SEAL: Final = len(_LINE_HEAD) + _LINE_DIGITS + len(_LINE_FOOT)


class BrokenSeal(ValueError):
    """The bytes are not those that were sealed."""


def seal(record: Mapping[str, Any]) -> bytes:
    """The record as indented JSON, keys in order, with the key ``checksum``.

    Its value is the blake3, in hexadecimal, of these very bytes with an empty value there.
    """
    blank = orjson.dumps({**record, CHECKSUM: ""}, option=_OPTIONS)
    return blank.replace(_BLANK, _BLANK[:-1] + blake3(blank).hexdigest().encode() + b'"', 1)


def unseal(content: bytes) -> tuple[dict[str, Any], bool]:
    """The record without its checksum, and whether it had one: records of earlier versions have none.

    Raises:
        BrokenSeal: the bytes are no JSON object, or not what the checksum was made of.

    """
    record = _object(content)
    if CHECKSUM not in record:
        return record, False
    found = _SEAL.findall(content)
    if len(found) != 1 or blake3(_SEAL.sub(_BLANK, content)).hexdigest().encode() != found[0]:
        raise BrokenSeal("its content is not that of its checksum: it was changed")
    return {name: value for name, value in record.items() if name != CHECKSUM}, True


def seal_line(record: Mapping[str, Any]) -> bytes:
    """The record as one line of JSON, its line end included; the last key is ``checksum``, of the bytes before it."""
    body = orjson.dumps(record)[:-1]
    return body + _LINE_HEAD + _line_digits(body) + _LINE_FOOT


def unseal_line(line: bytes, names: Collection[str]) -> tuple[dict[str, Any], bool]:
    """The record of a line, and whether it was sealed. ``names``: the keys that a line without a checksum may have.

    Raises:
        BrokenSeal: the bytes are no JSON object, or not what the checksum was made of.

    """
    body, end = line[:-_LINE_SEAL], line[-_LINE_SEAL:]
    if end.startswith(_LINE_HEAD) and end.endswith(_LINE_FOOT):
        if end[len(_LINE_HEAD) : -len(_LINE_FOOT)] != _line_digits(body):
            raise BrokenSeal("its content is not that of its checksum: it was changed")
        return _object(body + b"}"), True
    record = _object(line)
    if strange := sorted(record.keys() - set(names)):
        raise BrokenSeal(f"got the key {strange[0]!r}, which no record has")
    return record, False


def _line_digits(body: bytes) -> bytes:
    return blake3(body).hexdigest()[:_LINE_DIGITS].encode()


def _object(content: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BrokenSeal(str(error)) from error
    if not isinstance(record, dict):
        raise BrokenSeal("is no JSON object")
    return record
