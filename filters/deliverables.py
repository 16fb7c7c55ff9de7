"""Where in an answer the text stands that the user asked for, and what the assistant says around it.

Offsets are code points. A letter, a post or a poem may be led in ("Here is the letter:"), begin with a salutation, a
subject line or a rule, and end with a signature, a rule, or before a last paragraph in which the assistant speaks
about the text.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import re2


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


LEAD_LINES: Final = 4
"""How many of the first lines may lead a text in."""

LEAD_CHARS: Final = 320
"""Longest line that leads a text in."""

SIGNATURE_LINES: Final = 5
SIGNATURE_CHARS: Final = 60
"""What may follow a complimentary close: a few short lines."""

HEAD_CHARS: Final = 600
"""How far from the beginning a salutation may stand."""

TAIL_PARAGRAPHS: Final = 3
"""How many last paragraphs are looked at for the assistant's own voice."""

_LEAD_IN: Final = _compiled(
    r"(?:^|[.!?,;:\x{2014}-][\s*_]*|\b(?:so|and|but|then) )[\s*_]*here(?:['\x{2019}]s| is| are| you go)\b"
    r"|\bbelow (?:is|are|you)|\bthe following\b|\bas follows\b|\bI(?:['\x{2019}]ve| have) (?:written|drafted"
    r"|created|prepared|put together|rewritten|translated)"
    r"|\b(?:possible|sample|revised|suggested|corrected|polite|improved|example|short|draft) (?:version|reply"
    r"|response|translation|draft|answer)\b|\btranslation\b|\blet me (?:help|write|draft|try|give|put|create"
    r"|compose|suggest)\b|\bI(?:['\x{2019}]d| would) (?:be happy|be glad|love)\b|\bhow about\b"
)
_TURNED: Final = _compiled(
    r"\A[\s*_\"\x{201c}]*(?:dear\b|hi\b|hello\b|hey\b|to whom|to: |from: |subject|betreff|re: |title\b|#{1,4} |\["
    r"|scene\b|act [1i]|int\.|ext\.|verse|chorus|\*\*(?:title|subject))"
)
_RULE: Final = re2.compile(r"\A\s*(?:-{3,}|\*{3,}|_{3,}|={3,}|\* \* \*)\s*\z")
_SALUTATION: Final = _compiled(
    r"(?m)^[\s*_>\"\x{201c}]*(?:dear\b|hi\b|hello\b|hey\b|good (?:morning|afternoon|evening|day)\b|to whom it may"
    r"|subject(?: line)?:|my dear\w*|ladies and gentlemen)[^\n]{0,100}$"
)
SIGN_OFF: Final = _compiled(
    r"(?m)^[\s*_>\"]*(?:(?:yours|very|most) )?(?:sincerely|truly|faithfully|forever yours|yours|(?:with )?(?:best"
    r"|kind|warm|warmest|kindest|many|sincere|heartfelt|deepest)"
    r" (?:regards|wishes|thanks|sympathy|love|condolences|gratitude|appreciation)|regards|respectfully(?: yours)?"
    r"|cordially|best|warmly|thanks(?: again| so much)?|(?:many )?thank you|cheers|love|take care"
    r"|with (?:love|gratitude|sympathy|appreciation|thanks|gratitude and \w+|respect)|all the best|lots of love"
    r"|your (?:friend|\w+ team)|(?:warm|hugs)[^\n]{0,20}|in solidarity"
    r"|looking forward)(?: yours)?[,.!]?[*_]{0,2}[ \t]*$"
    r"|^[\s*_]*\[(?:your|my|company|sender|name|signature)[^\]\n]{0,30}\]"
)
_OWN_WORK: Final = (
    r"(?:letter|e-?mail|message|note|memo|invitation|announcement|reply|response|survey|questionnaire|form|advert"
    r"|ad|flyer"
    r"|brochure|newsletter|speech|eulogy|toast|post|tweet|caption|bio|testimonial|listing|description|profile"
    r"|template"
    r"|draft|version|versions|poem|haiku|song|lyrics|story|tale|scene|dialogue|conversation|script|sketch|essay"
    r"|article"
    r"|text|translations?|rewrite|rendition|verse|verses|piece|sample|example|examples|suggestions?|ideas|phrases"
    r"|options|list|jokes?|rap|monologue|play)"
)
_ABOUT_WORK: Final = _compiled(
    rf"\bthis (?:\w+ ){{0,2}}{_OWN_WORK} (?:is|was|can|should|could|will|aims|captures|meets|helps|uses|highlights"
    rf"|includes|follows|conveys|provides|serves|suits|reflects|fits|works)\b"
    rf"|\bI (?:hope|trust) (?:that )?(?:you (?:enjoy|enjoyed|like|liked|find|found) )?(?:this|the|these|it|my"
    rf"|that)(?: \w+)? ?(?:{_OWN_WORK}|meets|works|fits|captures)\b"
    rf"|\b(?:would (?:you )?like|you['\x{{2019}}]d like|want|need|prefer|wish|require) (?:me to |to |any |some |a "
    rf"|an |the |more |further |other |another |additional )[^.?!\n]{{0,50}}"
    r"\b(?:chang(?:e|es)|adjust\w*|revis\w+|modif\w+|tweak\w*|edits?|tones?|version|versions|shorter|longer"
    r"|personali[sz]e|customi[sz]e|tailor|continue|examples?|options|different|rewrite|refine|expand|translations?"
    r"|variations?|help|assistance|lyrics|ode|scene)\b"
    r"|\bwant(?: any)? changes\b|\b(?:feel free to|you can|you may|please|be sure to|remember to"
    r"|make sure to) (?:also )?(?:adjust|modify|customi[sz]e|personali[sz]e|tailor|tweak|edit|change|adapt|fill in"
    r"|replace|insert|add (?:your|any|more|specific))\b"
    r"|\bmake (?:any )?(?:changes|adjustments|edits|revisions)\b|\b(?:the|this) (?:above|tone|template|draft)\b"
    r"|\b(?:adjustments|revisions|modifications)\b"
)
_LECTURE: Final = _compiled(
    r"\A\W*(?:readers (?:should|must)|i(?:['\x{2019}]d| would| want| must| need"
    r"| have)(?: like)?(?: to)? (?:point out|emphasi[sz]e|stress|remind|note)\b)"
)
_NOTE: Final = _compiled(r"\A[\s*_(\[>]*(?:note|please note|p\.?s\.? from|disclaimer|explanation|remember to)\b")
_HELPS: Final = _compiled(
    r"\b(?:hope|trust) (?:that )?(?:this|it|that|these)(?: \w+)? (?:helps?(?: you)?|is helpful|was helpful"
    r"|works)(?:$|[.!])"
)
_QUESTION: Final = _compiled(r"\b(?:answers?|with|about|regarding) your (?:question|query|request)\b")
_MORE_HELP: Final = _compiled(
    r"\b(?:anything|something) else\b|\b(?:other|further|more|additional) (?:questions?|help|assistance|information"
    r"|details)\b"
)


class Frame(NamedTuple):
    """``start:stop`` is the text that was asked for.

    ``led_in``: the assistant announces it; ``signed``: a complimentary close ends it; ``letter``: it is also addressed.
    """

    start: int
    stop: int
    led_in: bool
    signed: bool
    letter: bool


def frame_of(text: str) -> Frame:
    """The stretch of an answer that is the text itself; the whole where nothing frames it."""
    start, led_in, ruled = _start(text)
    signature = _signature_stop(text, start)
    stop = signature or len(text)
    if ruled:
        stop = min(stop, _last_rule(text, start) or stop)
    for _ in range(TAIL_PARAGRAPHS):
        last = _last_paragraph(text, start, stop)
        if last <= start or signature or not _is_about_work(text[last:stop]):
            break
        stop = last
    signed = signature is not None
    return Frame(start, stop, led_in, signed, signed and is_addressed(text[start : start + HEAD_CHARS]))


def is_addressed(text: str) -> bool:
    """Whether a salutation or a subject line stands near the beginning."""
    return _SALUTATION.search(text[:HEAD_CHARS]) is not None


def speaks_of_work(words: str) -> bool:
    """Whether the assistant speaks of the text it wrote: offers to change it, hopes that it is liked."""
    return _ABOUT_WORK.search(words) is not None


def offers_more(words: str) -> bool:
    """Whether more help than the text itself is offered, or the text is hoped to help."""
    return _MORE_HELP.search(words) is not None or _HELPS.search(words) is not None


def hopes_to_help(words: str) -> bool:
    """Whether the words hope that they helped, or speak of the user's question."""
    return _HELPS.search(words) is not None or _QUESTION.search(words) is not None


def leads_in(words: str) -> bool:
    """Whether the words announce a text."""
    return _LEAD_IN.search(words) is not None


def _start(text: str) -> tuple[int, bool, bool]:
    """Where the text begins, whether it is led in, and whether a rule stands before it."""
    start, at = 0, 0
    led_in = ruled = False
    for number in range(LEAD_LINES):
        while at < len(text) and text[at] == "\n":
            at += 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        if _RULE.search(line):
            start, ruled = end, True
        elif _TURNED.search(line):
            return max(start, at), led_in, ruled
        elif (colon := _lead_in_stop(line)) is not None:
            start, led_in = at + colon, True
        elif number or not line.strip():
            break
        at = end
        if at >= len(text):
            break
    return start, led_in, ruled


def _lead_in_stop(line: str) -> int | None:
    """Where in a line the announcement ends: at its colon, or with the line."""
    bare = line.rstrip(" \t*_")
    if not bare or len(bare) > LEAD_CHARS:
        found = _LEAD_IN.search(line[:LEAD_CHARS])
        colon = line.find(":", found.end()) if found else -1
        return colon + 1 if 0 <= colon < LEAD_CHARS else None
    if bare.endswith(":"):
        return len(line)
    if (found := _LEAD_IN.search(bare)) is None:
        return None
    colon = bare.find(":", found.start())
    return colon + 1 if colon >= 0 else len(line)


def _signature_stop(text: str, start: int) -> int | None:
    """Where the signature behind the last complimentary close ends, None where there is none."""
    stop: int | None = None
    for match in SIGN_OFF.finditer(text, start):
        stop = match.end()
    if stop is None:
        return None
    for _ in range(SIGNATURE_LINES):
        begin = stop
        while begin < len(text) and text[begin] == "\n":
            begin += 1
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        line = text[begin:end].strip()
        if not line or len(line) > SIGNATURE_CHARS or line[-1] in ".!?:" or _RULE.search(line):
            break
        stop = end
    return stop


def _last_rule(text: str, start: int) -> int | None:
    at = max(
        text.rfind("\n---", start), text.rfind("\n***", start), text.rfind("\n===", start), text.rfind("\n___", start)
    )
    return at if at > start else None


def _last_paragraph(text: str, start: int, stop: int) -> int:
    at = text.rfind("\n\n", start, len(text[:stop].rstrip()))
    return start if at < 0 else at


def _is_about_work(paragraph: str) -> bool:
    bare = paragraph.strip()
    return (
        _NOTE.search(bare) is not None
        or _LECTURE.search(bare) is not None
        or _RULE.search(bare) is not None
        or speaks_of_work(bare)
    )
