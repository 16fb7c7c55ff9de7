"""Repair without a model: take the cuts out of a turn so that what remains reads as it was written."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from phrasemill.engine.repair_case import capital
from phrasemill.engine.repair_lines import close
from phrasemill.engine.repair_peel import FILLER, lone_marker, peel
from phrasemill.engine.repair_seam import TERMINAL, Gutted, Seam, is_space, line_end, line_start
from phrasemill.schemas.policy import Policy

ENOUGH_WORDS: Final = 4
"""An answer of so many words is whole, however much was cut beside it ("Water boils at 100.")."""

FRAGMENT_WORDS: Final = 5
"""One line of fewer words without an end mark is a fragment, not an answer."""

_WORD: Final = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
    r"|[^\W_\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+"
)
"""A word; in scripts that put no space between words, each letter counts as one."""

_REASONING: Final = re.compile(r"\s*<think>.*?(?:</think>|\Z)\s*", re.DOTALL)
_BARE_LEAD_IN: Final = re.compile(r"\W*here (?:you (?:go|are)|it is|they are|we go|goes)\W*", re.IGNORECASE)
_HEADING: Final = re.compile(r"[^\S\r\n]*#{1,6}[^\S\r\n]")
_END_MARKS: Final = tuple(".!?…:;`*_)]}>|\"'”’»。！？｡؟~%$°€")


@dataclass(frozen=True, slots=True)
class Cut:
    """What a strip removes: code points ``start`` to ``stop`` (half-open) of the original text of the turn."""

    start: int
    stop: int
    category: str


@dataclass(frozen=True, slots=True)
class Mended:
    """The mended text, or None with why it must go to a model: ``gutted``, ``too_thin`` or ``masked``."""

    text: str | None
    reason: str = ""


def mend(text: str, cuts: Sequence[Cut], *, masks: Sequence[tuple[int, int]] = (), policy: Policy) -> Mended:
    """``text`` without its ``cuts``, closed up so that it reads as written.

    Each cut takes with it the white space, orphan punctuation, empty emphasis, emoji, empty lines with their markers
    and separators that touch it, and may change the case of the first letter behind it. Everything else is
    byte-identical, ``masks`` (half-open ranges, code points) above all. Without cuts the same object comes back.
    Cuts may overlap and come in any order.

    The text is None where a cut overlaps a mask (``masked``), where fewer than ``policy.min_words_left`` words are left
    (``too_thin``), or where what is left is no whole answer (``gutted``): a lead-in, a fragment, a torn sentence, or
    under ``ENOUGH_WORDS`` words with more than ``policy.max_share_cut`` of them gone. Raises ValueError for a cut
    outside of the text.
    """
    if not cuts:
        return Mended(text)
    joined = _join(text, cuts, masks)
    if any(start < cut.stop and cut.start < stop for cut in joined for start, stop in masks):
        return Mended(None, "masked")
    mended, fixed = text, list(masks)
    floors = [0, *(cut.stop for cut in joined)]
    open_end = False
    try:
        for cut, floor in zip(reversed(joined), reversed(floors[:-1]), strict=True):
            seam = _seam(mended, cut, floor, fixed)
            peel(seam)
            close(seam)
            open_end = open_end or seam.stop == len(mended)
            mended = _apply(seam)
            size = seam.stop - seam.start
            fixed = [(start - size, stop - size) if start >= seam.stop else (start, stop) for start, stop in fixed]
    except Gutted:
        return Mended(None, "gutted")
    reason = _thin(text, mended, open_end, policy)
    return Mended(None, reason) if reason else Mended(mended)


def _join(text: str, cuts: Sequence[Cut], masks: Sequence[tuple[int, int]]) -> list[Cut]:
    """The cuts in order, without white space at their ends, those one that only filler parts; lone markers kept out."""
    joined: list[Cut] = []
    for cut in sorted(cuts, key=lambda cut: (cut.start, cut.stop)):
        trimmed = _trim(text, cut)
        last = joined[-1] if joined else None
        if last and _touch(text, last.stop, trimmed.start, masks):
            joined[-1] = Cut(last.start, max(last.stop, trimmed.stop), last.category)
        elif trimmed.start < trimmed.stop:
            joined.append(trimmed)
    return [part for cut in joined for part in _split(text, cut)]


def _trim(text: str, cut: Cut) -> Cut:
    if not 0 <= cut.start <= cut.stop <= len(text):
        raise ValueError(
            f"cut {cut.start}:{cut.stop} ({cut.category}) lies outside of a text of {len(text)} code points; "
            "expected 0 <= start <= stop <= length"
        )
    start, stop = cut.start, cut.stop
    while start < stop and is_space(text[start]):
        start += 1
    while stop > start and is_space(text[stop - 1]):
        stop -= 1
    return Cut(start, stop, cut.category)


def _touch(text: str, stop: int, start: int, masks: Sequence[tuple[int, int]]) -> bool:
    if start <= stop:
        return True
    between = FILLER.fullmatch(text, stop, start) is not None
    return between and not any(low < start and stop < high for low, high in masks)


def _split(text: str, cut: Cut) -> list[Cut]:
    """The cut in two around an emphasis marker that has to stay: ``**Note: please** note that`` is ``**Note:**``."""
    marker = lone_marker(text, cut.start, cut.stop, (line_start(text, cut.start), line_end(text, cut.stop)))
    if marker is None:
        return [cut]
    parts = (Cut(cut.start, marker[0], cut.category), Cut(marker[1], cut.stop, cut.category))
    return [part for part in (_trim(text, part) for part in parts) if part.start < part.stop]


def _seam(text: str, cut: Cut, floor: int, masks: Sequence[tuple[int, int]]) -> Seam:
    lo = max([floor, *(stop for _, stop in masks if stop <= cut.start)])
    hi = min([len(text), *(start for start, _ in masks if start >= cut.stop)])
    core = text[cut.start : cut.stop]
    return Seam(text, cut.start, cut.stop, lo, hi, core, cut.stop, markup=cut.category == "leaked_markup")


def _apply(seam: Seam) -> str:
    """The text without the seam, the first letter behind it in the case that the sentence now needs."""
    head, tail = seam.text[: seam.start], seam.text[seam.stop :]
    change = capital(seam.text, seam.stop, seam.hi) if _wants_capital(seam) else None
    if change is None:
        return head + tail
    at, letter = change
    return head + seam.text[seam.stop : at] + letter + seam.text[at + 1 :]


def _wants_capital(seam: Seam) -> bool:
    """Whether a sentence begins behind the seam that the cut began before.

    A cut in lowercase leaves lowercase: that is how the text was written. Nor does the next line change its case where
    the cut had ended its own sentence.
    """
    if seam.markup or seam.first_letter.islower():
        return False
    crossed = any(char in "\r\n" for char in seam.text[seam.core_stop : seam.stop])
    if crossed and (seam.core[-1] in TERMINAL or seam.core[-1] in ":："):
        return False
    if seam.opens_sentence:
        return True
    return seam.left_mark in ':："“(—–' and re.match(r"I\b", seam.core) is None


def _thin(original: str, mended: str, open_end: bool, policy: Policy) -> str:
    """Why ``mended`` is no answer by itself, or an empty string. Reasoning at its start is not counted."""
    before, after = (
        _REASONING.sub("", text, count=1) if _REASONING.match(text) else text for text in (original, mended)
    )
    # Past the largest limit the count makes no difference.
    most = max(policy.min_words_left, ENOUGH_WORDS, FRAGMENT_WORDS)
    words = sum(1 for _ in islice(_WORD.finditer(after), most))
    if words < policy.min_words_left:
        return "too_thin"
    if words < ENOUGH_WORDS:
        total = len(_WORD.findall(before))
        if total - words > policy.max_share_cut * total:
            return "gutted"
    lines = after.strip().splitlines()
    last = lines[-1].rstrip().rstrip("*_~ ")
    if (open_end or len(lines) == 1) and (last.endswith((":", "：")) or _HEADING.match(lines[-1])):
        return "gutted"
    fragment = len(lines) == 1 and words < FRAGMENT_WORDS and not lines[0].endswith(_END_MARKS)
    return "gutted" if fragment or _BARE_LEAD_IN.fullmatch(after) else ""
