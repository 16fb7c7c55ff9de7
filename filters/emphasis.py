"""Markdown emphasis inside a text: the delimiters that flank words, and which two belong together.

List markers, snake_case, arithmetic with or without spaces and dividers are none. What flanks is told from the two
characters beside it, so that a batch of texts can be asked at once; a character beyond ASCII is neither a word's nor
white space.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

LONGEST: Final = 6
"""More delimiters in a row are a divider, or a blank to fill in."""

DELIMITERS: Final = ("*", "_", "~")
WORD: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
SPACE: Final = frozenset(" \t\n\v\f\r")

_RUN: Final = re.compile(r"[*_~]+")
_SAME: Final = re.compile(r"\*+|_+|~+")


class Delimiter(NamedTuple):
    """A run of delimiters, half-open, and whether emphasis may begin or end with it."""

    start: int
    stop: int
    opens: bool
    closes: bool


class Pair(NamedTuple):
    """An opening and a closing delimiter of one length, with the content between them."""

    start: int
    content: int
    content_stop: int
    stop: int


def delimiters(text: str, protected: Sequence[tuple[int, int]]) -> Iterator[Delimiter]:
    """The delimiters of a text, in order, that do not begin in one of the ``protected`` ranges (in order, apart)."""
    lows = [low for low, _ in protected]
    for run in _RUN.finditer(text):
        start, stop = run.span()
        before, behind = text[start - 1 : start], text[stop : stop + 1]
        opens = bool(behind) and behind not in SPACE and before not in WORD
        closes = bool(before) and before not in SPACE and behind not in WORD
        if not (opens or closes) or before == "\\" or run[0] == "~" or stop - start > LONGEST:
            continue
        inside = bisect_right(lows, start) - 1
        if inside < 0 or protected[inside][1] <= start:
            yield Delimiter(start, stop, opens, closes)


def pairs(text: str, found: Sequence[Delimiter]) -> list[Pair]:
    """The delimiters that belong together: each closing one with the nearest open one of its kind and paragraph."""
    paired: list[Pair] = []
    opened: dict[str, list[tuple[int, int]]] = {char: [] for char in DELIMITERS}
    paragraph_stop = 0
    for start, stop, opens, closes in found:
        if start >= paragraph_stop:
            for stack in opened.values():
                stack.clear()
            blank = text.find("\n\n", stop)
            paragraph_stop = len(text) if blank < 0 else blank
        for same in _SAME.finditer(text, start, stop):
            low, high = same.span()
            stack = opened[text[low]]
            if closes:
                low = _close(stack, low, high, paired)
            if opens and low < high:
                stack.append((low, high))
    return paired


def _close(stack: list[tuple[int, int]], low: int, high: int, paired: list[Pair]) -> int:
    """Pair the run ``low:high`` with what is open; returns where the part of it without a partner begins."""
    while stack and low < high:
        start, content = stack.pop()
        size = min(content - start, high - low)
        paired.append(Pair(content - size, content, low, low + size))
        low += size
        if start < content - size:
            stack.append((start, content - size))
    return low


def widened(paired: Sequence[Pair], start: int, stop: int) -> tuple[int, int]:
    """The span with each delimiter that touches it and whose partner it holds: cut out, it leaves none alone."""
    by_content = {pair.content: pair for pair in paired}
    by_stop = {pair.content_stop: pair for pair in paired}
    while True:
        before, behind = by_content.get(start), by_stop.get(stop)
        if before is not None and before.stop <= stop:
            start = before.start
        elif behind is not None and start <= behind.start:
            stop = behind.stop
        else:
            return start, stop
