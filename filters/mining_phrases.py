"""From ranked n-grams to phrases: of pieces of one phrase the longest is kept, and lengthened as far as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from phrasemill.filters.mining_corpus import Side
from phrasemill.filters.mining_counts import MAX_ORDER, Lattice, occurrences
from phrasemill.filters.mining_tokens import CODE_ID, START_ID, STOP_ID, Counts

POOL: Final = 3_000
"""N-grams, best first, that phrases are chosen from."""

SAME: Final = 0.8
"""A longer n-gram with so many of the answers of a shorter one stands for it."""

NEW: Final = 0.5
"""A phrase that shares words with better ones must have more than so many of its answers without them."""

MAX_TOKENS: Final = 20
"""Longest phrase."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A phrase as token ids, the n-gram that its counts are of, and the answers that hold it, as indices, sorted."""

    tokens: tuple[int, ...]
    number: int
    documents: Counts


@dataclass(frozen=True, slots=True)
class Edges:
    """By token id, whether a phrase may begin with it, and end with it."""

    first: npt.NDArray[np.bool_]
    last: npt.NDArray[np.bool_]

    def trimmed(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """The tokens from the first that a phrase may begin with to the last that it may end with."""
        low, high = 0, len(tokens)
        while low < high and not self.first[tokens[low]]:
            low += 1
        while low < high and not self.last[tokens[high - 1]]:
            high -= 1
        return tokens[low:high]


@dataclass(frozen=True, slots=True)
class _Piece:
    tokens: tuple[int, ...]
    key: str
    number: int
    documents: Counts


def choose(side: Side, lattice: Lattice, ranked: Sequence[int], edges: Edges, top: int) -> list[Chosen]:
    """At most ``top`` phrases from n-gram numbers, best first. ``edges``: how a phrase may begin and end."""
    pool = _pieces(side, lattice, ranked[:POOL])
    chosen: list[Chosen] = []
    for piece in pool:
        if len(chosen) == top:
            break
        if _is_covered(piece.tokens, piece.documents, chosen):
            continue
        longest = max((other for other in pool if _stands_for(other, piece)), key=lambda each: len(each.tokens))
        tokens, documents = longest.tokens, longest.documents
        if len(tokens) == MAX_ORDER:
            tokens, documents = _lengthened(side, tokens, documents)
        # A piece may touch a better phrase without a word of it; what it grew to holds it.
        if not _is_covered(tokens, documents, chosen):
            chosen.append(Chosen(edges.trimmed(tokens), longest.number, documents))
    return chosen


def _pieces(side: Side, lattice: Lattice, numbers: Sequence[int]) -> list[_Piece]:
    """The n-grams with the answers that hold them."""
    place = np.full(lattice.bases[-1], -1, np.int64)
    place[np.asarray(numbers, np.int64)] = np.arange(len(numbers))
    documents, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for document, found, asked in occurrences(side, lattice):
        kept = (place[found] >= 0) & ~asked
        documents.append(document[kept])
        places.append(place[found[kept]])
    where, who = np.concatenate(places), np.concatenate(documents)
    order = np.argsort(where, kind="stable")
    borders = np.searchsorted(where[order], np.arange(len(numbers) + 1))
    pieces = []
    for index, number in enumerate(numbers):
        tokens = lattice.spell(number)
        held = who[order[borders[index] : borders[index + 1]]]
        pieces.append(_Piece(tokens, _key(tokens), number, np.sort(held)))
    return pieces


def _key(tokens: Sequence[int]) -> str:
    return " " + " ".join(map(str, tokens)) + " "


def _stands_for(longer: _Piece, shorter: _Piece) -> bool:
    return shorter.key in longer.key and len(longer.documents) >= SAME * len(shorter.documents)


def _is_covered(tokens: tuple[int, ...], documents: Counts, chosen: Sequence[Chosen]) -> bool:
    """Whether most answers of an n-gram hold a chosen phrase that it is a piece or a neighbour of."""
    near = [phrase.documents for phrase in chosen if _share_words(tokens, phrase.tokens)]
    if not near:
        return False
    covered = np.isin(documents, np.unique(np.concatenate(near)), assume_unique=True)
    return bool(covered.mean() >= 1 - NEW)


def _share_words(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two tokens in a row, or the only token of one, are in both."""
    if len(one) == 1 or len(other) == 1:
        return bool(set(one) & set(other)) and min(len(one), len(other)) == 1
    return not set(pairwise(one)).isdisjoint(pairwise(other))


def _lengthened(side: Side, tokens: tuple[int, ...], documents: Counts) -> tuple[tuple[int, ...], Counts]:
    """The phrase with what nearly all of its answers have before and behind it."""
    answers = side.answers.take(documents)
    ids, needed = answers.ids, SAME * len(documents)
    windows = np.lib.stride_tricks.sliding_window_view(ids, len(tokens))
    starts = np.flatnonzero((windows == np.array(tokens, np.uint32)).all(axis=1))
    holder = np.searchsorted(answers.offsets, starts, side="right") - 1
    before = 0
    grown = True
    while grown and len(tokens) < MAX_TOKENS:
        grown = False
        if tokens[-1] != STOP_ID:
            kept, token = _agreed(ids[starts - before + len(tokens)], holder, needed)
            if token is not None:
                starts, holder, tokens, grown = starts[kept], holder[kept], (*tokens, token), True
        if tokens[0] != START_ID:
            kept, token = _agreed(ids[starts - before - 1], holder, needed)
            if token is not None:
                starts, holder, tokens, grown = starts[kept], holder[kept], (token, *tokens), True
                before += 1
    return tokens, documents[np.unique(holder)]


def _agreed(tokens: npt.NDArray[np.uint32], holder: Counts, needed: float) -> tuple[npt.NDArray[np.bool_], int | None]:
    """The token that enough answers have at this place, if there is one, and where it stands."""
    pairs = np.unique(np.stack([tokens.astype(np.int64), holder]), axis=1)
    values, counts = np.unique(pairs[0], return_counts=True)
    best = int(np.argmax(counts))
    if counts[best] < needed or values[best] == CODE_ID:
        return np.zeros(len(tokens), np.bool_), None
    return tokens == values[best], int(values[best])
