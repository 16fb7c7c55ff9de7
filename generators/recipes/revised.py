"""What gives a revised answer away: an announcement, quotation marks around it, its own critique, or no change."""

from __future__ import annotations

import re
from typing import Final

from phrasemill.generators.recipes.sides import same

_ANSWER: Final = r"(?:answer|reply|response|revision)"
_TEXT: Final = r"(?:answer|reply|response|revision|version|rewrite|message|text|draft|attempt)"
_NEW: Final = r"(?:re-?vised|re-?written|improved|updated|corrected|new|better|edited|amended|polished|refined|final)"
_ANNOUNCED: Final = re.compile(
    r"\A[^\n]{0,120}?\b(?:here(?:'s| is)|below is|this is|the following is)\b[^\n.:]{0,60}"
    rf"\b(?:{_NEW}\b[^\n.:]{{0,30}}\b{_TEXT}|{_ANSWER})\b[^\n]{{0,80}}?(?::|\n|\Z)"
    rf"|\A\W*(?:(?:my|the|a) )?{_NEW} {_TEXT}\b[^\n.]{{0,40}}:"
    r"|\A\W*(?:re-?vision|re-?vised|re-?written)\W*[:\n]"
    r"|\bI(?:'ve| have|'ll| will)? (?:re-?vised?|re-?written|re-?wrote|re-?write|updated?|improved?|adjusted) "
    rf"(?:it\b|(?:the|my|this) {_ANSWER}\b)",
    re.IGNORECASE,
)
_TALK: Final = re.compile(
    rf"\bmy (?:previous|last|earlier|original|first|initial) {_ANSWER}\b"
    rf"|\bthe (?:previous|earlier|original) {_ANSWER}\b"
    rf"|\byour (?:previous|last|earlier) {_ANSWER}\b|\b(?:the|your|this|my) critique\b"
    r"|\bthe assistant's (?:answer|reply|response)\b"
    r"|\A\W*I(?:'m| am) (?:so |very )?sorry (?:for|about) (?:the|any|my|that) (?:confusion|mistake|misunderstanding)"
    r"|\A\W*(?:my )?apologies\b|\A\W*I (?:do )?apologi[sz]e for\b"
    r"|\A\W*you(?:'re| are) (?:absolutely |quite )?right[.,;!:]"
    r"|\A\W*thank(?:s| you) for (?:(?:the|your) (?:feedback|critique|correction|suggestion)|pointing)",
    re.IGNORECASE,
)
_MARKS: Final = {'"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb", "'": "'", "\u2018": "\u2019"}
_WORDS: Final = re.compile(r"\w+")
_RUN: Final = 5
_ECHO: Final = 0.3
"""Share of a revision's five-word runs that may come from the critique: one sentence that it proposed may be taken."""


def revision_fault(text: str, prompt: str, before: str, critique: str) -> str:
    """Why a revision is not an answer to ``prompt`` by itself, or an empty text. ``before`` is what was revised.

    Reasons: ``unchanged``, ``preamble``, ``wrapped``, ``critique_echo``.
    """
    plain = text.replace("\u2019", "'")
    if same(text, before):
        return "unchanged"
    if _said(_ANNOUNCED, plain, prompt):
        return "preamble"
    if _is_wrapped(text.strip()) and not _is_wrapped(before.strip()):
        return "wrapped"
    if _said(_TALK, plain, prompt) or same(text, critique) or _echoes(text, critique, f"{prompt}\n{before}"):
        return "critique_echo"
    return ""


def _said(pattern: re.Pattern[str], text: str, prompt: str) -> bool:
    """Whether the text says it and the user did not: who asks for a revised letter may be given one."""
    return pattern.search(text) is not None and pattern.search(prompt) is None


def _is_wrapped(text: str) -> bool:
    """One pair of quotation marks, or one code fence, around the whole."""
    if text.startswith("```") and text.endswith("```") and text.count("```") == 2:
        return True
    stop = _MARKS.get(text[:1])
    return stop is not None and len(text) > 2 and text.find(stop, 1) == len(text) - 1


def _echoes(text: str, critique: str, known: str) -> bool:
    runs = _runs(text)
    echoed = runs & (_runs(critique) - _runs(known))
    return bool(runs) and len(echoed) > _ECHO * len(runs)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _WORDS.findall(text.casefold())
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
