"""The regex filter: candidates from one pass over the batch, then confirmed and cut inside their turn.

No text becomes a Python string for a turn without a hit, unless it has letters in disguise. Matching is leftmost-first
(RE2) on UTF-8 bytes, in time linear in the text; offsets become code points only for hits. Turns that have a shadow are
searched in it, and in themselves for markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.filters.base import Filter
from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.confirm import RawHit, confirm_within
from phrasemill.filters.exemptions import Exemptions
from phrasemill.filters.finder import Finder
from phrasemill.filters.hits import Hit
from phrasemill.filters.language_gate import by_language, in_their_language
from phrasemill.filters.merge import merge_hits
from phrasemill.filters.offsets import CodePoints
from phrasemill.filters.packs import packs_fingerprint, ready_rules
from phrasemill.filters.shadow import shadow
from phrasemill.filters.shadow_batch import shadows
from phrasemill.filters.turns import TurnTable

MARKUP: Final = frozenset({"leaked_markup"})
"""Categories whose rules look for markup: they read the text itself, never its shadow. An entity shows a token."""


class RegexFilter(Filter, name="regex"):
    """Rule packs as a filter. ``packs``: names of shipped packs, or paths."""

    version: ClassVar[int] = 3

    packs: tuple[str, ...] = ("core-en",)

    @cached_property
    def rules(self) -> tuple[CompiledRule, ...]:
        """The compiled rules, loaded on first use."""
        return ready_rules(self.packs)

    def reads(self) -> tuple[str, ...]:
        """Roles that any rule reads."""
        return tuple(sorted({role for rule in self.rules for role in rule.rule.roles}))

    @cached_property
    def _languages(self) -> dict[str, str]:
        return {rule.rule.id: rule.language for rule in self.rules}

    @cached_property
    def _finder(self) -> Finder:
        return Finder(self.rules)

    @cached_property
    def _markup(self) -> tuple[tuple[CompiledRule, ...], Finder]:
        """The rules that look for markup, and their finder."""
        rules = tuple(rule for rule in self.rules if rule.rule.category in MARKUP)
        return rules, Finder(rules)

    def fingerprint(self) -> dict[str, object]:
        """Name, version and the content of the packs: renaming a pack changes nothing, a changed rule does."""
        return {"use": self.name, "version": self.version, "packs": packs_fingerprint(self.packs)}

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """Hits of all turns, merged per turn and category, sorted by turn and start."""
        merged: list[Hit] = []
        for index, hits in groupby(self.find_each(turns), key=lambda hit: hit.at):
            merged.extend(merge_hits(hits, str(turns.text[index])))
        return merged

    def find_each(self, turns: TurnTable) -> list[Hit]:
        """Hits of all turns before merging, sorted by turn: every rule's own."""
        if not len(turns):
            return []
        shaded, shadow_texts = shadows(turns.text)
        is_plain = np.ones(len(turns), dtype=np.bool_)
        is_plain[shaded] = False
        plain = np.flatnonzero(is_plain)
        hits: list[Hit] = []
        for at, raw, found in self._found(turns, turns.text.take(pa.array(plain)), plain, self.rules, self._finder):
            hits.extend(self._judge(at, raw, found, turns))
        for at, raw, found in self._found(turns, shadow_texts, shaded, self.rules, self._finder):
            if spoken := [hit for hit in found if hit[3].rule.category not in MARKUP]:
                hits.extend(self._judge(at, raw, spoken, turns, is_shadow=True))
        for at, raw, found in self._found(turns, turns.text.take(pa.array(shaded)), shaded, *self._markup):
            hits.extend(self._judge(at, raw, found, turns))
        hits.sort(key=lambda hit: hit.at)
        return in_their_language(hits, self._languages, turns)

    def _found(
        self,
        turns: TurnTable,
        texts: pa.LargeStringArray,
        owners: npt.NDArray[np.int64],
        rules: Sequence[CompiledRule],
        finder: Finder,
    ) -> Iterator[tuple[int, bytes, list[RawHit]]]:
        """Confirmed hits in the ``texts`` of the turns ``owners``: the turn, the bytes of its text, and its hits."""
        roles = (*self.reads(), "")
        role = pc.index_in(turns.role, value_set=pa.array(self.reads(), turns.role.type))
        speakers = pc.fill_null(role, -1).to_numpy(zero_copy_only=False)[owners]
        data, starts, stops = text_bytes(texts)
        for place, candidates in finder.candidates(data, starts, stops):
            speaker = roles[speakers[place]]
            named = ((rules[number], windows) for number, windows in candidates)
            raw = bytes(data[starts[place] : stops[place]])
            groups = by_language([each for each in named if speaker in each[0].rule.roles])
            if found := [hit for group in groups for hit in confirm_within(raw, group)]:
                yield int(owners[place]), raw, found

    def _judge(
        self, index: int, raw: bytes, found: Sequence[RawHit], turns: TurnTable, *, is_shadow: bool = False
    ) -> Iterator[Hit]:
        """Confirmed hits of one turn with their exemptions, in code points of its text. ``raw`` may be its shadow."""
        text = str(turns.text[index])
        exemptions = Exemptions(turns.previous_user(index), text)
        shade = shadow(text) if is_shadow else None
        point = CodePoints(raw, text if shade is None else shade.text)
        point.learn(border for start, stop, cut, _ in found for border in (start, stop, *(cut or ())))
        for start, stop, cut, rule in found:
            first, last = point(start), point(stop)
            points = None if cut is None else (point(cut[0]), point(cut[1]))
            if shade is not None:
                first, last = shade.original(first, last)
                points = points and shade.original_cut(*points)
            if rule.rule.frame == "tail":
                points = (first, len(text))
            exempt = exemptions.reason(rule.rule.category, rule.rule.id, first, last)
            yield Hit(index, first, last, rule.rule.id, rule.rule.category, self.name, rule.rule.score, points, exempt)


def text_bytes(texts: pa.LargeStringArray) -> tuple[memoryview, list[int], list[int]]:
    """The buffer of all texts, not copied, and where each starts and stops in it, in bytes."""
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    borders = offsets.tolist()
    return memoryview(data if data is not None else b""), borders[:-1], borders[1:]
