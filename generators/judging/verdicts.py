"""What a judge answered, read strictly: one JSON object with exactly the keys that were asked for, or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Set
from typing import Any, Final

_FENCED: Final = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n```\Z", re.DOTALL)


def read_verdict(text: str, keys: Set[str]) -> dict[str, Any] | None:
    """The object that the whole of ``text`` is, or None.

    White space and one code fence around it are allowed; other text, other keys, a key twice, NaN and infinity are not:
    what can be read in two ways says nothing.
    """
    text = text.strip()
    fenced = _FENCED.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.keys() == keys else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice")
    return value


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number")
