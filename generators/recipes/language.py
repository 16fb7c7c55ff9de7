"""The language of one text, where it is certain."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from phrasemill.filters.detect import UNDECIDED, detect

LEAST: Final = 25
"""Characters below which it would be a guess."""

CONFIDENT: Final = 0.9


def language_of(text: str) -> str:
    """The two-letter code of a text's language, or ``und`` where it is not certain."""
    if len(text) < LEAST:
        return UNDECIDED
    codes, sure = detect(pa.array([text], pa.large_string()))
    return str(codes[0]) if float(sure[0]) >= CONFIDENT else UNDECIDED


def switched(before: str, after: str) -> bool:
    """Whether ``after`` is certainly in another language than ``before``."""
    first, second = language_of(before), language_of(after)
    return UNDECIDED not in (first, second) and first != second
