"""The gate before a pair is published: what a judge says of its chosen side, where the judge may say anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from phrasemill.generators.ask import Ask
from phrasemill.generators.judging.scorers import Scorer
from phrasemill.generators.tasks import Message
from phrasemill.schemas.trait import Trait

GateLabel = Literal["scored", "refusal", "invalid", "addressed", "unsteady", "untrusted"]


@dataclass(frozen=True, slots=True)
class Gate:
    """``untrusted`` is what :func:`calibration.trusted` said: where it is not empty nobody is asked."""

    scorer: Scorer
    untrusted: str = ""


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate found. ``score`` is 0 to 100 where the label is ``scored``, else None."""

    label: GateLabel
    score: float | None = None


async def gate(
    ask: Ask, trait: Trait, conversation: Sequence[Message], answer: str, judge: Gate, number: int = 0
) -> Gated:
    """Judge ``answer`` to ``conversation``; the requests that this takes are in ``ask.attempts``.

    Raises:
        BackendError: the judge's server is down.
    """
    if judge.untrusted:
        return Gated("untrusted")
    found = await judge.scorer.score(ask, trait, conversation, answer, number)
    return Gated(found.label, found.value)
