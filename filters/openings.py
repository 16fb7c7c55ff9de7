"""First sentences, counted over a corpus: an opening that stands over too many answers is a tic by its number."""

from __future__ import annotations

from typing import Final

import polars as pl
import pyarrow as pa

_FIRST_SENTENCE: Final = r"^[\s*_#>~-]*([^.!?:\n]{1,240}(?:[.!?:]|\n|$))"
_WORD_GAP: Final = r"[^\p{L}\p{N}]+"

LEAST_WORDS: Final = 4
"""A shorter first sentence ("Yes.", "Certainly!") is common by nature, and a matter of phrases."""


def openings(texts: pa.LargeStringArray) -> pl.DataFrame:
    """The first sentence of every text: ``text``, ``stop`` (code points, in the text) and ``key``.

    ``key`` is the sentence in lower case, its words alone; null where it has too few.
    """
    frame = pl.DataFrame({"whole": pl.Series(pl.from_arrow(texts))})
    found = pl.col("whole").str.slice(0, 400).str.extract(_FIRST_SENTENCE, 0)
    bare = pl.col("found").str.to_lowercase().str.replace_all(_WORD_GAP, " ").str.strip_chars()
    return (
        frame.select(found=found)
        .with_columns(bare=bare)
        .select(
            text=pl.col("found").str.strip_chars(),
            stop=pl.col("found").str.strip_chars_end().str.len_chars().cast(pl.Int64),
            key=pl.when(pl.col("bare").str.count_matches(" ") + 1 >= LEAST_WORDS).then("bare"),
        )
    )
