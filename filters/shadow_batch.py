"""The shadows of a batch of texts: told from its own buffers which texts have one, and most of them made there too.

A text without a trace of disguise is only read by a linear-time search; nothing of it is copied, and it never becomes a
Python string. Nor does a text that holds emphasis and no other markup or disguise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.filters.confusables import FORMS, INVISIBLE, LOOK_ALIKES, MARKS
from phrasemill.filters.emphasis import LONGEST, SPACE, WORD
from phrasemill.filters.shadow import shadow

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def _listed(codes: Iterable[int]) -> str:
    """Code points as the inside of a character class of RE2."""
    return "".join(rf"\x{{{code:x}}}" for code in codes)


_MIXED: Final = _listed(LOOK_ALIKES)
_ODD: Final = _listed(
    [*FORMS, *INVISIBLE, *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), *range(MARKS[0], MARKS[1] + 1)]
)
_LETTERS: Final = rf"&[#A-Za-z]|[Aa]\.[Ii]|n A\. I\.|[{_ODD}]|[A-Za-z][{_MIXED}]|[{_MIXED}][A-Za-z]"
"""Entities, the abbreviation with stops, forms of letters, what is invisible, letters of two scripts side by side."""

_RUN: Final = rf"(?:[*_]|[*_~]{{2,{LONGEST}}})"
_EMPHASIS: Final = rf"(?:^|[^0-9A-Za-z*_~\\]){_RUN}[^\s\v*_~]|[^\s\v*_~\\]{_RUN}(?:[^0-9A-Za-z*_~]|$)"
"""A delimiter that flanks a word."""

_NO_PROSE: Final = r"`|~~~|\A\s*[{\[<]"
"""What code, JSON and reasoning may begin with."""

_IS_SPACE: Final = np.array([chr(byte) in SPACE for byte in range(256)])
_IS_WORD: Final = np.array([chr(byte) in WORD for byte in range(256)])


def may_need(texts: pa.LargeStringArray) -> Indices:
    """Indices of the texts that may have a shadow, in order: all that have one are among them. No text is null."""
    return np.flatnonzero(_holds(texts, _LETTERS) | _holds(texts, _EMPHASIS))


def shadows(texts: pa.LargeStringArray) -> tuple[Indices, pa.LargeStringArray]:
    """Indices of texts, in no particular order, and their shadows; all other texts have none. No text is null.

    A few texts may be there with a shadow that is the text itself. Asked again for the very same array, as several
    filters do one after the other, it gives the same answer at no cost; only the last one is kept.
    """
    global _last
    known = _last
    if known is None or known[0] is not texts:
        known = _last = (texts, *_shadows(texts))
    return known[1], known[2]


_last: tuple[pa.LargeStringArray, Indices, pa.LargeStringArray] | None = None


def _shadows(texts: pa.LargeStringArray) -> tuple[Indices, pa.LargeStringArray]:
    emphasis = _holds(texts, _EMPHASIS)
    one_by_one = _holds(texts, _LETTERS)
    one_by_one[emphasis] |= _holds(texts.filter(pa.array(emphasis)), _NO_PROSE)
    together = np.flatnonzero(emphasis & ~one_by_one)
    plain = _without_emphasis(texts.take(pa.array(together)))
    again = _holds(plain, _LETTERS)  # what a delimiter had kept apart
    one_by_one[together[again]] = True
    found = {int(at): shade.text for at in np.flatnonzero(one_by_one) if (shade := shadow(str(texts[at]))) is not None}
    made = pa.array(found.values(), pa.large_string())
    indices = np.concatenate([together[~again], np.fromiter(found, np.int64, len(found))])
    return indices, pa.concat_arrays([plain.filter(pa.array(~again)), made])


def _holds(texts: pa.LargeStringArray, pattern: str) -> Flags:
    found = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return np.array(found, dtype=np.bool_)


def _without_emphasis(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """The texts without the delimiters that flank words, as ``shadow`` takes them out of prose."""
    borders = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(texts.buffers()[2] or b"", dtype=np.uint8)[borders[0] : borders[-1]]
    borders = borders - borders[0]
    marks = np.flatnonzero((data == ord("*")) | (data == ord("_")) | (data == ord("~")))
    if not len(marks):
        return texts
    first, last = _runs(marks, borders)
    size = last - first + 1
    before = np.where(np.isin(first, borders), ord(" "), data[first - 1])
    behind = np.where(np.isin(last + 1, borders), ord(" "), data[np.minimum(last + 1, len(data) - 1)])
    flanks = (~_IS_SPACE[behind] & ~_IS_WORD[before]) | (~_IS_SPACE[before] & ~_IS_WORD[behind])
    flanks &= (size <= LONGEST) & (before != ord("\\")) & ((size > 1) | (data[first] != ord("~")))
    gone = marks[np.repeat(flanks, size)]
    kept = np.ones(len(data), dtype=np.bool_)
    kept[gone] = False
    moved = borders - np.searchsorted(gone, borders)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(moved), pa.py_buffer(data[kept]))


def _runs(marks: Indices, borders: Indices) -> tuple[Indices, Indices]:
    """First and last places of the runs of delimiters; a border between texts ends a run."""
    starts = (np.diff(marks, prepend=-2) != 1) | np.isin(marks, borders)
    return marks[starts], marks[np.append(starts[1:], True)]
