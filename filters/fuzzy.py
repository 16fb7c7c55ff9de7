"""The fuzzy filter: near-variants of known phrases that no pattern spells out.

Anchors over the batch's bytes, then the sentence around one, aligned word by word with the phrase, then its context.
No text becomes a Python string for a turn without an anchor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import blake3
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.filters.base import Filter
from phrasemill.filters.fuzzy_anchors import Anchors
from phrasemill.filters.fuzzy_phrases import Entry, Template, compile_phrases, phrase_file, read_phrases
from phrasemill.filters.fuzzy_sentences import Sentences
from phrasemill.filters.hits import Hit, Span
from phrasemill.filters.offsets import CodePoints
from phrasemill.filters.regex import text_bytes
from phrasemill.filters.shadow import Shadow, shadow
from phrasemill.filters.shadow_batch import shadows
from phrasemill.filters.turns import TurnTable


class FuzzyFilter(Filter, name="fuzzy"):
    """Misspelt, stretched and reworded tics. ``phrases``: the name of a shipped file, or a path."""

    phrases: str = "fuzzy-en"

    @cached_property
    def entries(self) -> list[Entry]:
        """The reference phrases, ready to use."""
        return compile_phrases(read_phrases(self.phrases), str(phrase_file(self.phrases)))

    @cached_property
    def _templates(self) -> list[Template]:
        return [template for entry in self.entries for template in entry.templates]

    @cached_property
    def _anchors(self) -> Anchors:
        return Anchors(self._templates)

    def fingerprint(self) -> dict[str, Any]:
        """Name, version and the content of the phrases' file."""
        content = blake3.blake3(phrase_file(self.phrases).read_bytes()).hexdigest()[:32]
        return {"use": self.name, "version": self.version, "phrases": content}

    def find(self, text: str) -> Iterator[Span]:
        """Spans of one text, sorted by start."""
        shade = shadow(text)
        read = text if shade is None else shade.text
        raw = read.encode()
        found = self._anchors.find([raw])
        spans = self._spans(raw, read, zip(found.end.tolist(), found.template.tolist(), strict=True))
        yield from (_original(span, shade) for span in spans)

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """Hits of all turns, sorted by turn and start; one for each place and category."""
        read = _read(turns.text, self.wanted(turns))
        columns = (column.tolist() for column in self._anchors.find(read.texts))
        hits: list[Hit] = []
        for at, group in groupby(zip(*columns, strict=True), key=itemgetter(0)):
            turn = int(read.owners[at])
            raw = bytes(read.texts[at])
            anchors = ((end, template) for _, end, template in group)
            if spans := self._spans(raw, raw.decode(), anchors):
                shade = shadow(str(turns.text[turn])) if at >= read.plain else None
                hits.extend(self.excused(turns, turn, [_original(span, shade) for span in spans]))
        hits.sort(key=lambda hit: hit.at)
        return hits

    def _spans(self, raw: bytes, text: str, anchors: Iterable[tuple[int, int]]) -> list[Span]:
        """The best span for each place and category of one text. ``anchors``: (byte offset, template)."""
        named = [(end, self._templates[number]) for end, number in anchors]
        if len(raw) != len(text):
            point = CodePoints(raw, text)
            point.learn(end for end, _ in named)
            named = [(point(end), template) for end, template in named]
        return _best(Sentences(text).spans(named))


class _Read(NamedTuple):
    """What is read of some turns: the texts themselves, ``plain`` of them, then the shadows of those that have one.

    ``owners``: the turn of each.
    """

    texts: list[memoryview]
    owners: npt.NDArray[np.int64]
    plain: int


def _read(texts: pa.LargeStringArray, wanted: npt.NDArray[np.int64]) -> _Read:
    shaded, shadow_texts = shadows(texts)
    keep = np.isin(shaded, wanted)
    plain = np.setdiff1d(wanted, shaded, assume_unique=True)
    pieces = [*_pieces(texts, plain), *_pieces(shadow_texts, np.flatnonzero(keep))]
    return _Read(pieces, np.concatenate([plain, shaded[keep]]), len(plain))


def _pieces(texts: pa.LargeStringArray, indices: npt.NDArray[np.int64]) -> list[memoryview]:
    data, starts, stops = text_bytes(texts)
    return [data[starts[index] : stops[index]] for index in indices.tolist()]


def _original(span: Span, shade: Shadow | None) -> Span:
    """A span of a shadow as one of the text itself."""
    if shade is None:
        return span
    start, stop = shade.original(span.start, span.stop)
    return span._replace(start=start, stop=stop, cut=span.cut and shade.original_cut(*span.cut))


def _best(spans: list[Span]) -> list[Span]:
    """Of overlapping spans of one category the best, then the longest; sorted by start."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (-s.score, s.start - s.stop, s.start, s.rule_id)):
        if not any(span.category == k.category and span.start < k.stop and k.start < span.stop for k in kept):
            kept.append(span)
    return sorted(kept, key=lambda s: (s.start, s.stop, s.category))
