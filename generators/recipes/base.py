"""What a recipe is: a frozen set of options with one rollout, and what a rollout comes to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from phrasemill.generators.ask import Ask
from phrasemill.generators.tasks import Message
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference pair. ``prompt`` ends on a user turn; ``margin`` is chosen minus rejected score, 0 to 100.

    ``reason`` says what makes the difference, ``caring over default`` or the id of a rule.
    """

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    reason: str
    chosen_score: float | None = None
    rejected_score: float | None = None

    @property
    def margin(self) -> float | None:
        """Chosen minus rejected score, None where one of them is unknown."""
        if self.chosen_score is None or self.rejected_score is None:
            return None
        return self.chosen_score - self.rejected_score


@dataclass(frozen=True, slots=True)
class Query:
    """A user message. ``length``: short, medium or long, as measured; ``aim``: presence or absence of the trait."""

    text: str
    length: str
    aim: str


@dataclass(frozen=True, slots=True)
class Made:
    """What a rollout came to. ``messages`` None: nothing was accepted, for ``reason``.

    ``messages`` is the whole conversation, an assistant turn last; ``reason`` may then say why there is no pair.
    ``queries`` are what the recipe of that name makes instead. ``facts`` are numbers that ``accept.where`` may ask for,
    beside those that every row has.
    """

    messages: tuple[Message, ...] | None
    pairs: tuple[Pair, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    queries: tuple[Query, ...] = ()


class Recipe(BaseModel, ABC):
    """Options of a recipe, frozen, unknown keys are errors; and its rollout.

    ``works_on``: ``prompts`` (an item ends on a user turn), ``conversations`` (it is a whole one of a dataset) or
    ``nothing`` (the recipe makes its own conversations). ``speakers``: who is asked beside
    ``backend``; ``asks`` false: nobody is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    works_on: ClassVar[str] = "prompts"
    speakers: ClassVar[tuple[str, ...]] = ()
    asks: ClassVar[bool] = True

    @abstractmethod
    async def rollout(self, ask: Ask) -> Made:
        """Do ``ask.item``. Everything that is asked goes through ``ask``.

        Raises:
            NoAnswer: a request failed for good; the item ends for that reason.
            BackendError: a server is down.
        """

    def varies(self, config: GenerateConfig) -> bool:
        """Whether an item that is done again, with other seeds, makes another row."""
        return not self.asks or config.backend.temperature > 0.0

    def cost(self) -> int:
        """Requests of an item of which every first answer passes."""
        return 2

    def seeds(self, trait: Trait, repeat: int) -> list[tuple[Message, ...]]:  # noqa: ARG002
        """Openings of one round, for a recipe that works on nothing; no two rounds need be the same."""
        return []

    def check(self, config: GenerateConfig, traits: Sequence[Trait]) -> None:
        """Refuse a configuration or a trait with which this recipe cannot work, before anything is asked.

        Raises:
            ConfigError, TraitError: what was got, what was expected.
        """
