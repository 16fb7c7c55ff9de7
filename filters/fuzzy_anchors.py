"""Where a reference phrase may stand: its required words in order and close together, over many texts at once.

One Aho-Corasick pass finds the words in every spelling that the alignment reads as them; the rest is arithmetic on
columns. No place where the alignment would find a phrase is lost. No text is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final, NamedTuple

import ahocorasick_rs as aho
import numpy as np
import numpy.typing as npt

from phrasemill.filters.fuzzy_align import farthest
from phrasemill.filters.fuzzy_phrases import Template
from phrasemill.filters.fuzzy_spellings import Spellings

START_BYTES: Final = 240
"""How far into a text a phrase for its start is looked for."""

END_BYTES: Final = 400
"""How far before the end of a text a phrase for its end is looked for."""

Ints = npt.NDArray[np.int64]

_SPACE: Final = 32


def _table() -> npt.NDArray[np.uint8]:
    table = np.full(256, _SPACE, dtype=np.uint8)
    for char in "0123456789abcdefghijklmnopqrstuvwxyz":
        table[[ord(char), ord(char.upper())]] = ord(char)
    return table


_FOLDED: Final = _table()
"""Letters and digits in lower case, all else as space: a word is what stands between two spaces."""


class Found(NamedTuple):
    """Where templates may stand: columns, sorted by text and byte. ``end``: byte behind the last required word."""

    text: Ints
    end: Ints
    template: Ints


class _Words(NamedTuple):
    """The words of all texts, one entry each, in order. ``start`` and ``stop``: bytes of the joined texts."""

    start: Ints
    stop: Ints


@dataclass(frozen=True, slots=True)
class _Chain:
    """The required words of a template, slot by slot, and how many words there may be from each slot to the next."""

    template: int
    at: str
    slots: tuple[frozenset[str], ...]
    reach: tuple[int, ...]


class Anchors:
    """The required words of all templates."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._chains = [_chain(number, template) for number, template in enumerate(templates)]
        self._slots = sorted({(each.at, slot) for each in self._chains for slot in each.slots}, key=repr)
        self._apart = 2 + max((far for each in self._chains for far in each.reach), default=0)
        words = sorted({word for _, slot in self._slots for word in slot})
        self._number = {word: number for number, word in enumerate(words)}
        self._spellings = Spellings(words, templates[0].slots[0].vocabulary)
        pieces = self._spellings.pieces
        self._meant, self._first = _tabulated(self._spellings.whole.values())
        self._automaton = aho.BytesAhoCorasick(
            [f" {text} ".encode() for text in self._spellings.whole] + [text.encode() for text in pieces],
            implementation=aho.Implementation.DFA,
        )
        self._piece_shift = np.array([text.startswith(" ") for text in pieces], dtype=np.int64)

    def find(self, texts: Sequence[bytes | memoryview]) -> Found:
        """All places in UTF-8 texts: in order, one behind the other."""
        joined = b" ".join([b"", *texts, b""])
        sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        ends = np.cumsum(sizes + 1)
        begins = ends - sizes
        folded = _FOLDED[np.frombuffer(joined, dtype=np.uint8)]
        edges = np.flatnonzero(np.diff(folded != _SPACE)) + 1
        words = _Words(edges[::2], edges[1::2])
        meant, place = self._events(folded, words)
        text = np.searchsorted(begins, words.start[place], side="right") - 1
        near = {
            "start": words.start[place] - begins[text] < START_BYTES,
            "end": ends[text] - words.stop[place] <= END_BYTES,
        }
        # Texts far apart: that no phrase reaches over the border costs one addition.
        position = place + text * self._apart
        at_slot = self._at_slots(meant, position, near)
        found = [
            _in_order([at_slot[each.at, slot] for slot in each.slots], each.reach, position) for each in self._chains
        ]
        event = np.concatenate(found)
        template = np.repeat([each.template for each in self._chains], [len(kept) for kept in found])
        end = words.stop[place[event]] - begins[text[event]]
        order = np.lexsort((end, text[event]))
        return Found(text[event][order], end[order], template[order])

    def _events(self, folded: npt.NDArray[np.uint8], words: _Words) -> tuple[Ints, Ints]:
        """Which words of templates are meant where: numbers, and indices of ``words``; sorted by the latter."""
        hits = self._automaton.find_matches_as_indexes(folded.data, overlapping=True)
        flat = np.fromiter(chain.from_iterable(hits), dtype=np.int64, count=3 * len(hits)).reshape(-1, 3)
        count = len(self._spellings.whole)
        whole = flat[flat[:, 0] < count]
        piece = flat[flat[:, 0] >= count]
        sizes = self._first[whole[:, 0] + 1] - self._first[whole[:, 0]]
        hit = np.repeat(np.arange(len(whole)), sizes)
        offset = np.arange(len(hit)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        meant = self._meant[self._first[whole[:, 0]][hit] + offset]
        place = np.searchsorted(words.start, whole[:, 1] + 1)[hit]
        inside = piece[:, 1] + self._piece_shift[piece[:, 0] - count]
        long_meant, long_place = self._long(folded, words, np.searchsorted(words.start, inside, side="right") - 1)
        meant, place = np.concatenate([meant, long_meant]), np.concatenate([place, long_place])
        order = np.argsort(place, kind="stable")
        return meant[order], place[order]

    def _long(self, folded: npt.NDArray[np.uint8], words: _Words, place: Ints) -> tuple[Ints, Ints]:
        """Which long words the words at ``place`` mean, told word by word."""
        place = np.sort(place)
        place = place[np.diff(place, prepend=-1) > 0]
        sizes = words.stop[place] - words.start[place]
        place = place[(sizes >= self._spellings.shortest) & (sizes <= self._spellings.longest)]
        meant: list[int] = []
        where: list[int] = []
        borders = zip(place.tolist(), words.start[place].tolist(), words.stop[place].tolist(), strict=True)
        for at, start, stop in borders:
            for number in self._spellings.meant(folded[start:stop].tobytes()):
                meant.append(number)
                where.append(at)
        return np.array(meant, dtype=np.int64), np.array(where, dtype=np.int64)

    def _at_slots(
        self, meant: Ints, position: Ints, near: dict[str, npt.NDArray[np.bool_]]
    ) -> dict[tuple[str, frozenset[str]], Ints]:
        """Each slot's events in the part of the texts that its templates look at, in order, one for each word."""
        by_word = np.argsort(meant, kind="stable")
        cuts = np.searchsorted(meant[by_word], np.arange(len(self._number) + 1))
        found: dict[tuple[str, frozenset[str]], Ints] = {}
        for at, slot in self._slots:
            numbers = [self._number[word] for word in slot]
            events = np.sort(np.concatenate([by_word[cuts[number] : cuts[number + 1]] for number in numbers]))
            if at in near:
                events = events[near[at][events]]
            found[at, slot] = events[np.diff(position[events], prepend=-1) > 0]
        return found


def _chain(number: int, template: Template) -> _Chain:
    at = template.entry.plain.at
    slots = template.anchors
    reach = tuple(farthest(template, low, high) for low, high in pairwise(slots))
    part = at if at in ("start", "end") else "anywhere"
    return _Chain(number, part, tuple(template.slots[slot].words for slot in slots), reach)


def _in_order(slots: Sequence[Ints], reach: Sequence[int], position: Ints) -> Ints:
    """Those events of the last slot that have one of every slot before them, in order and each within reach."""
    kept = slots[0]
    for events, far in zip(slots[1:], reach, strict=True):
        if not len(kept):
            break
        there, at = position[kept], position[events]
        # Two required words may be one word of the text, written without a space.
        before = np.searchsorted(there, at, side="right") - 1
        kept = events[(before >= 0) & (at - there[before] <= far)]
    return kept if len(kept) else slots[-1][:0]


def _tabulated(groups: Iterable[Sequence[int]]) -> tuple[Ints, Ints]:
    """All groups one behind the other, and where each begins."""
    known = list(groups)
    sizes = np.fromiter(map(len, known), dtype=np.int64, count=len(known))
    return np.fromiter(chain.from_iterable(known), dtype=np.int64), np.concatenate([[0], np.cumsum(sizes)])
