"""The language-switch filter: answers that go over into another language halfway, as a model does that lost its way."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from phrasemill.filters.base import Filter
from phrasemill.filters.detect import UNDECIDED, detect
from phrasemill.filters.hits import Hit, Span
from phrasemill.filters.turns import TurnTable

CATEGORY: Final = "language"

LEAST_BYTES: Final = 100
"""Shorter paragraphs are titles, names and quotations, whose language is a guess."""

_ORDERED: Final = (
    r"(?i)translat|language|\bin (?:both|two|another)\b|bilingual|lyrics|phrase|pronounc"
    r"|\b(?:english|spanish|french|german|italian|portuguese|latin|dutch|polish|russian|ukrainian|greek|turkish|arabic"
    r"|hebrew|persian|hindi|urdu|bengali|tamil|chinese|mandarin|cantonese|japanese|korean|vietnamese|thai|indonesian"
    r"|swedish|norwegian|danish|finnish|czech|hungarian|romanian)\b"
)
"""A prompt that speaks of languages may want several."""


class LanguageSwitchFilter(Filter, name="language_switch"):
    """Paragraphs in another language than most of their turn, both told with at least ``min_confidence`` (0 to 1).

    The rule id names the paragraph's language, for example ``language_switch.fr``. Where the user turn before names a
    language or a translation, nothing is a hit.
    """

    min_confidence: float = Field(default=0.9, ge=0.0, le=1.0)

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """One hit a run of paragraphs in the same foreign language, in order."""
        wanted = self.wanted(turns)
        texts = turns.text.take(pa.array(wanted))
        parts = _paragraphs(texts)
        if not len(parts):
            return []
        codes, sure = detect(parts["text"].to_arrow().cast(pa.large_string()))
        told = parts.with_columns(code=pl.Series(pl.from_arrow(codes)), sure=pl.Series(np.asarray(sure))).filter(
            (pl.col("code") != UNDECIDED) & (pl.col("sure") >= self.min_confidence)
        )
        sizes = told.group_by("at", "code").agg(pl.col("text").str.len_bytes().sum().alias("size"))
        main = sizes.sort("size", "code", descending=[True, False]).group_by("at", maintain_order=True).first()
        mixed = told.join(main.select("at", main="code"), on="at").filter(pl.col("code") != pl.col("main"))
        hits: list[Hit] = []
        for at, group in groupby(mixed.sort("at", "number").iter_rows(named=True), key=lambda row: int(row["at"])):
            index = int(wanted[at])
            if not _orders_languages(turns.previous_user(index)):
                hits.extend(self.excused(turns, index, _spans(str(turns.text[index]), list(group))))
        return hits


def _paragraphs(texts: pa.LargeStringArray) -> pl.DataFrame:
    """Lines long enough to have a language, of texts that have two or more: ``at``, ``number``, ``text``."""
    several = pc.match_substring(texts, "\n").to_numpy(zero_copy_only=False)
    at = np.flatnonzero(several)
    return (
        pl.DataFrame({"at": at, "text": pl.Series(pl.from_arrow(texts.take(pa.array(at))))})
        .with_columns(pl.col("text").str.split("\n"))
        .explode("text", empty_as_null=True, keep_nulls=True)
        .with_columns(number=pl.int_range(pl.len()).over("at"))
        .filter(pl.col("text").str.len_bytes() >= LEAST_BYTES)
        .filter(pl.len().over("at") > 1)
    )


def _orders_languages(prompt: str) -> bool:
    return bool(pc.match_substring_regex(pa.scalar(prompt, pa.large_string()), _ORDERED).as_py())


def _spans(text: str, rows: list[dict[str, object]]) -> list[Span]:
    """Spans of the paragraphs, each without the white space around it; neighbours of one language are one span."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    spans: list[Span] = []
    for row in rows:
        line, number = str(row["text"]), int(str(row["number"]))
        start = starts[number] + len(line) - len(line.lstrip())
        stop = starts[number] + len(line.rstrip())
        rule_id = f"language_switch.{row['code']}"
        if spans and spans[-1].rule_id == rule_id and not text[spans[-1].stop : start].strip():
            spans[-1] = spans[-1]._replace(stop=stop)
        else:
            spans.append(Span(start, stop, rule_id, CATEGORY, float(str(row["sure"]))))
    return spans
