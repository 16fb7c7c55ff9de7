"""Who scores answers, behind one method: a model that is asked, or small models that were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from phrasemill.generators.ask import Ask
from phrasemill.generators.judging import pointwise
from phrasemill.generators.judging.pointwise import TOP_SCORE, Score
from phrasemill.generators.judging.steady import steady_score
from phrasemill.generators.judging.trait_model import TraitModel, find_records
from phrasemill.generators.tasks import Message
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.trait import Trait


class Scorer(Protocol):
    """Scores one answer by one trait."""

    async def score(
        self, ask: Ask, trait: Trait, conversation: Sequence[Message], answer: str, number: int = 0
    ) -> Score:
        """What ``answer`` to ``conversation`` is worth. ``number`` tells apart the answers of one item.

        Raises:
            BackendError: the judge's server is down.
        """


class ModelScorer:
    """Asks the judge of ``ask``, once for each answer."""

    async def score(
        self, ask: Ask, trait: Trait, conversation: Sequence[Message], answer: str, number: int = 0
    ) -> Score:
        """See :func:`pointwise.score`."""
        return await pointwise.score(ask, trait, conversation, answer, number=number)


@dataclass(frozen=True, slots=True)
class SteadyScorer:
    """Asks the judge of ``ask`` three times for each answer; ``within``: points by which parts of it may differ."""

    within: float

    async def score(
        self, ask: Ask, trait: Trait, conversation: Sequence[Message], answer: str, number: int = 0
    ) -> Score:
        """See :func:`steady.steady_score`."""
        return await steady_score(ask, trait, conversation, answer, within=self.within, number=number)


@dataclass(frozen=True, slots=True)
class ClassifierScorer:
    """Small models by trait id. The score is a probability times 100; nothing is asked, and nothing is a refusal."""

    models: Mapping[str, TraitModel]

    async def score(
        self,
        ask: Ask,  # noqa: ARG002
        trait: Trait,
        conversation: Sequence[Message],  # noqa: ARG002
        answer: str,
        number: int = 0,  # noqa: ARG002
    ) -> Score:
        """The probability that the answer shows the trait. An empty answer is invalid, as is one without a number."""
        probability = float(self.models[trait.id].probabilities([answer])[0])
        if not answer.strip() or not np.isfinite(probability):
            return Score(None, "invalid")
        return Score(probability * TOP_SCORE, "scored")


def open_judge(config: JudgeConfig, traits: Sequence[Trait]) -> Scorer:
    """The scorer that the configuration names, for answers in these traits.

    Raises:
        ConfigError: there is no classifier of one of the traits.
        PluginError: a model's record is missing or does not fit.
    """
    if config.use == "model":
        return ModelScorer() if config.steady is None else SteadyScorer(config.steady)
    models = {record.trait_id: TraitModel(path) for path, record in find_records(config.path or "")}
    for trait in traits:
        if trait.id not in models:
            raise ConfigError(
                f"judge.path: {config.path}: got models of {', '.join(sorted(models))}, expected one of {trait.id}: "
                f"train it with phrasemill judge train DATA --trait {trait.id} -o FILE"
            )
    return ClassifierScorer({trait.id: models[trait.id] for trait in traits})
