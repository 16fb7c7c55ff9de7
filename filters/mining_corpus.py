"""The two sides that mining compares, as tokens: the answers in question, and answers from elsewhere.

Memory is bounded: a side that grows past ``MAX_TOKENS`` keeps every second answer, then every fourth, chosen by the
hash of the answer's key, so that the choice depends neither on the order nor on the number of batches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from phrasemill.filters.mining_tokens import Counts, Tokens, Vocabulary, joined
from phrasemill.filters.turns import TurnTable

MAX_TOKENS: Final = 40_000_000
"""Tokens kept of each side, about 130,000 answers of usual length; four bytes each."""

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Side:
    """Answers with their keys and the prompt each stands behind, an index into ``prompts``.

    ``halvings``: one answer in ``2 ** halvings`` was kept. ``seen``: answers offered.
    """

    answers: Tokens
    keys: Keys
    prompt: Counts
    prompts: Tokens
    prompt_keys: Keys
    seen: int
    halvings: int

    def __len__(self) -> int:
        return len(self.answers)

    def take(self, places: Counts) -> Side:
        """The answers at ``places``."""
        return Side(
            self.answers.take(places),
            self.keys[places],
            self.prompt[places],
            self.prompts,
            self.prompt_keys,
            self.seen,
            self.halvings,
        )


@dataclass(slots=True)
class SideBuilder:
    """Takes answers batch by batch."""

    vocabulary: Vocabulary
    max_tokens: int = MAX_TOKENS
    seen: int = 0
    halvings: int = 0
    _answers: list[Tokens] = field(default_factory=list)
    _keys: list[Keys] = field(default_factory=list)
    _asked: list[Keys] = field(default_factory=list)
    _prompts: list[Tokens] = field(default_factory=list)
    _prompt_keys: list[Keys] = field(default_factory=list)

    def add(self, turns: TurnTable, keys: Keys) -> None:
        """Add answers with their keys, different for every answer of the side. A prompt is the user turn before."""
        self.seen += len(turns)
        kept = np.flatnonzero(keys >> np.uint64(64 - self.halvings) == 0) if self.halvings else np.arange(len(turns))
        if not len(kept):
            return
        previous = turns.previous[kept]
        asked = keys[kept].copy()  # without a prompt every answer stands for itself
        has = np.flatnonzero(previous >= 0)
        places, inverse = np.unique(previous[has], return_inverse=True)
        texts = turns.prompts.take(pa.array(places))
        hashes = pl.Series(pl.from_arrow(texts)).hash().to_numpy() if len(places) else np.zeros(0, np.uint64)
        asked[has] = hashes[inverse]
        self._answers.append(self.vocabulary.tokenise(turns.text.take(pa.array(kept))))
        self._keys.append(keys[kept])
        self._asked.append(asked)
        if len(places):
            self._prompts.append(self.vocabulary.tokenise(texts))
            self._prompt_keys.append(hashes)
        while sum(len(part.ids) for part in self._answers) > self.max_tokens:
            self._halve()

    def _halve(self) -> None:
        self.halvings += 1
        for number, keys in enumerate(self._keys):
            kept = np.flatnonzero(keys >> np.uint64(64 - self.halvings) == 0)
            self._answers[number] = self._answers[number].take(kept)
            self._keys[number] = keys[kept]
            self._asked[number] = self._asked[number][kept]

    def build(self) -> Side:
        """All answers that were kept, and every prompt once."""
        keys = np.concatenate([*self._keys, np.zeros(0, np.uint64)])
        asked = np.concatenate([*self._asked, np.zeros(0, np.uint64)])
        known, first = np.unique(np.concatenate([*self._prompt_keys, np.zeros(0, np.uint64)]), return_index=True)
        prompts = joined(self._prompts).take(first)
        # An answer without a prompt has a key of its own, behind those of the prompts, and an empty prompt.
        alone = np.setdiff1d(asked, known)
        offsets = np.concatenate([prompts.offsets, np.full(len(alone), prompts.offsets[-1])])
        everything = np.concatenate([known, alone])
        order = np.argsort(everything)
        prompt = order[np.searchsorted(everything[order], asked)]
        return Side(
            joined(self._answers), keys, prompt, Tokens(prompts.ids, offsets), everything, self.seen, self.halvings
        )


def matched(here: Side, elsewhere: Side) -> tuple[Side, Side, bool]:
    """Both sides on the prompts that they share, where those hold at least half of the answers here; else unchanged."""
    shared = np.intersect1d(here.prompt_keys[here.prompt], elsewhere.prompt_keys[elsewhere.prompt])
    mine = np.flatnonzero(np.isin(here.prompt_keys[here.prompt], shared))
    if 2 * len(mine) < len(here) or not len(mine):
        return here, elsewhere, False
    theirs = np.flatnonzero(np.isin(elsewhere.prompt_keys[elsewhere.prompt], shared))
    return here.take(mine), elsewhere.take(theirs), True
