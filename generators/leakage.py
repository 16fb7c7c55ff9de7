"""Whether an answer names what it should only be: its trait, its persona, the words it was given.

"As a caring assistant, I ..." teaches a model to announce a character in place of having one. What the prompt speaks of
is no leak. Patterns are linear.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import re2

from phrasemill.filters.masks import exemption, mask_points
from phrasemill.schemas.trait import Trait

GRAM_WORDS: Final = 6
"""So many words in a row of a trait's text, or of the instruction, are no accident."""

_LEAST_LONG: Final = 2
_LONG: Final = 5
"""A run of words counts only with so many words of so many letters: "in the way that I would be" is nobody's."""

_ID_LETTERS: Final = 4
"""Shorter parts of a trait's id describe nothing."""

_WORD: Final = re.compile(r"\w+(?:'\w+)?")

_SELF: Final = (
    r"(?:assistant|ai|bot|chatbot|companion|friend|helper|model|character|persona|person|voice|tone|style|side|self"
    r"|mode|streak|nature|personality|way|manner|soul|spirit|hat|mood|remarks?|reply|answer|response)"
)


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


_STAGE: Final = _compiled(
    r"\b(?:stay(?:s|ing|ed)?|remain(?:s|ing)?|keep(?:s|ing)?|be|being|get(?:ting)?|back|fully|speaking"
    r"|answering) in character\b"
    r"|\b(?:break(?:s|ing)?|broke|drop(?:s|ping)?|slip(?:s|ping)? out of) character\b|\bout of character\b"
    r"|\b(?:my|the assigned|the requested|my assigned) (?:persona|character trait|personality trait|trait|assigned"
    r" role|given role|role-?play|alter ego)\b|\btrue to my (?:character|persona|role|nature|trait|style)\b"
    r"|\b(?:this|the) (?:persona|trait) (?:asks|tells|requires|wants|demands|says)\b"
    r"|\bas (?:my|the|this) (?:persona|character|trait|role) (?:requires|demands|says|would|suggests|dictates)\b"
    r"|\b(?:my|the) (?:character|persona|rubric) (?:is|says|requires|demands|sheet|description|card)\b"
    r"|\b(?:in|with) (?:keeping|line|accordance) with (?:my|the) (?:character|persona|trait|personality|tone|style)\b"
    r"|\bi(?:'m| am| was|'ve been| have been) (?:designed|told|asked|instructed|meant|supposed|programmed|set"
    r"|required|configured)"
    r" to (?:be|sound|act|speak|talk|come across|play)\b"
    r"|\bi(?:'m| am) (?:playing|acting out|embodying|channell?ing|portraying|adopting|assuming"
    r"|taking on) (?:the|a|an|my) (?:role"
    r"|part|persona|character|voice|tone|style|trait)\b"
)


def leaks_trait(text: str, trait: Trait, instruction: str, prompt: str) -> str | None:
    """The first words in which the answer names its trait, its persona or its orders, or None.

    ``instruction`` is what the model was told beside the conversation, ``prompt`` the user's turn: what stands in that
    may be said.
    """
    plain = text.replace("\u2019", "'")
    asked = prompt.replace("\u2019", "'")
    found = [match.span() for match in _STAGE.finditer(plain)]
    if found and _STAGE.search(asked):
        found = []
    lowered = plain.lower()
    for word, pattern in _described(trait.id):
        if word in lowered and word not in asked.lower():
            found += [match.span() for match in pattern.finditer(plain)]
    if found:
        masks = mask_points(text)
        for start, stop in sorted(found):
            if not exemption(masks, start, stop):
                return text[start:stop].strip(" *_()[],.;:!?\n")
    told = "\n".join((trait.statement, trait.pos_instruction, trait.rubric, instruction))
    place = _repeated(plain, told, asked)
    return text[place[0] : place[1]] if place else None


@lru_cache(maxsize=256)
def _described(trait_id: str) -> tuple[tuple[str, re2._Regexp], ...]:
    """For each part of a trait's id, how an answer calls itself that."""
    parts = trait_id.replace("-", "_").split("_")
    return tuple((part, _names(part)) for part in parts if len(part) >= _ID_LETTERS and part.isalpha())


def _names(word: str) -> re2._Regexp:
    return _compiled(
        rf"\bas an? (?:\w+(?:,| and)? ){{0,2}}?{word}(?:,? (?:and )?\w+){{0,2}}? {_SELF}\b"
        rf"|\bi(?:'m| am| was)(?: (?:just|only|simply|not|always|a|an|being|feeling|trying to be|going to be"
        rf"|here to be"
        rf"|supposed to be|known to be|so|quite|rather|very|merely|a bit|a little"
        rf"|usually)){{0,3}} {word}(?:[.,;:!?)]|\z| (?:here"
        rf"|now|again|today|and|but|because|about (?:it|this|that)|as (?:ever|always|usual)|{_SELF})\b)"
        rf"|\b(?:my|that) (?:(?:usual|own|most|best|inner|very|little|typical"
        rf"|natural) ){{0,2}}{word}(?: {_SELF}\b|[.,;!?)]|\z)"
        rf"|\b{word} (?:mode|persona|trait|character|personality)\b|\b(?:mode|persona|trait|tone|style"
        rf"|character|voice): ?[*_]*{word}\b"
        rf"|(?m:^)[\s*_#>]*[(\[*_]+(?:\w+ ){{0,4}}{word}(?:(?:al)?ly)?(?: {_SELF})?[)\]*_]"
        rf"|[(\[*](?:in an? |with an? )?(?:\w+ ){{0,2}}{word}(?:(?:al)?ly)?(?: {_SELF})?[)\]*]"
        rf"|(?m:^)[\s*_#>]*{word} (?:answer|response|reply|version|take)[*_]*:"
        rf"|\b(?:here(?:'s| is)|this is) (?:a|my|the|your) (?:\w+ )?{word} (?:answer|response|reply|version"
        rf"|take|reminder|note)\b"
        rf"|\b(?:in|with) my (?:\w+ )?{word} {_SELF}\b|\b(?:keep|stay|remain)(?:s|ing)? (?:it )?{word}\b"
    )


def _repeated(text: str, told: str, prompt: str) -> tuple[int, int] | None:
    """Where the text has a run of words of ``told`` that the prompt has not."""
    runs = _told_runs(told)
    shared = runs.intersection(_runs(text))
    if shared:
        shared = shared.difference(_runs(prompt))
    if not shared:
        return None
    places = list(_WORD.finditer(text))
    words = [place.group().lower() for place in places]
    first = next(at for at in range(len(words)) if tuple(words[at : at + GRAM_WORDS]) in shared)
    return places[first].start(), places[first + GRAM_WORDS - 1].end()


@lru_cache(maxsize=256)
def _told_runs(told: str) -> frozenset[tuple[str, ...]]:
    runs = _runs(told.replace("\u2019", "'"))
    return frozenset(run for run in runs if sum(len(word) >= _LONG for word in run) >= _LEAST_LONG)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return set(zip(*(words[at:] for at in range(GRAM_WORDS)), strict=False))
