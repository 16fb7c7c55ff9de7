"""Texts folded for the search of literals, all of a batch at once in numpy, and the way back to their own bytes.

Folded are letters of ASCII, Latin-1 and Cyrillic to small ones, a run of white space to one space, every apostrophe to
``'``. Some letters count as one of these where case does not matter though they have another length in bytes (U+017F as
an s, U+212A as a k, U+1C80 as a Cyrillic letter); turns with them are only marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_SPACE: Final = 32
_APOSTROPHE: Final = 39


def _table() -> npt.NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    table[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    table[np.frombuffer(b"\t\n\f\r", dtype=np.uint8)] = _SPACE
    table[ord("`")] = _APOSTROPHE
    return table


_FOLDED: Final = _table()


@dataclass(frozen=True, slots=True)
class FoldedTurns:
    """``text``: all turns, folded; ``begins`` and ``ends``: each turn's bytes in it, as int64.

    ``odd``: the turns that hold a letter that counts as one of another length.
    """

    text: npt.NDArray[np.uint8]
    begins: Offsets
    ends: Offsets
    odd: Flags
    _first: int
    _gaps: Offsets

    def original(self, places: Offsets) -> Offsets:
        """Offsets in the texts' own buffer of the bytes that became the ones at ``places``."""
        return places + np.searchsorted(self._gaps, places, side="right") + self._first


def fold_turns(data: memoryview, starts: Sequence[int], stops: Sequence[int]) -> FoldedTurns:
    """The turns, folded. ``starts`` and ``stops``: their bytes in ``data``, each turn behind the one before."""
    first = starts[0] if starts else 0
    raw = np.frombuffer(data, dtype=np.uint8)[first : stops[-1] if stops else 0]
    borders = np.array([starts, stops], dtype=np.int64) - first
    text = _FOLDED[raw]
    dropped, odd_places = _fold_wide(raw, text)
    spaces = text == _SPACE
    spaces[1:] &= spaces[:-1].copy()
    spaces[:1] = False
    spaces[borders[0][borders[0] < len(text)]] = False
    spaces[dropped] = True
    gone = np.flatnonzero(spaces)
    begins, ends = borders - np.searchsorted(gone, borders)
    odd = np.zeros(len(starts), dtype=np.bool_)
    odd[np.searchsorted(borders[0], odd_places, side="right") - 1] = True
    return FoldedTurns(text[~spaces], begins, ends, odd, first, gone - np.arange(len(gone)))


def _fold_wide(raw: npt.NDArray[np.uint8], text: npt.NDArray[np.uint8]) -> tuple[Offsets, Offsets]:
    """Fold the characters of several bytes in ``text``.

    Returns which bytes go, and where letters are that count as ones of another length.
    """
    high = np.flatnonzero(raw >= 0xC2)  # leading bytes: in UTF-8 at least one more byte follows
    lead, second = raw[high], raw[np.minimum(high + 1, len(raw) - 1)]
    pair = (lead.astype(np.uint16) << np.uint16(8)) | second
    no_break = high[pair == 0xC2A0]
    text[no_break] = text[no_break + 1] = _SPACE
    _lower(text, high, pair)
    short = high[(pair == 0xC2B4) | (pair == 0xCABC)]
    three = high[(pair == 0xE280) | (pair == 0xE284)]
    third = raw[np.minimum(three + 2, len(raw) - 1)]
    is_quote = raw[np.minimum(three + 1, len(raw) - 1)] == 0x80
    long = three[is_quote & (third == 0x99)]
    text[short] = text[long] = _APOSTROPHE
    dropped = np.concatenate([short + 1, long + 1, long + 2])
    signs = three[~is_quote & ((third == 0xAA) | (third == 0xAB))]
    old = high[pair == 0xE1B2]
    return dropped, np.concatenate([high[pair == 0xC5BF], signs, old])


def _lower(text: npt.NDArray[np.uint8], high: Offsets, pair: npt.NDArray[np.integer[Any]]) -> None:
    """Make capitals of Latin-1 and Cyrillic small: each is two bytes, and so is its small letter."""
    latin = high[(pair >= 0xC380) & (pair <= 0xC39E) & (pair != 0xC397)]
    text[latin + 1] += 0x20
    for first, last, lead, shift in (
        (0xD080, 0xD08F, 0xD1, 0x10),
        (0xD090, 0xD09F, 0xD0, 0x20),
        (0xD0A0, 0xD0AF, 0xD1, -0x20),
    ):
        at = high[(pair >= first) & (pair <= last)]
        text[at] = lead
        text[at + 1] = (text[at + 1].astype(np.int16) + shift).astype(np.uint8)
