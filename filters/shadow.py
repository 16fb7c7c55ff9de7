"""The shadow of a text: what it says without disguise, with a map back to the text itself.

Filters match the shadow; spans, cuts and edits are of the original. White space, line breaks and case are the patterns'
business. Code, JSON answers and reasoning stay as they are. Linear in the text; all offsets are code points.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from html.entities import html5
from typing import Final, NamedTuple

from phrasemill.filters.confusables import FOREIGN, FORMS, FULLWIDTH, INVISIBLE, JOINERS, LOOK_ALIKES, MARKS
from phrasemill.filters.emphasis import DELIMITERS, Pair, delimiters, pairs, widened
from phrasemill.filters.masks import is_json, reasoning_stop

ROUNDS: Final = 4
"""How many layers of disguise are lifted: an entity may stand for a letter, markup, or a part of an entity."""

MAX_MARKS: Final = 32
"""Combining marks of one run that are composed; no script needs as many, and composing takes quadratic time."""

Edit = tuple[int, int, str]
"""``text[start:stop]`` becomes the new text."""


class _Segment(NamedTuple):
    """A piece of the shadow from ``at`` on, and the piece of the original that it stands for.

    ``whole``: it cannot be divided; else its characters are those of the original from ``start`` on.
    """

    at: int
    start: int
    stop: int
    whole: bool


class _Layer:
    """The edits of one round: the segments that cover its result, and the text before it where they took out markup."""

    __slots__ = ("_at", "_marked", "_pairs", "_segments", "_size")

    def __init__(self, segments: Sequence[_Segment], size: int, marked: str | None) -> None:
        self._segments = segments
        self._at = [segment.at for segment in segments]
        self._size = size
        self._marked = marked
        self._pairs: list[Pair] | None = None

    def before(self, start: int, stop: int) -> tuple[int, int]:
        """The span before these edits."""
        first = self._start(start)
        if start == stop:
            return first, first
        last = self._stop(stop)
        return (first, last) if self._marked is None else self._widened(self._marked, first, last)

    def _start(self, start: int) -> int:
        segment = self._segments[bisect_right(self._at, start) - 1]
        if start == self._size:
            return segment.stop
        return segment.start if segment.whole else segment.start + start - segment.at

    def _stop(self, stop: int) -> int:
        segment = self._segments[bisect_left(self._at, stop) - 1]
        return segment.stop if segment.whole else segment.start + stop - segment.at

    def _widened(self, text: str, start: int, stop: int) -> tuple[int, int]:
        if not (text.endswith(DELIMITERS, 0, start) or text.startswith(DELIMITERS, stop)):
            return start, stop
        if self._pairs is None:
            self._pairs = pairs(text, list(delimiters(text, _protected(text))))
        return widened(self._pairs, start, stop)


class Shadow:
    """A text without disguise, and the way back to the original."""

    __slots__ = ("_layers", "_source", "text")

    def __init__(self, source: str, text: str, layers: Sequence[_Layer]) -> None:
        self.text = text
        self._source = source
        self._layers = layers

    def original(self, start: int, stop: int) -> tuple[int, int]:
        """The span of the original that ``start:stop`` of the shadow stands for.

        It begins at its first character and ends behind its last one. A markup delimiter that touches it and whose
        partner it holds is part of it; all else outside stays outside.
        """
        for layer in reversed(self._layers):
            start, stop = layer.before(start, stop)
        return start, stop

    def original_cut(self, start: int, stop: int) -> tuple[int, int]:
        """The same, with what nobody would see left behind it: invisible characters, and white space as entities."""
        while self.text[stop : stop + 1].isspace():
            low, high = self.original(stop, stop + 1)
            if self._source[low:high].isspace():
                break
            stop += 1
        first, last = self.original(start, stop)
        following = self.original(stop, stop + 1)[0] if stop < len(self.text) else len(self._source)
        hidden = self._source[last:following]
        return first, (last if any(char in hidden for char in DELIMITERS) else max(last, following))


def shadow(text: str) -> Shadow | None:
    """The shadow of a text, None where it is the text itself."""
    layers: list[_Layer] = []
    current = text
    for once_more in range(ROUNDS):
        edits = _letters(current)
        if edits:
            current, layer = _edited(current, edits)
            layers.append(layer)
        elif once_more:
            break
        found = list(delimiters(current, _protected(current)))
        if found:
            current, layer = _edited(current, [(each.start, each.stop, "") for each in found], is_markup=True)
            layers.append(layer)
        elif not edits:
            break
    return Shadow(text, current, layers) if layers else None


def _edited(text: str, edits: Sequence[Edit], *, is_markup: bool = False) -> tuple[str, _Layer]:
    """The text after edits in order and apart."""
    pieces: list[str] = []
    segments: list[_Segment] = []
    size, last = 0, 0
    for start, stop, new in (*edits, (len(text), len(text), "")):
        if last < start:
            segments.append(_Segment(size, last, start, False))
            pieces.append(text[last:start])
            size += start - last
        if new:
            segments.append(_Segment(size, start, stop, len(new) != stop - start))
            pieces.append(new)
            size += len(new)
        last = stop
    return "".join(pieces), _Layer(segments or [_Segment(0, 0, len(text), True)], size, text if is_markup else None)


def _protected(text: str) -> list[tuple[int, int]]:
    """What is no prose, in order and apart: code, a JSON answer, reasoning."""
    ranges: list[tuple[int, int]] = []
    if _LEADS_OFF_PROSE.match(text):
        raw = text.encode()
        if is_json(raw):
            return [(0, len(text))]
        if answer := reasoning_stop(raw):
            ranges.append((0, len(raw[:answer].decode())))
    if "`" in text or "~~~" in text:
        start = ranges[0][1] if ranges else 0
        ranges.extend(found.span() for found in _CODE.finditer(text, start))
    return ranges


_LEADS_OFF_PROSE: Final = re.compile(r"\s*[{\[<]")
_CODE: Final = re.compile(
    r"(?ms)^[ \t]{0,3}(?:[-*+>] )?(?P<fence>`{3,}|~{3,}).*?(?:^[ \t]{0,3}(?:[-*+>] )?(?P=fence)[^\n]*$|\Z)"
    r"|(?<!`)`{1,2}(?!`)[^`\n]+`{1,2}"
)


def _letters(text: str) -> list[Edit]:
    """Edits of single characters and of their spellings, outside of what is no prose."""
    edits: list[Edit] = []
    if "&" in text:
        edits.extend(_entities(text))
    if not text.isascii() and not _ODD.isdisjoint(text):
        edits.extend(_forms(text))
    if ".I" in text or ".i" in text or "A. I." in text:
        edits.extend((found.start(), found.end(), found[0][0] + found["i"]) for found in _AI.finditer(text))
    if not edits:
        return edits
    protected = _protected(text)
    lows = [low for low, _ in protected]
    kept: list[Edit] = []
    for edit in sorted(edits):
        inside = bisect_right(lows, edit[0]) - 1
        is_code = inside >= 0 and edit[0] < protected[inside][1]
        if not is_code and (not kept or kept[-1][1] <= edit[0]):
            kept.append(edit)
    return kept


_SENTENCE_FOLLOWS: Final = (
    r"\s*\Z|\n\s*\n|\s+(?!(?i:language|large|model|assistant|chat|program|system|bot))[A-Z\"\u201c*#]"
)
_AI: Final = re.compile(
    r"(?:(?<![\w.])[Aa]\.|(?<=\b[Aa]n )A\. (?=I\.))(?P<i>[Ii])(?!\.?\w)" rf"(?:\.(?!{_SENTENCE_FOLLOWS}))?"
)
"""The abbreviation with stops; the last one stays where it ends a sentence too. With a space only behind "an"."""

_ENTITY: Final = re.compile(
    r"&(?:amp;)*(?P<name>#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});", re.ASCII
)


def _entities(text: str) -> Iterator[Edit]:
    """HTML character references; one whose ampersand is written as one, however often, counts as plain."""
    for found in _ENTITY.finditer(text):
        name = found["name"]
        new = unescape(f"&{name};") if name[0] == "#" else html5.get(f"{name};", f"&{name};")
        if new != found[0]:
            yield found.start(), found.end(), new


def _listed(codes: Iterable[int]) -> str:
    """Code points as the inside of a character class, in ranges: a search past one of them takes no time."""
    known = sorted(codes)
    ranges: list[tuple[int, int]] = []
    for code in known:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in ranges)


_HIDDEN_CLASS: Final = _listed(INVISIBLE)
_FORM_CLASS: Final = _listed(FORMS)
_WIDE_CLASS: Final = _listed(FULLWIDTH)
_FOREIGN_CLASS: Final = "".join(rf"\u{low:04x}-\u{high:04x}" for low, high in FOREIGN)
_MARK_CLASS: Final = rf"\u{MARKS[0]:04x}-\u{MARKS[1]:04x}"
_ODD: Final = frozenset(map(chr, (*INVISIBLE, *FORMS, *FULLWIDTH, *LOOK_ALIKES, *range(MARKS[0], MARKS[1] + 1))))
_RUN: Final = re.compile(f"[{_HIDDEN_CLASS}{_FORM_CLASS}{_WIDE_CLASS}{_FOREIGN_CLASS}{_MARK_CLASS}]+")
_KIND: Final = re.compile(
    f"(?P<hidden>[{_HIDDEN_CLASS}]+)|(?P<form>[{_FORM_CLASS}])|(?P<wide>[{_WIDE_CLASS}]+)"
    f"|(?P<foreign>[{_FOREIGN_CLASS}]+)|(?P<marks>[{_MARK_CLASS}]+)"
)
_WIDE_LETTER: Final = re.compile("[\uff21-\uff3a\uff41-\uff5a]")
_UNJOINED: Final = re.compile("[\u0000-\u00a8\u00aa-\u00ad\u00af-\u058f\u1e00-\u203b\u203d-\u2048\u204a-\u206f\ufeff]?")
"""A character of a script without joiners, and no emoji; or none."""


def _forms(text: str) -> Iterator[Edit]:
    """Edits of characters beyond ASCII, in order and apart."""
    edited = 0
    for run in _RUN.finditer(text):
        for found in _KIND.finditer(text, *run.span()):
            start, stop = found.span()
            kind, old = found.lastgroup, found[0]
            if kind == "marks":
                start, old = max(start - 1, edited), text[max(start - 1, edited) : stop]
            new = _plain(kind, old, text[start - 1 : start] if start else "", text[stop : stop + 1])
            if new != old:
                yield start, stop, new
                edited = stop


def _plain(kind: str | None, old: str, before: str, behind: str) -> str:
    """What characters of one kind stand for, between the two beside them."""
    if kind == "form":
        return FORMS[ord(old)]
    if kind == "marks":
        return unicodedata.normalize("NFC", old[:MAX_MARKS]) + old[MAX_MARKS:]
    if kind == "wide":
        return old.translate(FULLWIDTH) if _WIDE_LETTER.search(old) else old
    if kind == "hidden":
        joins = not JOINERS.isdisjoint(old) and not (_UNJOINED.fullmatch(before) and _UNJOINED.fullmatch(behind))
        return old if joins else ""
    is_mixed = any(char.isascii() and char.isalpha() for char in (before, behind))
    return old.translate(LOOK_ALIKES) if is_mixed and all(ord(char) in LOOK_ALIKES for char in old) else old
