"""``distill``: a teacher answers in character, the model that is to be trained as it is; the first is chosen."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from phrasemill.generators.ask import Answer, Ask
from phrasemill.generators.recipes.base import Made, Pair, Recipe
from phrasemill.generators.recipes.prompting import in_character, said, told
from phrasemill.generators.recipes.sides import (
    ABSENCE,
    SAME_SIDES,
    first_passing,
    reason_at,
    same,
    unfit_to_lose,
)
from phrasemill.generators.together import together
from phrasemill.schemas.generate import GenerateConfig


class Distill(Recipe):
    """Each side is asked for up to ``attempts`` times until an answer passes.

    ``examples``: good answers of the trait that the teacher is shown.
    """

    name: ClassVar[str] = "distill"
    speakers: ClassVar[tuple[str, ...]] = ("teacher",)

    attempts: int = Field(default=3, ge=1)
    examples: int = Field(default=0, ge=0)

    def varies(self, config: GenerateConfig) -> bool:
        """The row is the teacher's."""
        return (config.teacher or config.backend).temperature > 0.0

    async def rollout(self, ask: Ask) -> Made:
        """The teacher's answer as a row; with the pair, or with the reason why there is none."""
        prompt = ask.item.messages
        if ask.item.aim == "absence":
            chosen, lack = await self._teacher(ask)
            rejected, other_lack = None, ABSENCE
        else:
            (chosen, lack), (rejected, student_lack) = await together([self._teacher(ask), self._student(ask)])
            other_lack = reason_at("student", student_lack)
        if chosen is None:
            return Made(None, reason=lack)
        messages = (*prompt, said(chosen.text))
        if rejected is None:
            return Made(messages, reason=other_lack)
        if same(chosen.text, rejected.text):
            ask.reject(rejected, SAME_SIDES)
            return Made(messages, reason=SAME_SIDES)
        pair = Pair(prompt, chosen.text, rejected.text, f"{ask.item.trait.id} over default")
        return Made(messages, (pair,))

    async def _teacher(self, ask: Ask) -> tuple[Answer | None, str]:
        voice = in_character(ask.item, ask.item.messages, self.examples)
        return await first_passing(
            ask,
            voice.messages,
            range(self.attempts),
            lambda answer: ask.check(answer, instruction=voice.instruction),
            part="teacher",
            who="teacher",
        )

    async def _student(self, ask: Ask) -> tuple[Answer | None, str]:
        """An answer without a word of ours in front: what the model says today, tics and all."""
        return await first_passing(
            ask,
            told("", ask.item.messages),
            range(self.attempts),
            lambda answer: unfit_to_lose(ask, answer),
            part="student",
        )
