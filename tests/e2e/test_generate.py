"""``generate``: exactly so many rows, in the same order however it runs, resumable, and stopped in time."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from phrasemill.engine.generate import GenerateReport, GenerationIncomplete, execute_generation
from phrasemill.engine.generate_settings import resolved_generate
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import ConfigError, TraitError
from phrasemill.schemas.generate import GenerateConfig
from tests.e2e.generate_bench import SUBJECTS, answer, question


def trait(name: str, statement: str = "I answer in plain words.", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "statement": statement,
        "pos_instruction": f"Speak as the voice called {name} would.",
        "neg_instruction": f"Speak as the voice called {name} never would.",
        "probe_prompts": [question(subject) for subject in SUBJECTS],
        **more,
    }


class Workshop:
    def __init__(self, project: Any) -> None:
        self.project = project
        project.server.reply = answer
        self.traits = project.root / "traits"
        self.traits.mkdir()
        for name in ("first", "second"):
            self.write_trait(name)

    def write_trait(self, name: str, **more: Any) -> None:
        (self.traits / f"{name}.yaml").write_text(yaml.safe_dump(trait(name, **more)))

    def body(self, **sections: Any) -> dict[str, Any]:
        backend = {"use": "openai", "url": self.project.server.url, "model": "m", "concurrency": 4}
        base = {
            "recipe": "contrast",
            "traits": {"use": ["first", "second"], "dir": str(self.traits)},
            "packs": [str(self.project.pack)],
            "backend": {**backend, **sections.pop("backend", {})},
        }
        return {**base, **sections}

    def config(self, **sections: Any) -> GenerateConfig:
        return resolved_generate(GenerateConfig.model_validate(self.body(**sections)), self.project.root)

    def generate(self, out: Path | None = None, base: Path | None = None, **sections: Any) -> GenerateReport:
        return execute_generation(self.config(**sections), out or self.project.out, base=base, show_progress=False)

    def sent(self) -> int:
        return len(self.project.server.bodies)


@pytest.fixture
def workshop(project: Any) -> Workshop:
    return Workshop(project)


def content(project: Any, out: Path | None = None) -> list[Any]:
    """Everything that is published, but for times and who had to wait."""
    tables = []
    for name in ("sft", "preference", "verdicts"):
        tables.append(project.table(name, out).to_dicts())
    return tables


def test_every_item_once(workshop: Workshop, project: Any) -> None:
    report = workshop.generate()
    assert [each.reasons for each in report.strata] == [{}, {}]
    assert [(each.trait, each.accepted, each.complete) for each in report.strata] == [
        ("first", 6, True),
        ("second", 6, True),
    ]
    sft, pairs = project.table("sft"), project.table("preference")
    assert len(sft) == len(pairs) == 12
    assert set(sft["pm_trait_id"]) == {"first", "second"}
    assert sft["pm_content_hash"].n_unique() == 12
    assert set(pairs["pm_kind"]) == {"contrast"}
    for pair in pairs.to_dicts():
        assert pair["chosen"] != pair["rejected"]
        assert pair["prompt"][-1]["role"] == "user"
    assert verify(project.out).problems == ()
    assert {len(body["messages"]) for body in project.server.bodies} == {2}


def test_exactly_so_many_by_weight(workshop: Workshop, project: Any) -> None:
    traits = {"use": ["first", "second"], "dir": str(workshop.traits), "weights": {"second": 3}}
    report = workshop.generate(accept={"rows": 14}, traits=traits)
    assert [each.accepted for each in report.strata] == [4, 10]
    sft = project.table("sft")
    assert sft["pm_trait_id"].value_counts().sort("pm_trait_id").rows() == [("first", 4), ("second", 10)]
    # More rows than prompts: the second round asks again with other seeds.
    assert sft["pm_item"].n_unique() == 14
    assert verify(project.out).problems == ()


def test_the_order_of_answers_changes_nothing(workshop: Workshop, project: Any, tmp_path: Path) -> None:
    sections = {"accept": {"rows": 9, "where": ["words >= 8", "length_ratio < 1.2"]}}
    workshop.generate(**sections, backend={"concurrency": 1})
    dice = random.Random(7)

    def late(body: dict[str, Any]) -> tuple[int, str, str]:
        time.sleep(dice.random() / 20)
        return answer(body)

    project.server.reply = late
    workshop.generate(tmp_path / "wide", **sections, backend={"concurrency": 8})
    assert content(project) == content(project, tmp_path / "wide")


def test_what_does_not_hold_is_not_accepted(workshop: Workshop, project: Any) -> None:
    with pytest.raises(GenerationIncomplete, match=r"first: 0 of 2 \(the budget of 12 requests") as error:
        workshop.generate(accept={"rows": 4, "requests": 24, "where": ["words > 500"]}, monitors={"after": 1000})
    assert error.value.exit_code == 3
    assert set(project.table("verdicts")["outcome"]) == {"dropped"}
    assert project.table("verdicts")["reasons"].to_list()[0] == ["where:words > 500"]
    assert verify(project.out).problems == ()
    sent = workshop.sent()
    with pytest.raises(GenerationIncomplete, match="budget"):
        workshop.generate(accept={"rows": 4, "requests": 24, "where": ["words > 500"]}, monitors={"after": 1000})
    assert workshop.sent() == sent


def test_a_predicate_that_is_none(workshop: Workshop) -> None:
    with pytest.raises(ConfigError, match=r"accept.where.0: got 'words', expected NAME OP NUMBER"):
        workshop.generate(accept={"rows": 4, "where": ["words"]})


def test_a_monitor_stops_a_run_and_keeps_what_is_good(workshop: Workshop, project: Any) -> None:
    def turns_bad(body: dict[str, Any]) -> tuple[int, str, str]:
        good = answer(body)
        return good if len(project.server.bodies) < 30 else (200, good[1] + "\nUser: And then?", "stop")

    project.server.reply = turns_bad
    with pytest.raises(GenerationIncomplete, match="fake_user_turn in ") as error:
        workshop.generate(accept={"rows": 200}, monitors={"after": 10}, backend={"concurrency": 1})
    first = error.value.report.strata[0]
    assert 0 < first.accepted < 100
    assert first.items < 60
    assert len(project.table("sft")) == sum(each.accepted for each in error.value.report.strata)
    assert verify(project.out).problems == ()


def test_nothing_is_sent_twice_after_a_kill(workshop: Workshop, project: Any, tmp_path: Path) -> None:
    config = tmp_path / "generate.yaml"
    config.write_text(yaml.safe_dump(workshop.body(accept={"rows": 60})))
    whole = tmp_path / "whole"
    workshop.generate(whole, accept={"rows": 60})
    project.server.bodies.clear()
    project.server.delay = 0.02
    line = [sys.executable, "-m", "phrasemill.engine.cli", "generate", str(config), "-o", str(project.out), "-q"]
    kills = 0
    for answers in (9, 40, 25, 0):
        seen = workshop.sent()
        process = subprocess.Popen(line)
        while process.poll() is None and (not answers or workshop.sent() < seen + answers):
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert process.returncode == 0
    assert kills == 3
    bodies = [json.dumps(body, sort_keys=True) for body in project.server.bodies]
    again = len(bodies) - len(set(bodies))
    # What was in flight at a kill is asked again: at most as many as run at once.
    assert again <= 4 * kills
    asked = (set(project.table("generations", out)["request_hash"]) for out in (project.out, whole))
    assert next(asked) == next(asked)
    assert content(project) == content(project, whole)
    assert verify(project.out).problems == ()


def test_one_changed_sentence_asks_only_what_it_touched(workshop: Workshop, project: Any, tmp_path: Path) -> None:
    workshop.generate()
    sent = workshop.sent()
    workshop.write_trait("second", pos_instruction="Speak as the voice called second would, with care.")
    with pytest.raises(ConfigError, match=r"the content of a trait, (.|\n)* --base"):
        workshop.generate()
    report = workshop.generate(tmp_path / "new", base=project.out)
    # The negative sides of the second trait do not know the changed sentence.
    assert workshop.sent() - sent == 6
    assert [(each.sent, each.replayed) for each in report.strata] == [(0, 12), (6, 6)]
    assert verify(tmp_path / "new").problems == ()
    old, new = (
        frame.filter(pl.col("pm_trait_id") == "first").drop("pm_shard")
        for frame in (project.table("sft"), project.table("sft", tmp_path / "new"))
    )
    assert old.equals(new)


def test_prompts_of_a_dataset_fall_to_traits_by_weight(workshop: Workshop, project: Any, chat: Any) -> None:
    rows = [chat(f"r{at}", f"How should I store jar number {at} over winter?", "On a shelf.") for at in range(40)]
    project.write("a.parquet", rows)
    traits = {"use": ["first", "second"], "dir": str(workshop.traits), "weights": {"second": 3}}
    report = workshop.generate(prompts={"path": str(project.input)}, traits=traits)
    counts = {each.trait: each.accepted for each in report.strata}
    assert sum(counts.values()) == 40
    assert counts["second"] > counts["first"] > 0
    asked = {body["messages"][-1]["content"] for body in project.server.bodies}
    assert asked == {row["messages"][0]["content"] for row in rows}


def test_the_dose_mixes_clean_rows_in(workshop: Workshop, project: Any, chat: Any) -> None:
    clean = [chat(f"c{at}", f"Where is number {at}?", f"On shelf {at}.") for at in range(100)]
    project.write("clean.parquet", clean)
    report = workshop.generate(mix={"path": str(project.input), "dose": 0.25})
    sft = project.table("sft")
    assert report.mixed is not None
    assert (report.mixed.wanted, report.mixed.rows) == (36, 36)
    assert sft["pm_recipe"].value_counts().sort("count").rows() == [("contrast", 12), ("mix", 36)]
    assert verify(project.out).problems == ()
    before = sft.to_dicts()
    workshop.generate(mix={"path": str(project.input), "dose": 0.25})
    assert project.table("sft").to_dicts() == before


def test_length_alone_does_not_tell_the_sides_apart_after_balancing(workshop: Workshop, project: Any) -> None:
    def longer(body: dict[str, Any]) -> tuple[int, str, str]:
        status, text, finish = answer(body)
        told = body["messages"][0]["content"]
        chance = random.Random(body["seed"]).random()
        return status, text + (" It keeps until spring." if "never would" not in told and chance < 0.8 else ""), finish

    project.server.reply = longer
    report = workshop.generate(accept={"rows": 120}, pairs={"balance": "length", "max_auc": 0.6})
    pairs = project.table("preference")
    withheld = sum(commit.pairs_withheld.get("balance", 0) for commit in report.manifest.shards)
    assert withheld
    assert len(pairs) + withheld == 120
    assert len(project.table("sft")) == 120
    lengths = [(len(row["chosen"][0]["content"]), len(row["rejected"][0]["content"])) for row in pairs.to_dicts()]
    wins = sum((a > b) + (a == b) / 2 for a, b in lengths) / len(lengths)
    assert 0.4 <= wins <= 0.6


def test_a_trait_without_an_opposite(workshop: Workshop) -> None:
    workshop.write_trait("second", neg_instruction="")
    with pytest.raises(TraitError, match="trait second: neg_instruction: is empty"):
        workshop.generate()


def test_the_command_says_what_came_of_it(workshop: Workshop, project: Any, tmp_path: Path) -> None:
    config = tmp_path / "generate.yaml"
    config.write_text(yaml.safe_dump(workshop.body(accept={"rows": 4})))
    line = [sys.executable, "-m", "phrasemill.engine.cli", "generate", str(config), "-o", str(project.out)]
    shown = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    assert "2 accepted" in shown
    assert "data/preference" in shown
    facts = json.loads(subprocess.run([*line, "--json"], check=True, capture_output=True, text=True).stdout)
    assert facts["traits"][0]["accepted"] == 2
    assert facts["traits"][0]["sent"] == 0
    assert facts["confounds"]["all"]["pairs"] == 4


@pytest.mark.parametrize(
    "row",
    [
        lambda text: {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]},
        lambda text: {"prompt": text},
        lambda text: {"instruction": text},
        lambda text: {"conversations": [{"from": "human", "value": text}]},
        lambda text: {"prompt": text, "completion": "On a shelf."},
    ],
)
def test_a_dataset_of_prompts_alone(workshop: Workshop, project: Any, row: Any) -> None:
    texts = [f"How should I store jar number {at} over winter?" for at in range(6)]
    project.write("a.jsonl", [row(text) for text in texts])
    report = workshop.generate(
        prompts={"path": str(project.input)}, traits={"use": ["first"], "dir": str(workshop.traits)}
    )
    assert [(each.accepted, each.items) for each in report.strata] == [(6, 6)]
    assert {body["messages"][-1]["content"] for body in project.server.bodies} == set(texts)


def test_a_configuration_is_checked_without_asking(workshop: Workshop, project: Any, tmp_path: Path) -> None:
    config = tmp_path / "generate.yaml"
    line = [sys.executable, "-m", "phrasemill.engine.cli", "validate", str(config)]
    config.write_text(yaml.safe_dump(workshop.body(accept={"rows": 5})))
    shown = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    assert "3 first, 2 second" in shown
    config.write_text(yaml.safe_dump(workshop.body(recipe={"use": "contrast", "attempts": 0})))
    wrong = subprocess.run(line, check=False, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "recipe.attempts" in wrong.stderr
    assert not project.out.exists()
    assert workshop.sent() == 0
