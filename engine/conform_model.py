"""What a conformance report holds. Its JSON form is a contract: keys are added, never renamed.

Shares are 0 to 1, scores 0 to 100, intervals 95 %. None: not known, because nothing was there to measure.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, computed_field

LEVEL: Final = 0.95
"""Confidence level of every interval."""

WHOLE: Final = "*"
"""Stands where a trait's id could: the whole folder."""

Verdict = Literal["better", "worse", "no difference shown", "not known"]


class Part(BaseModel):
    """A part of a report."""

    model_config = ConfigDict(frozen=True)


class Measure(Part):
    """A mean, a share or a difference of either, with its interval."""

    value: float
    low: float
    high: float


class HitRate(Part):
    """Hits in the assistant's turns of ``rows`` rows. ``words`` is what ``per_1k`` is counted over."""

    rows: int
    words: int
    hits: int
    rows_with_hit: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def per_1k(self) -> float | None:
        """Hits per 1,000 words."""
        return self.hits * 1000 / self.words if self.words else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def per_row(self) -> float | None:
        """Hits per row."""
        return self.hits / self.rows if self.rows else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share(self) -> float | None:
        """Share of rows with a hit."""
        return self.rows_with_hit / self.rows if self.rows else None


class CategoryRate(Part):
    """Rows with a hit of a category. ``before`` is None where the folder has no text of before."""

    category: str
    before: int | None
    after: int


class PhraseUse(Part):
    """A phrase that a trait bans, or a pattern that it limits, in its rows. ``allowed``: hits per 1,000 words."""

    kind: Literal["ban", "limit"]
    phrase: str
    hits: int
    rows: int
    per_1k: float | None
    allowed: float
    broken: bool


class ScoredRow(Part):
    """A judged answer. ``text`` is its beginning."""

    row_id: str
    shard: str
    row: int
    turn: int
    score: float
    text: str


class Judged(Part):
    """What a judge said of the rows of a statement.

    ``rows_of``: ``own`` (rows of this trait) or ``all`` (it has none that were judged). ``n`` answers have a score;
    refusals and invalid verdicts are counted apart and pass nothing. ``other_version``: verdicts under another text of
    the trait. ``worst``: the lowest scores first.
    """

    rows_of: Literal["own", "all"]
    n: int
    refusals: int
    invalid: int
    other_version: int
    mean: Measure | None
    passed: int
    pass_rate: Measure | None
    refusal_share: float | None
    invalid_share: float | None
    worst: tuple[ScoredRow, ...]


class Agreement(Part):
    """Pairs that a judge compared in both orders. ``chosen`` and ``rejected`` won in both; ``ties`` were called twice.

    ``consistency``: share of the usable comparisons in which both orders agree; ``win_rate``: of the chosen sides among
    those with a winner.
    """

    comparisons: int
    chosen: int
    rejected: int
    ties: int
    inconsistent: int
    invalid: int
    consistency: Measure | None
    win_rate: Measure | None


class Statement(Part):
    """A trait, or a statement of a spec, and what the folder has on it.

    ``rows``: published rows written under it; ``other_version``: those of them written under another text of it;
    ``queries``: user messages written for it. Where it has no own rows: ``probe_rows`` answer one of its probe prompts
    word for word, ``near_rows`` answer a prompt that is merely like one of its own. ``coverage``: rows, queries and
    probe rows. Hits are those of its rows, or else of its probe rows.
    """

    id: str
    statement: str
    authority: str
    hash: str
    rows: int
    other_version: int
    queries: int
    probe_rows: int
    near_rows: int
    coverage: int
    before: HitRate | None
    after: HitRate
    phrases: tuple[PhraseUse, ...]
    judged: Judged | None
    agreement: Agreement | None


class Whole(Part):
    """The folder as a whole. ``before`` is None where it has no text of before."""

    rows: int
    before: HitRate | None
    after: HitRate
    categories: tuple[CategoryRate, ...]


class Calibrated(Part):
    """How far the judge agrees with labelled pairs. ``is_judge``: the calibration is of the model that judged here."""

    model: str
    is_judge: bool
    pairs: int
    agreement: Measure | None
    consistency: float | None


class CrossMean(Part):
    """Rows written under ``rows_of``, judged by ``judged_by``."""

    rows_of: str
    judged_by: str
    n: int
    mean: float


class Change(Part):
    """A number of this folder against that of the other. ``difference`` is this minus the other."""

    this: float | None
    other: float | None
    difference: Measure | None
    verdict: Verdict


class StatementChange(Part):
    """A statement in two folders. ``hashes``: texts of it that rows were written under, here and there.

    ``hit_share``: share of rows with a hit; ``paired``: prompts that were judged in both, where the difference of the
    means is taken prompt by prompt; None: of two independent samples.
    """

    id: str
    rows: tuple[int, int]
    hashes: tuple[tuple[str, ...], tuple[str, ...]]
    text_changed: bool
    hits_per_1k: tuple[float | None, float | None]
    hit_share: Change
    judge_mean: Change
    pass_rate: Change
    paired: int | None


class CrossChange(Part):
    """What became of the score by ``judged_by`` in rows written under ``rows_of``, from the other folder to this."""

    rows_of: str
    judged_by: str
    n: tuple[int, int]
    change: Change


class Against(Part):
    """This folder held against another.

    ``compared``: differences that were tested; of so many that are none, one in twenty looks like one by chance.
    """

    folder: str
    hit_share: Change
    statements: tuple[StatementChange, ...]
    drift: tuple[CrossChange, ...]
    compared: int


class GateResult(Part):
    """A gate on one statement, or on the whole folder. ``got`` None: not known, which fails."""

    gate: str
    of: str
    got: float | None
    holds: bool


class Conformance(Part):
    """The report.

    ``unknown_traits``: rows of traits that were not asked for, by id; ``unscanned``: filters of the folder that the
    published text was not read with, and why. ``judges``: the models that judged. ``near_only``: statements that
    nothing touches but rows with a prompt that is like theirs; ``uncovered``: not even those.
    """

    format: Literal[1] = 1
    folder: str
    command: str
    rows_in: int
    outcomes: dict[str, int]
    filters: tuple[str, ...]
    unscanned: dict[str, str]
    threshold: float
    whole: Whole
    unknown_traits: dict[str, int]
    statements: tuple[Statement, ...]
    uncovered: tuple[str, ...]
    near_only: tuple[str, ...]
    unjudged: tuple[str, ...]
    cross: tuple[CrossMean, ...]
    agreement: Agreement | None
    judges: tuple[str, ...]
    calibration: Calibrated | None
    against: Against | None
    gates: tuple[GateResult, ...]
