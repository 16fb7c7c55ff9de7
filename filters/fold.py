"""Texts folded for the search of literals, all of a batch at once in numpy, and the way back to their own bytes.

Folded are ASCII letters to small ones, a run of white space to one space, every apostrophe to ``'``. Two letters
beyond ASCII count as ASCII ones where case does not matter, U+017F and U+212A; turns with them are only marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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

    ``odd``: the turns that hold a letter beyond ASCII that counts as an ASCII one.
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

    Returns which bytes go, and where letters are that count as ASCII ones.
    """
    high = np.flatnonzero(raw >= 0xC2)  # leading bytes: in UTF-8 at least one more byte follows
    lead, second = raw[high], raw[np.minimum(high + 1, len(raw) - 1)]
    pair = lead.astype(np.uint16) << 8 | second
    no_break = high[pair == 0xC2A0]
    text[no_break] = text[no_break + 1] = _SPACE
    short = high[(pair == 0xC2B4) | (pair == 0xCABC)]
    three = high[(pair == 0xE280) | (pair == 0xE284)]
    third = raw[np.minimum(three + 2, len(raw) - 1)]
    is_quote = raw[np.minimum(three + 1, len(raw) - 1)] == 0x80
    long = three[is_quote & (third == 0x99)]
    text[short] = text[long] = _APOSTROPHE
    dropped = np.concatenate([short + 1, long + 1, long + 2])
    return dropped, np.concatenate([high[pair == 0xC5BF], three[~is_quote & (third == 0xAA)]])
