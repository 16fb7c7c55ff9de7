"""Which mended turns make a preference pair, and why the others do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phrasemill.engine.pairs import PREFERENCE, MendedTurn, pair_table
from phrasemill.schemas.config import PairsConfig
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.policy import Policy

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is rain?"}]
STRIP = MendedTurn(
    shard="s",
    row=3,
    row_id="r3",
    turn=2,
    prefix=PROMPT,
    original=" Certainly! Rain is water that falls.\n",
    mended="Rain is water that falls.",
    rules=("opener.a", "closer.b"),
    kind="strip",
    refused=False,
    refuses=False,
)
REWRITE = replace(STRIP, kind="regenerate", mended="Rain is water that falls down.", trait_id="plain")


def test_a_pair_has_both_sides_and_says_why() -> None:
    table, withheld = pair_table([STRIP], PairsConfig(), Policy())
    assert table.schema == PREFERENCE
    assert not withheld
    row = table.to_pylist()[0]
    assert row.pop("pm_length_ratio") == pytest.approx(25 / 36)
    assert row == {
        "id": "s-3-2",
        "prompt": PROMPT,
        "chosen": [{"role": "assistant", "content": "Rain is water that falls."}],
        "rejected": [{"role": "assistant", "content": "Certainly! Rain is water that falls."}],
        "pm_row_id": "r3",
        "pm_trait_id": None,
        "pm_reason": "opener.a,closer.b",
        "pm_kind": "strip",
        "pm_margin": None,
        "pm_trait_hash": None,
        "pm_shard": "s",
        "pm_row": 3,
        "pm_turn": 2,
    }


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        pytest.param(replace(STRIP, prefix=[]), "no_prompt", id="nothing before it"),
        pytest.param(replace(STRIP, mended=STRIP.original.strip()), "identical", id="nothing changed"),
        pytest.param(replace(STRIP, mended=" \n"), "identical", id="nothing left"),
        pytest.param(replace(STRIP, refused=True), "refusal_protected", id="a refusal that complies"),
        pytest.param(replace(STRIP, mended="Rain."), "length_ratio", id="much shorter"),
        pytest.param(replace(STRIP, mended="Rain. " * 12), "length_ratio", id="much longer"),
        pytest.param(REWRITE, "no_judge", id="nobody judged it"),
        pytest.param(replace(REWRITE, judge_label="untrusted"), "judge_untrusted", id="a judge nobody calibrated"),
        pytest.param(replace(REWRITE, judge_label="invalid"), "judge_invalid", id="no usable verdict"),
        pytest.param(replace(REWRITE, judge_label="refusal"), "judge_refusal", id="the judge saw a refusal"),
        pytest.param(replace(REWRITE, judge_label="scored", judge_score=59.9), "low_score", id="not good enough"),
        pytest.param(replace(REWRITE, judge_score=100.0), "no_judge", id="a score without a verdict"),
    ],
)
def test_withheld(turn: MendedTurn, reason: str) -> None:
    table, withheld = pair_table([turn, STRIP], PairsConfig(), Policy())
    assert (len(table), dict(withheld)) == (1, {reason: 1})


def test_what_lets_a_pair_pass() -> None:
    assert len(pair_table([replace(STRIP, refused=True, refuses=True)], PairsConfig(), Policy())[0]) == 1
    assert len(pair_table([REWRITE], PairsConfig(quality="none"), Policy())[0]) == 1
    judged = replace(REWRITE, judge_label="scored", judge_score=60.0)
    assert len(pair_table([judged], PairsConfig(), Policy())[0]) == 1
    assert pair_table([judged], PairsConfig(), Policy(), JudgeConfig(min_score=61))[1] == {"low_score": 1}
    assert pair_table([STRIP], PairsConfig(kinds=("regenerate",)), Policy())[1] == {"kind_not_asked_for": 1}


def test_an_over_refusal_needs_the_policy_and_a_judge() -> None:
    turn = replace(REWRITE, refused=True)
    good = replace(turn, judge_label="scored", judge_score=90.0)
    named = Policy(over_refusal_pairs=True)
    assert pair_table([turn], PairsConfig(quality="none"), named)[1] == {"refusal_protected": 1}
    assert pair_table([good], PairsConfig(), Policy())[1] == {"refusal_protected": 1}
    assert pair_table([replace(good, judge_score=30.0)], PairsConfig(), named)[1] == {"refusal_protected": 1}
    assert len(pair_table([good], PairsConfig(), named)[0]) == 1
