"""``conform`` with a judge's verdicts, and one folder held against another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from phrasemill.engine.conform import Request, conform
from phrasemill.engine.generate import execute_generation
from phrasemill.engine.judge_run import Judging, run_judge
from phrasemill.engine.probe import ProbeConfig, execute_probe
from phrasemill.generators.judging.calibration import Calibration, Figures, TraitFigures
from phrasemill.generators.traits import load_folder
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig
from tests.e2e.conform_bench import BREAD, TRAITS, Bench, of, small_folder


@pytest.fixture
def bench(tmp_path: Path, project: Any) -> Bench:
    return Bench(tmp_path, project.pack)


@pytest.fixture
def small(bench: Bench) -> Path:
    return small_folder(bench)


def test_what_a_judge_said(bench: Bench, small: Path) -> None:
    given: list[tuple[int, str, float | str]] = [(0, "kind", 80.0), (1, "kind", 40.0), (2, "kind", "refusal")]
    given += [(3, "terse", "invalid"), (3, "kind", 0.0), (5, "learned", 70.0)]
    folder = bench.judged("verdicts", small, given, ["first", "first", "tie", "inconsistent", "invalid"])
    report = bench.conform(small, judged=(folder,))
    kind = of(report, "kind").judged
    assert kind is not None
    assert (kind.rows_of, kind.n, kind.refusals, kind.invalid, kind.passed) == ("own", 2, 1, 0, 1)
    assert kind.mean is not None
    assert (kind.mean.value, kind.mean.low, kind.mean.high) == (60.0, 40.0, 80.0)
    assert (kind.refusal_share, kind.invalid_share) == (pytest.approx(1 / 3), 0.0)
    terse = of(report, "terse").judged
    assert terse is not None
    assert (terse.n, terse.invalid, terse.invalid_share) == (0, 1, 1.0)
    assert [(row.row_id, row.score) for row in kind.worst] == [("small1", 40.0), ("small0", 80.0)]
    learned = of(report, "learned").judged
    assert learned is not None
    assert (learned.rows_of, learned.n) == ("all", 1)
    assert [(each.rows_of, each.judged_by, each.mean) for each in report.cross] == [
        ("terse", "kind", 0.0),
        ("", "learned", 70.0),
    ]
    assert report.unjudged == ("terse",)
    pairs = of(report, "kind").agreement
    assert pairs == report.agreement
    assert pairs is not None
    assert (pairs.comparisons, pairs.chosen, pairs.ties, pairs.inconsistent, pairs.invalid) == (5, 2, 1, 1, 1)
    assert pairs.consistency is not None
    assert pairs.consistency.value == 0.75


def test_a_row_that_was_judged_twice_is_refused(bench: Bench, small: Path) -> None:
    first = bench.judged("first", small, [(0, "kind", 80.0)])
    second = bench.judged("second", small, [(0, "kind", 40.0), (1, "kind", 30.0)])
    other = bench.judged("other", small, [(1, "kind", 40.0), (0, "terse", 30.0)])
    with pytest.raises(ConfigError, match="row 'small0' was judged twice under 'kind'"):
        bench.conform(small, judged=(first, second))
    kind = of(bench.conform(small, judged=(first, other)), "kind").judged
    assert kind is not None
    assert kind.n == 2


def test_the_verdicts_of_the_judge_command_find_their_rows(bench: Bench, small: Path, project: Any) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        grade = 90 if BREAD in body["messages"][-1]["content"] else 20
        return 200, orjson.dumps({"refusal": False, "score": grade}).decode(), "stop"

    project.server.reply = reply
    backend = BackendConfig(use="openai", url=project.server.url, model="m", concurrency=2)
    judging = Judging((str(small),), load_folder(bench.traits), backend, show_progress=False)
    run_judge(judging, bench.root / "by-command")
    report = bench.conform(small, judged=(bench.root / "by-command",))
    means = {each.id: each.judged.mean.value for each in report.statements if each.judged and each.judged.mean}
    assert means == {"kind": 90.0, "learned": 20.0, "terse": 20.0}
    assert report.judges == ("m",)


def test_verdicts_find_their_rows_in_a_file_of_several_shards(
    bench: Bench, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        asked = body["messages"][-1]["content"]
        grade = next(at for at in range(5) if f"Answer {at}." in asked)
        return 200, orjson.dumps({"refusal": False, "score": grade}).decode(), "stop"

    monkeypatch.setattr("phrasemill.engine.shards.TARGET_SHARD_BYTES", 1)
    project.server.reply = reply
    folder = bench.folder("wide", [("kind", "Q?", f"Answer {at}.") for at in range(5)])
    data = next((folder / "data" / "sft").glob("*.parquet"))
    pq.write_table(pq.read_table(data), data, row_group_size=2, write_page_checksum=True)
    backend = BackendConfig(use="openai", url=project.server.url, model="m", concurrency=2)
    run_judge(Judging((str(folder),), load_folder(bench.traits), backend, show_progress=False), bench.root / "judged")
    judged = of(bench.conform(folder, judged=(bench.root / "judged",)), "kind").judged
    assert judged is not None
    assert [(row.row, row.score, row.text) for row in judged.worst] == [(at, at, f"Answer {at}.") for at in range(5)]


def test_the_calibration_beside_the_verdicts_is_reported(bench: Bench, small: Path) -> None:
    verdicts = bench.judged("verdicts", small, [(0, "kind", 80.0)])
    figures = TraitFigures(
        trait_id="kind",
        trait_hash="0",
        elided=0,
        pointwise=Figures(right=30, wrong=10),
        pairwise=Figures(right=20, undecided=20),
    )
    for model, is_judge in (("m", True), ("another", False)):
        known = Calibration(model=model, templates={}, seed=1, traits=(figures,))
        (verdicts / "calibration.json").write_text(known.model_dump_json())
        report = bench.conform(small, "*.agreement >= 0.7", "*.agreement >= 0.8", judged=(verdicts,))
        assert report.calibration is not None
        assert (report.calibration.is_judge, report.calibration.consistency) == (is_judge, 0.5)
        assert [(each.got, each.holds) for each in report.gates] == (
            [(0.75, True), (0.75, False)] if is_judge else [(None, False)] * 2
        )


def many(folder: str, bench: Bench, scores: Sequence[float], answer: str = BREAD, trait: str = "kind") -> Any:
    """A folder of as many rows of one trait as there are scores, with its verdicts."""
    out = bench.folder(folder, [(trait, f"Question {at}?", answer) for at in range(len(scores))])
    given = [(at, trait, score) for at, score in enumerate(scores)]
    return out, bench.judged(f"{folder}-judged", out, given)


def test_a_difference_is_better_or_worse_only_where_zero_is_left_out(bench: Bench) -> None:
    low, low_judged = many("low", bench, [40 + at % 7 for at in range(40)], f"Certainly! {BREAD}")
    high, high_judged = many("high", bench, [70 + at % 5 for at in range(40)])
    same, same_judged = many("same", bench, [70 + (at + 2) % 5 for at in range(40)])

    def change(a: Path, a_judged: Path, b: Path, b_judged: Path) -> Any:
        report = bench.conform(a, judged=(a_judged,), against=b, judged_against=(b_judged,))
        assert report.against is not None
        return next(each for each in report.against.statements if each.id == "kind")

    up, down = change(high, high_judged, low, low_judged), change(low, low_judged, high, high_judged)
    assert (up.judge_mean.verdict, up.pass_rate.verdict, up.hit_share.verdict) == ("better",) * 3
    assert (down.judge_mean.verdict, down.pass_rate.verdict, down.hit_share.verdict) == ("worse",) * 3
    assert up.paired == 40, "the prompts are the same"
    assert up.judge_mean.difference.value == pytest.approx(-down.judge_mean.difference.value)
    null = change(high, high_judged, same, same_judged)
    assert null.judge_mean.verdict == "no difference shown"
    assert null.judge_mean.difference.low <= 0 <= null.judge_mean.difference.high
    assert null.hit_share.verdict == "no difference shown"


def test_other_prompts_are_compared_as_independent_samples(bench: Bench) -> None:
    here, here_judged = many("here", bench, [80 + at % 9 for at in range(30)])
    rows = [("kind", f"Something else {at}?", BREAD) for at in range(20)]
    there = bench.folder("there", rows)
    there_judged = bench.judged("there-judged", there, [(at, "kind", 50.0 + at % 9) for at in range(20)])
    report = bench.conform(here, judged=(here_judged,), against=there, judged_against=(there_judged,))
    assert report.against is not None
    kind = report.against.statements[0]
    assert (kind.id, kind.paired, kind.judge_mean.verdict) == ("kind", None, "better")
    assert kind.judge_mean.difference is not None
    low, high = kind.judge_mean.difference.low, kind.judge_mean.difference.high
    assert low < kind.judge_mean.difference.value < high
    assert 2 < high - low < 6


def test_a_handful_of_scores_shows_nothing(bench: Bench) -> None:
    here, here_judged = many("here", bench, [90.0] * 9)
    there, there_judged = many("there", bench, [10.0] * 9)
    report = bench.conform(here, judged=(here_judged,), against=there, judged_against=(there_judged,))
    assert report.against is not None
    assert report.against.statements[0].judge_mean.verdict == "not known"


def test_a_changed_text_of_a_trait_is_named(bench: Bench) -> None:
    old = bench.folder("old", [("kind", "a", BREAD), ("terse", "b", BREAD)])
    bench.trait("kind", {**TRAITS["kind"], "statement": "I am very kind."})
    report = bench.conform(bench.folder("new", [("kind", "a", BREAD), ("terse", "b", BREAD)]), against=old)
    assert report.against is not None
    assert {each.id: each.text_changed for each in report.against.statements} == {
        "kind": True,
        "learned": False,
        "terse": False,
    }


def test_rows_of_one_trait_may_lower_another(bench: Bench) -> None:
    rows: list[tuple[str | None, str, str]] = [("terse", f"Q {at}?", BREAD) for at in range(20)]
    here, there = bench.folder("here", rows), bench.folder("there", rows)
    scores = [bench.judged("a", here, [(at, "kind", 30.0 + at % 5) for at in range(20)])]
    scores.append(bench.judged("b", there, [(at, "kind", 60.0 + at % 5) for at in range(20)]))
    report = bench.conform(
        here, "*.worse <= 0", judged=(scores[0],), against=there, judged_against=(scores[1],), use=("kind", "terse")
    )
    assert report.against is not None
    drift = report.against.drift
    assert [(each.rows_of, each.judged_by, each.change.verdict) for each in drift] == [("terse", "kind", "worse")]
    assert report.gates[0].got == 3, "mean and pass rate of kind itself, which has no other rows, and the drift"


def test_a_generated_folder_and_the_probes_of_two_checkpoints(bench: Bench, project: Any) -> None:
    for name in ("kind", "terse"):
        prompts = [f"How should I store {thing} over winter?" for thing in ("bread", "boats", "clocks", "letters")]
        told = {"neg_instruction": f"Be the opposite of {name}.", "probe_prompts": prompts}
        bench.trait(name, {**TRAITS[name], **told, "phrases": {}})

    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        asked = body["messages"][-1]["content"].removeprefix("How should I ").removesuffix("?")
        place = f"To {asked}, keep everything dry, cool and well covered on shelf {body['seed'] % 97}."
        if "opposite" in body["messages"][0]["content"]:
            place = f"You {asked} by yourself, somewhere; shelf {body['seed'] % 97} is free."
        return 200, f"{place} I hope this helps!" if body["model"] == "old" else place, "stop"

    project.server.reply = reply
    names = {"use": ["kind", "terse"], "dir": str(bench.traits)}
    backend = {"use": "openai", "url": project.server.url, "model": "new", "concurrency": 2}
    shared = {"traits": names, "packs": [str(bench.pack)]}
    config = GenerateConfig.model_validate({"recipe": "contrast", "backend": backend, **shared})
    execute_generation(config, bench.root / "made", show_progress=False)
    made = conform(Request(bench.root / "made", show_progress=False))
    assert [(each.id, each.rows, each.coverage, each.after.hits) for each in made.statements] == [
        ("kind", 4, 4, 0),
        ("terse", 4, 4, 0),
    ]
    assert made.statements[0].before is not None
    assert made.statements[0].before.rows == 4, "the rejected sides"

    for model in ("old", "new"):
        asked = ProbeConfig.model_validate({"backend": {**backend, "model": model}, "repeat": 3, **shared})
        traits = [trait for trait in load_folder(bench.traits) if trait.id in names["use"]]
        execute_probe(asked, traits, bench.root / model, show_progress=False)
    report = conform(Request(bench.root / "new", against=bench.root / "old", show_progress=False))
    assert report.whole.before is None
    assert report.against is not None
    assert [(each.id, each.rows, each.hit_share.verdict) for each in report.against.statements] == [
        ("kind", (12, 12), "better"),
        ("terse", (12, 12), "better"),
    ]
    assert [each.judge_mean.verdict for each in report.against.statements] == ["not known", "not known"]
