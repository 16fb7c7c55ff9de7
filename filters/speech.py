"""Lines of an answer that a named speaker says: a dialogue, a script, a transcript."""

from __future__ import annotations

from collections import Counter
from typing import Final

import re2

_SPEAKER: Final = re2.compile(
    r"(?m)^[\s*_>-]{0,6}\[?(\p{Lu}[^\s:.()\]*]*(?: (?:\p{Lu}|\d|of |the |von |de )[^\s:()\]*]*){0,3}?)\]?"
    r"(?: ?\([^)\n]{0,40}\))?[*_]{0,3}:[*_]{0,3}[ \t]*\S|^([A-Z]{3,24})\. \S"
)
_TITLES: Final = re2.compile(
    r"(?i)(?:\A|\s)(?:note|tip|tips|step|example|answer|question|subject|dear|warning|pros|cons|ingredients|instructions"
    r"|title|summary|conclusion|introduction|benefits|definition|explanation|location|date|time|price|name"
    r"|output|input|result)s?(?: \d+)?\z"
)
_MODEL_ROLES: Final = frozenset({"user", "human", "assistant", "ai", "system", "bot", "ai assistant"})

NAME_CHARS: Final = 32
"""Longest name of a speaker."""

MIN_TURNS: Final = 2
"""Fewest spoken lines of an asked-for dialogue; unasked, a name must also come back."""


def spoken_lines(text: str, *, asked: bool) -> list[tuple[int, int]]:
    """Where the lines of named speakers stand (code points, half-open), to the next one's start.

    ``asked``: the user asked for, or gave, such turns. Otherwise only a text in which a speaker comes back counts, and
    never one of the names that a leaked chat template has.
    """
    found = [(match.start(), (match.group(1) or match.group(2)).lower()) for match in _SPEAKER.finditer(text)]
    found = [(start, name) for start, name in found if len(name) <= NAME_CHARS and not _TITLES.search(name)]
    names = Counter(name for _, name in found)
    if len(found) < MIN_TURNS:
        return []
    if not asked and (max(names.values()) < MIN_TURNS or len(names) < MIN_TURNS or not _MODEL_ROLES.isdisjoint(names)):
        return []
    stops = [*(start for start, _ in found[1:]), len(text)]
    return [(start, _end_of_speech(text, start, stop)) for (start, _), stop in zip(found, stops, strict=True)]


def _end_of_speech(text: str, start: int, stop: int) -> int:
    """The speech ends with its paragraph."""
    blank = text.find("\n\n", start, stop)
    return stop if blank < 0 else blank
