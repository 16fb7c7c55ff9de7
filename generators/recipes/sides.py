"""The two sides of a pair: an answer that passes, a rejected side that is no garbage, and a difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rapidfuzz import fuzz

from phrasemill.generators.ask import Answer, Ask, Speaker
from phrasemill.generators.guards import (
    Candidate,
    Guard,
    content_filter,
    empty,
    fake_user_turn,
    language_switch,
    leaked_template,
    not_text,
    off_topic,
    prompt_copy,
    repetition,
    truncated,
    unfinished,
)
from phrasemill.generators.tasks import Message
from phrasemill.schemas.trait import Trait

SAME_SIDES: Final = "same_sides"
"""Reason of a row without a pair: what would be its two sides says the same."""

ABSENCE: Final = "absence"
"""Reason of a row without a pair: the trait should keep silent here, so that more of it is not better."""

REFUSAL: Final = "refusal"
"""Reason of an answer that declines, as ``Ask.check`` gives it."""

_BROKEN: Final = (
    content_filter,
    truncated,
    not_text,
    empty,
    leaked_template,
    fake_user_turn,
    prompt_copy,
    repetition,
    unfinished,
)
_WORTHLESS: Final = (*_BROKEN, language_switch, off_topic)
_SAME: Final = 95.0
"""Similarity in per cent, of the words in order: above it a trainer learns from noise."""

_WORDS: Final = re.compile(r"\w+")


async def first_passing(
    ask: Ask,
    messages: Sequence[Message],
    numbers: Iterable[int],
    check: Callable[[Answer], str],
    *,
    part: str,
    who: Speaker = "backend",
    turn: int | None = None,
    stop: Sequence[str] = (),
) -> tuple[Answer | None, str]:
    """The first answer for which ``check`` has no reason, asked one after the other; or None and the last reason.

    A refusal ends it: who asks until a model complies has undone its refusal.

    Raises:
        NoAnswer, BackendError: as ``ask`` does.
    """
    reason = ""
    for number in numbers:
        answer = await ask(messages, part=part, who=who, turn=turn, number=number, stop=stop)
        reason = check(answer)
        if not reason:
            return answer, ""
        if reason == REFUSAL:
            break
    return None, reason


def reason_at(part: str, reason: str) -> str:
    """A reason with the part of the rollout that it arose in, ``truncated:student``; an empty one stays empty."""
    return f"{reason}:{part}" if reason else ""


def broken(text: str, finish_reason: str, prompt: str, trait: Trait) -> str:
    """Why a text is no text at all: cut off, empty, a loop, a copy of the prompt, a leaked template; or empty."""
    return _first(_BROKEN, text, finish_reason, prompt, trait)


def unfit_to_lose(ask: Ask, answer: Answer) -> str:
    """Why an answer cannot be a rejected side, or an empty text; what is wrong goes into the evidence.

    It may carry every tic and any voice: that is what it is rejected for. It must be whole and speak of the matter, or
    the pair would teach to finish sentences; and it must not refuse, or the pair would teach to comply.
    """
    reason = _first(_WORTHLESS, answer.text, answer.finish_reason, ask.item.user, ask.item.trait)
    if not reason and ask.desk.refuses(answer.text, ask.item.user):
        reason = REFUSAL
    if reason:
        ask.reject(answer, reason)
    return reason


def same(one: str, other: str) -> bool:
    """Whether two texts are one to a reader: nearly the same words in the same order."""
    words, others = (" ".join(_WORDS.findall(text.casefold())) for text in (one, other))
    return fuzz.ratio(words, others, score_cutoff=_SAME) > 0.0 or words == others


def _first(guards: Iterable[Guard], text: str, finish_reason: str, prompt: str, trait: Trait) -> str:
    candidate = Candidate(text, finish_reason, prompt, original="", instruction="", trait=trait)
    return next((found.reason for guard in guards if (found := guard(candidate))), "")
