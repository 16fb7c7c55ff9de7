"""Slots that a model left open in an answer nobody wanted to fill in: "[Your Name]", "{city}", "<NAME>"."""

from __future__ import annotations

from typing import Final

import re2

from phrasemill.filters.masks import exemption, mask_points
from phrasemill.filters.request import Request

_NOUN: Final = (
    r"(?:name|date|time|topic|place|location|number|title|age|country|city|company|address|subject|event|hobby|job|role"
    r"|persona|item|person|product|recipient|sender|user|username|assistant|character|friend|blank|e-?mail|phone|language)"
)
_SLOT: Final = re2.compile(
    r"\[[A-Z]+(?:[_ ][A-Z]+)+\]|<[A-Z]{2,}(?:[_ ][A-Z]+)*>"
    r"|(?i:\[(?:insert|enter|fill in|add|your|my|user's|assistant's|friend's)[ _-][^\[\]\n]{1,60}\])"
    rf"|(?i:\[(?:[a-z']+[ _-])?{_NOUN}\])|(?i:<(?:your|insert|my|the)?[ _-]?{_NOUN}>)"
    rf"|(?i:\{{(?:[a-z']+[ _-])?{_NOUN}\}})|\{{[A-Z]{{2,}}(?:_[A-Z]+)*\}}"
)
_FILLED_IN_LATER: Final = re2.compile(
    r"(?i)\b(?:templates?|letters?|e-?mails?|mail|forms?|messages?|contracts?|invitations?|resum\x{e9}s?|r\x{e9}sum\x{e9}s?"
    r"|resumes?|cv|invoices?|placeholders?|brackets?|scripts?|speech|agreement|certificate|notice|memo|checklist"
    r"|worksheets?|questionnaires?|prompts?|outline|headline|signature|bio|regex|code|function|html|xml|json|syntax"
    r"|commands?|tags?|query|css|format)\b"
)
"""Who asks for one of these will fill in the names, or asks about brackets."""


def open_slot(text: str, prompt: str) -> str | None:
    """The first slot of a template in ``text``, or None.

    None as well where the prompt asks for a text that its sender fills in, or has such slots itself; code and
    quotations do not count.
    """
    found = [match.span() for match in _SLOT.finditer(text) if _stands_alone(text, *match.span())]
    if not found or _SLOT.search(prompt) or _FILLED_IN_LATER.search(prompt):
        return None
    request = Request(prompt)
    if request.kind is not None or request.wants_slots:
        return None
    masks = mask_points(text)
    return next((text[start:stop] for start, stop in found if not exemption(masks, start, stop)), None)


def _stands_alone(text: str, start: int, stop: int) -> bool:
    """Not the text of a link, nor the argument of a LaTeX command."""
    return text[stop : stop + 1] != "(" and not (text[start] == "{" and text[max(0, start - 1) : start].isalpha())
