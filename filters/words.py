"""The words of many texts as arrays: where each stands and a hash of what it is, without a Python object per word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.filters.regex import text_bytes

CHUNK_BYTES: Final = 2_000_000
"""Texts of so many bytes are taken together; the arrays take some sixty times that."""

_PRIME: Final = np.uint64(1_099_511_628_211)
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)

_CODES: Final = np.arange(256)
_LOWER: Final = np.where((_CODES >= 65) & (_CODES <= 90), _CODES + 32, _CODES).astype(np.uint64)
_LETTER: Final = np.array([chr(code).isalnum() or code == 39 for code in range(128)] + [True] * 128)
_OWN_WORD: Final = (_CODES >= 0xE3) & (_CODES <= 0xED)
"""Lead bytes of kana, CJK and Hangul: each such character is a word, since none stands between spaces."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the texts ``first``, ``first + 1``, ...: those of text ``first + i`` are ``borders[i]:borders[i + 1]``.

    ``start`` and ``stop`` are bytes within the word's text; ``hash`` ignores ASCII case.
    """

    first: int
    borders: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    hash: npt.NDArray[np.uint64]

    def owner(self) -> npt.NDArray[np.int64]:
        """Which text each word is of, counted from ``first``."""
        return np.repeat(np.arange(len(self.borders) - 1), np.diff(self.borders))


def words_of(texts: pa.LargeStringArray) -> Iterator[Words]:
    """The words of all texts, in chunks of whole texts, in order."""
    if not len(texts):
        return
    data, starts, stops = text_bytes(texts)
    buffer = np.frombuffer(data, dtype=np.uint8)
    low = 0
    while low < len(starts):
        high = low + 1
        while high < len(starts) and stops[high] - starts[low] <= CHUNK_BYTES:
            high += 1
        borders = np.asarray([*starts[low:high], stops[high - 1]], dtype=np.int64)
        yield _words(low, buffer[borders[0] : borders[-1]], borders - borders[0])
        low = high


def _words(first: int, text: npt.NDArray[np.uint8], borders: npt.NDArray[np.int64]) -> Words:
    inside = _LETTER[text]
    begins = inside.copy()
    begins[1:] &= ~inside[:-1]
    begins |= _OWN_WORD[text]
    edges = borders[:-1][borders[:-1] < len(text)]
    begins[edges] |= inside[edges]
    start = np.flatnonzero(begins)
    if not len(start):
        none = np.zeros(0, dtype=np.int64)
        return Words(first, np.zeros_like(borders), none, none, none.astype(np.uint64))
    # Every byte that is part of a word counts, weighted by its place in it; the others add nothing.
    place = _places(len(text), start)
    weights = np.where(inside, _LOWER[text] + np.uint64(1), np.uint64(0)) * _powers(place)
    hashed = np.add.reduceat(weights, start)
    length = np.add.reduceat(inside.astype(np.int64), start)
    hashed ^= hashed >> np.uint64(29)
    hashed *= _MIX
    owned = np.searchsorted(start, borders)
    base = np.repeat(borders[:-1], np.diff(owned))
    return Words(first, owned, start - base, start - base + length, hashed)


def _places(size: int, start: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How far each byte is from the start of the latest word; 0 before the first."""
    origin = np.zeros(size, dtype=np.int64)
    origin[start] = start
    return np.arange(size) - np.maximum.accumulate(origin)


def _powers(place: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    limit = min(int(place.max(initial=0)) + 1, 4096)
    table = np.cumprod(np.full(limit, _PRIME), dtype=np.uint64)
    return table[place % limit]
