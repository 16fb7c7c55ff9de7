"""Slots that nobody filled in, and lines that are put into the mouth of somebody: marks of a template in a text."""

from __future__ import annotations

import re
from typing import Final

_NOUN: Final = (
    r"(?:name|date|time|topic|place|location|number|title|age|country|city|company|address|subject|event|hobby|job|role"
    r"|persona|item|person|product|recipient|sender|user|assistant|character|friend|blank|email|phone)"
)
_SLOT: Final = re.compile(
    # {NAME}, {{user name}}
    r"\{\{?\s*[A-Za-z][\w .-]{0,40}\}\}?"
    # [NAME], [PLACE NAME]; a link's text may be in capitals
    r"|\[[A-Z][A-Z_ ]{1,39}\](?!\()"
    # [name], [Your Name], [insert a date here]
    rf"|(?i:\[(?:insert|enter|fill in|add|your|my|the|user's|assistant's|friend's)[ _-][^\[\]\n]{{1,40}}\](?!\()"
    rf"|\[(?:[a-z']+[ _-])?{_NOUN}\](?!\()"
    # <name>, <your city>
    rf"|<(?:(?:your|insert|my|the)[ _-])?{_NOUN}>)"
    r"|_{4,}|\bX{3,}\b"
)
_ROLE_LINE: Final = re.compile(
    r"^[ \t*_>#-]*(?:user|human|assistant|system|ai|bot|chatbot|model|me|you|myself|self|other self|interlocutor"
    r"|narrator|(?:speaker|person|voice|instance|ai|model) ?[ab12]|[ab])[*_]{0,2}[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)


def has_placeholder(text: str) -> bool:
    """Whether a slot of a template stands in the text: ``{NAME}``, ``[your city]``, ``<topic>``, ``____``."""
    return _SLOT.search(text) is not None


def has_role_line(text: str) -> bool:
    """Whether a line begins with the name of a speaker and a colon, as in a transcript."""
    return _ROLE_LINE.search(text) is not None
