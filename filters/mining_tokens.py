"""Texts as numbers: words, punctuation and places of a text as token ids, without a Python object per text.

Code blocks and reasoning are taken out. Emphasis, heading and list marks at the start of a line are passed over, as
rules do. In scripts without spaces every character is a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

START: Final = "\x02"
"""The token before the first of a text."""
STOP: Final = "\x03"
"""The token behind the last of a text."""
CODE: Final = "\x04"
"""A block of code, whatever it holds. No n-gram goes across it."""
BREAK: Final = "\x05"
"""One line break or more."""

MARKERS: Final = (START, STOP, CODE, BREAK)
"""Their ids are their places here."""
START_ID, STOP_ID, CODE_ID, BREAK_ID = range(len(MARKERS))

MAX_TOKEN_CHARACTERS: Final = 40
"""A longer token is no word: it stands in no n-gram."""

_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD: Final = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+(?:'\p{{L}}+)*"
_TOKEN: Final = rf"[\x02-\x05]|{WORD}|[!?]+|\.+|-+|\*+|=+|_+|#+|\S"
_MARKS: Final = " \t\r\n\u00a0#>*_~+•-"
_QUOTES: Final = {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "}

Ids = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of many texts, one behind the other; text ``n`` is ``ids[offsets[n]:offsets[n + 1]]``."""

    ids: Ids
    offsets: Counts

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Counts:
        """Tokens of each text."""
        return np.diff(self.offsets)

    def take(self, places: Counts) -> Tokens:
        """The texts at ``places``, in that order."""
        lengths = self.lengths[places]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Tokens(self.ids[np.repeat(self.offsets[places], lengths) + inside], offsets)

    def part(self, first: int, last: int) -> Tokens:
        """Texts ``first:last``; the ids are not copied."""
        offsets = self.offsets[first : last + 1]
        return Tokens(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0])


def joined(parts: list[Tokens]) -> Tokens:
    """All texts of the parts, in order."""
    if not parts:
        return Tokens(np.zeros(0, np.uint32), np.zeros(1, np.int64))
    lengths = np.concatenate([part.lengths for part in parts])
    return Tokens(np.concatenate([part.ids for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))


class Vocabulary:
    """Every different token and its id, in the order in which they were first seen; the markers come first."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {marker: number for number, marker in enumerate(MARKERS)}

    def __len__(self) -> int:
        return len(self._ids)

    def words(self) -> list[str]:
        """The tokens by id."""
        return list(self._ids)

    def tokenise(self, texts: pa.LargeStringArray) -> Tokens:
        """The tokens of each text, between START and STOP; a null is an empty text."""
        split = _normalised(texts).str.extract_all(_TOKEN)
        lengths = split.list.len().to_numpy().astype(np.int64)
        flat = split.explode().to_arrow().cast(pa.large_string()).dictionary_encode()
        ids = self._ids
        known = [ids.setdefault(token, len(ids)) for token in flat.dictionary.to_pylist()]
        numbers = np.array(known, np.uint32)[flat.indices.to_numpy()]
        return Tokens(numbers, np.concatenate([[0], np.cumsum(lengths)]))


def _normalised(texts: pa.LargeStringArray) -> pl.Series:
    """Lower case, plain quotes, one character a block of code or line break, and the two ends."""
    text = pl.col("text").fill_null("").str.replace_all(r"[\x02-\x05]", " ")
    text = text.str.replace(r"(?is)\A\s*<think(?:ing)?>.*?</think(?:ing)?>", "")
    text = text.str.replace_all(r"(?s)```.*?(?:```|\z)", CODE)
    text = text.str.replace_many(_QUOTES).str.to_lowercase()
    text = text.str.strip_chars_start(_MARKS).str.strip_chars_end(" \t\r\n*_~")
    text = text.str.replace_all(r"[ \t\r]*\n[\s#>*_~+•-]*", BREAK)
    frame = pl.DataFrame({"text": pl.Series(pl.from_arrow(texts))})
    return frame.select(pl.concat_str(pl.lit(START), text, pl.lit(STOP)).alias("text"))["text"]
