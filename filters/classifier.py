"""The filter ``classifier``: sentences that no phrase list reaches, judged by a small model of fastText.

A cascade: only sentences at the start of a turn, and sentences with a cue, go to the model, all of a batch in one call.
"""

from __future__ import annotations

from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from phrasemill.filters.base import Filter
from phrasemill.filters.classifier_model import CATEGORIES, SHIPPED, SentenceModel
from phrasemill.filters.cues import START_BYTES, long_doubt, sentences_in_doubt
from phrasemill.filters.exemptions import Exemptions
from phrasemill.filters.hits import Hit
from phrasemill.filters.offsets import CodePoints
from phrasemill.filters.sentences import Bytes, Sentences, split_batch
from phrasemill.filters.turns import TurnTable

Offsets = npt.NDArray[np.int64]

_OPEN: Final = np.isin(
    np.arange(256), np.frombuffer(b",abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)
)
"""Bytes that no sentence of prose ends in."""


class Candidates(NamedTuple):
    """Sentences with a cue, in order: turn, bytes in the buffer of all turns, and which labels are in doubt.

    ``doubt`` has one row per sentence and one column per category.
    """

    turn: Offsets
    start: Offsets
    stop: Offsets
    doubt: npt.NDArray[np.bool_]


class ClassifierFilter(Filter, name="classifier"):
    """Finds self-reference, refusals, flattery and preaching in whatever words they come.

    ``model``: a file that ``phrasemill classifier train`` wrote, its record beside it; by default the shipped one.
    ``threshold``: the probability from which a sentence counts; by default each label's own, from the record.
    """

    model: Path | None = None
    threshold: float | None = Field(default=None, gt=0.0, le=1.0)

    @cached_property
    def _model(self) -> SentenceModel:
        return SentenceModel(self.model or SHIPPED)

    def fingerprint(self) -> dict[str, Any]:
        """Name, version, the content of the model and the thresholds: where its file lies changes nothing."""
        record = self._model.record
        limits = dict(record.thresholds) if self.threshold is None else self.threshold
        return {
            "use": self.name,
            "version": self.version,
            "model": record.sha256,
            "net": record.net,
            "threshold": limits,
        }

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """Hits of all turns, one per sentence and category, sorted by turn and start."""
        wanted = pc.is_in(turns.role, value_set=pa.array(self.reads(), turns.role.type))
        asked = np.flatnonzero(wanted.to_numpy(zero_copy_only=False))
        if not len(asked):
            return []
        data, borders = _buffer(turns.text)
        texts = pl.Series(pl.from_arrow(turns.text.take(pa.array(asked))))
        found = candidates(texts, data, borders[:-1][asked], borders[1:][asked])
        found = found._replace(turn=asked[found.turn])
        scores = self._scores(data, found)
        rows, columns = np.nonzero(scores >= self._limits[None, :])
        cells = zip(rows.tolist(), columns.tolist(), strict=True)
        hits: list[Hit] = []
        for at, group in groupby(cells, key=lambda cell: int(found.turn[cell[0]])):
            hits.extend(self._judge(turns, at, list(group), found, scores, int(borders[at])))
        return hits

    @cached_property
    def _limits(self) -> npt.NDArray[np.float32]:
        record = self._model.record
        limits = [
            record.thresholds.get(each, np.inf) if self.threshold is None else self.threshold for each in CATEGORIES
        ]
        return np.array(limits, dtype=np.float32)

    def _scores(self, data: memoryview, found: Candidates) -> npt.NDArray[np.float32]:
        """The probability of every category for each candidate, 0 where there was no doubt."""
        scores = np.zeros(found.doubt.shape, dtype=np.float32)
        labels = self._model.record.labels
        columns = [CATEGORIES.index(label) for label in labels]
        scores[:, columns] = self._model.scores(
            _sentences(np.frombuffer(data, dtype=np.uint8), found.start, found.stop)
        )
        return np.where(found.doubt, scores, np.float32(0.0))

    def _judge(
        self,
        turns: TurnTable,
        at: int,
        cells: list[tuple[int, int]],
        found: Candidates,
        scores: npt.NDArray[np.float32],
        first: int,
    ) -> list[Hit]:
        """The hits of one turn, in code points, with what excuses them."""
        text = str(turns.text[at])
        point = CodePoints(text.encode(), text)
        point.learn(int(border) - first for row, _ in cells for border in (found.start[row], found.stop[row]))
        exemptions = Exemptions(turns.previous_user(at), text)
        hits: list[Hit] = []
        for row, column in cells:
            start, stop = point(int(found.start[row]) - first), point(int(found.stop[row]) - first)
            category = CATEGORIES[column]
            rule = f"{self.name}.{category}"
            exempt = exemptions.reason(category, rule, start, stop)
            score = float(scores[row, column])
            hits.append(Hit(at, start, stop, rule, category, self.name, score, None, exempt))
        return hits


def candidates(texts: pl.Series, data: memoryview, starts: Offsets, stops: Offsets) -> Candidates:
    """The sentences in doubt of the turns ``data[starts[i]:stops[i]]``, which are ``texts``; ``turn`` counts these."""
    raw = np.frombuffer(data, dtype=np.uint8)
    pieces = split_batch(raw, starts, stops)
    at_start = pieces.start - starts[pieces.owner] < START_BYTES
    kept = np.flatnonzero((at_start | long_doubt(texts)[pieces.owner]) & _closed(raw, pieces))
    turn, start, stop, at_start = pieces.owner[kept], pieces.start[kept], pieces.stop[kept], at_start[kept]
    doubt = sentences_in_doubt(_sentences(raw, start, stop), at_start)
    cued = np.flatnonzero(doubt.any(axis=1))
    return Candidates(turn[cued], start[cued], stop[cued], doubt[cued])


def _closed(text: npt.NDArray[np.uint8], pieces: Sentences) -> npt.NDArray[np.bool_]:
    """Whether a sentence ends in a mark or ends its turn: else it breaks off, as verse and headings do."""
    last = text[pieces.stop - 1]
    is_last = np.append(pieces.owner[1:] != pieces.owner[:-1], True)[: len(last)]
    closed: npt.NDArray[np.bool_] = ~_OPEN[last] | is_last
    return closed


def _buffer(texts: pa.LargeStringArray) -> tuple[memoryview, Offsets]:
    """The bytes of all texts, not copied, and their borders in it."""
    borders = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    return memoryview(data if data is not None else b""), borders


def _sentences(raw: Bytes, start: Offsets, stop: Offsets) -> pl.Series:
    """The text of each sentence; they are in order and do not overlap.

    Sentences and the gaps between them are one column over the bytes as they lie, of which every second is kept.
    """
    if not len(start):
        return pl.Series([], dtype=pl.String)
    borders = np.stack([start, stop], axis=1).astype(np.int64).ravel()
    column = pa.LargeStringArray.from_buffers(len(borders) - 1, pa.py_buffer(borders), pa.py_buffer(raw))
    return pl.Series(pl.from_arrow(column)).gather_every(2)
