"""``generate`` where something is in the way: signals, servers that fail, odd prompts, verdicts, data that changes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from phrasemill.engine.cli.generate import generate as command
from phrasemill.engine.generate import GenerateReport, GenerationIncomplete, execute_generation
from phrasemill.engine.generate_settings import resolved_generate
from phrasemill.engine.overrides import COLUMNS
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import BackendError, ConfigError, InputError
from phrasemill.schemas.generate import GenerateConfig
from tests.e2e.generate_bench import PLACES, SUBJECTS, answer, question


class Works:
    """Two traits, the scripted server, and generations over them."""

    def __init__(self, project: Any) -> None:
        self.project = project
        project.server.reply = answer
        self.traits = project.root / "traits"
        self.traits.mkdir()
        for name in ("first", "second"):
            trait = {
                "id": name,
                "statement": "I answer in plain words.",
                "pos_instruction": f"Speak as the voice called {name} would.",
                "neg_instruction": f"Speak as the voice called {name} never would.",
                "probe_prompts": [question(subject) for subject in SUBJECTS],
            }
            (self.traits / f"{name}.yaml").write_text(yaml.safe_dump(trait))

    def body(self, *, weights: dict[str, float] | None = None, **sections: Any) -> dict[str, Any]:
        backend = {"use": "openai", "url": self.project.server.url, "model": "m", "concurrency": 4}
        base = {
            "recipe": "contrast",
            "traits": {"use": ["first", "second"], "dir": str(self.traits), "weights": weights or {}},
            "packs": [str(self.project.pack)],
            "backend": {**backend, **sections.pop("backend", {})},
        }
        return {**base, **sections}

    def generate(self, out: Path | None = None, base: Path | None = None, **sections: Any) -> GenerateReport:
        config = resolved_generate(GenerateConfig.model_validate(self.body(**sections)), self.project.root)
        return execute_generation(config, out or self.project.out, base=base, show_progress=False)

    @property
    def sent(self) -> int:
        return len(self.project.server.bodies)

    def dies_after(self, count: int, reply: Any = answer) -> None:
        """From then on the server takes the key no longer: down, without a minute of waiting."""
        last = self.sent + count
        self.project.server.reply = lambda body: reply(body) if self.sent <= last else (401, "", "stop")


@pytest.fixture
def works(project: Any) -> Works:
    return Works(project)


def published(project: Any, out: Path | None = None) -> list[Any]:
    return [project.table(name, out).to_dicts() for name in ("sft", "preference", "queries", "verdicts")]


def test_a_prompt_that_comes_twice_is_two_items(works: Works, project: Any, chat: Any) -> None:
    rows = [chat(f"r{at}", question(("tea", "tea", "salt")[at % 3]), "Dry.") for at in range(6)]
    project.write("a.parquet", rows)
    traits = {"use": ["first"], "dir": str(works.traits)}
    works.generate(prompts={"path": str(project.input)}, traits=traits)
    sft = project.table("sft")
    assert len(sft) == sft["id"].n_unique() == sft["pm_item"].n_unique() == sft["pm_content_hash"].n_unique() == 6
    assert Counter(sft["pm_original_hash"]).most_common(1)[0][1] == 4
    asked = [json.dumps(body, sort_keys=True) for body in project.server.bodies]
    assert len(asked) == len(set(asked))


def test_files_in_another_order_are_other_prompts(works: Works, project: Any, chat: Any) -> None:
    for name, subject in (("a.jsonl", "tea"), ("b.jsonl", "salt")):
        project.write(name, [chat("r", question(subject), "Dry.")])
    works.generate(prompts={"path": str(project.input)})
    (project.input / "a.jsonl").rename(project.input / "c.jsonl")
    with pytest.raises(ConfigError, match="the prompts has changed"):
        works.generate(prompts={"path": str(project.input)})


def test_a_trait_of_weight_0_is_left_out(works: Works, tmp_path: Path) -> None:
    report = works.generate(weights={"second": 0})
    assert [(each.accepted, each.complete) for each in report.strata] == [(6, True), (0, True)]
    report = works.generate(tmp_path / "some", weights={"second": 0}, accept={"rows": 8})
    assert [(each.accepted, each.complete) for each in report.strata] == [(8, True), (0, True)]
    assert verify(tmp_path / "some").problems == ()
    sent = works.sent
    for accept in ({}, {"rows": 3}):
        with pytest.raises(ConfigError, match=r"traits\.weights: all are 0"):
            works.generate(tmp_path / "none", weights={"first": 0, "second": 0}, accept=accept)
    assert works.sent == sent


def test_no_prompt_falls_to_a_trait(works: Works, project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("r", question("tea"), "Dry.")])
    report = works.generate(prompts={"path": str(project.input)}, weights={"second": 0.000001})
    assert [(each.accepted, each.stopped) for each in report.strata] == [
        (1, "every item is done"),
        (0, "every item is done"),
    ]
    with pytest.raises(GenerationIncomplete, match=r": 0 of 2 \(there are no more items\)"):
        works.generate(project.root / "rows", prompts={"path": str(project.input)}, accept={"rows": 4})
    assert verify(project.root / "rows").problems == ()


def test_a_recipe_that_asks_nobody_ends(works: Works, project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat(f"r{at}", question("tea"), "Keep it dry.") for at in range(3)])
    with pytest.raises(GenerationIncomplete, match="budget"):
        works.generate(
            recipe="inject",
            prompts={"path": str(project.input)},
            traits={"use": ["first"], "dir": str(works.traits)},
            accept={"rows": 3, "where": ["words > 500"]},
        )
    assert verify(project.out).problems == ()


def test_an_earlier_answer_with_a_tic_is_not_published(works: Works, project: Any, chat: Any) -> None:
    rows = [
        chat("clean", question("tea"), "Dry.", question("salt"), "Dry too."),
        chat("dirty", question("tea"), "Certainly! Dry.", question("salt"), "Dry too."),
    ]
    project.write("a.parquet", rows)
    report = works.generate(prompts={"path": str(project.input)})
    assert sum(each.accepted for each in report.strata) == 1
    assert sum((each.reasons for each in report.strata), Counter()) == {"dirty_prompt:mini.certainly": 1}
    assert "Certainly" not in json.dumps(published(project)[:2])


def test_the_original_is_what_it_began_with(works: Works, project: Any, tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        if body["messages"][0]["content"].startswith("Below is a conversation"):
            return 200, question(random.Random(body["seed"]).choice(PLACES)), "stop"
        return answer(body)

    works.generate(tmp_path / "short", accept={"rows": 2})
    project.server.reply = reply
    works.generate(prompts={"turns": 2}, accept={"rows": 2})
    short, long = project.table("sft", tmp_path / "short"), project.table("sft")
    assert set(long["messages"].list.len()) == {4}
    assert long["pm_original_hash"].to_list() == short["pm_original_hash"].to_list()


def test_a_number_that_no_row_has(works: Works) -> None:
    with pytest.raises(ConfigError, match=r"accept\.where\.1: got 'wrods >= 2', expected one of words, characters"):
        works.generate(accept={"rows": 400, "where": ["words >= 2", "wrods >= 2"]})
    assert works.sent < 40
    with pytest.raises(ConfigError, match="queries makes no rows"):
        works.generate(recipe="queries", accept={"where": ["words >= 2"]})
    # Nothing is published yet: the mended configuration goes on in the same folder, with the answers that came.
    report = works.generate(accept={"rows": 4, "where": ["words >= 2"]})
    assert sum(each.sent for each in report.strata) < sum(each.requests for each in report.strata)


def test_a_model_that_draws_nothing_is_not_asked_again(works: Works, project: Any) -> None:
    with pytest.raises(GenerationIncomplete, match=r"first: 6 of 7 \(there are no more items\)"):
        works.generate(accept={"rows": 14}, backend={"temperature": 0.0})
    assert len(project.table("sft")) == 12
    again = works.generate(project.root / "drawn", accept={"rows": 14}).strata
    assert [each.accepted for each in again] == [7, 7]


def test_a_trait_that_is_named_twice(works: Works) -> None:
    with pytest.raises(ConfigError, match=r"traits\.use: got first, first, expected each trait once"):
        works.generate(traits={"use": ["first", "first"], "dir": str(works.traits)})


def test_verdicts_on_rows(works: Works, project: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    works.generate()
    ids = project.table("sft")["id"].to_list()
    verdicts = [
        (ids[0], 1, "drop", ""),
        (ids[1], 1, "edit", "On the shelf behind the door."),
        (ids[2], 0, "edit", "Not an answer, but the question."),
        (ids[3], 1, "keep", ""),
        ("contrast-first-0000000000000000", 1, "drop", ""),
    ]
    lines = [",".join(COLUMNS)]
    for at, (row_id, turn, verdict, edit) in enumerate(verdicts):
        cells = {"shard": "s", "row": at, "field": "messages", "turn": turn, "row_id": row_id}
        cells |= {"verdict": verdict, "edit": edit}
        lines.append(",".join(f'"{cells.get(name, "")}"' for name in COLUMNS))
    path = tmp_path / "verdicts.csv"
    path.write_text("\n".join(lines) + "\n")
    sent = works.sent
    for _ in ("at once", "again"):
        report = works.generate(tmp_path / "new", base=project.out, overrides=str(path))
        assert report.overrides_missed == tuple(sorted(["contrast-first-0000000000000000", ids[2]]))
    config = tmp_path / "generate.yaml"
    config.write_text(yaml.safe_dump(works.body(overrides=str(path))))
    command(config, tmp_path / "new")
    assert "2 verdicts are on rows that did not come up, or not on their last answer: " in capsys.readouterr().out
    assert works.sent == sent
    said = project.said(tmp_path / "new")
    assert set(said) == set(ids) - {ids[0]}
    assert said[ids[1]][-1] == "On the shelf behind the door."
    assert said[ids[2]] == project.said()[ids[2]]
    chosen = {
        row["pm_row_id"]: row["chosen"][0]["content"]
        for row in project.table("preference", tmp_path / "new").to_dicts()
    }
    assert chosen[ids[1]] == "On the shelf behind the door."
    assert verify(tmp_path / "new").problems == ()


def test_clean_data_that_changes_is_mixed_in_anew(works: Works, project: Any, chat: Any) -> None:
    sections: dict[str, Any] = {"mix": {"path": str(project.input / "clean.parquet"), "dose": 0.5}}
    with pytest.raises(InputError):
        works.generate(**sections)
    assert works.sent == 0
    for word in ("shelf", "floor"):
        project.write(
            "clean.parquet", [chat(f"c{at}", f"Where is number {at}?", f"On {word} {at}.") for at in range(30)]
        )
        works.generate(**sections)
        sft = project.table("sft")
        assert dict(sft["pm_recipe"].value_counts().iter_rows()) == {"contrast": 12, "mix": 12}
        mixed = sft.filter(pl.col("pm_recipe") == "mix")["messages"].to_list()
        assert all(word in messages[-1]["content"] for messages in mixed)
        assert verify(project.out).problems == ()
    with pytest.raises(ConfigError, match=r"output\.sft is false"):
        works.generate(project.root / "other", **sections, output={"sft": False})


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_it_goes_on(works: Works, project: Any, tmp_path: Path, number: int, code: int) -> None:
    config = tmp_path / "generate.yaml"
    config.write_text(yaml.safe_dump(works.body(accept={"rows": 30})))
    line = [sys.executable, "-m", "phrasemill.engine.cli", "generate", str(config), "-o", str(project.out), "-q"]
    project.server.delay = 0.05
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and works.sent < 10:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert "run the same command again" in said
    project.server.delay = 0.0
    before = works.sent
    report = works.generate(accept={"rows": 30})
    assert [each.accepted for each in report.strata] == [15, 15]
    assert sum(each.replayed for each in report.strata) >= before - 4
    assert verify(project.out).problems == ()


def test_a_server_that_dies_leaves_what_goes_on(works: Works, project: Any, tmp_path: Path) -> None:
    works.generate(tmp_path / "whole", accept={"rows": 20})
    sent = works.sent
    works.dies_after(13)
    with pytest.raises(BackendError) as error:
        works.generate(accept={"rows": 20})
    assert error.value.exit_code == 4
    project.server.reply = answer
    report = works.generate(accept={"rows": 20})
    assert sum(each.replayed for each in report.strata) >= 10
    assert published(project) == published(project, tmp_path / "whole")
    assert sent
    assert verify(project.out).problems == ()


def test_answers_that_all_fail_are_seen_as_such(works: Works, project: Any) -> None:
    project.server.reply = lambda _: (400, "", "stop")
    # One answer passes, or the server would count as one that takes nothing.
    first: list[dict[str, Any]] = []

    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        first.append(body)
        return answer(body) if len(first) < 4 else (400, "", "stop")

    project.server.reply = reply
    with pytest.raises(GenerationIncomplete, match="failed in "):
        works.generate(
            recipe="respond", accept={"rows": 500}, monitors={"after": 5}, judge={"trust_uncalibrated": True}
        )


def test_a_judge_that_always_fails_is_seen_as_such(works: Works, project: Any) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        return (400, "", "stop") if "You grade" in body["messages"][0]["content"] else answer(body)

    project.server.reply = reply
    with pytest.raises(GenerationIncomplete, match="failed in "):
        works.generate(
            recipe="respond", accept={"rows": 500}, monitors={"after": 5}, judge={"trust_uncalibrated": True}
        )
    assert works.sent < 500


def test_queries_go_on_as_if_nothing_had_happened(
    works: Works, project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phrasemill.engine.generate_stratum.BLOCK_ITEMS", 16)

    things = [f"{colour} {thing}" for colour in ("red", "blue", "old", "wet", "tiny") for thing in SUBJECTS]

    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        dice = random.Random(body["seed"])
        verb = dice.choice(("store", "mend", "paint", "sell", "carry", "clean", "borrow"))
        return 200, f"How do I {verb} {dice.choice(things)} before {dice.choice(PLACES)} freezes?", "stop"

    project.server.reply = reply
    sections: dict[str, Any] = {
        "recipe": {"use": "queries", "batch": 1, "lengths": {"short": 1}},
        "traits": {"use": ["first"], "dir": str(works.traits)},
        "accept": {"rows": 45},
    }
    works.generate(tmp_path / "whole", **sections)
    works.dies_after(50, reply)
    with pytest.raises(BackendError):
        works.generate(**sections)
    assert len(project.table("verdicts")) in (16, 32, 48)
    project.server.reply = reply
    report = works.generate(**sections).strata[0]
    assert report.accepted == len(project.table("queries")) == 45
    assert report.reasons["near_duplicate"]
    assert published(project) == published(project, tmp_path / "whole")
    sent = works.sent
    again = works.generate(**sections).strata[0]
    assert (works.sent, again.accepted, again.requests, again.complete) == (sent, 45, report.requests, True)


def test_what_a_monitor_ended_stays_ended(works: Works, project: Any) -> None:
    def turns_bad(body: dict[str, Any]) -> tuple[int, str, str]:
        status, text, finish = answer(body)
        return (status, text, finish) if works.sent < 30 else (status, text + "\nUser: And then?", finish)

    project.server.reply = turns_bad
    sections: dict[str, Any] = {"accept": {"rows": 200}, "monitors": {"after": 10}, "backend": {"concurrency": 1}}
    accounts = []
    for _ in ("at first", "again"):
        with pytest.raises(GenerationIncomplete, match="fake_user_turn in ") as error:
            # A path that reads as a pattern is still a path.
            works.generate(project.root / "out [1]*", **sections)
        accounts.append(
            [(each.items, each.accepted, each.requests, each.stopped) for each in error.value.report.strata]
        )
        project.server.reply = answer
    assert accounts[0] == accounts[1]


def test_many_answers_a_row_have_a_budget_that_holds_them(works: Works, project: Any) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        if "You grade" in body["messages"][0]["content"]:
            return 200, json.dumps({"refusal": False, "score": random.Random(str(body)).randint(0, 100)}), "stop"
        return answer(body)

    project.server.reply = reply
    report = works.generate(
        recipe={"use": "respond", "answers": 12}, accept={"rows": 2}, judge={"trust_uncalibrated": True}
    )
    assert [each.accepted for each in report.strata] == [1, 1]
    assert all(each.requests > 20 for each in report.strata)
