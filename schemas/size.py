"""Sizes in bytes as people write them: ``512MB``, ``2GB``, ``2GiB``, or a number."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SIZE: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([A-Za-z]{0,3})", re.ASCII)


def as_bytes(value: object) -> object:
    """The bytes that a text stands for; numbers and None as they are.

    Raises:
        ValueError: it is no size, or none above 0.

    """
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    size = value
    if found is not None and found[2].upper() in _UNITS:
        size = int(float(found[1]) * _UNITS[found[2].upper()])
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ValueError(f"got {value!r}, expected a size such as 512MB, 2GB or 2GiB, or a number of bytes")
    return size
