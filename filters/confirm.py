"""Exact hits of candidate rules in one turn: bounds, cut, position and exceptions, by a linear-time engine.

Matching is leftmost-first (RE2) on UTF-8 bytes, in time linear in the text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from time import thread_time
from typing import Final

import re2

from phrasemill.filters.compiled import ANYWHERE, THERE, UNLESS_BYTES, CompiledRule, Search, Spans
from phrasemill.filters.finder import END_BYTES, START_BYTES, Window
from phrasemill.filters.masks import reasoning_stop
from phrasemill.schemas.errors import PackError

TRIES: Final = 16
"""Places of a turn at which a rule is tried by itself; behind them it is searched for, so that time stays linear."""

TURN_SECONDS: Final = 2.0
"""CPU time that a rule may take in any turn, and ``BYTE_SECONDS`` for each byte more; past them the pack is refused.

Linear time for one match is not linear time for all: each may read as far as the longest one. The rules that ship take
half a millionth of a second for a byte of text that is nothing but their hits, and thirty times as much in their words
shuffled: they stay far under this.
"""

BYTE_SECONDS: Final = 100e-6

UNTIMED: Final = 16
"""Searches of a turn that are not timed, so that an ordinary turn does not ask for the clock."""

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

Candidate = tuple[CompiledRule, list[Window]]
"""A rule and the windows of a turn in which it can match, in order and apart."""


class _Meter:
    """The CPU time that each rule has taken in a turn of ``length`` bytes, beside its first searches."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.most = TURN_SECONDS + BYTE_SECONDS * length
        self.taken: defaultdict[str, float] = defaultdict(float)

    def charge(self, rule: CompiledRule, began: float) -> float:
        """What the clock says now; PackError if the rule has by now taken more than it may. No hit is ever left out."""
        now = thread_time()
        self.taken[rule.rule.id] += now - began
        if self.taken[rule.rule.id] > self.most:
            raise PackError(
                f"pack {rule.pack!r}: rule {rule.rule.id!r}: it took more than {self.most:.1f} s of CPU time on one "
                f"turn of {self.length:,} bytes, as a pattern does that reads far past most of its matches; expected a "
                "hundredth of it: repeat less in the pattern, or make several rules of it"
            )
        return now


def confirm(raw: bytes, rules: Sequence[CompiledRule]) -> list[RawHit]:
    """Exact hits of the rules in one turn: (start, stop, cut, rule) in bytes, exceptions applied."""
    everywhere = [(0, len(raw) + 1, len(raw))]
    return confirm_within(raw, [(rule, everywhere) for rule in rules])


def confirm_within(raw: bytes, candidates: Sequence[Candidate]) -> list[RawHit]:
    """The same hits, where each rule is known to match only in its windows."""
    body = reasoning_stop(raw)
    meter = _Meter(len(raw))
    found: list[RawHit] = []
    at_start = [each for each in candidates if each[0].rule.at == "start"]
    at_end = [each for each in candidates if each[0].rule.at == "end"]
    if at_start:
        found.extend(_from_the_start(raw, body, at_start, meter))
    if at_end:
        found.extend(_to_the_end(raw, body, at_end, meter))
    for rule, windows in candidates:
        if rule.rule.at in ("anywhere", "sentence_start"):
            hits = (_bounds(spans, rule, len(raw)) for spans in _matches(raw, rule, windows, 0, meter))
            if rule.rule.at == "sentence_start":
                hits = (hit for hit in hits if _starts_sentence(raw, hit[0]))
            found.extend(hit for hit in hits if not _excepted(raw, hit))
    return found


def _matches(raw: bytes, rule: CompiledRule, windows: list[Window], at: int, meter: _Meter) -> Iterator[Spans]:
    """The matches from ``at`` on, leftmost first and apart, as a search of the whole turn finds them.

    A match that begins behind its window is passed over: the end of the search may have cut it short, and the window
    that it begins in is still to come. No match is empty, for each holds what its rule needs.
    """
    search, hint = rule.search, rule.hint
    tries, searches, began = TRIES, 0, 0.0
    for low, high, stop in windows:
        at = max(at, low)
        while at < high:
            searches += 1
            if searches > UNTIMED:
                began = meter.charge(rule, began) if began else thread_time()
            first = hint(ANYWHERE, raw, at, stop)[0][0]
            if first < 0 or first >= high:
                break
            # Nothing begins before the hint. A search that is tied to one place has far fewer states to build.
            spans = search(THERE, raw, first, stop)
            if spans[0][0] < 0 and tries:
                tries -= 1
                at = first + 1
                continue
            if spans[0][0] < 0:
                spans = search(ANYWHERE, raw, first, stop)
            start, end = spans[0]
            if start < 0 or start >= high:
                break
            yield spans
            at = end


def _bounds(spans: Spans, rule: CompiledRule, length: int) -> RawHit:
    start, stop = spans[rule.span_group]
    if start < 0:
        start, stop = spans[0]
    cut: tuple[int, int] | None = None
    if rule.rule.frame == "tail":
        cut = (start, length)
    elif rule.cut_group is not None:
        first, last = spans[rule.cut_group]
        cut = (first, last) if first >= 0 else None
    return start, stop, cut, rule


def _from_the_start(raw: bytes, body: int, candidates: Sequence[Candidate], meter: _Meter) -> Iterator[RawHit]:
    """Hits at the first thing in the turn, and the ones stacked directly behind them."""
    limit = min(len(raw), body + START_BYTES)
    at = _skip_lead(raw, body)
    searches = 0
    while at < limit:
        best: RawHit | None = None
        for rule, windows in candidates:
            if not any(low <= at < high for low, high, _ in windows):
                continue
            searches += 1
            began = thread_time() if searches > UNTIMED else 0.0
            spans = rule.search(THERE, raw, at, len(raw))
            if began:
                meter.charge(rule, began)
            if spans[0][0] >= 0:
                hit = _bounds(spans, rule, len(raw))
                if hit[1] > at and not _excepted(raw, hit) and (best is None or hit[1] > best[1]):
                    best = hit
        if best is None:
            return
        yield best
        at = _skip_lead(raw, best[1])


def _skip_lead(raw: bytes, at: int) -> int:
    return int(_LEAD.match(raw, at).end())


def _to_the_end(raw: bytes, body: int, candidates: Sequence[Candidate], meter: _Meter) -> Iterator[RawHit]:
    """Hits that lie in the final block, walked from the last backwards."""
    low = max(body, len(raw) - END_BYTES)
    hits = [
        _bounds(spans, rule, len(raw))
        for rule, windows in candidates
        for spans in _matches(raw, rule, windows, low, meter)
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
    return any(_overlaps(search, raw, (low, high), (start, stop)) for search in rule.exceptions)


def _overlaps(search: Search, raw: bytes, within: tuple[int, int], span: tuple[int, int]) -> bool:
    """Whether a match between two offsets overlaps the span."""
    at, high = within
    while at <= high:
        first, last = search(ANYWHERE, raw, at, high)[0]
        if first < 0 or first >= span[1]:
            return False
        if span[0] < last:
            return True
        at = last if last > at else at + 1
    return False
