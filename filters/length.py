"""The length filter: turns with fewer or more words or characters than wanted."""

from __future__ import annotations

from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from phrasemill.filters.base import Filter
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable

CATEGORY: Final = "length"


class LengthFilter(Filter, name="length"):
    """Turns whose length lies outside the limits; a limit itself is inside.

    A word is what stands between white space, so for languages that write without it limit characters (code points).
    The rule id names the limit, for example ``length.min_words``; a turn past several has a hit for the first only.
    """

    min_words: int | None = Field(default=None, ge=0)
    max_words: int | None = Field(default=None, ge=0)
    min_chars: int | None = Field(default=None, ge=0)
    max_chars: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _has_limits_in_order(self) -> Self:
        if all(limit is None for limit in self._limits().values()):
            raise ValueError(f"no limit is set: give one of {', '.join(self._limits())}")
        for low, high in ((self.min_words, self.max_words), (self.min_chars, self.max_chars)):
            if low is not None and high is not None and low > high:
                raise ValueError(f"no turn can be as long as {low} and as short as {high}")
        return self

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """One hit over each turn outside the limits, in order."""
        wanted = self.wanted(turns)
        texts = turns.text.take(pa.array(wanted))
        hits: list[Hit] = []
        taken = np.zeros(len(wanted), dtype=bool)
        for name, limit in self._limits().items():
            if limit is None:
                continue
            length = _words(texts) if name.endswith("words") else _chars(texts)
            outside = (length < limit if name.startswith("min") else length > limit) & ~taken
            taken |= outside
            hits += [self.whole_turn(turns, at, f"length.{name}", CATEGORY) for at in wanted[outside].tolist()]
        return sorted(hits, key=lambda hit: hit.at)

    def _limits(self) -> dict[str, int | None]:
        return {
            "min_words": self.min_words,
            "max_words": self.max_words,
            "min_chars": self.min_chars,
            "max_chars": self.max_chars,
        }


def _words(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = pc.count_substring_regex(texts, r"\S+").to_numpy(zero_copy_only=False)
    return counts


def _chars(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    return counts
