"""What never passes, whatever the rules of a pack say: broken, copied, leaking or gutted answers.

A guard looks at one candidate and names its reason, or returns None. What the user asked for, or the original answer
did too, is not held against a candidate.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import re2
from rapidfuzz import fuzz

from phrasemill.generators.answer_language import switched_to
from phrasemill.generators.leakage import leaks_trait
from phrasemill.generators.pretence import pretends_human
from phrasemill.generators.references import lacking
from phrasemill.generators.relevance import OFF_TOPIC, relevance
from phrasemill.generators.slots import open_slot
from phrasemill.schemas.trait import Trait


class Rejection(NamedTuple):
    """Why a candidate does not pass. ``detail`` is what the next attempt must avoid or bring, for the instruction."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer and what it is measured against.

    ``original`` is the answer that this one is to replace, empty where there is none: then nothing is compared with it.
    ``instruction`` is the system message that the model had, without the conversation's own part; ``references`` is
    what later turns lean on; ``declines``: the original was a refusal, and so must the answer be.
    """

    text: str
    finish_reason: str
    prompt: str
    original: str
    instruction: str
    trait: Trait
    references: tuple[str, ...] = ()
    declines: bool = False


Guard = Callable[[Candidate], Rejection | None]

TRUNCATED: Final = "truncated"
"""Reason of an answer that ran into the limit of tokens."""

_NOT_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")
_FINISHED: Final = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn"})
_TEMPLATE: Final = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|</?think(?:ing)?>"
    r"|^\s*#{2,4} ?(?:Instruction|Response|Input|Output|System|Assistant|User|Human)\b:?"
    r"|^\s*\**(?:assistant|system|AI)\**\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_USER_TURN: Final = re.compile(r"^\s*\**(?:user|human)\**\s*:", re.IGNORECASE | re.MULTILINE)
_OWN_ORDERS: Final = re.compile(
    r"\b(?:my|the|these|your) (?:system (?:prompt|message)|instructions?|guidelines|persona|character)\b"
    r"|\bsystem prompt\b|\bas (?:instructed|requested above|per (?:my|the|your) instructions)\b"
    r"|\bi(?:'ve| have| was| am|'m) (?:been )?(?:told|instructed|asked) to (?:answer|write|reply|respond|avoid|sound)\b"
    r"|\b(?:here(?:'s| is)|this is) (?:the|a|my|your|an) (?:re-?written|revised|improved|updated|corrected|new|cleaned)"
    r"(?: up)? (?:answer|reply|response|version|message)\b",
    re.IGNORECASE,
)
_HUMAN: Final = re.compile(
    r"\b(?:i am|i['\u2019]m|as) (?:just |only )?an? (?:real |fellow )?human\b(?! (?:resource|right|ancestor))",
    re.IGNORECASE,
)
_DECLINES: Final = re.compile(
    r"\b(?:can(?:no|['\u2019])t|can not|won['\u2019]t|will not|not able to|unable to|not going to|refuse|decline)\b",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+")
"""A character counts as a word in scripts without spaces."""
_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]*")
_LINKS: Final = frozenset({"http", "https", "www"})

_ENDS: Final = re.compile(r"""(?:[.!?\u2026\u3002\uff01\uff1f]|```|https?://\S+|[|>}=;])[\s"'\u2019\u201d*_)\]~`]*$""")
_LIST_ITEM: Final = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)]|#{1,6})\s")
_HANGING: Final = re.compile(
    r"(?:[,:\u2013\u2014-]|\b(?:a|an|the|of|to|in|on|at|and|or|but|with|for|is|are|by|as|that|from))\s*$", re.IGNORECASE
)


def truncated(candidate: Candidate) -> Rejection | None:
    """The answer ran into the limit of tokens."""
    return Rejection(TRUNCATED) if candidate.finish_reason == "length" else None


def content_filter(candidate: Candidate) -> Rejection | None:
    """The server cut or withheld the answer."""
    return Rejection("content_filter") if candidate.finish_reason == "content_filter" else None


def not_text(candidate: Candidate) -> Rejection | None:
    """Control characters, NUL among them, or U+FFFD, which stands for what was no text when it came."""
    return _unasked("not_text", _NOT_TEXT, candidate)


def empty(candidate: Candidate) -> Rejection | None:
    """No word in it."""
    return None if _WORDS.search(candidate.text) else Rejection("empty")


def too_short(candidate: Candidate) -> Rejection | None:
    """One or two words where the original had at least twenty."""
    return Rejection("too_short") if _count(candidate.text) < 3 and _count(candidate.original) >= 20 else None


def gutted(candidate: Candidate) -> Rejection | None:
    """Under a seventh of a long original, or without the code that it had."""
    lost_code = "```" in candidate.original and "```" not in candidate.text
    words = _count(candidate.original)
    return Rejection("gutted") if lost_code or (words >= 60 and _count(candidate.text) * 7 < words) else None


def original_copy(candidate: Candidate) -> Rejection | None:
    """The flagged original again, letter for letter but for white space and punctuation."""
    if not candidate.original or _words(candidate.text) != _words(candidate.original):
        return None
    return Rejection("original_copy")


def prompt_copy(candidate: Candidate) -> Rejection | None:
    """The user's text instead of an answer: nearly all of it, or an answer that begins with all of it."""
    if _copies(candidate.text, candidate.prompt) and not _copies(candidate.original, candidate.prompt):
        return Rejection("prompt_copy")
    return None


def leaked_template(candidate: Candidate) -> Rejection | None:
    """Tokens of a chat template, role lines of the assistant, slots that nobody filled in.

    A letter or a template that the user asked for may have slots, and so may code and what is quoted.
    """
    token = _unasked("leaked_template", _TEMPLATE, candidate)
    slot = open_slot(candidate.text, candidate.prompt)
    if token or slot is None or slot in candidate.original:
        return token
    return Rejection("leaked_template", slot)


def fake_user_turn(candidate: Candidate) -> Rejection | None:
    """The answer goes on to speak for the user."""
    return _unasked("fake_user_turn", _USER_TURN, candidate)


def names_instructions(candidate: Candidate) -> Rejection | None:
    """The answer speaks of its orders, announces a rewrite, or repeats six words in a row of what it was told."""
    spoken = _unasked("names_instructions", _OWN_ORDERS, candidate)
    if spoken:
        return spoken
    excused = _grams(candidate.prompt, 6) | _grams(candidate.original, 6)
    told = _grams(candidate.instruction, 6) - excused
    return Rejection("names_instructions") if told & _grams(candidate.text, 6) else None


def claims_human(candidate: Candidate) -> Rejection | None:
    """The answer says that a human wrote it, or tells of a body, a family, a past; a role-play trait may."""
    if candidate.trait.roleplay:
        return None
    said = _unasked("claims_human", _HUMAN, candidate)
    if said:
        return said
    found = pretends_human(candidate.text, candidate.prompt)
    if found is None or (candidate.original and pretends_human(candidate.original, candidate.prompt)):
        return None
    return Rejection("claims_human", found)


def trait_leak(candidate: Candidate) -> Rejection | None:
    """The answer names its persona, its trait or what it was told, which the original did not."""
    found = leaks_trait(candidate.text, candidate.trait, candidate.instruction, candidate.prompt)
    if found is None or found.casefold() in candidate.original.casefold():
        return None
    return Rejection("trait_leak", found)


def lost_refusal(candidate: Candidate) -> Rejection | None:
    """The original declined and the answer does not: a cleaner voice must not become a yes."""
    if candidate.declines and not _DECLINES.search(candidate.text):
        return Rejection("lost_refusal")
    return None


def repetition(candidate: Candidate) -> Rejection | None:
    """A loop: a sentence of five words or more three times, or half of all four-word runs seen before.

    Or sentences of two words or more, eight times each, that make up a tenth of all words: 5 of 51,173 answers of 113
    models, proofs and code among them, have such and no other loop.
    """
    if _loops(candidate.text) and not _loops(candidate.original):
        return Rejection("repetition")
    return None


def unfinished(candidate: Candidate) -> Rejection | None:
    """The answer breaks off, which the original did not."""
    if candidate.finish_reason not in _FINISHED:
        return Rejection("unfinished")
    return Rejection("unfinished") if _breaks_off(candidate.text) and not _breaks_off(candidate.original) else None


def banned_phrase(candidate: Candidate) -> Rejection | None:
    """A phrase that the trait never says, or one beyond the trait's limit."""
    for phrase in candidate.trait.phrases.ban:
        pattern = r"\s+".join(re.escape(word) for word in phrase.replace("\u2019", "'").split())
        found = re.search(rf"(?<!\w){pattern}(?!\w)", candidate.text.replace("\u2019", "'"), re.IGNORECASE)
        if found:
            return Rejection("banned_phrase", found.group())
    for limit in candidate.trait.phrases.limit:
        found_texts = [match.group() for match in re2.finditer(f"(?i){limit.pattern}", candidate.text)]
        allowed = max(limit.max_per_1k * _count(candidate.text) / 1000, 1.0 if limit.max_per_1k else 0.0)
        if len(found_texts) > allowed:
            return Rejection("banned_phrase", found_texts[0])
    return None


def lost_reference(candidate: Candidate) -> Rejection | None:
    """Later turns lean on a name or number that the answer no longer has."""
    missing = lacking(candidate.text, candidate.references)
    return Rejection("lost_reference", ", ".join(missing)) if missing else None


def language_switch(candidate: Candidate) -> Rejection | None:
    """The answer is in another language than the prompt, which the original was not; ``detail`` is its code."""
    code = switched_to(candidate.prompt, candidate.text)
    if code is None or (candidate.original and switched_to(candidate.prompt, candidate.original) == code):
        return None
    return Rejection("language_switch", code)


def off_topic(candidate: Candidate) -> Rejection | None:
    """The answer has nothing to do with the prompt. An answer that is to decline, or to replace such a one, may."""
    if candidate.declines or relevance(candidate.prompt, candidate.text) >= OFF_TOPIC:
        return None
    # An original that hardly comes nearer says that words cannot tell here.
    if candidate.original and relevance(candidate.prompt, candidate.original) < 2 * OFF_TOPIC:
        return None
    return Rejection("off_topic")


GUARDS: Final[tuple[Guard, ...]] = (
    content_filter,
    truncated,
    not_text,
    empty,
    original_copy,
    leaked_template,
    fake_user_turn,
    names_instructions,
    claims_human,
    trait_leak,
    lost_refusal,
    prompt_copy,
    repetition,
    unfinished,
    too_short,
    gutted,
    banned_phrase,
    lost_reference,
    language_switch,
    off_topic,
)
"""In the order in which they are asked: the first reason is the one that is recorded."""


def check(candidate: Candidate) -> Rejection | None:
    """The first reason why the candidate must not pass, or None."""
    for guard in GUARDS:
        rejection = guard(candidate)
        if rejection:
            return rejection
    return None


def check_answer(text: str, *, finish_reason: str, prompt: str, instruction: str, trait: Trait) -> Rejection | None:
    """As ``check``, for an answer that replaces none. ``prompt``: what it answers, empty where nothing was asked."""
    return check(Candidate(text, finish_reason, prompt, original="", instruction=instruction, trait=trait))


def _words(text: str) -> list[str]:
    return _WORDS.findall(text.casefold())


def _count(text: str) -> int:
    return len(_WORDS.findall(text))


def _grams(text: str, size: int) -> set[tuple[str, ...]]:
    words = _words(text)
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def _unasked(reason: str, pattern: re.Pattern[str], candidate: Candidate) -> Rejection | None:
    """A rejection where the pattern is in the answer but neither in the prompt nor in the original."""
    match = pattern.search(candidate.text)
    if match is None or pattern.search(candidate.prompt) or pattern.search(candidate.original):
        return None
    return Rejection(reason, match.group().strip())


def _copies(answer: str, prompt: str) -> bool:
    said, asked = _words(answer), _words(prompt)
    if len(asked) < 3:
        return False
    if len(asked) >= 8 and said[: len(asked)] == asked:
        return True
    return fuzz.ratio(" ".join(said), " ".join(asked)) >= 90.0


def _loops(text: str) -> bool:
    sentences = Counter(tuple(_words(sentence)) for sentence in _SENTENCE.findall(text))
    if any(times >= 3 and len(words) >= 5 for words, times in sentences.items()):
        return True
    words = _count(text)
    if words and sum(times * len(said) for said, times in sentences.items() if _is_refrain(said, times)) >= words / 10:
        return True
    return words >= 40 and len(_grams(text, 4)) * 2 < words - 3


def _is_refrain(words: tuple[str, ...], times: int) -> bool:
    """Whether a short sentence comes eight times or more, and is no figure, link or name in code."""
    return times >= 8 and len(words) >= 2 and all(word.isalpha() and word not in _LINKS for word in words)


def _breaks_off(text: str) -> bool:
    """Whether the text ends inside a sentence or a fence; a list item, a table row or a few words may end anyhow."""
    if text.count("```") % 2:
        return True
    last = text.rstrip().rpartition("\n")[2]
    if _HANGING.search(last):
        return True
    return not (_ENDS.search(last) or _LIST_ITEM.match(last) or _count(last) < 5 or not last[-1].isascii())
