"""Exact hits of candidate rules in one turn: bounds, cut, position and exceptions, by a linear-time engine.

Matching is leftmost-first (RE2) on UTF-8 bytes, in time linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import re2

from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.finder import START_BYTES
from phrasemill.filters.masks import reasoning_stop

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

RawHit = tuple[int, int, tuple[int, int] | None, CompiledRule]


def confirm(raw: bytes, rules: Sequence[CompiledRule]) -> list[RawHit]:
    """Exact hits of the candidate rules in one turn: (start, stop, cut, rule) in bytes, exceptions applied."""
    body = reasoning_stop(raw)
    found: list[RawHit] = []
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


def _bounds(match: re2._Match, rule: CompiledRule, length: int) -> RawHit:
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


def _from_the_start(raw: bytes, body: int, rules: list[CompiledRule]) -> Iterator[RawHit]:
    """Hits at the first thing in the turn, and the ones stacked directly behind them."""
    limit = min(len(raw), body + START_BYTES)
    at = _skip_lead(raw, body)
    while at < limit:
        best: RawHit | None = None
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


def _to_the_end(raw: bytes, body: int, rules: list[CompiledRule]) -> Iterator[RawHit]:
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


def _excepted(raw: bytes, hit: RawHit) -> bool:
    """Whether an exception of the rule overlaps the hit."""
    start, stop, _, rule = hit
    low, high = max(0, start - UNLESS_BYTES), min(len(raw), stop + UNLESS_BYTES)
    return any(
        match.start() < stop and start < match.end()
        for unless in rule.exceptions
        for match in unless.finditer(raw, low, high)
    )
