"""Two folders held against each other: two builds, two checkpoints, or one recipe under two texts of a trait.

A difference counts only where its interval leaves out zero; all else is "no difference shown", which is a result too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import polars as pl

from phrasemill.engine.conform_difference import UNKNOWN, change_of_shares, change_to, of_pairs, of_samples
from phrasemill.engine.conform_judged import Verdicts
from phrasemill.engine.conform_measure import Measured
from phrasemill.engine.conform_model import Against, Change, CrossChange, HitRate, Statement, StatementChange

MIN_JUDGED: Final = 10
"""Scores on either side below which a bootstrap says nothing."""

_PAIRED_SHARE: Final = 0.5
"""Share of either side's prompts that must be in both for a comparison prompt by prompt."""


def held_against(this: Measured, other: Measured) -> Against:
    """What differs, statement by statement, in the order of the traits."""
    mine, theirs = this.verdicts, other.verdicts
    before = {each.id: each for each in other.statements}
    statements = tuple(_statement(each, before[each.id], this, other) for each in this.statements)
    drift = () if mine is None or theirs is None else tuple(_drift(mine, theirs))
    changes = [change for each in statements for change in (each.hit_share, each.judge_mean, each.pass_rate)]
    changes += [each.change for each in drift]
    return Against(
        folder=str(other.folder),
        hit_share=_fewer_hits(this.whole.after, other.whole.after),
        statements=statements,
        drift=drift,
        compared=sum(change.difference is not None for change in changes),
    )


def _statement(mine: Statement, theirs: Statement, this: Measured, other: Measured) -> StatementChange:
    hashes = (this.hashes.get(mine.id, ()), other.hashes.get(mine.id, ()))
    mean, paired = UNKNOWN, None
    if this.verdicts is not None and other.verdicts is not None:
        mean, paired = _means(this.verdicts.own(mine.id), other.verdicts.own(mine.id), mine.id)
    return StatementChange(
        id=mine.id,
        rows=(mine.rows, theirs.rows),
        hashes=hashes,
        text_changed=bool(hashes[0] and hashes[1]) and set(hashes[0]) != set(hashes[1]),
        hits_per_1k=(mine.after.per_1k, theirs.after.per_1k),
        hit_share=_fewer_hits(mine.after, theirs.after),
        judge_mean=mean,
        pass_rate=_pass_rates(mine, theirs),
        paired=paired,
    )


def _drift(mine: Verdicts, theirs: Verdicts) -> Iterable[CrossChange]:
    """Rows of one trait under the judgement of another, where both folders have such verdicts."""
    here = _across(mine)
    there = _across(theirs)
    for rows_of, judged_by in sorted(here.keys() & there.keys()):
        scores, others = here[rows_of, judged_by], there[rows_of, judged_by]
        change, _ = _means(scores, others, f"{rows_of} {judged_by}")
        yield CrossChange(rows_of=rows_of, judged_by=judged_by, n=(len(scores), len(others)), change=change)


def _across(verdicts: Verdicts) -> dict[tuple[str, str], pl.DataFrame]:
    across = verdicts.scores.filter((pl.col("rows_of") != pl.col("judged_by")) & (pl.col("rows_of") != ""))
    parts = across.partition_by("rows_of", "judged_by", as_dict=True)
    return {(str(rows_of), str(judged_by)): part for (rows_of, judged_by), part in parts.items()}


def _means(mine: pl.DataFrame, theirs: pl.DataFrame, name: str) -> tuple[Change, int | None]:
    """The change of the mean score, and the number of prompts where it was taken prompt by prompt.

    Then the means are of those prompts alone, so that what differs is not what was asked.
    """
    shared = _shared(mine, theirs)
    if shared is not None and len(shared) >= MIN_JUDGED:
        scores, others = shared["score"], shared["score_other"]
        difference = of_pairs(scores, others, name)
        return change_to(_mean(scores), _mean(others), difference, more_is_better=True), len(shared)
    this, other = _mean(mine["score"]), _mean(theirs["score"])
    if min(len(mine), len(theirs)) < MIN_JUDGED:
        return Change(this=this, other=other, difference=None, verdict="not known"), None
    difference = of_samples(mine["score"], theirs["score"], name)
    return change_to(this, other, difference, more_is_better=True), None


def _mean(scores: pl.Series) -> float | None:
    return None if scores.is_empty() else round(float(np.sort(scores.to_numpy()).mean()), 4)


def _shared(mine: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame | None:
    """Mean scores of both sides by prompt, or None where too few prompts are in both."""
    by_prompt = [side.group_by("prompt", maintain_order=True).agg(pl.col("score").mean()) for side in (mine, theirs)]
    shared = by_prompt[0].join(by_prompt[1], on="prompt", suffix="_other").sort("prompt")
    enough = all(len(shared) >= _PAIRED_SHARE * len(side) for side in by_prompt)
    return shared if enough and len(shared) else None


def _pass_rates(mine: Statement, theirs: Statement) -> Change:
    if mine.judged is None or theirs.judged is None:
        return UNKNOWN
    counts = ((mine.judged.passed, mine.judged.n), (theirs.judged.passed, theirs.judged.n))
    return change_of_shares(counts, more_is_better=True)


def _fewer_hits(mine: HitRate, theirs: HitRate) -> Change:
    counts = ((mine.rows_with_hit, mine.rows), (theirs.rows_with_hit, theirs.rows))
    return change_of_shares(counts, more_is_better=False)
