"""The regex filter: candidates from one pass over the batch, then confirmed and cut inside their turn.

No text becomes a Python string for a turn without a hit. Matching is leftmost-first (RE2) on UTF-8 bytes, in time
linear in the text; offsets become code points only for hits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from phrasemill.filters.base import Filter
from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.context import Context
from phrasemill.filters.finder import START_BYTES, Finder
from phrasemill.filters.hits import Hit
from phrasemill.filters.masks import Mask, exemption, find_masks, reasoning_stop
from phrasemill.filters.merge import merge_hits
from phrasemill.filters.packs import packs_fingerprint, ready_rules
from phrasemill.filters.turns import TurnTable

END_BYTES: Final = 2_000
"""How far before the end of a turn an ``end`` hit may begin."""

UNLESS_BYTES: Final = 120
"""How far around a hit its exceptions are looked for."""

END_GAP_BYTES: Final = 200
"""Longest text that may follow an ``end`` hit in its block."""

_LEAD: Final = re2.compile(rb"(?:[\s\x{a0}\x{200b}\x{200d}\x{fe0f}*_~#>]|\p{So}|\p{Sk})*")
_TRAIL: Final = " \t\r\n\u00a0*_~-\u200b\u200d\ufe0f"
_SENTENCE_START: Final = re2.compile(
    rb"(?:\A|\n|[.!?:;\x{2026}\x{3002}\x{ff01}\x{ff1f}][\"'\x{2019}\x{201d})*_\]]*\s)"
    rb"[\s\x{a0}*_~>\"\x{201c}'\x{2018}(\[#+-]*(?:\d{1,3}[.)]\s+)?[*_]*\z"
)
_BLANK_LINE: Final = re2.compile(rb"\n[ \t\r]*\n")

_RawHit = tuple[int, int, tuple[int, int] | None, CompiledRule]


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

    def _judge(self, index: int, raw: bytes, found: list[_RawHit], turns: TurnTable) -> list[Hit]:
        """Confirmed hits of one turn with their exemptions, in code points."""
        masks = find_masks(raw)
        text = raw.decode()
        context = Context(turns.previous_user(index), text)
        point = _CodePoints(raw, text)
        hits: list[Hit] = []
        for start, stop, cut, rule in found:
            first, last = point(start), point(stop)
            exempt = exemption(masks, start, stop) or context.exemption(rule.rule.category, rule.rule.id, first, last)
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


def confirm(raw: bytes, rules: Sequence[CompiledRule]) -> list[_RawHit]:
    """Exact hits of the candidate rules in one turn: (start, stop, cut, rule) in bytes, exceptions applied."""
    body = reasoning_stop(raw)
    found: list[_RawHit] = []
    at_start = [rule for rule in rules if rule.rule.at == "start"]
    at_end = [rule for rule in rules if rule.rule.at == "end"]
    if at_start:
        found.extend(_from_the_start(raw, body, at_start))
    if at_end:
        found.extend(_to_the_end(raw, body, at_end))
    for rule in rules:
        if rule.rule.at in ("anywhere", "sentence_start") and rule.may_match(raw, 0):
            hits = (_bounds(match, rule, len(raw)) for match in rule.matcher.finditer(raw))
            if rule.rule.at == "sentence_start":
                hits = (hit for hit in hits if _starts_sentence(raw, hit[0]))
            found.extend(hits)
    return [hit for hit in found if not _excepted(raw, hit)]


def _bounds(match: re2._Match, rule: CompiledRule, length: int) -> _RawHit:
    start, stop = match.span(rule.span_group)
    if start < 0:
        start, stop = match.span()
    cut: tuple[int, int] | None = None
    if rule.rule.frame == "tail":
        cut = (start, length)
    elif rule.cut_group is not None:
        first, last = match.span(rule.cut_group)
        cut = (first, last) if first >= 0 else None
    return start, stop, cut, rule


def _from_the_start(raw: bytes, body: int, rules: list[CompiledRule]) -> Iterator[_RawHit]:
    """Hits at the first thing in the turn, and the ones stacked directly behind them."""
    limit = min(len(raw), body + START_BYTES)
    at = _skip_lead(raw, body)
    while at < limit:
        best: _RawHit | None = None
        for rule in rules:
            match = rule.matcher.match(raw, at) if rule.may_match(raw, at, only_there=True) else None
            if match is not None:
                hit = _bounds(match, rule, len(raw))
                if hit[1] > at and not _excepted(raw, hit) and (best is None or hit[1] > best[1]):
                    best = hit
        if best is None:
            return
        yield best
        at = _skip_lead(raw, best[1])


def _skip_lead(raw: bytes, at: int) -> int:
    return int(_LEAD.match(raw, at).end())


def _to_the_end(raw: bytes, body: int, rules: list[CompiledRule]) -> Iterator[_RawHit]:
    """Hits that lie in the final block, walked from the last backwards."""
    low = max(body, len(raw) - END_BYTES)
    hits = [
        _bounds(match, rule, len(raw))
        for rule in rules
        if rule.may_match(raw, low)
        for match in rule.matcher.finditer(raw, low)
    ]
    hits.sort(key=lambda hit: (hit[1], -hit[0]), reverse=True)
    edge = len(raw)
    for hit in hits:
        if _excepted(raw, hit):
            continue
        if hit[1] <= edge:
            gap = raw[hit[1] : edge]
            bare = gap.decode(errors="ignore").strip(_TRAIL)
            is_far = len(gap) > END_GAP_BYTES or b"```" in gap or _BLANK_LINE.search(gap) is not None
            if bare and is_far and any(char.isalnum() for char in bare):
                return
        yield hit
        edge = min(edge, hit[0])


def _starts_sentence(raw: bytes, start: int) -> bool:
    return start == 0 or _SENTENCE_START.search(raw[max(0, start - 32) : start]) is not None


def _excepted(raw: bytes, hit: _RawHit) -> bool:
    """Whether an exception of the rule overlaps the hit."""
    start, stop, _, rule = hit
    low, high = max(0, start - UNLESS_BYTES), min(len(raw), stop + UNLESS_BYTES)
    return any(
        match.start() < stop and start < match.end()
        for unless in rule.exceptions
        for match in unless.finditer(raw, low, high)
    )


class _CodePoints:
    """Byte offset to code-point offset in one text."""

    __slots__ = ("_ascii", "_raw")

    def __init__(self, raw: bytes, text: str) -> None:
        self._raw = raw
        self._ascii = len(raw) == len(text)

    def __call__(self, offset: int) -> int:
        return offset if self._ascii else len(self._raw[:offset].decode(errors="ignore"))


def mask_points(text: str, masks: Sequence[Mask]) -> list[tuple[int, int, str]]:
    """Masks of a text in code points."""
    raw = text.encode()
    point = _CodePoints(raw, text)
    return [(point(mask.start), point(mask.stop), mask.kind) for mask in masks]
