"""The sentences of one turn in which a phrase may stand, and the spans that stand there: score, then context."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import re2

from phrasemill.filters.fuzzy_align import Alignment, Words, align
from phrasemill.filters.fuzzy_phrases import Entry, Template
from phrasemill.filters.fuzzy_words import tokens
from phrasemill.filters.hits import Span
from phrasemill.filters.masks import reasoning_stop

SETTLED: Final = 0.99
"""From this score on no other phrase of the category is tried on the sentence."""

MAX_BEFORE: Final = 300
MAX_BEHIND: Final = 200
"""How far a sentence is followed from an anchor in it, in characters."""

WORDS_BEFORE: Final = 200
WORDS_BEHIND: Final = 60
"""How far from an anchor words are compared, in characters."""

_BORDER: Final = re.compile(r"""[.!?…。\uff01\uff1f]+["'\u201d\u2019)*_\]]*\s+|\n+\s*|(?<=[a-z]{3})[!?](?=[A-Z])""")
_LEAD: Final = re.compile(r"[\s\u00a0\u200b\u200d\ufe0f*_~#>]*")
_CLOSE: Final = re.compile(r"[*_~]*(?:,|[!.?:…]+[\"\u201d\u2019]?| ?[—\u2013]| -(?= ))?[*_~]*")
_COMMA: Final = re.compile(r"[*_~]*[,:]?")
_CLAUSE_STOP: Final = re.compile(r"[.!?;,:\n—\u2013]")
_SENTENCE_STOP: Final = re.compile(
    r"[.!?:…]+(?=[\s\"\u201d\u2019)*_\]]|$)[\"\u201d\u2019*_~]*"
    r"(?: ?[\U0001F300-\U0001FAFF\u2600-\u27BF\ufe0f\u200d]{1,6})?|\n|$"
)
_LEAD_IN: Final = frozenset(
    {"and", "but", "so", "also", "then", "however", "additionally", "furthermore", "moreover", "finally", "first"}
    | {
        "firstly",
        "lastly",
        "overall",
        "unfortunately",
        "well",
        "yes",
        "now",
        "again",
        "still",
        "though",
        "yet",
        "sorry",
    }
    | {"therefore", "thus", "hence", "besides", "further", "meanwhile", "ok", "okay", "please"}
)
_CLAUSE_MARKS: Final = re.compile(
    r"(?:[,;:.!?(\n—\u2013]|\s-|\b(?:and|but|so|because|that|though|although|while|since|please|also|or|as|if))"
    r"[\s*_\"\u201c'\u2018>#-]*\Z",
    re.IGNORECASE,
)
_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*\n")
_MAX_AFTER: Final = 200
_CLAUSE: Final = 140
_STANDS_ALONE: Final = re2.compile(
    r"(?i)^(?:I can (?:provide|help|offer|suggest|tell|give|explain|share|certainly|definitely|describe|assist|generate"
    r"|create|write|show|answer|guide|recommend|still)"
    r"|I(?:'d| would) (?:be (?:happy|glad)|suggest|recommend|like|advise)"
    r"|I(?:'ll| will) (?:do|try|provide|help|give|assist|explain)|I (?:suggest|recommend)\b|here(?:'s| is| are)|let me"
    r"|let's|there (?:is|are)|it(?:'s| is) (?:important|worth|difficult|hard|possible|essential|crucial))\b"
)


class Sentences:
    """One turn cut into sentences; only those with an anchor are, and only the words around it."""

    __slots__ = ("_body", "_known", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        body = reasoning_stop(text.encode()) if "<think" in text[:64] else 0
        self._body = len(text.encode()[:body].decode())
        self._known: list[tuple[int, int]] = []

    def spans(self, anchors: Iterable[tuple[int, Template]]) -> list[Span]:
        """Every span that an anchor leads to; the same place may come under several entries.

        ``anchors``: (code points behind the anchor, template).
        """
        found: list[Span] = []
        late: dict[tuple[int, int], list[Template]] = {}
        places: dict[tuple[int, int], list[tuple[int, Template]]] = {}
        for end, template in anchors:
            places.setdefault(self._sentence(end), []).append((end, template))
        for sentence, group in places.items():
            words: Words | None = None
            settled: set[str] = set()
            for template in {id(template): template for _, template in group}.values():
                plain = template.entry.plain
                if plain.at == "start":
                    late.setdefault(sentence, []).append(template)
                    continue
                if plain.category in settled or (plain.at == "end" and not self._is_final(sentence[1])):
                    continue
                if words is None:
                    words = self._around(sentence, group[0][0], group[-1][0], template)
                span = self._span(template, words, sentence)
                if span is not None:
                    found.append(span)
                    if span.score >= SETTLED:
                        settled.add(plain.category)
        if late:
            found.extend(self._from_the_start(late))
        return found

    def _from_the_start(self, sentences: dict[tuple[int, int], list[Template]]) -> list[Span]:
        """Spans at the first thing in the turn, and the ones stacked directly behind them."""
        found: list[Span] = []
        at = _end(_LEAD.match(self._text, self._body), self._body)
        while True:
            start, stop = self._sentence(at + 1)
            templates = sentences.get((start, stop), [])
            if not templates:
                return found
            words = self._words(at, stop, templates[0])
            here: list[Span] = []
            for template in templates:
                span = self._span(template, words, (at, stop), first=True)
                if span is not None:
                    here.append(span)
                    if span.score >= SETTLED:
                        break
            if not here:
                return found
            best = max(here, key=lambda span: (span.score, span.stop))
            found.append(best)
            at = _end(_LEAD.match(self._text, best.stop), best.stop)

    def _sentence(self, end: int) -> tuple[int, int]:
        """The sentence that holds the character before ``end``, clipped where it is endless."""
        for start, stop in self._known:
            if start < end <= stop:
                return start, stop
        at = end - 1
        low, high = max(0, at - MAX_BEFORE), min(len(self._text), at + MAX_BEHIND)
        borders = [match.end() for match in _BORDER.finditer(self._text, low, at + 1)]
        # A word cut in two by the clip is no word.
        start = borders[-1] if borders else low and self._text.find(" ", low, at) + 1
        border = _BORDER.search(self._text, at, high)
        self._known.append((start, border.end() if border else high))
        return self._known[-1]

    def _is_final(self, stop: int) -> bool:
        """Whether little follows: a phrase for the end stands in the last block."""
        rest = self._text[stop:].strip()
        return len(rest) <= _MAX_AFTER and "```" not in rest and _BLANK_LINE.search(rest) is None

    def _around(self, sentence: tuple[int, int], first: int, last: int, template: Template) -> Words:
        """The words of a sentence near its anchors, which end at ``first`` and ``last``."""
        start, stop = sentence
        low = first - WORDS_BEFORE
        if low > start:
            start = self._text.find(" ", low, first) + 1 or low
        return self._words(start, min(stop, last + WORDS_BEHIND), template)

    def _words(self, start: int, stop: int, template: Template) -> Words:
        vocabulary = template.slots[0].vocabulary
        return Words(self._text, tokens(self._text, start, stop, vocabulary), vocabulary)

    def _span(self, template: Template, words: Words, sentence: tuple[int, int], *, first: bool = False) -> Span | None:
        plain = template.entry.plain
        fit = align(template, words, plain.threshold, first=first)
        if fit is None or fit.stop <= fit.start:
            return None
        start, stop = words.tokens[fit.start].start, words.tokens[fit.stop - 1].stop
        if not self._is_placed(plain.at, words, fit, start) or not self._fits(template.entry, start, stop, sentence):
            return None
        last = self._extend(plain.span, stop)
        if plain.at in ("start", "end"):
            # A clause in the middle of a sentence that says more is no warm-up and no sign-off.
            if not all(token.word in _LEAD_IN for token in words.tokens[: fit.start]):
                return None
            start = words.tokens[0].start
        if plain.at == "start" and not any(map(str.isalnum, self._text[last : last + 40])):
            return None
        is_cut = plain.cut == "span" or (plain.cut == "frame" and self._goes_on(last))
        cut = (start, last) if is_cut else None
        return Span(start, last, f"fuzzy.{plain.id}", plain.category, round(fit.score, 4), cut)

    def _is_placed(self, at: str, words: Words, fit: Alignment, start: int) -> bool:
        if at == "sentence_start":
            return all(token.word in _LEAD_IN for token in words.tokens[: fit.start])
        return (
            at != "clause_start"
            or fit.start == 0
            or _CLAUSE_MARKS.search(self._text, max(0, start - 24), start) is not None
        )

    def _fits(self, entry: Entry, start: int, stop: int, sentence: tuple[int, int]) -> bool:
        """The phrase's conditions on what stands around it in its sentence."""
        behind = self._text[stop : sentence[1]].replace("\u2019", "'")
        if entry.follow is not None and entry.follow.match(behind) is None:
            return False
        if not entry.unless:
            return True
        inside = self._text[start:stop].replace("\u2019", "'")
        shown = f"{self._text[sentence[0] : start]}<{inside}>{behind}".replace("\u2019", "'")
        return not any(pattern.search(shown) for pattern in entry.unless)

    def _extend(self, span: str, stop: int) -> int:
        """Where the report of a phrase ends: with the comma behind it, or with its clause or sentence."""
        if span == "sentence":
            last = _end(_SENTENCE_STOP.search(self._text, stop), stop)
            return stop + len(self._text[stop:last].rstrip())
        if span == "clause":
            found = _CLAUSE_STOP.search(self._text, stop, stop + _CLAUSE)
            return found.start() if found else stop
        return _end((_CLOSE if span == "mark" else _COMMA).match(self._text, stop), stop)

    def _goes_on(self, stop: int) -> bool:
        """Whether what follows a frame is a sentence without it."""
        return _STANDS_ALONE.match(self._text[stop : stop + 60].lstrip(" *_").replace("\u2019", "'")) is not None


def _end(match: re.Match[str] | None, otherwise: int) -> int:
    return otherwise if match is None else match.end()
