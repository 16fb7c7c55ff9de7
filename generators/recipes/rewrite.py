"""``rewrite``: the answers of an existing conversation in the voice of a trait, with everything they say unchanged.

Code blocks, tables and quoted lines never reach the model. What it must keep otherwise is named to it, and checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import Field

from phrasemill.filters.masks import reasoning_stop
from phrasemill.generators.ask import Answer, Ask
from phrasemill.generators.guards import Candidate, check
from phrasemill.generators.recipes.base import Made, Pair, Recipe
from phrasemill.generators.recipes.language import switched
from phrasemill.generators.recipes.prompting import said, told
from phrasemill.generators.recipes.revised import revision_fault
from phrasemill.generators.recipes.rewrite_blocks import Lifted, lift
from phrasemill.generators.recipes.rewrite_facts import as_written, broken
from phrasemill.generators.tasks import Message
from phrasemill.schemas.trait import Trait

LEAST_WORDS: Final = 3
"""An answer of fewer words beside its code, tables and quotes has no voice to change."""

SHORTEST: Final = 0.4
LONGEST: Final = 2.5
SLACK: Final = 15
"""Words of a rewrite: at least 0.4 times those of the original and at most 2.5 times, give or take fifteen."""

NAMED: Final = 30
"""Facts named to the model at most."""

_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+")
_DECLINES: Final = re.compile(
    r"\b(?:i|we)\b[^.!?\n]{0,40}?\b(?:can(?:no|')t|can not|won't|will not|(?:not|un)(?: be)?(?: able| going)? to"
    r"|unable to|refuse to|decline to|must decline|have to decline|rather not)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Source:
    """An answer to be written again: ``original`` without the reasoning in front of it."""

    original: str
    prompt: str
    lifted: Lifted
    declines: bool
    instruction: str


class Rewrite(Recipe):
    """Each answer is asked for up to ``attempts`` times; one that cannot be had leaves the whole conversation out."""

    name: ClassVar[str] = "rewrite"
    works_on: ClassVar[str] = "conversations"

    attempts: int = Field(default=3, ge=1)

    async def rollout(self, ask: Ask) -> Made:
        """The conversation with every answer in the voice, and a pair for each: the rewrite over the original.

        Reasons are those of the guards, ``lost_fact:KIND`` and ``new_fact:KIND`` (``rewrite_facts``), ``length_ratio``,
        ``language_switch``, ``lost_refusal``, ``refusal``, ``dirty:RULE``; ``nothing_to_rewrite``: no answer has words
        of its own.
        """
        turns: list[Message] = []
        pairs: list[Pair] = []
        for message in ask.item.messages:
            if message.role != "assistant":
                turns.append(message)
                continue
            thought, original = _split(message.content)
            lifted = lift(original)
            if _count(lifted.text) - len(lifted.blocks) < LEAST_WORDS:
                turns.append(message)
                continue
            text, reason = await self._rewritten(ask, turns, original, lifted)
            if text is None:
                return Made(None, reason=reason)
            pairs.append(Pair(tuple(turns), text, original, f"{ask.item.trait.id} over the original"))
            turns.append(said(thought + text))
        if not pairs:
            return Made(None, reason="nothing_to_rewrite")
        return Made(tuple(turns), tuple(pairs), {"rewritten": float(len(pairs))})

    async def _rewritten(
        self, ask: Ask, before: Sequence[Message], original: str, lifted: Lifted
    ) -> tuple[str | None, str]:
        """The answer that follows ``before`` in the voice, or None and why the last attempt did not pass."""
        prompt = next((message.content for message in reversed(before) if message.role == "user"), "")
        declines = ask.desk.refuses(original, prompt)
        source = _Source(original, prompt, lifted, declines, _instruction(ask.item.trait, declines=declines))
        kept = as_written(lifted.text)[:NAMED]
        reason = ""
        lost: tuple[str, ...] = ()
        for number in range(self.attempts):
            request = _request(source, kept, reason, lost)
            messages = told(source.instruction, [Message("user", request)])
            answer = await ask(messages, part=f"turn{len(before)}", number=number, turn=len(before))
            text = lifted.restored(answer.text)
            reason, lost = ("lost_fact:code", ()) if text is None else _fault(ask, source, answer, text)
            if not reason and text is not None:
                return text, ""
            ask.reject(answer, reason)
        return None, reason


def _fault(ask: Ask, source: _Source, answer: Answer, text: str) -> tuple[str, tuple[str, ...]]:
    """Why a rewrite must not be published, with what it lost or made up; empty where it may."""
    trait, original, prompt = ask.item.trait, source.original, source.prompt
    candidate = Candidate(
        text, answer.finish_reason, prompt, original, source.instruction, trait, declines=source.declines
    )
    if (rejection := check(candidate)) is not None:
        return rejection.reason, (rejection.detail,) if rejection.detail else ()
    if fault := revision_fault(text, prompt, original, ""):
        return fault, ()
    if (found := broken(original, text))[0]:
        return found
    old, new = _count(original), _count(text)
    longest = 1.0 if source.declines else LONGEST
    if not SHORTEST * old - SLACK <= new <= longest * old + SLACK:
        return "length_ratio", ()
    if switched(original, text):
        return "language_switch", ()
    if hits := ask.desk.scan(trait, text, prompt):
        return f"dirty:{hits[0].rule_id}", (hits[0].text,)
    refuses = ask.desk.refuses(text, prompt)
    if source.declines and not (refuses or _DECLINES.search(text.replace("\u2019", "'"))):
        return "lost_refusal", ()
    return ("refusal", ()) if refuses and not source.declines else ("", ())


def _instruction(trait: Trait, *, declines: bool) -> str:
    parts = [
        "You are given a message and the answer that it got. Write that answer again, in this voice and no other:",
        trait.statement,
        trait.pos_instruction.strip(),
        "Change how it is said and nothing of what is said. Add no facts, leave none out, and keep the language, the "
        "order and the lists. Write the new answer alone, without a word about it.",
    ]
    if declines:
        parts.append("The answer declines. The new one declines the same thing, just as plainly, and gives none of it.")
    return "\n".join(parts)


def _request(source: _Source, kept: Sequence[str], reason: str, lost: Sequence[str]) -> str:
    parts = [f"The message:\n{source.prompt}" if source.prompt else "", f"The answer:\n{source.lifted.text}"]
    if kept:
        parts.append(f"Keep each of these exactly as it stands: {', '.join(kept)}")
    if marks := source.lifted.marks:
        parts.append(
            f"Keep {' '.join(marks)} on lines of their own, in this order; each stands for a part left out here."
        )
    named = ", ".join(lost[:NAMED])
    if reason.startswith("lost_fact") and named:
        parts.append(f"The last try left out: {named}")
    elif reason.startswith(("new_fact", "dirty", "banned")) and named:
        parts.append(f"The last try made up or used what may not be in it: {named}")
    return "\n\n".join(part for part in parts if part)


def _split(text: str) -> tuple[str, str]:
    """Reasoning at the start of an answer, and the answer behind it."""
    raw = text.encode()
    at = reasoning_stop(raw)
    return raw[:at].decode(), raw[at:].decode()


def _count(text: str) -> int:
    return len(_WORD.findall(text))
