"""In how many answers each n-gram stands: enumerated by the Apriori principle, counted without its prompts.

An n-gram of n tokens is the pair of its first and its last n-1 tokens, both frequent themselves, as one 64-bit key: no
hash can collide, and its text can be spelled from the keys. Answers are walked in chunks of ``CHUNK_TOKENS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from phrasemill.filters.mining_corpus import Keys, Side
from phrasemill.filters.mining_lookup import NONE, KeyTable, key_table
from phrasemill.filters.mining_tokens import (
    BREAK_ID,
    CODE_ID,
    MAX_TOKEN_CHARACTERS,
    START_ID,
    STOP_ID,
    Counts,
    Ids,
    Tokens,
    Vocabulary,
)

MAX_ORDER: Final = 6
"""Tokens of the longest n-gram that is counted; longer phrases are put together from these."""

CHUNK_TOKENS: Final = 1_000_000

_LOW: Final = np.uint64(0xFFFF_FFFF)
_HALF: Final = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Every n-gram that is looked at, numbered order by order.

    ``first``: token id to number among the tokens. ``tokens``: the reverse. ``tables``: for each order from 2 the
    sorted pairs of numbers in the order below. ``bases``: the number of the first n-gram of each order, and of all.
    """

    first: Ids
    tokens: Ids
    tables: tuple[KeyTable, ...]

    @property
    def keys(self) -> list[Keys]:
        """The pairs of each order from 2."""
        return [table.keys for table in self.tables]

    @property
    def bases(self) -> list[int]:
        """Where each order begins, and the end."""
        sizes = [len(self.tokens), *map(len, self.keys)]
        return [0, *np.cumsum(sizes).tolist()]

    def walk(self, ids: Ids) -> Iterator[Ids]:
        """For each order: the number in that order of the n-gram that begins at each token, or 2**32 - 1."""
        level = self.first[ids]
        yield level
        for table in self.tables:
            level = _found(level, table)
            yield level

    def spell(self, number: int) -> tuple[int, ...]:
        """The token ids of an n-gram."""
        order = int(np.searchsorted(self.bases, number, side="right"))
        return self._spell(order, number - self.bases[order - 1])

    def _spell(self, order: int, number: int) -> tuple[int, ...]:
        if order == 1:
            return (int(self.tokens[number]),)
        key = int(self.keys[order - 2][number])
        return (*self._spell(order - 1, key >> 32), *self._spell(order - 1, key & 0xFFFF_FFFF)[-1:])

    def edges(self) -> tuple[Ids, Ids]:
        """First and last token of every n-gram."""
        firsts, lasts = [self.tokens], [self.tokens]
        for keys in self.keys:
            firsts.append(firsts[-1][keys >> _HALF])
            lasts.append(lasts[-1][keys & _LOW])
        return np.concatenate(firsts), np.concatenate(lasts)

    def holds(self, marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Whether an n-gram holds any token that is ``marked`` (by id)."""
        levels = [marked[self.tokens]]
        for keys in self.keys:
            levels.append(levels[-1][keys >> _HALF] | levels[-1][keys & _LOW])
        return np.concatenate(levels)

    def cores(self) -> Counts:
        """Each n-gram without the markers at its ends, as a number; a lone marker is its own."""
        levels = [np.arange(len(self.tokens))]
        first = last = self.tokens
        base = 0
        for keys in self.keys:
            high, low = keys >> _HALF, keys & _LOW
            first, last = first[high], last[low]
            size = len(levels[-1])
            core = np.arange(base + size, base + size + len(keys))
            core = np.where(np.isin(last, (STOP_ID, BREAK_ID)), levels[-1][high], core)
            core = np.where(np.isin(first, (START_ID, BREAK_ID)), levels[-1][low], core)
            base += size
            levels.append(core)
        return np.concatenate(levels)


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """For each n-gram: answers that hold it where their prompt does not, and answers whose prompt holds it too."""

    counted: Counts
    in_prompt: Counts


def enumerate_ngrams(side: Side, vocabulary: Vocabulary, min_documents: int) -> Lattice:
    """Every n-gram that stands in at least ``min_documents`` answers of the side, prompts not looked at."""
    size = len(vocabulary)
    words = np.array([len(word) for word in vocabulary.words()])
    allowed = (words <= MAX_TOKEN_CHARACTERS) & (np.arange(size) != CODE_ID)
    counts = np.zeros(size, np.int64)
    for part in chunks(side.answers):
        pairs = _distinct(_documents(part), part.ids)
        counts += np.bincount((pairs & _LOW).astype(np.int64), minlength=size)
    tokens = np.flatnonzero((counts >= min_documents) & allowed).astype(np.uint32)
    first = np.full(size, NONE)
    first[tokens] = np.arange(len(tokens), dtype=np.uint32)
    tables: list[KeyTable] = []
    level = first[side.answers.ids]
    # No n-gram may run from one answer into the next, and every longer one that does holds this pair.
    across = np.uint64((int(first[STOP_ID]) << 32) | int(first[START_ID]))
    for _ in range(2, MAX_ORDER + 1):
        frequent = _frequent_pairs(side.answers, level, min_documents)
        tables.append(key_table(frequent[frequent != across]))
        level = _found(level, tables[-1])
    return Lattice(first, tokens, tuple(tables))


def _frequent_pairs(answers: Tokens, level: Ids, min_documents: int) -> Keys:
    """Sorted keys of neighbours that stand in enough answers."""
    found: list[pl.DataFrame] = []
    for first, last in _borders(answers):
        low, high = int(answers.offsets[first]), int(answers.offsets[last])
        places, keys = _pairs(level[low:high])
        documents = np.searchsorted(answers.offsets[first : last + 1] - low, places, side="right")
        frame = pl.DataFrame({"document": documents.astype(np.uint32), "key": keys})
        found.append(frame.unique().group_by("key").len("documents"))
    if not found:
        return np.zeros(0, np.uint64)
    total = pl.concat(found).group_by("key").agg(pl.col("documents").sum())
    return total.filter(pl.col("documents") >= min_documents)["key"].sort().to_numpy()


def count_documents(side: Side, lattice: Lattice) -> DocumentCounts:
    """Answers of the side that hold each n-gram, by its number."""
    size = lattice.bases[-1]
    counted, in_prompt = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for _, numbers, asked in occurrences(side, lattice):
        counted += np.bincount(numbers[~asked], minlength=size)
        in_prompt += np.bincount(numbers[asked], minlength=size)
    return DocumentCounts(counted, in_prompt)


def occurrences(side: Side, lattice: Lattice) -> Iterator[tuple[Counts, Counts, npt.NDArray[np.bool_]]]:
    """For each chunk, for each n-gram in each answer, once: the answer, the number, whether it is asked for.

    The answer is an index into the side. Asked for: the prompt holds the n-gram, markers at its ends apart.
    """
    cores = lattice.cores().astype(np.uint64)
    for first, last in _borders(side.answers):
        pairs = _numbered(side.answers.part(first, last), lattice)
        prompts, local = np.unique(side.prompt[first:last], return_inverse=True)
        known = _numbered(side.prompts.take(prompts), lattice)
        document, number = (pairs >> _HALF).astype(np.int64), (pairs & _LOW).astype(np.int64)
        wanted = (local[document].astype(np.uint64) << _HALF) | cores[number]
        place = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        asked = known[place] == wanted if len(known) else np.zeros(len(wanted), np.bool_)
        yield document + first, number, asked


def _numbered(texts: Tokens, lattice: Lattice) -> Keys:
    """Sorted pairs of text and n-gram number, each once."""
    documents = _documents(texts)
    found = []
    for base, level in zip(lattice.bases, lattice.walk(texts.ids), strict=False):
        places = np.flatnonzero(level != NONE)
        found.append(_distinct(documents[places], level[places] + np.uint32(base)))
    return np.sort(np.concatenate(found))


def chunks(texts: Tokens) -> Iterator[Tokens]:
    """The texts in parts of about ``CHUNK_TOKENS``."""
    for first, last in _borders(texts):
        yield texts.part(first, last)


def _borders(texts: Tokens) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(texts):
        limit = texts.offsets[first] + CHUNK_TOKENS
        last = max(first + 1, int(np.searchsorted(texts.offsets, limit, side="right")) - 1)
        yield first, last
        first = last


def _documents(texts: Tokens) -> Keys:
    return np.repeat(np.arange(len(texts), dtype=np.uint64), texts.lengths)


def _distinct(documents: Keys, numbers: Ids) -> Keys:
    """Sorted different pairs; the document is in the upper half."""
    pairs = np.sort((documents << _HALF) | numbers)
    return pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])] if len(pairs) else pairs


def _pairs(level: Ids) -> tuple[Counts, Keys]:
    """Places where two n-grams of one order follow each other, and their keys."""
    known = level != NONE
    places = np.flatnonzero(known[:-1] & known[1:])
    return places, (level[places].astype(np.uint64) << _HALF) | level[places + 1]


def _found(level: Ids, table: KeyTable) -> Ids:
    """The next order: the place among the keys of the pair at each token."""
    result = np.full(len(level), NONE)
    places, wanted = _pairs(level)
    result[places] = table.places(wanted)
    return result
