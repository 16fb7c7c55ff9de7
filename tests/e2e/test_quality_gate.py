"""A judge before the pairs of a run: only a trusted one decides, and everything that it was asked is evidence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engine.run import RunReport
from phrasemill.engine.verify import verify
from phrasemill.generators.judging.calibration import TEMPLATES
from phrasemill.schemas.errors import ConfigError
from tests.e2e.conftest import Body, plain_answer

LEAK = "I am Zorbot and I would put the bread into a paper bag on the shelf."


def grades(*scores: int | str) -> Any:
    """A server that answers and, asked to grade, gives these scores in turn."""
    waiting = list(scores)

    def reply(body: Body) -> tuple[int, str, str]:
        if "response_format" not in body:
            return plain_answer(body)
        score = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return 200, json.dumps({"refusal": False, "score": score}), "stop"

    return reply


def calibration(path: Path, *, right: int, wrong: int, model: str = "m") -> str:
    figures = {"right": right, "wrong": wrong}
    trait = {"trait_id": "plain", "trait_hash": "0", "elided": 0, "pointwise": figures, "pairwise": figures}
    path.write_text(
        json.dumps({"format": 1, "model": model, "templates": dict(TEMPLATES), "seed": 1, "traits": [trait]})
    )
    return str(path)


def run(project: Any, chat: Any, **judge: Any) -> RunReport:
    project.write("a.parquet", [chat(f"a{at}", f"Where do I keep bread number {at}?", LEAK) for at in range(4)])
    report: RunReport = project.run(judge=judge)
    return report


def withheld(report: RunReport) -> Counter[str]:
    return Counter({key: n for commit in report.manifest.shards for key, n in commit.pairs_withheld.items()})


def test_nobody_judges_and_no_pair_is_published(project: Any, chat: Any) -> None:
    report = run(project, chat)
    assert withheld(report) == {"no_judge": 4}
    assert project.table("preference").is_empty()


def test_a_calibrated_judge_decides(project: Any, chat: Any, tmp_path: Path) -> None:
    project.server.reply = grades(90, 60, 59, "many")
    report = run(project, chat, calibration=calibration(tmp_path / "c.json", right=36, wrong=4))
    assert withheld(report) == {"low_score": 1, "judge_invalid": 1}
    assert len(project.table("preference")) == 2
    asked = project.table("generations")
    assert asked["recipe"].value_counts().sort("recipe").rows() == [("regenerate", 4), ("regenerate.judge", 4)]
    assert verify(project.out).problems == ()
    sent = len(project.server.bodies)
    assert project.run(judge={"calibration": str(tmp_path / "c.json")}).model.sent == 0
    assert len(project.server.bodies) == sent


@pytest.mark.parametrize(("right", "wrong", "model"), [(29, 11, "m"), (9, 1, "m"), (40, 0, "other")])
def test_a_judge_that_is_not_trusted_is_not_asked(
    project: Any, chat: Any, tmp_path: Path, right: int, wrong: int, model: str
) -> None:
    path = calibration(tmp_path / "c.json", right=right, wrong=wrong, model=model)
    report = run(project, chat, calibration=path)
    assert withheld(report) == {"judge_untrusted": 4}
    assert not any("response_format" in body for body in project.server.bodies)


def test_trust_by_name(project: Any, chat: Any) -> None:
    project.server.reply = grades(90)
    report = run(project, chat, trust_uncalibrated=True)
    assert withheld(report) == {}
    assert len(project.table("preference")) == 4


def test_another_calibration_is_another_configuration(project: Any, chat: Any, tmp_path: Path) -> None:
    project.server.reply = grades(90)
    path = tmp_path / "c.json"
    run(project, chat, calibration=calibration(path, right=36, wrong=4))
    calibration(path, right=20, wrong=20)
    with pytest.raises(ConfigError, match="stage publish"):
        project.run(judge={"calibration": str(path)})
    report = project.run(out=tmp_path / "new", base=project.out, judge={"calibration": str(path)})
    assert report.model.sent == 0
    assert withheld(report) == {"judge_untrusted": 4}
