"""How far a judge agrees with labelled pairs, and whether that is enough to let it decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phrasemill.generators.judging import pairwise, pointwise
from phrasemill.generators.judging.intervals import wilson
from phrasemill.generators.judging.trait_model import find_records
from phrasemill.generators.traits import trait_hash
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.seals import BrokenSeal, unseal
from phrasemill.schemas.trait import Trait

CALIBRATION_NAME: Final = "calibration.json"

MIN_PAIRS: Final = 20
"""Fewer decided pairs than this say nothing: of 20, one more or less is already five points."""

TEMPLATES: Final[Mapping[str, int]] = {
    "pointwise": pointwise.TEMPLATE_VERSION,
    "pairwise": pairwise.TEMPLATE_VERSION,
}

_CALIBRATE: Final = "run phrasemill judge calibrate with this judge and name its calibration.json in judge.calibration"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figures(_Part):
    """Pairs of a good and a bad answer by what a judge made of them; every pair is counted once.

    ``right``: the good one is above the bad one, ``wrong``: below it, ``tied``: neither. ``undecided``: pointwise, a
    side was called a refusal and has no score; pairwise, the two orders contradict each other. ``invalid``: a verdict
    could not be used, or an answer speaks to its judge.
    """

    right: int = Field(default=0, ge=0)
    wrong: int = Field(default=0, ge=0)
    tied: int = Field(default=0, ge=0)
    undecided: int = Field(default=0, ge=0)
    invalid: int = Field(default=0, ge=0)

    @property
    def pairs(self) -> int:
        """All pairs."""
        return self.right + self.wrong + self.tied + self.undecided + self.invalid

    @property
    def decided(self) -> int:
        """Pairs that count for the agreement. Ties and invalid verdicts count, and count as disagreement."""
        return self.pairs - self.undecided

    @property
    def agreement(self) -> float:
        """The share of decided pairs that are right; 0 where there are none."""
        return self.right / self.decided if self.decided else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The Wilson interval of the agreement, 95 %."""
        return wilson(self.right, self.decided)

    def plus(self, other: Figures) -> Figures:
        """The sum of both."""
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in Figures.model_fields})


class TraitFigures(_Part):
    """What a judge made of the pairs of one trait, one by one and side by side."""

    trait_id: str
    trait_hash: str
    elided: int = Field(ge=0)
    pointwise: Figures
    pairwise: Figures


class Calibration(_Part):
    """The report of ``phrasemill judge calibrate``. ``templates``: versions of what the judge was asked, by method."""

    format: Literal[1] = 1
    model: str
    templates: dict[str, int]
    seed: int
    traits: tuple[TraitFigures, ...]

    @property
    def pointwise(self) -> Figures:
        """All traits: grading one answer at a time, which is what gates pairs."""
        return _sum([each.pointwise for each in self.traits])

    @property
    def pairwise(self) -> Figures:
        """All traits: two answers at a time."""
        return _sum([each.pairwise for each in self.traits])

    @property
    def consistency(self) -> float:
        """The share of usable pairwise verdicts that both orders agree on; 0 where there are none."""
        figures = self.pairwise
        usable = figures.pairs - figures.invalid
        return (usable - figures.undecided) / usable if usable else 0.0

    @property
    def elided(self) -> int:
        """Pairs that were left out because parts of their text are."""
        return sum(each.elided for each in self.traits)


def load_calibration(path: str | Path) -> Calibration:
    """The report in a file, or in a folder that ``phrasemill judge calibrate`` wrote.

    Raises:
        ConfigError: it cannot be read, or is no such report.
    """
    path = Path(path)
    path = path / CALIBRATION_NAME if path.is_dir() else path
    try:
        return Calibration.model_validate(unseal(path.read_bytes())[0])
    except OSError as error:
        raise ConfigError(f"judge.calibration: {path}: {error.strerror}; {_CALIBRATE}") from error
    except BrokenSeal as error:
        raise ConfigError(f"judge.calibration: {path}: {error}; {_CALIBRATE}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(f"judge.calibration: {path}: {place}: {first['msg']}; {_CALIBRATE}") from error


def trusted(config: JudgeConfig, model: str, traits: Sequence[Trait] = ()) -> str:
    """Why pairs that this judge gates must not be published, or an empty text.

    ``model`` is the judge's name as its client gives it. A classifier is measured by the pairs held out when it was
    trained; with ``traits`` it must have been trained for exactly these.

    Raises:
        ConfigError, PluginError: the calibration or the record of the classifier cannot be read.
    """
    if config.trust_uncalibrated:
        return ""
    if config.use == "classifier":
        return _distrusted_classifier(config, traits)
    if config.calibration is None:
        return f"the judge is not calibrated: {_CALIBRATE}"
    known = load_calibration(config.calibration)
    if known.model != model:
        return f"the calibration is of {known.model}, the judge is {model}: {_CALIBRATE}"
    if known.templates != TEMPLATES:
        return f"the calibration is of another version of the judge's questions: {_CALIBRATE}"
    figures = known.pointwise
    if figures.decided < MIN_PAIRS:
        return f"the calibration rests on {figures.decided} decided pairs, expected at least {MIN_PAIRS}"
    if figures.agreement < config.min_agreement:
        return f"the judge agrees with {figures.agreement:.0%} of the pairs, expected {config.min_agreement:.0%}"
    return ""


def _distrusted_classifier(config: JudgeConfig, traits: Sequence[Trait]) -> str:
    records = {record.trait_id: record for _, record in find_records(config.path or "")}
    for trait in traits:
        if trait.id not in records:
            return f"there is no classifier of the trait {trait.id} at {config.path}"
        if records[trait.id].trait_hash != trait_hash(trait):
            return f"the classifier of the trait {trait.id} was trained for another version of it"
    for name in [trait.id for trait in traits] or sorted(records):
        record = records[name]
        if record.held_out < MIN_PAIRS:
            return f"the classifier of {name} was tried on {record.held_out} pairs, expected at least {MIN_PAIRS}"
        if record.agreement < config.min_agreement:
            return (
                f"the classifier of {name} agrees with {record.agreement:.0%} of its held-out pairs, expected "
                f"{config.min_agreement:.0%}"
            )
    return ""


def _sum(figures: Sequence[Figures]) -> Figures:
    total = Figures()
    for each in figures:
        total = total.plus(each)
    return total
