"""Sentences of texts, by offsets: for whole batches in columns, without an object per sentence.

A sentence ends at a line break, or behind ``.``, ``!``, ``?`` or ``…`` (with the quotes, brackets and emphasis that
close there) where white space follows. Not behind the number of a list item, a single capital letter, a common
abbreviation, or where the next word begins in lower case. A full stop of Chinese or Japanese needs no space behind it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from phrasemill.filters.offsets import CodePoints

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

_ABBREVIATIONS: Final = (
    *("mr", "mrs", "ms", "dr", "st", "jr", "sr", "vs", "no", "co", "inc", "ltd", "fig", "prof", "e.g", "i.e", "cf"),
    *(
        "approx",
        "dept",
        "est",
        "vol",
        "ed",
        "al",
        "gen",
        "sen",
        "rev",
        "capt",
        "lt",
        "col",
        "p",
        "pp",
        "u.s",
        "a.m",
        "p.m",
    ),
)
"""Of at most seven bytes: they and the byte before them are looked at as one number."""


def _table(characters: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(characters)] = True
    return table


_ENDS: Final = _table(b".!?\n")
_SPACE: Final = _table(b" \t\r\n\x0b\x0c")
_CLOSES: Final = _table(b"\"')]*_`")
_LOWER: Final = _table(bytes(range(ord("a"), ord("z") + 1)))
_UPPER: Final = _table(bytes(range(ord("A"), ord("Z") + 1)))
_DIGIT: Final = _table(b"0123456789")
_ALONE: Final = _table(b" \t\r\n.(")
_ITEM: Final = _table(b" *_#-")
_MAX_CLOSES: Final = 4
_ITEM_DIGITS: Final = 3
_ITEM_MARKS: Final = 4


class Sentences(NamedTuple):
    """Sentences in order: the text that each is in, and its bytes in the buffer, half-open, without white space around.

    All three have one entry per sentence.
    """

    owner: Offsets
    start: Offsets
    stop: Offsets


def split_batch(data: Bytes, starts: Offsets, stops: Offsets) -> Sentences:
    """The sentences of the texts ``data[starts[i]:stops[i]]``, which are UTF-8, in order and do not overlap."""
    low, high = (int(starts[0]), int(stops[-1])) if len(starts) else (0, 0)
    text = data[low:high]
    if not len(text):
        empty = np.zeros(0, dtype=np.int64)
        return Sentences(empty, empty, empty)
    first, last = starts - low, stops - low
    breaks = _breaks(text)
    # Every text is a piece between its own borders; a break outside all texts, in a gap, cuts nothing.
    borders = np.sort(np.concatenate([first, last, breaks]), kind="stable")
    begin, end = _trimmed(text, borders[:-1], borders[1:])
    held = begin < end
    begin, end = begin[held], end[held]
    # An empty text shares its start with the next one, which owns the bytes: searchsorted finds the later of the two.
    owner = np.searchsorted(first, begin, side="right") - 1
    inside = begin < last[owner]
    return Sentences(owner[inside], begin[inside] + low, end[inside] + low)


def split(text: str) -> list[tuple[int, int]]:
    """The sentences of one text, as code points, half-open."""
    raw = text.encode(errors="surrogatepass")
    found = split_batch(np.frombuffer(raw, dtype=np.uint8), np.array([0]), np.array([len(raw)]))
    point = CodePoints(raw, text)
    spans = list(zip(found.start.tolist(), found.stop.tolist(), strict=True))
    point.learn(border for span in spans for border in span)
    return [(point(start), point(stop)) for start, stop in spans]


def _breaks(text: Bytes) -> Offsets:
    """Where a sentence may begin, in order: behind line breaks and behind the ends of sentences."""
    at = np.flatnonzero(_ENDS[text])
    is_line = text[at] == 10
    marks = at[~is_line]
    wide = _wide_ends(text)
    full = wide[text[wide] == 0xE3]
    # An ellipsis ends a sentence as its third full stop would: its last byte stands for the mark.
    marks = np.concatenate([marks, wide[text[wide] == 0xE2] + 2])
    behind = _past_closes(text, marks + 1)
    inside = np.flatnonzero(behind < len(text))
    inside = inside[_SPACE[text[behind[inside]]]]
    marks, behind = marks[inside], behind[inside]
    ends = behind[~_goes_on(text, marks, behind)]
    return np.sort(np.concatenate([at[is_line] + 1, ends, full + 3]), kind="stable")


def _wide_ends(text: Bytes) -> Offsets:
    """First bytes of an ellipsis and of the full stop of Chinese and Japanese."""
    lead = np.flatnonzero((text[:-2] & 0xFE) == 0xE2)
    ellipsis = (text[lead] == 0xE2) & (text[lead + 1] == 0x80) & (text[lead + 2] == 0xA6)
    stop = (text[lead] == 0xE3) & (text[lead + 1] == 0x80) & (text[lead + 2] == 0x82)
    found: Offsets = lead[ellipsis | stop]
    return found


def _past_closes(text: Bytes, behind: Offsets) -> Offsets:
    """``behind`` moved past quotes, brackets and emphasis that close there."""
    size = len(text)
    for _ in range(_MAX_CLOSES):
        here = text[np.minimum(behind, size - 1)]
        closing = np.flatnonzero((behind < size) & _CLOSES[here])
        curly = np.flatnonzero((here == 0xE2) & (behind + 2 < size))
        at = behind[curly]
        quote = curly[(text[at + 1] == 0x80) & ((text[at + 2] == 0x9D) | (text[at + 2] == 0x99))]
        if not len(closing) and not len(quote):
            break
        behind[closing] += 1
        behind[quote] += 3
    return behind


def _goes_on(text: Bytes, marks: Offsets, behind: Offsets) -> npt.NDArray[np.bool_]:
    """Marks that end no sentence, though white space follows: only full stops can be."""
    goes_on = np.zeros(len(marks), dtype=np.bool_)
    stops = np.flatnonzero(text[marks] == ord("."))
    marks, behind = marks[stops], behind[stops]
    last = len(text) - 1
    # One or two spaces stand in running text; a longer gap is a break anyhow.
    word = np.minimum(behind + 1, last)
    word = np.where(text[word] == ord(" "), np.minimum(word + 1, last), word)
    lower = _LOWER[text[word]] & (text[behind] == ord(" "))
    before, before_that = text[np.maximum(marks - 1, 0)], text[np.maximum(marks - 2, 0)]
    initial = _UPPER[before] & (before != ord("I")) & (_ALONE[before_that] | (marks < 2))
    goes_on[stops] = lower | initial | _is_abbreviation(text, marks)
    numbered = np.flatnonzero(_DIGIT[before])
    goes_on[stops[numbered]] |= _is_item(text, marks[numbered])
    return goes_on


def _is_item(text: Bytes, marks: Offsets) -> npt.NDArray[np.bool_]:
    """Full stops behind a number that begins its line, as those of a list do."""
    at = marks - 1
    for _ in range(_ITEM_DIGITS):
        at = np.where((at >= 0) & _DIGIT[text[np.maximum(at, 0)]], at - 1, at)
    for _ in range(_ITEM_MARKS):
        at = np.where((at >= 0) & _ITEM[text[np.maximum(at, 0)]], at - 1, at)
    begins: npt.NDArray[np.bool_] = (at < 0) | (text[np.maximum(at, 0)] == 10)
    return begins


def _is_abbreviation(text: Bytes, marks: Offsets) -> npt.NDArray[np.bool_]:
    """Full stops behind one of the abbreviations, in any case."""
    found = np.zeros(len(marks), dtype=np.bool_)
    far = np.flatnonzero(marks >= 8)
    near = np.flatnonzero(marks < 8)
    # The eight bytes in front of each mark as one number, its letters small.
    packed = np.zeros(len(marks), dtype=np.uint64)
    if len(far):
        eights = np.ndarray((len(text) - 7,), dtype=">u8", buffer=text, strides=(1,))
        packed[far] = eights[marks[far] - 8]
    for at in near.tolist():
        packed[at] = int.from_bytes(text[: marks[at]].tobytes())
    packed |= np.uint64(0x2020202020202020)
    for word in _ABBREVIATIONS:
        bits = 8 * len(word)
        same = np.flatnonzero((packed & np.uint64((1 << bits) - 1)) == np.uint64(int.from_bytes(word.encode())))
        before = (packed[same] >> np.uint64(bits)).astype(np.uint8)
        found[same] |= ~_LOWER[before]
    return found


def _trimmed(text: Bytes, begin: Offsets, end: Offsets) -> tuple[Offsets, Offsets]:
    """The pieces without white space around them; a piece of nothing else begins where it ends."""
    begin, end = begin.copy(), end.copy()
    live = np.flatnonzero(begin < end)
    while len(live := live[begin[live] < end[live]]) and len(live := live[_SPACE[text[begin[live]]]]):
        begin[live] += 1
    live = np.flatnonzero(begin < end)
    while len(live := live[begin[live] < end[live]]) and len(live := live[_SPACE[text[end[live] - 1]]]):
        end[live] -= 1
    return begin, end
