"""What a judge made of a data set, trait by trait: counted as judgements come, and read back from ``judged.json``."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from phrasemill.engine.manifest import FileRecord, write_atomic
from phrasemill.generators.judging.intervals import bootstrap_mean, wilson
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.seals import BrokenSeal, seal, unseal

JUDGED_NAME: Final = "judged.json"

Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JudgedTrait(_Part):
    """One trait. Pointwise: ``judged = scored + refusals + invalid + addressed``; ``mean`` of the scores, 0 to 100.

    Pairwise: ``compared = wins + losses + ties + inconsistent + invalid_pairs + addressed_pairs``; a win is the chosen
    side's in both orders. ``win_rate`` is of wins and losses alone, ``consistency`` the share of usable verdicts on
    which both orders agree. ``addressed``: an answer spoke to its judge, which was not asked. What cannot be given is
    None. Intervals are at 95 %.
    """

    trait_id: str
    trait_hash: str
    judged: int = 0
    scored: int = 0
    refusals: int = 0
    invalid: int = 0
    addressed: int = 0
    mean: float | None = None
    mean_interval: Interval | None = None
    refusal_interval: Interval | None = None
    compared: int = 0
    wins: int = 0
    losses: int = 0
    ties: int = 0
    inconsistent: int = 0
    invalid_pairs: int = 0
    addressed_pairs: int = 0
    win_rate: float | None = None
    win_interval: Interval | None = None
    consistency: float | None = None


class Judged(_Part):
    """The report of ``phrasemill judge run``. ``skipped``: rows that were not judged, by reason.

    ``files``: the tables of judgements; earlier versions did not name them.
    """

    format: Literal[1] = 1
    model: str
    templates: dict[str, int]
    what: Literal["sft", "pairs"]
    input: tuple[str, ...]
    traits: tuple[JudgedTrait, ...]
    skipped: dict[str, int]
    sent: int
    replayed: int
    files: tuple[FileRecord, ...] = ()


@dataclass(slots=True)
class TraitTally:
    """Judgements of one trait as they come: four bytes for each score, and counts."""

    trait_id: str
    trait_hash: str
    scores: array[float] = field(default_factory=lambda: array("f"))
    alone: Counter[str] = field(default_factory=Counter)
    both: Counter[str] = field(default_factory=Counter)

    def summary(self, seed: int) -> JudgedTrait:
        """The figures; ``seed`` is of the bootstrap."""
        scores = np.frombuffer(self.scores, dtype=np.float32).astype(np.float64)
        judged, compared = self.alone.total(), self.both.total()
        wins, losses = self.both["first"], self.both["second"]
        usable = compared - self.both["invalid"] - self.both["addressed"]
        return JudgedTrait(
            trait_id=self.trait_id,
            trait_hash=self.trait_hash,
            judged=judged,
            scored=self.alone["scored"],
            refusals=self.alone["refusal"],
            invalid=self.alone["invalid"],
            addressed=self.alone["addressed"],
            mean=float(scores.mean()) if len(scores) else None,
            mean_interval=bootstrap_mean(scores, seed) if len(scores) else None,
            refusal_interval=wilson(self.alone["refusal"], judged) if judged else None,
            compared=compared,
            wins=wins,
            losses=losses,
            ties=self.both["tie"],
            inconsistent=self.both["inconsistent"],
            invalid_pairs=self.both["invalid"],
            addressed_pairs=self.both["addressed"],
            win_rate=wins / (wins + losses) if wins + losses else None,
            win_interval=wilson(wins, wins + losses) if wins + losses else None,
            consistency=1 - self.both["inconsistent"] / usable if usable else None,
        )


def write_judged(folder: Path, report: Judged) -> None:
    """Write ``judged.json``, which carries a checksum of its own."""
    write_atomic(folder / JUDGED_NAME, seal(report.model_dump(mode="json")))


def load_judged(folder: Path) -> Judged:
    """The report of a folder that ``phrasemill judge run`` has finished.

    Raises:
        ConfigError: there is none, or it is no such report. IntegrityError: it was changed since it was written.
    """
    path = folder / JUDGED_NAME
    try:
        return Judged.model_validate(unseal(path.read_bytes())[0])
    except BrokenSeal as error:
        raise IntegrityError(f"{path}: {error}; run the same command again, which writes it anew") from error
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; expected a folder that phrasemill judge run has finished"
        ) from error
    except ValidationError as error:
        raise ConfigError(f"{path}: not a report of phrasemill judge run: {error.errors()[0]['msg']}") from error
