"""A table that finds the places of many 64-bit keys at once, several times as quick as a binary search.

Keys are spread by a multiplication; those that fall on a taken slot go to a further, smaller table, and so on. All
tables are numpy arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Ids = npt.NDArray[np.uint32]

NONE: Final = np.uint32(0xFFFF_FFFF)
"""The place of a key that is not there."""

_SLOTS_A_KEY: Final = 4
_FIRST_FACTOR: Final = 0x9E3779B97F4A7C15
_STEP: Final = 0xBF58476D1CE4E5B9
_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Different keys, and tables of their places: the factor and the shift that give the slot, and the slots."""

    keys: Keys
    tables: tuple[tuple[np.uint64, np.uint64, Ids], ...]

    def places(self, wanted: Keys) -> Ids:
        """The place in ``keys`` of each wanted key, or ``NONE``."""
        result = np.full(len(wanted), NONE)
        open_ = np.arange(len(wanted))
        for factor, shift, slots in self.tables:
            place = slots[(wanted * factor) >> shift]
            hit = self.keys[place] == wanted
            result[open_[hit]] = place[hit]
            open_, wanted = open_[~hit], wanted[~hit]
        return result


def key_table(keys: Keys) -> KeyTable:
    """The table of the keys, which must differ."""
    tables: list[tuple[np.uint64, np.uint64, Ids]] = []
    rest = np.arange(len(keys), dtype=np.uint32)
    factor = _FIRST_FACTOR
    while len(rest):
        bits = (_SLOTS_A_KEY * len(rest)).bit_length()
        slots = np.zeros(1 << bits, np.uint32)
        at = (keys[rest] * np.uint64(factor)) >> np.uint64(64 - bits)
        slots[at] = rest
        tables.append((np.uint64(factor), np.uint64(64 - bits), slots))
        rest = rest[slots[at] != rest]
        factor = (factor * _STEP & _MASK) | 1
    return KeyTable(keys, tuple(tables))
