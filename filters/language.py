"""The language filter: turns in another language than the allowed ones."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, StringConstraints

from phrasemill.filters.base import Filter
from phrasemill.filters.detect import UNDECIDED, detect
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable

CATEGORY: Final = "language"

Code = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]


class LanguageFilter(Filter, name="language"):
    """Turns whose language is none of ``allowed`` (two-letter codes), as far as it is known.

    A turn of fewer than ``min_chars`` code points, or one whose language is detected with less than ``min_confidence``
    (0 to 1), is left alone. The rule id names the language, for example ``language.fr``; the score is the confidence.
    """

    allowed: tuple[Code, ...] = Field(min_length=1)
    min_confidence: float = Field(default=0.7, ge=0.0, le=1.0)
    min_chars: int = Field(default=40, ge=1)

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """One hit over each turn in a language that is not allowed, in order."""
        wanted = self.wanted(turns)
        texts = turns.text.take(pa.array(wanted))
        long_enough = pc.utf8_length(texts).to_numpy(zero_copy_only=False) >= self.min_chars
        wanted = wanted[long_enough]
        codes, confidence = detect(texts.filter(pa.array(long_enough)))
        fine = pc.is_in(codes, value_set=pa.array([*self.allowed, UNDECIDED], codes.type))
        bad = ~fine.to_numpy(zero_copy_only=False) & (confidence >= np.float32(self.min_confidence))
        names = codes.filter(pa.array(bad)).to_pylist()
        return [
            self.whole_turn(turns, at, f"language.{name}", CATEGORY, score)
            for at, name, score in zip(wanted[bad].tolist(), names, confidence[bad].tolist(), strict=True)
        ]
