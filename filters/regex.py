"""The regex filter: candidates from one pass over the batch, then confirmed and cut inside their turn.

No text becomes a Python string for a turn without a hit. Matching is leftmost-first (RE2) on UTF-8 bytes, in time
linear in the text; offsets become code points only for hits.
"""

from __future__ import annotations

from functools import cached_property
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.filters.base import Filter
from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.confirm import RawHit, confirm
from phrasemill.filters.exemptions import Exemptions
from phrasemill.filters.finder import Finder
from phrasemill.filters.hits import Hit
from phrasemill.filters.merge import merge_hits
from phrasemill.filters.offsets import CodePoints
from phrasemill.filters.packs import packs_fingerprint, ready_rules
from phrasemill.filters.turns import TurnTable


class RegexFilter(Filter, name="regex"):
    """Rule packs as a filter. ``packs``: names of shipped packs, or paths."""

    packs: tuple[str, ...] = ("core-en",)

    @cached_property
    def rules(self) -> tuple[CompiledRule, ...]:
        """The compiled rules, loaded on first use."""
        return ready_rules(self.packs)

    def reads(self) -> tuple[str, ...]:
        """Roles that any rule reads."""
        return tuple(sorted({role for rule in self.rules for role in rule.rule.roles}))

    @cached_property
    def _finder(self) -> Finder:
        return Finder(self.rules)

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
        data, starts, stops = text_bytes(turns.text)
        role = pc.index_in(turns.role, value_set=pa.array(self.reads(), turns.role.type))
        numbers = pc.fill_null(role, -1).to_numpy(zero_copy_only=False)
        roles = (*self.reads(), "")
        hits: list[Hit] = []
        for at, candidates in self._finder.candidates(data, starts, stops):
            speaker = roles[numbers[at]]
            rules = [self.rules[number] for number in candidates if speaker in self.rules[number].rule.roles]
            raw = bytes(data[starts[at] : stops[at]])
            found = confirm(raw, rules)
            if found:
                hits.extend(self._judge(at, raw, found, turns))
        return hits

    def _judge(self, index: int, raw: bytes, found: list[RawHit], turns: TurnTable) -> list[Hit]:
        """Confirmed hits of one turn with their exemptions, in code points."""
        text = raw.decode()
        exemptions = Exemptions(turns.previous_user(index), text)
        point = CodePoints(raw, text)
        point.learn(border for start, stop, cut, _ in found for border in (start, stop, *(cut or ())))
        hits: list[Hit] = []
        for start, stop, cut, rule in found:
            first, last = point(start), point(stop)
            exempt = exemptions.reason(rule.rule.category, rule.rule.id, first, last)
            points = None if cut is None else (point(cut[0]), point(cut[1]))
            hit = Hit(index, first, last, rule.rule.id, rule.rule.category, self.name, rule.rule.score, points, exempt)
            hits.append(hit)
        return hits


def text_bytes(texts: pa.LargeStringArray) -> tuple[memoryview, list[int], list[int]]:
    """The buffer of all texts, not copied, and where each starts and stops in it, in bytes."""
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    borders = offsets.tolist()
    return memoryview(data if data is not None else b""), borders[:-1], borders[1:]
