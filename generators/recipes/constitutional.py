"""``constitutional``: the model answers, criticises its answer by a principle and writes it again.

The last revision that passes is the row; it is chosen over the first answer.
"""

from __future__ import annotations

import random
from typing import ClassVar, Final, NamedTuple

from pydantic import Field

from phrasemill.generators.ask import Answer, Ask, seed_of
from phrasemill.generators.recipes.base import Made, Pair, Recipe
from phrasemill.generators.recipes.prompting import said, told
from phrasemill.generators.recipes.revised import revision_fault
from phrasemill.generators.recipes.sides import (
    ABSENCE,
    SAME_SIDES,
    broken,
    first_passing,
    reason_at,
    same,
    unfit_to_lose,
)
from phrasemill.generators.tasks import Message
from phrasemill.schemas.trait import Critique, Trait

_ALONE: Final = "Reply with the new answer alone, as if it were your first."
_AGAIN: Final = f"Answer my message again so that this is put right. {_ALONE}"
_CUT_OFF: Final = frozenset({"truncated", "unfinished"})


class _Step(NamedTuple):
    """A revision that passed, or None and why the last one did not."""

    text: str | None
    reason: str


class Constitutional(Recipe):
    """``revisions``: how often the answer is written again, each time by a principle that the seed draws.

    No principle is drawn twice before all were. Every text is asked for up to ``attempts`` times until it passes.
    """

    name: ClassVar[str] = "constitutional"

    revisions: int = Field(default=1, ge=1, le=4)
    attempts: int = Field(default=3, ge=1)

    def cost(self) -> int:
        """The answer, and a critique and the answer again for each revision."""
        return 1 + 2 * self.revisions

    async def rollout(self, ask: Ask) -> Made:
        """The last revision that passes as a row, with the pair. A revision that fails leaves the one before it.

        Facts: ``revisions``, how many passed.
        """
        prompt = ask.item.messages
        first, lack = await first_passing(
            ask, told("", prompt), range(self.attempts), lambda answer: unfit_to_lose(ask, answer), part="answer"
        )
        if first is None:
            return Made(None, reason=reason_at("answer", lack))
        now, passed, reason = first.text, 0, ""
        for number, principle in enumerate(self._drawn(ask)):
            step = await self._revise(ask, now, principle, number)
            if step.text is None:
                reason = step.reason
            else:
                now, passed = step.text, passed + 1
        if not passed:
            return Made(None, reason=reason)
        messages, facts = (*prompt, said(now)), {"revisions": float(passed)}
        if ask.item.aim == "absence":
            return Made(messages, facts=facts, reason=ABSENCE)
        if same(now, first.text):
            return Made(messages, facts=facts, reason=SAME_SIDES)
        return Made(messages, (Pair(prompt, now, first.text, f"{ask.item.trait.id} over first answer"),), facts)

    async def _revise(self, ask: Ask, now: str, principle: Critique, number: int) -> _Step:
        """Criticise ``now``, then write it again."""
        asked = [*told("", ask.item.messages), said(now), Message("user", principle.request)]
        numbers = range(number * self.attempts, (number + 1) * self.attempts)
        critique, lack = await first_passing(
            ask, asked, numbers, lambda answer: _critique_fault(ask, answer, principle), part="critique"
        )
        if critique is None:
            return _Step(None, reason_at("critique", lack))
        asked += [said(critique.text), Message("user", principle.revision)]
        revision, lack = await first_passing(
            ask,
            asked,
            numbers,
            lambda answer: _revision_fault(ask, answer, now, critique.text, principle),
            part="revision",
        )
        return _Step(None, lack) if revision is None else _Step(revision.text, "")

    def _drawn(self, ask: Ask) -> list[Critique]:
        """The principle of every revision."""
        rng = random.Random(seed_of(ask.desk.seed, ask.item.key, "principle", 0))
        drawn: list[Critique] = []
        while len(drawn) < self.revisions:
            every = principles(ask.item.trait)
            rng.shuffle(every)
            drawn += every
        return drawn[: self.revisions]


def principles(trait: Trait) -> list[Critique]:
    """What an answer is criticised by: the trait's own critiques, else its statement, rubric and known mistakes."""
    if trait.critiques:
        return [Critique(request=each.request, revision=f"{each.revision}\n{_ALONE}") for each in trait.critiques]
    requests = [
        "Read your last answer again. Suppose it was to come from someone who says of themselves: "
        f'"{trait.statement.strip()}" Name briefly where it does not sound like that person.'
    ]
    if trait.rubric.strip():
        requests.append(
            f"Read your last answer again. It will be marked like this: {trait.rubric.strip()} "
            "Name briefly what would cost it points."
        )
    requests += [
        f'Read your last answer again. A known mistake is this: "{turn.why.strip()}" Name briefly where your answer '
        "makes it, or comes close to it."
        for turn in trait.dont
        if turn.why.strip()
    ]
    return [Critique(request=request, revision=_AGAIN) for request in requests]


def _critique_fault(ask: Ask, answer: Answer, principle: Critique) -> str:
    """A critique is read by the model alone: it may break off, but not be empty, a loop or somebody else's turn."""
    reason = broken(answer.text, answer.finish_reason, principle.request, ask.item.trait)
    if reason in _CUT_OFF:
        return ""
    if reason:
        ask.reject(answer, reason)
    return reason


def _revision_fault(ask: Ask, answer: Answer, now: str, critique: str, principle: Critique) -> str:
    reason = ask.check(answer, instruction=f"{principle.request}\n{principle.revision}")
    if not reason:
        reason = revision_fault(answer.text, ask.item.user, now, critique)
        if reason:
            ask.reject(answer, reason)
    return reason
