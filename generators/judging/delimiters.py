"""Text that somebody else wrote, laid out for a model so that it cannot pass for an instruction or end too early."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import blake3
import orjson

_ESCAPED: Final = re.compile(
    r"<|\[(?=/?(?:INST|SYS|AVAILABLE|TOOL|[a-z]?[A-Z][A-Z_]+\]))|[\x85\u2028\u2029\U000e0000-\U000e007f]"
)
"""Starts of the control tokens of chat templates, characters that end a line, and tags, which nobody sees."""


class Delimited(NamedTuple):
    """``data`` is one line of JSON; ``line`` is what stands alone on the lines before and after it."""

    line: str
    data: str


def delimited(value: object) -> Delimited:
    """The JSON of ``value`` on one line, and the line that borders it: the same for the same value.

    No control token of a chat template stands in the JSON as such: a JSON escape reads the same to a model and is no
    token to its template. The border hashes the data, so nobody who wrote the data could know it.
    """
    data = _ESCAPED.sub(_escape, orjson.dumps(value).decode())
    digest = blake3.blake3(data.encode(), derive_key_context="phrasemill judge delimiter").hexdigest()
    return Delimited(f"data-{digest[:24]}", data)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
