"""When a judge may gate pairs: its calibration, its model, its questions; and how pairs are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasemill.engine.judge_calibrate import labelled_pairs, pairwise_fate, pointwise_fate
from phrasemill.generators.judging.calibration import (
    MIN_PAIRS,
    TEMPLATES,
    Calibration,
    Figures,
    TraitFigures,
    load_calibration,
    trusted,
)
from phrasemill.generators.judging.pairwise import Comparison
from phrasemill.generators.judging.pointwise import Score
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.trait import Trait, Turn


def report(figures: Figures, **changes: object) -> Calibration:
    trait = TraitFigures(trait_id="dry", trait_hash="0", elided=2, pointwise=figures, pairwise=Figures(undecided=3))
    base = Calibration(model="m", templates=dict(TEMPLATES), seed=1, traits=(trait,))
    return base.model_copy(update=changes)


def config(tmp_path: Path, calibration: Calibration, **options: object) -> JudgeConfig:
    path = tmp_path / "calibration.json"
    path.write_text(calibration.model_dump_json())
    return JudgeConfig.model_validate({"calibration": str(path), **options})


GOOD = Figures(right=16, wrong=2, tied=1, invalid=1, undecided=5)


def test_a_calibrated_judge_is_trusted_and_comes_back_as_it_was(tmp_path: Path) -> None:
    judge = config(tmp_path, report(GOOD))
    assert trusted(judge, "m") == ""
    assert load_calibration(tmp_path) == load_calibration(tmp_path / "calibration.json") == report(GOOD)


@pytest.mark.parametrize(
    ("calibration", "model", "says"),
    [
        (report(GOOD), "other", "of m, the judge is other"),
        (report(GOOD, templates={"pointwise": 0, "pairwise": 1}), "m", "another version"),
        (report(Figures(right=MIN_PAIRS - 1, undecided=9)), "m", f"rests on {MIN_PAIRS - 1}"),
        (report(Figures(right=29, wrong=11)), "m", "agrees with 72%"),
        (report(Figures(right=29, tied=11)), "m", "agrees with 72%"),
        (report(Figures(right=29, invalid=11)), "m", "agrees with 72%"),
        (report(Figures(undecided=40)), "m", "rests on 0"),
    ],
)
def test_why_a_judge_is_not_trusted(tmp_path: Path, calibration: Calibration, model: str, says: str) -> None:
    judge = config(tmp_path, calibration)
    assert says in trusted(judge, model)
    assert trusted(judge.model_copy(update={"trust_uncalibrated": True}), model) == ""


def test_a_judge_without_a_calibration_or_with_a_broken_one(tmp_path: Path) -> None:
    assert "not calibrated" in trusted(JudgeConfig(), "m")
    assert trusted(config(tmp_path, report(GOOD), min_agreement=0.81), "m") == (
        "the judge agrees with 80% of the pairs, expected 81%"
    )
    with pytest.raises(ConfigError, match="No such file"):
        trusted(JudgeConfig(calibration=str(tmp_path / "none.json")), "m")
    broken = tmp_path / "broken.json"
    broken.write_text('{"model": "m"}')
    with pytest.raises(ConfigError, match=r"broken\.json: templates"):
        load_calibration(broken)


def test_figures_add_up() -> None:
    assert (GOOD.pairs, GOOD.decided, GOOD.agreement) == (25, 20, 0.8)
    assert GOOD.plus(GOOD).pairs == 50
    assert Figures().agreement == 0.0
    both = report(GOOD).model_copy(
        update={
            "traits": (
                TraitFigures(
                    trait_id="a", trait_hash="0", elided=0, pointwise=GOOD, pairwise=Figures(right=6, undecided=2)
                ),
                TraitFigures(trait_id="b", trait_hash="0", elided=1, pointwise=GOOD, pairwise=Figures(invalid=4)),
            )
        }
    )
    assert (both.pointwise.pairs, both.consistency, both.elided) == (50, 0.75, 1)


@pytest.mark.parametrize(
    ("good", "bad", "fate"),
    [
        (Score(80, "scored"), Score(20, "scored"), "right"),
        (Score(20, "scored"), Score(80, "scored"), "wrong"),
        (Score(50, "scored"), Score(50, "scored"), "tied"),
        (Score(None, "refusal"), Score(20, "scored"), "undecided"),
        (Score(None, "refusal"), Score(None, "invalid"), "invalid"),
    ],
)
def test_what_two_scores_make_of_a_pair(good: Score, bad: Score, fate: str) -> None:
    assert pointwise_fate(good, bad) == fate


def test_what_a_comparison_makes_of_a_pair() -> None:
    labels = ("first", "second", "tie", "inconsistent", "invalid")
    fates = [pairwise_fate(Comparison(label)) for label in labels]  # type: ignore[arg-type]
    assert fates == ["right", "wrong", "tied", "undecided", "invalid"]


def test_elided_pairs_are_left_out_and_counted_and_a_sample_is_seeded() -> None:
    do = tuple(Turn(prompt=f"q{at}", response="good", elided=at == 0) for at in range(9))
    dont = tuple(Turn(prompt=f"q{at}", response="bad", elided=at == 1) for at in range(9))
    trait = Trait(id="dry", statement="I am dry.", pos_instruction="Be dry.", do=do, dont=dont)
    pairs, elided = labelled_pairs([trait])
    assert ([pair.good.prompt for pair in pairs], elided) == ([f"q{at}" for at in range(2, 9)], {"dry": 2})
    some, _ = labelled_pairs([trait], limit=3, seed=5)
    assert some == labelled_pairs([trait], limit=3, seed=5)[0]
    assert len(some) == 3
    assert {pair.good.prompt for pair in some} <= {pair.good.prompt for pair in pairs}
