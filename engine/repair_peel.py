"""What hangs on a cut and goes with it: emphasis and brackets left empty, orphan punctuation, emoji, smileys."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

import re
from typing import Final

from phrasemill.engine.repair_seam import TERMINAL, Gutted, Seam, is_space, open_runs, skip_left, skip_right

_PAIRS: Final = dict(zip('([{“"«‘（「『【', ')]}”"»’）」』】', strict=True))
_PUNCTUATION: Final = re.compile(r"[,.!?:;…‥–—―~，。！？：；、．،؛؟\-]+")
_EMOJI_CLASS: Final = r"[\U0001F000-\U0001FAFF\u2600-\u27BF\u2B50\u2B55\uFE0F\u200D]"
_EMOJI: Final = re.compile(rf"(?:[^\S\r\n]*(?:{_EMOJI_CLASS}|[:;]-?[)DP](?!\w)))+")
_SMILING: Final = re.compile(
    "[\\s\ufe0f\u200d\U0001f3fb-\U0001f3ff\u263a\u2728\u2764\U0001f31f\U0001f389\U0001f38a\U0001f44b-\U0001f450"
    "\U0001f493-\U0001f49f\U0001f4aa\U0001f600-\U0001f64f\U0001f913-\U0001f92f\U0001f970-\U0001f97a:;)DP-]+"
)
FILLER: Final = re.compile(rf"(?:[\s*_~\u200b\ufeff]|{_PUNCTUATION.pattern}|{_EMOJI_CLASS})*")
"""What may stand between two cuts that are one tic: no letter, no digit, no bracket."""

_RUN: Final = re.compile(r"\*+|_+|~~")
_COMMAS: Final = ",;:，；：、—–"
_KEPT_ENDS: Final = frozenset(".!。！")
_LOOSE_LEFT: Final = ",;，；、—–-"
_CONNECTOR: Final = re.compile(
    r"\b(?:and|but|or|nor|yet|so|because|although|though|while|whereas|since|if|unless|that|which|who|to|as|of|with|for"
    r"|plus|then|also|the|an?|is|are|was|were|be|please|just|simply)$",
    re.IGNORECASE,
)
_WORDS: Final = """
additionally also besides finally first firstly further furthermore generally hence however indeed instead lastly
likewise moreover nevertheless nonetheless overall second secondly similarly still then therefore third thirdly thus
"""
_INTRODUCTIONS: Final = frozenset(_WORDS.split())
"""Words whose comma belongs to them: "However, it is worth noting, X" keeps it."""


def peel(seam: Seam) -> None:
    """Grow ``seam`` over everything that its cut leaves orphaned on the same line.

    Raises Gutted where what is left of the sentence cannot stand by itself.
    """
    while True:
        size = seam.stop - seam.start
        _emphasis(seam)
        _brackets(seam)
        if seam.opens_sentence:
            _inverted_mark(seam)
            _emoji(seam)
            _following(seam)
        if seam.stop - seam.start == size:
            break
    if not seam.opens_sentence:
        _inside_sentence(seam)


def lone_marker(text: str, start: int, stop: int, line: tuple[int, int]) -> tuple[int, int] | None:
    """The one emphasis marker inside a cut whose partner stands elsewhere on the line, not beside the cut.

    It stays, so that what is left is still balanced; ``line`` is the range in which the partner is looked for.
    """
    inside = open_runs(text[start:stop])
    if len(inside) != 1:
        return None
    (run,) = inside
    if text.startswith(run, stop) or text.endswith(run, 0, start):
        return None
    if run not in open_runs(text[line[0] : start]) and run not in open_runs(text[stop : line[1]]):
        return None
    runs = [found for found in _RUN.finditer(text, start, stop) if found[0] == run]
    return runs[-1].span() if runs else None


def _emphasis(seam: Seam) -> None:
    """Take the markers that would be left empty, and the partners of markers that lie inside the cut."""
    text = seam.text
    left = _run_before(text, seam.start, seam.lo)
    right = _run_after(text, seam.stop, seam.hi)
    inside = open_runs(text[seam.start : seam.stop])
    for run in sorted(inside, key=len, reverse=True):
        if left.endswith(run) and run in open_runs(seam.before):
            seam.start -= len(run)
            return
        if right.startswith(run):
            seam.stop += len(run)
            return
    if not inside and left and right and left[0] == right[0] and left in open_runs(seam.before):
        shared = min(len(left), len(right))
        seam.start -= shared
        seam.stop += shared


def _run_before(text: str, pos: int, lo: int) -> str:
    begin = pos
    while begin > lo and text[begin - 1] in "*_~" and text[begin - 1] == text[pos - 1]:
        begin -= 1
    return text[begin:pos]


def _run_after(text: str, pos: int, hi: int) -> str:
    end = pos
    while end < hi and text[end] in "*_~" and text[end] == text[pos]:
        end += 1
    return text[pos:end]


def _brackets(seam: Seam) -> None:
    """Take a pair of brackets or quotation marks that would be left empty."""
    text = seam.text
    left, right = skip_left(text, seam.start, seam.lo), skip_right(text, seam.stop, seam.hi)
    if left == seam.lo or right == seam.hi or _PAIRS.get(text[left - 1]) != text[right]:
        return
    if text[left - 1] == "[" and text[right + 1 : right + 2] in ("(", "["):
        raise Gutted
    seam.start, seam.stop = left - 1, right + 1


def _inverted_mark(seam: Seam) -> None:
    if seam.start > seam.lo and seam.text[seam.start - 1] in "¡¿":
        seam.start -= 1


def _following(seam: Seam) -> None:
    """Take orphan punctuation behind a cut that opens a sentence: attached to it, or loose on the same line."""
    text, at = seam.text, seam.right
    run = _PUNCTUATION.match(text, at, seam.hi)
    if run is None:
        return
    follower = text[run.end() : run.end() + 1]
    attached = at == seam.stop and not (run[0] == "-" and follower.isalnum())
    if attached or (not follower or is_space(follower)):
        seam.stop = run.end()


def _emoji(seam: Seam) -> None:
    """Take emoji that end the line of the cut, and smiling ones between a finished clause and the next."""
    found = _EMOJI.match(seam.text, seam.stop, min(seam.hi, seam.line_end))
    if found is None:
        return
    rest = seam.text[found.end() : seam.line_end]
    smiling = _SMILING.fullmatch(found[0]) and seam.core[-1] in "!,.~…！，。" and found[0].strip() not in rest
    if not rest.strip() or (smiling and is_space(rest[0])):
        seam.stop = found.end()


def _inside_sentence(seam: Seam) -> None:
    """Leave one punctuation mark where two met around a cut inside a sentence; refuse what cannot stand alone."""
    left, right = seam.left_char, seam.right_char
    if not left:
        return
    ends = not right or right in TERMINAL or right in ")]"
    if seam.terminal and left not in TERMINAL:
        _end_sentence(seam, left)
    elif ends:
        if left in _LOOSE_LEFT:
            _drop_left(seam)
        _refuse_connector(seam)
    elif right in _COMMAS and seam.left_mark in _COMMAS + "(":
        seam.stop = seam.right + 1
    elif seam.core[-1] in ",，" and left in ",，" and not _introduced(seam):
        _drop_left(seam)


def _end_sentence(seam: Seam, left: str) -> None:
    """The cut takes the end of a sentence that began before it: the sentence keeps its end, or is refused."""
    if left in _LOOSE_LEFT:
        closing = seam.terminal[:1]
        _drop_left(seam)
        if closing in _KEPT_ENDS and not seam.right_char and seam.text.endswith(seam.terminal, 0, seam.stop):
            seam.stop -= len(seam.terminal)
    elif seam.first_letter.islower():
        raise Gutted
    _refuse_connector(seam)


def _drop_left(seam: Seam) -> None:
    if seam.left > seam.lo:
        seam.start = seam.left - 1
        seam.start = seam.left


def _refuse_connector(seam: Seam) -> None:
    if _CONNECTOR.search(seam.text[seam.line_start : seam.left].rstrip("*_~ ")):
        raise Gutted


def _introduced(seam: Seam) -> bool:
    """Whether the comma before the cut belongs to an introducing word."""
    clause = re.split(r"[.!?;:]", seam.before)[-1].strip(" ,，*_~\t").lower()
    return clause.rpartition(" ")[2] in _INTRODUCTIONS and len(clause.split()) <= 2
