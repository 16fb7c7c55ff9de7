"""``phrasemill judge calibrate``: a judge held against answers of which a person has said which is good."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from phrasemill.engine.folder import locked
from phrasemill.engine.judge_desk import WINDOW, check_out, in_order, judging_desk, until_stopped
from phrasemill.engine.manifest import write_atomic
from phrasemill.engine.progress import Advance, progress
from phrasemill.engine.stopping import stop_on_signals
from phrasemill.generators.ask import Ask, Desk, Item, item_key
from phrasemill.generators.judging.calibration import (
    CALIBRATION_NAME,
    TEMPLATES,
    Calibration,
    Figures,
    TraitFigures,
)
from phrasemill.generators.judging.pairwise import Comparison, compare
from phrasemill.generators.judging.pointwise import Score, rank
from phrasemill.generators.tasks import Message
from phrasemill.generators.traits import comparisons, trait_hash
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.seals import seal
from phrasemill.schemas.trait import Trait, Turn

Fate = Literal["right", "wrong", "tied", "undecided", "invalid"]

_PAIRWISE: Final[dict[str, Fate]] = {
    "first": "right",
    "second": "wrong",
    "tie": "tied",
    "inconsistent": "undecided",
    "invalid": "invalid",
    "addressed": "invalid",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A good and a bad answer to one conversation, under a trait."""

    trait: Trait
    good: Turn
    bad: Turn

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The turns before the answers."""
        before = tuple(Message(turn.role, turn.content) for turn in self.good.context)
        return (*before, Message("user", self.good.prompt))


def labelled_pairs(
    traits: Sequence[Trait], limit: int | None = None, seed: int = 1
) -> tuple[list[Labelled], Counter[str]]:
    """The pairs of the traits in order, and how many were left out because text is elided, by trait id.

    ``limit``: a seeded sample of that many. An elided answer is no answer: a judge would grade the gap.
    """
    pairs: list[Labelled] = []
    elided: Counter[str] = Counter()
    for trait in traits:
        for good, bad in comparisons(trait):
            if good.elided or bad.elided:
                elided[trait.id] += 1
            else:
                pairs.append(Labelled(trait, good, bad))
    if limit is not None and limit < len(pairs):
        picked = sorted(random.Random(seed).sample(range(len(pairs)), limit))
        pairs = [pairs[place] for place in picked]
    return pairs, elided


def calibrate(
    traits: Sequence[Trait],
    backend: BackendConfig,
    out: Path,
    *,
    limit: int | None = None,
    seed: int = 1,
    show_progress: bool | None = None,
) -> Calibration:
    """Judge every labelled pair in both ways and write ``calibration.json`` to ``out``.

    Raises:
        TraitError: the traits have no pair that can be shown.
        ConfigError, BackendError, Interrupted, LockedError: the same command goes on where this one ended.
    """
    pairs, elided = labelled_pairs(traits, limit, seed)
    if not pairs:
        raise TraitError(
            f"got no pair in {len(traits)} traits ({sum(elided.values())} elided), expected a do and a dont answer to "
            "one prompt, or of one example name"
        )
    check_out(out)
    with locked(out), stop_on_signals() as stop, progress("judging", len(pairs), enabled=show_progress) as advance:
        model, fates = asyncio.run(until_stopped(_judged(pairs, backend, out, seed, advance), stop))
        report = Calibration(
            model=model,
            templates=dict(TEMPLATES),
            seed=seed,
            traits=tuple(_figures(trait, pairs, fates, elided) for trait in traits),
        )
        write_atomic(out / CALIBRATION_NAME, seal(report.model_dump(mode="json")))
    return report


async def _judged(
    pairs: Sequence[Labelled], backend: BackendConfig, out: Path, seed: int, advance: Advance
) -> tuple[str, list[tuple[Fate, Fate]]]:
    """The judge's name, and what it made of each pair: one by one, and side by side."""
    async with judging_desk(out, backend, seed) as desk:

        async def work(pair: Labelled) -> tuple[Fate, Fate]:
            return await _fates(pair, desk)

        fates: list[tuple[Fate, Fate]] = []
        async with aclosing(in_order(pairs, work, WINDOW * backend.concurrency)) as done:
            async for fate in done:
                fates.append(fate)
                advance(1)
        return desk.voices["judge"].client.model, fates


async def _fates(pair: Labelled, desk: Desk) -> tuple[Fate, Fate]:
    trait, before = pair.trait, pair.conversation
    sides = (Message("assistant", pair.good.response), Message("assistant", pair.bad.response))
    ask = Ask(desk, Item(trait, item_key(trait, (*before, *sides)), before))
    good, bad = await rank(ask, trait, before, [pair.good.response, pair.bad.response])
    both = await compare(ask, trait, before, pair.good.response, pair.bad.response)
    return pointwise_fate(good, bad), pairwise_fate(both)


def pointwise_fate(good: Score, bad: Score) -> Fate:
    """What two scores make of a pair."""
    if {"invalid", "addressed"} & {good.label, bad.label}:
        return "invalid"
    if good.value is None or bad.value is None:
        return "undecided"
    return "tied" if good.value == bad.value else "right" if good.value > bad.value else "wrong"


def pairwise_fate(comparison: Comparison) -> Fate:
    """What a comparison makes of a pair whose first answer is the good one."""
    return _PAIRWISE[comparison.label]


def _figures(
    trait: Trait, pairs: Sequence[Labelled], fates: Sequence[tuple[Fate, Fate]], elided: Counter[str]
) -> TraitFigures:
    own = [fate for pair, fate in zip(pairs, fates, strict=True) if pair.trait.id == trait.id]
    return TraitFigures(
        trait_id=trait.id,
        trait_hash=trait_hash(trait),
        elided=elided[trait.id],
        pointwise=Figures.model_validate(Counter(alone for alone, _ in own)),
        pairwise=Figures.model_validate(Counter(both for _, both in own)),
    )
