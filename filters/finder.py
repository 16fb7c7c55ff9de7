"""All rules at once: which rule may match in which turn.

Hyperscan looks for what the rules need, each piece at most once a turn: one call a turn on a slice of the batch's
buffer with its white space squeezed, and no text is decoded. What was found is a table of turns by pieces; from its
columns follow the turns in which the confirming engine is asked for exact bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import hyperscan
import numpy as np
import numpy.typing as npt

from phrasemill.filters.cache import cached
from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.factor import Need
from phrasemill.schemas.errors import PackError

START_BYTES: Final = 600
"""How far into a turn a ``start`` hit may reach: stacked openers are rarely longer."""

_IS_SPACE: Final = np.isin(np.arange(256), np.frombuffer(b"\t\n\f\r ", dtype=np.uint8))

_FLAGS: Final = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH


class Finder:
    """A compiled set of rules: those that match at the start of a turn look at its beginning only."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self._count = len(rules)
        at_start = [number for number, rule in enumerate(rules) if rule.rule.at == "start"]
        others = [number for number, rule in enumerate(rules) if rule.rule.at != "start"]
        self._at_start = _Set(rules, at_start) if at_start else None
        self._others = _Set(rules, others) if others else None

    def candidates(self, data: memoryview, starts: Sequence[int], stops: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Turns with the rules that may match in them, both as indices and in order.

        ``starts`` and ``stops``: bytes of each turn in ``data``.
        """
        may = np.zeros((len(starts), self._count), dtype=np.bool_)
        if not len(starts):
            return []
        data, starts, stops = squeezed(data, starts, stops)
        if self._others is not None:
            self._others.mark(may, data, starts, stops)
        if self._at_start is not None:
            self._at_start.mark(may, data, starts, _beginnings(data, starts, stops))
        turns, rules = np.nonzero(may)
        borders = np.flatnonzero(np.diff(turns, prepend=-1, append=-1)).tolist()
        return [(int(turns[low]), rules[low:high].tolist()) for low, high in pairwise(borders)]


def _beginnings(data: memoryview, starts: Sequence[int], stops: Sequence[int]) -> list[int]:
    """Where the part of each turn ends that start rules look at: all of a turn that may begin with reasoning."""
    text = np.frombuffer(data, dtype=np.uint8)
    first, last = np.asarray(starts, dtype=np.int64), np.asarray(stops, dtype=np.int64)
    second = np.minimum(first + 1, np.maximum(last - 1, first))
    tagged = np.zeros(len(first), dtype=np.bool_)
    held = first < last
    tagged[held] = (text[first[held]] == ord("<")) | (text[second[held]] == ord("<"))
    ends: list[int] = np.where(tagged, last, np.minimum(last, first + START_BYTES)).tolist()
    return ends


def squeezed(data: memoryview, starts: Sequence[int], stops: Sequence[int]) -> tuple[memoryview, list[int], list[int]]:
    """The turns with one byte for each run of white space: a line break where one was in it, else a space.

    ``starts`` and ``stops`` are in order, a turn beginning where the one before stops or later. No-break spaces are
    white space too; other bytes stay. Returns the buffer and each turn's bytes in it.
    """
    low, high = starts[0], stops[-1]
    text = np.frombuffer(data, dtype=np.uint8)[low:high]
    borders = np.array([starts, stops], dtype=np.int64) - low
    space = _IS_SPACE[text]
    no_break = np.flatnonzero((text[:-1] == 0xC2) & (text[1:] == 0xA0))
    space[no_break] = True
    space[no_break + 1] = True
    kept = ~space
    kept[1:] |= ~space[:-1]
    first = borders[0][borders[0] < len(text)]
    kept[first] = True
    dropped = np.flatnonzero(~kept)
    breaks = np.flatnonzero(text == 10)
    breaks -= np.searchsorted(dropped, breaks, side="right")
    text = np.where(space, np.uint8(32), text)[kept]
    text[breaks] = 10
    begin, end = borders - np.searchsorted(dropped, borders)
    return text.data, begin.tolist(), end.tolist()


class _Set:
    """The pieces of some rules in one database."""

    def __init__(self, rules: Sequence[CompiledRule], members: Sequence[int]) -> None:
        self._needs: list[tuple[int, Need]] = [(number, rules[number].needs) for number in members]
        pieces = dict.fromkeys(
            piece for _, need in self._needs for alternative in need.alternatives for piece in alternative
        )
        self._columns = {piece: column for column, piece in enumerate(pieces)}
        stored = cached("finder", [piece.encode() for piece in pieces], lambda: _compiled(tuple(pieces)))
        self._database = hyperscan.loadb(stored, hyperscan.HS_MODE_BLOCK)
        self._database.scratch = hyperscan.Scratch(self._database)

    def mark(self, may: npt.NDArray[np.bool_], data: memoryview, starts: Sequence[int], stops: Sequence[int]) -> None:
        """Set ``may[turn, rule]`` where all that the rule needs is in the turn."""
        cells = self._scan(data, starts, stops)
        width = len(self._columns)
        held = np.zeros((width, len(starts)), dtype=np.bool_)
        held[cells % width, cells // width] = True
        for number, need in self._needs:
            met = [
                np.logical_and.reduce([held[self._columns[piece]] for piece in alternative])
                for alternative in need.alternatives
            ]
            may[:, number] = np.logical_or.reduce(met)

    def _scan(self, data: memoryview, starts: Sequence[int], stops: Sequence[int]) -> npt.NDArray[np.int64]:
        """What each turn holds, as ``turn * width + column``."""
        width = len(self._columns)
        found: list[int] = []
        collect, scan = found.append, self._database.scan
        first = 0

        def on_match(column: int, _start: int, _stop: int, _flags: int, _context: object) -> None:
            collect(first + column)

        for start, stop in zip(starts, stops, strict=True):
            if start < stop:
                scan(bytes(data[start:stop]), match_event_handler=on_match)
            first += width
        return np.array(found, dtype=np.int64)


def _compiled(pieces: tuple[str, ...]) -> bytes:
    count = len(pieces)
    database = hyperscan.Database()
    try:
        database.compile(
            expressions=[piece.encode() for piece in pieces],
            ids=list(range(count)),
            elements=count,
            flags=[_FLAGS] * count,
        )
    except hyperscan.HyperscanError as error:
        raise PackError(f"the candidate finder refuses {count} pieces of rules: {error}; use fewer packs") from error
    return bytes(hyperscan.dumpb(database))
