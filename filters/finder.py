"""All rules at once: which rule may match in which turn, and where.

One Aho-Corasick pass over the folded batch finds every literal that a rule needs. Where a literal is, a match can begin
only in a short stretch before it; where a rule needs several, in what their stretches share. All of it is arithmetic on
columns. The confirming engine is asked in those stretches only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import Final, NamedTuple

import ahocorasick_rs as aho
import numpy as np
import numpy.typing as npt

from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.fold import Flags, FoldedTurns, Offsets, fold_turns
from phrasemill.filters.literals import EDGE

START_BYTES: Final = 600
"""How far into a turn a ``start`` hit may reach: stacked openers are rarely longer."""

END_BYTES: Final = 2_000
"""How far before the end of a turn an ``end`` hit may begin."""

Window = tuple[int, int, int]
"""A match begins at the first offset or behind it, before the second, and ends at or before the third."""

_REASONING: Final = b"<think"
_FAR: Final = 1 << 40
_LEAD_BYTES: Final = 64
_LEAD: Final = np.isin(np.arange(256), np.frombuffer(b" *_~#>^'", dtype=np.uint8)) | (np.arange(256) >= 0x80)
"""Bytes of a folded text that may come before its first word, as the confirming engine skips them."""

_WORD: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789_abcdefghijklmnopqrstuvwxyz", dtype=np.uint8))


class _Entries(NamedTuple):
    """What each find of a literal says, one entry for each anchor that it is in; sorted by literal."""

    anchor: npt.NDArray[np.int64]
    edge_before: Flags
    edge_after: Flags
    low: Offsets
    high: Offsets


class _Stretches(NamedTuple):
    """Where matches can begin: from ``low`` to ``high``, both within, in folded bytes; sorted by ``low``."""

    turn: Offsets
    low: Offsets
    high: Offsets


@dataclass(frozen=True, slots=True)
class _Plan:
    """A rule's alternatives as numbers of their anchors, and its widest match."""

    at: str
    alternatives: tuple[range, ...]
    width: int


class Finder:
    """A compiled set of rules."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        words: dict[bytes, int] = {_REASONING: 0}
        rows: list[tuple[int, int, bool, bool, int, int]] = []
        self._plans: list[_Plan] = []
        anchors = 0
        for rule in rules:
            alternatives = []
            for each in rule.needs.alternatives:
                alternatives.append(range(anchors, anchors + len(each)))
                for anchor in each:
                    for text, low, high in anchor:
                        word = words.setdefault(text.strip(EDGE).encode("latin-1"), len(words))
                        reach = _FAR if high is None else high
                        rows.append((word, anchors, text.startswith(EDGE), text.endswith(EDGE), low, reach))
                    anchors += 1
            width = _FAR if rule.needs.width is None else rule.needs.width
            self._plans.append(_Plan(rule.rule.at, tuple(alternatives), width))
        self._entries, self._first_entry = _tabulated(rows, len(words))
        self._anchors = anchors
        self._automaton = aho.BytesAhoCorasick(list(words), implementation=aho.Implementation.DFA)

    def candidates(
        self, data: memoryview, starts: Sequence[int], stops: Sequence[int]
    ) -> Iterator[tuple[int, list[tuple[int, list[Window]]]]]:
        """Turns with the rules that may match in them and where, all in order.

        ``starts`` and ``stops``: bytes of each turn in ``data``. Windows are bytes of their turn.
        """
        if not len(starts):
            return iter(())
        turns = fold_turns(data, starts, stops)
        rules, found = self._found(turns)
        turn, low = found.turn, found.low
        origin = np.asarray(starts, dtype=np.int64)[turn]
        length = np.asarray(stops, dtype=np.int64)[turn] - origin
        first = turns.original(low) - origin
        # A match can begin at each byte of a run of white space, so up to where the next byte begins.
        last = np.minimum(turns.original(found.high + 1) - origin, length)
        widths = np.array([plan.width for plan in self._plans], dtype=np.int64)[rules]
        ends = np.minimum(found.high + widths, turns.ends[turn])
        stop = np.where(ends < turns.ends[turn], turns.original(ends) - origin, length)
        order = np.lexsort((low, rules, turn))
        columns = (turn[order], rules[order], first[order], last[order], stop[order])
        return _grouped(zip(*(column.tolist() for column in columns), strict=True))

    def _found(self, turns: FoldedTurns) -> tuple[Offsets, _Stretches]:
        """Numbers of rules and where they may match."""
        hits = self._automaton.find_matches_as_indexes(turns.text.data, overlapping=True)
        flat = np.fromiter(chain.from_iterable(hits), dtype=np.int64, count=3 * len(hits)).reshape(-1, 3)
        by_anchor, borders, reasons = self._stretches(turns, flat)
        odd = np.flatnonzero(turns.odd)
        everywhere = _Stretches(odd, turns.begins[odd], turns.ends[odd])
        found: dict[int, _Stretches] = {}
        met = np.diff(borders) > 0
        for number, plan in enumerate(self._plans):
            parts = [
                _shared([_part(by_anchor, borders[anchor], borders[anchor + 1]) for anchor in anchors])
                for anchors in plan.alternatives
                if met[anchors.start : anchors.stop].all()
            ]
            if parts or len(odd):
                found[number] = _concatenated([*parts, everywhere])
        opened = _openings(turns, [found[number] for number in found if self._plans[number].at == "start"], reasons)
        for number, stretches in found.items():
            plan = self._plans[number]
            found[number] = _merged(_limited(stretches, plan.at, turns, opened), plan.width)
        if not found:
            return np.zeros(0, dtype=np.int64), everywhere
        sizes = [len(stretches.turn) for stretches in found.values()]
        return np.repeat(np.fromiter(found, dtype=np.int64), sizes), _concatenated(list(found.values()))

    def _stretches(self, turns: FoldedTurns, hits: Offsets) -> tuple[_Stretches, Offsets, Flags]:
        """Where matches can begin by each literal found, sorted by anchor and place.

        Also the borders of the anchors in it, and the turns that may begin with reasoning.
        """
        word, start, stop = hits[:, 0], hits[:, 1], hits[:, 2]
        turn = np.searchsorted(turns.begins, start, side="right") - 1
        inside = stop <= turns.ends[turn]
        reasons = np.zeros(len(turns.begins), dtype=np.bool_)
        reasons[turn[inside & (word == 0)]] = True
        word, start, stop, turn = word[inside], start[inside], stop[inside], turn[inside]
        counts = self._first_entry[word + 1] - self._first_entry[word]
        hit = np.repeat(np.arange(len(word)), counts)
        offset = np.arange(len(hit)) - np.repeat(np.cumsum(counts) - counts, counts)
        entry = self._first_entry[word][hit] + offset
        edges = self._entries
        before, after = _edges(turns, turn, start, stop)
        begin = turns.begins[turn][hit]
        high = start[hit] - edges.low[entry]
        fits = (before[hit] | ~edges.edge_before[entry]) & (after[hit] | ~edges.edge_after[entry]) & (high >= begin)
        hit, entry, begin, high = hit[fits], entry[fits], begin[fits], high[fits]
        low = np.maximum(start[hit] - edges.high[entry], begin)
        anchor = edges.anchor[entry]
        order = np.lexsort((low, anchor))
        borders = np.searchsorted(anchor[order], np.arange(self._anchors + 1))
        return _Stretches(turn[hit][order], low[order], high[order]), borders, reasons


def _tabulated(rows: list[tuple[int, int, bool, bool, int, int]], words: int) -> tuple[_Entries, Offsets]:
    """The entries, and where each literal's begin."""
    rows.sort()
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    entries = _Entries(table[:, 1], table[:, 2] > 0, table[:, 3] > 0, table[:, 4], table[:, 5])
    return entries, np.searchsorted(table[:, 0], np.arange(words + 1))


def _edges(turns: FoldedTurns, turn: Offsets, start: Offsets, stop: Offsets) -> tuple[Flags, Flags]:
    """Whether there is a word boundary before and behind each find."""
    if not len(start):
        return np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.bool_)
    is_word = _WORD[turns.text[np.stack([start - 1, start, stop - 1, np.minimum(stop, len(turns.text) - 1)])]]
    is_word[0] &= start > turns.begins[turn]
    is_word[3] &= stop < turns.ends[turn]
    return is_word[0] != is_word[1], is_word[2] != is_word[3]


def _part(stretches: _Stretches, low: int, high: int) -> _Stretches:
    return _Stretches(stretches.turn[low:high], stretches.low[low:high], stretches.high[low:high])


def _concatenated(parts: Sequence[_Stretches]) -> _Stretches:
    return _Stretches(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _shared(parts: list[_Stretches]) -> _Stretches:
    """What the stretches of all parts share."""
    parts.sort(key=lambda part: len(part.turn))
    rest = parts[0]
    for part in parts[1:]:
        other = _merged(part, 0)
        at = np.searchsorted(other.high, rest.low)
        meets = at < len(other.low)
        meets[meets] = other.low[at[meets]] <= rest.high[meets]
        rest = _Stretches(rest.turn[meets], np.maximum(rest.low[meets], other.low[at[meets]]), rest.high[meets])
    return rest


def _merged(stretches: _Stretches, width: int) -> _Stretches:
    """Stretches within ``width`` of each other in one turn put together, sorted."""
    if len(stretches.turn) < 2:
        return stretches
    order = np.argsort(stretches.low, kind="stable")
    turn, low, high = stretches.turn[order], stretches.low[order], np.maximum.accumulate(stretches.high[order])
    first = np.ones(len(turn), dtype=np.bool_)
    first[1:] = (low[1:] > high[:-1] + width) | (turn[1:] != turn[:-1])
    last = np.append(np.flatnonzero(first)[1:] - 1, len(turn) - 1)
    return _Stretches(turn[first], low[first], high[last])


def _openings(turns: FoldedTurns, found: Sequence[_Stretches], reasons: Flags) -> Offsets:
    """Up to where matches of start rules can begin in each turn: -1 where none can begin with the first word.

    Those that follow are stacked on one that does. ``reasons``: the turns that may begin with reasoning.
    """
    places = turns.begins[:, None] + np.arange(_LEAD_BYTES)
    lead = _LEAD[turns.text[np.minimum(places, len(turns.text) - 1)]] if len(turns.text) else places > 0
    first = np.where(lead.all(axis=1), turns.ends, turns.begins + lead.argmin(axis=1))
    opened = np.full(len(turns.begins), -1)
    for stretches in found:
        turn = stretches.turn[stretches.low <= first[stretches.turn]]
        opened[turn] = turns.begins[turn] + START_BYTES
    opened[reasons] = turns.ends[reasons]
    return opened


def _limited(stretches: _Stretches, at: str, turns: FoldedTurns, opened: Offsets) -> _Stretches:
    """The stretches in the part of each turn that a rule looks at."""
    turn = stretches.turn
    if at == "start":
        within = stretches.low <= opened[turn]
    elif at == "end":
        within = turns.ends[turn] - stretches.high <= END_BYTES + 1
    else:
        return stretches
    return _Stretches(turn[within], stretches.low[within], stretches.high[within])


def _grouped(rows: Iterator[tuple[int, int, int, int, int]]) -> Iterator[tuple[int, list[tuple[int, list[Window]]]]]:
    """The rows by turn and rule."""
    for turn, of_turn in groupby(rows, key=itemgetter(0)):
        yield turn, [(rule, [row[2:] for row in of_rule]) for rule, of_rule in groupby(of_turn, key=itemgetter(1))]
