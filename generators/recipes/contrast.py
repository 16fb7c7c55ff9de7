"""``contrast``: the same model told to show the trait and told to do the opposite; the first is chosen.

One model writes both sides, so that what differs is the instruction and not who wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait


class Contrast(Recipe):
    """Both sides are asked for at once, each up to ``attempts`` times until an answer passes. Both, or nothing."""

    name: ClassVar[str] = "contrast"

    attempts: int = Field(default=3, ge=1)

    async def rollout(self, ask: Ask) -> Made:
        """The positive answer as a row, and the pair."""
        trait, prompt = ask.item.trait, ask.item.messages
        if ask.item.aim == "absence":
            answer, lack = await self._positive(ask)
            return Made(None, reason=lack) if answer is None else Made((*prompt, said(answer.text)), reason=ABSENCE)
        (chosen, lack), (rejected, other_lack) = await together([self._positive(ask), self._negative(ask)])
        if chosen is None or rejected is None:
            return Made(None, reason=lack or reason_at("negative", other_lack))
        if same(chosen.text, rejected.text):
            ask.reject(rejected, SAME_SIDES)
            return Made(None, reason=SAME_SIDES)
        pair = Pair(prompt, chosen.text, rejected.text, f"{trait.id} over its opposite")
        return Made((*prompt, said(chosen.text)), (pair,))

    async def _positive(self, ask: Ask) -> tuple[Answer | None, str]:
        voice = in_character(ask.item, ask.item.messages)
        return await first_passing(
            ask,
            voice.messages,
            range(self.attempts),
            lambda answer: ask.check(answer, instruction=voice.instruction),
            part="positive",
        )

    async def _negative(self, ask: Ask) -> tuple[Answer | None, str]:
        """The opposite of a trait may be full of tics: that of ``plain`` is."""
        return await first_passing(
            ask,
            told(ask.item.trait.neg_instruction, ask.item.messages),
            range(self.attempts),
            lambda answer: unfit_to_lose(ask, answer),
            part="negative",
        )

    def check(self, config: GenerateConfig, traits: Sequence[Trait]) -> None:  # noqa: ARG002
        """Every trait needs an opposite."""
        for trait in traits:
            if not trait.neg_instruction.strip():
                raise TraitError(
                    f"trait {trait.id}: neg_instruction: is empty; the recipe contrast tells the model to do the "
                    "opposite of the trait: write that instruction, or use the recipe respond or distill"
                )
