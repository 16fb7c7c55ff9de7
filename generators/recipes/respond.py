"""``respond``: several answers to a prompt, ranked by how well they show the trait; best over worst is the pair.

With no judge of its own a model ranks its own answers: no one else's words or taste come into the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from phrasemill.generators.ask import FAILED, Answer, Ask, NoAnswer
from phrasemill.generators.attempts import Attempt
from phrasemill.generators.recipes.base import Made, Pair, Recipe
from phrasemill.generators.recipes.prompting import Prompt, in_character, said, told
from phrasemill.generators.recipes.ranking import Ranking, by_comparisons, by_scores
from phrasemill.generators.recipes.sides import ABSENCE, first_passing, same
from phrasemill.generators.together import together
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait


class Respond(Recipe):
    """``answers`` are asked for at once, each up to ``attempts`` times until it passes; those that pass are ranked.

    ``rank``: ``pointwise`` scores each answer; ``pairwise`` compares each with each, in both orders, and a score is the
    share of comparisons that it won. ``min_margin``: 0 to 100, by how much the best must lead the worst.
    ``in_character`` false: the model is not told the trait, and only the ranking selects for it. ``examples``: good
    answers of the trait that it is shown.
    """

    name: ClassVar[str] = "respond"
    speakers: ClassVar[tuple[str, ...]] = ("judge",)

    answers: int = Field(default=4, ge=2, le=64)
    attempts: int = Field(default=2, ge=1)
    rank: Literal["pointwise", "pairwise"] = "pointwise"
    min_margin: float = Field(default=10.0, ge=0.0, le=100.0)
    in_character: bool = True
    examples: int = Field(default=0, ge=0)

    def cost(self) -> int:
        """The answers, and a judgement of each, or of each two in both orders."""
        return self.answers * (2 if self.rank == "pointwise" else self.answers)

    async def rollout(self, ask: Ask) -> Made:
        """The best answer as a row; with the pair, or with the reason why there is none.

        What no judgement ranks is not published. Facts: ``usable`` answers that passed, and the ``score`` of the best.
        """
        silent = ask.item.aim == "absence"
        usable, lack = await self._usable(ask, 1 if silent else self.answers)
        if not usable:
            return Made(None, reason=lack)
        facts = {"usable": float(len(usable))}
        if silent:
            return self._made(ask, usable, usable, facts, reason=ABSENCE)
        asked = len(ask.attempts)
        ranking = await (by_scores if self.rank == "pointwise" else by_comparisons)(ask, usable)
        if not ranking.scores:
            return Made(None, facts=facts, reason=_no_ranking(usable, ask.attempts[asked:]))
        best = usable[ranking.best]
        facts["score"] = ranking.scores[ranking.best]
        sides = ranking.widest(self.min_margin)
        if sides is None:
            return self._made(ask, [best], usable, facts, reason=_no_pair(ranking))
        chosen, rejected = usable[sides[0]], usable[sides[1]]
        pair = Pair(
            ask.item.messages,
            chosen.text,
            rejected.text,
            f"{ask.item.trait.id} over less of it",
            ranking.scores[sides[0]],
            ranking.scores[sides[1]],
        )
        return self._made(ask, [best, chosen, rejected], usable, facts, (pair,))

    async def _usable(self, ask: Ask, count: int) -> tuple[list[Answer], str]:
        """Of ``count`` answers those that pass and differ, in order; and why most of the others did not."""
        prompt = self._prompt(ask)
        every = range(count * self.attempts)
        asked = await together(self._one(ask, prompt, every[number::count]) for number in range(count))
        usable: list[Answer] = []
        for answer, _ in asked:
            if answer is None:
                continue
            if any(same(answer.text, other.text) for other in usable):
                ask.reject(answer, "duplicate")
            else:
                usable.append(answer)
        lacks = Counter(lack for answer, lack in asked if answer is None)
        return usable, lacks.most_common(1)[0][0] if lacks else ""

    async def _one(self, ask: Ask, prompt: Prompt, numbers: range) -> tuple[Answer | None, str]:
        """The first of these answers that passes. A request that fails for good costs this answer, not the others."""
        try:
            return await first_passing(
                ask,
                prompt.messages,
                numbers,
                lambda answer: ask.check(answer, instruction=prompt.instruction),
                part="answer",
            )
        except NoAnswer as failed:
            return None, f"{FAILED}:{failed.reason}"

    def _prompt(self, ask: Ask) -> Prompt:
        if self.in_character:
            return in_character(ask.item, ask.item.messages, self.examples)
        return Prompt(told("", ask.item.messages), "")

    def _made(
        self,
        ask: Ask,
        used: Sequence[Answer],
        usable: Sequence[Answer],
        facts: dict[str, float],
        pairs: tuple[Pair, ...] = (),
        reason: str = "",
    ) -> Made:
        """The first of ``used`` as a row; the evidence says of the other usable answers that they were outranked."""
        places = {answer.place for answer in used}
        for answer in usable:
            if answer.place not in places:
                ask.reject(answer, "outranked")
        return Made((*ask.item.messages, said(used[0].text)), pairs, facts, reason)

    def check(self, config: GenerateConfig, traits: Sequence[Trait]) -> None:  # noqa: ARG002
        """Several answers differ only if the model draws them."""
        if config.backend.temperature == 0.0:
            raise ConfigError(
                "backend.temperature: got 0, expected more than 0: the recipe respond ranks several answers to one "
                "prompt, and at 0 they are all the same"
            )


def _no_ranking(usable: Sequence[Answer], judging: Sequence[Attempt]) -> str:
    """A judge whose server fails must show as such: none of its verdicts is at fault."""
    failed = [attempt.reason for attempt in judging if attempt.outcome == "failed" and attempt.reason]
    if failed:
        return f"{FAILED}:{min(failed)}"
    return "one_usable" if len(usable) == 1 else "not_ranked"


def _no_pair(ranking: Ranking) -> str:
    return "one_ranked" if len(ranking.scores) < 2 else "tie"
