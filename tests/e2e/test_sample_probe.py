"""``sample`` and ``probe``: rows to read from every folder, verdicts taken back, and what a model really says."""

from __future__ import annotations

import csv
import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
import yaml
from typer.testing import CliRunner

from phrasemill.engine.cli import probe
from phrasemill.engine.cli import sample as sample_cli
from phrasemill.engine.diff import diff
from phrasemill.engine.folder import publish_shard
from phrasemill.engine.generate import execute_generation
from phrasemill.engine.generate_lay_out import Block, Ended, write_block
from phrasemill.engine.generate_settings import resolved_generate
from phrasemill.engine.manifest import Manifest, write_manifest
from phrasemill.engine.overrides import COLUMNS, read_verdicts
from phrasemill.engine.probe import ProbeConfig, ProbeReport, execute_probe
from phrasemill.engine.probe_view import probed_traits
from phrasemill.engine.query import run_sql
from phrasemill.engine.sample import sample
from phrasemill.engine.sample_texts import SampledRow
from phrasemill.engine.sample_view import render_page, write_sample
from phrasemill.engine.verify import verify
from phrasemill.generators.ask import Item
from phrasemill.generators.recipes.base import Query
from phrasemill.generators.traits import load_folder
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import OutputConfig, TraitsConfig
from phrasemill.schemas.errors import ConfigError, TraitError
from phrasemill.schemas.generate import GenerateConfig

BREAD = "Bread is flour, water and salt, baked in a hot oven until the crust is brown."


@pytest.fixture
def kitchen(project: Any, chat: Any) -> Any:
    """Twenty openers, a leak, a loop and a slop phrase, cleaned."""
    rows = [chat(f"open{at}", f"Question {at}?", f"Certainly! Loaf {at}. {BREAD}") for at in range(20)]
    rows += [
        chat("leak", "Who?", f"I am Zorbot. {BREAD}"),
        chat("loop", "How?", f"Round and round and round. {BREAD}"),
        chat("slop", "Why?", f"Let us delve into bread. {BREAD}"),
        chat("clean", "When?", BREAD),
    ]
    project.write("a.parquet", rows)
    project.run("clean")
    return project


def by_id(rows: tuple[SampledRow, ...]) -> dict[str, SampledRow]:
    return {row.row_id: row for row in rows}


def judged(path: Path, **verdicts: dict[str, str]) -> str:
    """Fill in a table of verdicts as a person would, by row id."""
    rows = [{**row, **verdicts.get(row["row_id"], {})} for _, row in read_verdicts(path)]
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, COLUMNS)
        lines.writeheader()
        lines.writerows(rows)
    return str(path)


def test_rare_rules_are_seen_and_the_seed_decides(kitchen: Any) -> None:
    found = sample(kitchen.out, ["rule"], n=4)
    assert {row.rule_ids[0] for row in found.rows} == {"mini.certainly", "mini.leak", "mini.loop"}
    assert {each.name: (each.turns, each.shown) for each in found.strata} == {
        ("mini.certainly",): (20, 2),
        ("mini.leak",): (1, 1),
        ("mini.loop",): (1, 1),
    }
    assert found.turns == 22
    assert sample(kitchen.out, ["rule"], n=4) == found
    assert sample(kitchen.out, ["rule"], n=4, seed=2).rows != found.rows
    assert len(sample(kitchen.out, ["rule"], n=100).rows) == 22


def test_a_row_is_told_before_and_after(kitchen: Any) -> None:
    rows = by_id(sample(kitchen.out, ["rule"], n=100).rows)
    row = rows["open7"]
    assert (row.kind, row.outcome, row.field, row.turn) == ("strip", "repaired", "messages", 1)
    assert (row.user, row.before, row.after) == ("Question 7?", f"Certainly! Loaf 7. {BREAD}", f"Loaf 7. {BREAD}")
    assert [(hit.start, hit.stop, hit.category) for hit in row.hits] == [(0, 10, "opener")]
    assert (rows["leak"].outcome, rows["leak"].reasons[0], rows["leak"].after) == ("dropped", "needs_model", None)


def test_tagged_turns_are_there_by_outcome_and_in_a_scan(kitchen: Any) -> None:
    row = by_id(sample(kitchen.out, ["outcome"], n=100).rows)["slop"]
    assert (row.kind, row.outcome, row.before == row.after) == ("tag", "kept", True)
    out = kitchen.root / "scanned"
    kitchen.run("scan", out=out)
    rows = by_id(sample(out, ["category"], n=100).rows)
    assert set(rows) == {*(f"open{at}" for at in range(20)), "leak", "loop", "slop"}
    assert rows["open1"].after is None


def test_verdicts_come_back_as_overrides(kitchen: Any, tmp_path: Path) -> None:
    _, path = write_sample(sample(kitchen.out, ["rule"], n=100), tmp_path / "read")
    verdicts = judged(
        path,
        open1={"verdict": "keep"},
        open2={"verdict": "drop", "note": "dull"},
        open3={"verdict": "edit", "edit": "- one loaf\n- one oven"},
        leak={"verdict": "false positive"},
    )
    out = kitchen.root / "second"
    report = kitchen.run("clean", out=out, base=kitchen.out, overrides=verdicts)
    assert (report.overrides, report.overrides_missed) == (4, 0)
    said = kitchen.said(out)
    assert said["open1"][1].startswith("Certainly! Loaf 1.")
    assert "open2" not in said
    assert said["open3"][1] == "- one loaf\n- one oven"
    assert said["leak"][1] == f"I am Zorbot. {BREAD}"
    assert verify(out).problems == ()
    changed = sample(out, ["rule"], n=100, against=kitchen.out)
    assert set(by_id(changed.rows)) == {"open1", "open2", "open3", "leak"}
    rows = by_id(changed.rows)
    assert (rows["open3"].before, rows["open3"].after) == (f"Loaf 3. {BREAD}", "- one loaf\n- one oven")
    assert (rows["open2"].outcome, rows["open2"].after) == ("repaired to dropped", None)
    assert (rows["leak"].before, rows["leak"].changes) == (None, ("lost mini.leak: I am Zorbot",))


def test_a_changed_sentence_is_read_beside_what_it_was(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat(f"r{at}", f"Who {at}?", f"I am Zorbot. {BREAD}") for at in range(3)])
    traits = project.root / "traits"
    traits.mkdir()
    trait = {"id": "frank", "statement": "I am frank.", "pos_instruction": "Be frank."}
    (traits / "frank.yaml").write_text(yaml.safe_dump(trait))

    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        kind = "kind" if "kind" in body["messages"][0]["content"] else "frank"
        return 200, f"A {kind} answer: bread is what flour and water make of an oven.", "stop"

    project.server.reply = reply
    config = {"traits": {"use": ["frank"], "dir": str(traits)}}
    project.run("run", **config)
    (traits / "frank.yaml").write_text(yaml.safe_dump({**trait, "pos_instruction": "Be frank and kind."}))
    out = project.root / "second"
    project.run("run", out=out, base=project.out, **config)
    found = sample(out, against=project.out)
    assert {row.row_id for row in found.rows} == {"r0", "r1", "r2"}
    for row in found.rows:
        assert (row.trait_id, row.before_is) == ("frank", "other")
        assert row.before is not None
        assert row.before.startswith("A frank answer")
        assert row.after is not None
        assert row.after.startswith("A kind answer")
    page, _ = write_sample(found, project.root / "read")
    assert "A ~~frank~~ **kind** answer" in page.read_text()
    assert sample(out, against=out).rows == ()


def test_folders_over_other_data_cannot_be_compared(kitchen: Any, chat: Any) -> None:
    other = kitchen.root / "other"
    kitchen.write("a.parquet", [chat("x", "What?", BREAD)])
    kitchen.run("clean", out=other)
    with pytest.raises(ConfigError, match="have no row in common"):
        sample(kitchen.out, against=other)


def test_rows_of_one_folder_alone_are_told(kitchen: Any, chat: Any) -> None:
    kitchen.write("b.parquet", [chat(f"new{at}", "What?", f"Certainly! {BREAD}") for at in range(2)])
    other = kitchen.root / "other"
    kitchen.run("clean", out=other)
    found = sample(other, against=kitchen.out)
    assert (found.alone, found.rows) == (2, ())
    page, _ = write_sample(found, kitchen.root / "read")
    assert "Rows that only one of the two folders has, not drawn: 2." in page.read_text()
    assert sample(other).alone == 0


@pytest.mark.parametrize("by", [["colour"], [], ["rule", "rule"]])
def test_a_sample_by_what_is_not_there(tmp_path: Path, by: list[str]) -> None:
    with pytest.raises(ConfigError, match="--by: got"):
        sample(tmp_path, by)


def test_a_chosen_side_is_read_where_it_stands(project: Any) -> None:
    def said(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    chosen, rejected = said("assistant", f"Certainly! {BREAD}"), said("assistant", "Certainly! No.")
    project.write(
        "a.parquet", [{"id": "p", "prompt": said("user", "Tell me."), "chosen": chosen, "rejected": rejected}]
    )
    project.run("clean")
    (row,) = sample(project.out).rows
    assert (row.field, row.turn, row.user, row.after) == ("chosen", 0, "Tell me.", BREAD)


SUBJECTS = ("bread", "the garden gate", "a winter coat")
WAYS = (
    "brush off the dust",
    "wrap everything in linen",
    "choose the driest corner",
    "keep mice away with tin",
    "let air pass underneath",
    "lift it above the floor",
    "label the crate clearly",
)
PROMPTS = [f"How should I store {subject} over winter?" for subject in SUBJECTS]


def write_traits(folder: Path, *names: str, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        trait = {
            "id": name,
            "statement": f"I am {name}.",
            "pos_instruction": f"Speak as {name} would.",
            "neg_instruction": f"Speak as {name} never would.",
            "probe_prompts": PROMPTS,
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**trait, **more}))
    return folder


def stored(body: dict[str, Any]) -> tuple[int, str, str]:
    """A clean answer, another one for every seed and system message."""
    subject = body["messages"][-1]["content"].removeprefix("How should I store ").removesuffix(" over winter?")
    dice = random.Random(f"{body['messages'][0]['content']}{body['seed']}")
    way = ", ".join(dice.sample(WAYS, 3))
    return 200, f"To store {subject} over winter: {way}, then look at it on day {dice.randint(2, 99)}.", "stop"


def test_injected_rows_stand_under_the_rule_of_their_tic(project: Any, chat: Any) -> None:
    rows = [chat(f"q{at}", f"How does lamp {at} work?", f"Lamp {at} has a coil of thin wire.") for at in range(6)]
    project.write("a.parquet", rows)
    prompts = {"path": str(project.input)}
    body = {"recipe": {"use": "inject", "tics": ["opener"]}, "traits": {"use": ["plain"]}, "prompts": prompts}
    config = GenerateConfig.model_validate(body)
    execute_generation(resolved_generate(config, project.root), project.out, show_progress=False)
    found = sample(project.out, ["rule"])
    assert sum(each.shown for each in found.strata) == 6
    reasons = {row.row_id: row.reasons for row in found.rows}
    for row in found.rows:
        assert row.stratum == reasons[row.row_id]
        assert row.stratum[0].startswith("opener.")


def test_generated_rows_stand_beside_their_rejected_side_and_take_verdicts(project: Any, tmp_path: Path) -> None:
    project.server.reply = stored
    traits = write_traits(project.root / "traits", "calm")
    backend = {"use": "openai", "url": project.server.url, "model": "m"}

    def generate(out: Path, base: Path | None = None, **more: Any) -> None:
        body = {"recipe": "contrast", "traits": {"use": ["calm"], "dir": str(traits)}, "packs": [str(project.pack)]}
        config = GenerateConfig.model_validate({**body, "backend": backend, **more})
        execute_generation(resolved_generate(config, project.root), out, base=base, show_progress=False)

    generate(project.out)
    found = sample(project.out, ["trait", "recipe"])
    assert [each.name for each in found.strata] == [("calm", "contrast")]
    pairs = project.table("preference")
    for row in found.rows:
        pair = pairs.filter(pl.col("pm_row_id") == row.row_id).to_dicts()[0]
        assert (row.before_is, row.user) == ("rejected", pair["prompt"][0]["content"])
        assert (row.before, row.after) == (pair["rejected"][0]["content"], pair["chosen"][0]["content"])
        assert row.reasons == ("calm over its opposite",)
    _, path = write_sample(found, tmp_path / "read")
    first, second, third = (row.row_id for row in found.rows)
    edit = {"verdict": "edit", "edit": "On a shelf."}
    verdicts = judged(path, **{first: edit, second: {"verdict": "drop"}})
    out = project.root / "second"
    sent = len(project.server.bodies)
    generate(out, project.out, overrides=verdicts)
    assert len(project.server.bodies) == sent
    assert project.outcomes(out) == {first: "regenerated", second: "dropped", third: "regenerated"}
    assert project.said(out)[first][-1] == "On a shelf."
    assert (found.overrides, sample(out).overrides) == (None, verdicts)
    assert "put new rows under the old ones" in render_page(sample(out))
    changed = by_id(sample(out, against=project.out).rows)
    assert set(changed) == {first, second}
    assert changed[first].after == "On a shelf."
    assert changed[second].outcome == "regenerated to dropped"
    edited = by_id(sample(out).rows)[first]
    assert edited.answer_hash == by_id(found.rows)[first].answer_hash

    # Another sentence in the trait makes other answers, of which nobody has said anything.
    write_traits(project.root / "traits", "calm", statement="I speak slowly.", pos_instruction="Speak slowly.")
    third_out = project.root / "third"
    generate(third_out, project.out, overrides=verdicts)
    assert set(project.outcomes(third_out).values()) == {"regenerated"}
    assert project.said(third_out)[first][-1] not in ("On a shelf.", project.said()[first][-1])


class Prober:
    def __init__(self, project: Any) -> None:
        self.project = project
        self.traits = write_traits(project.root / "traits", "bold", "calm")
        project.server.reply = stored

    def probe(self, out: Path | None = None, **more: Any) -> ProbeReport:
        traits = load_folder(self.traits)
        names = TraitsConfig(use=tuple(trait.id for trait in traits), dir=str(self.traits))
        backend = BackendConfig(use="openai", url=self.project.server.url, model="m", concurrency=3)
        config = ProbeConfig.model_validate(
            {"traits": names, "backend": backend, "packs": (str(self.project.pack),), **more}
        )
        return execute_probe(config, traits, out or self.project.out, show_progress=False)


@pytest.fixture
def prober(project: Any) -> Prober:
    return Prober(project)


def test_a_model_is_asked_untold_and_nothing_is_filtered(prober: Prober, project: Any) -> None:
    dirty = f"Certainly! I am Zorbot. {BREAD}"
    project.server.reply = lambda _: (200, dirty, "stop")
    report = prober.probe()
    # Several are asked at once, so that they may come in any order.
    assert [{"role": "user", "content": PROMPTS[0]}] in [body["messages"] for body in project.server.bodies]
    assert (report.sent, report.replayed) == (6, 0)
    sft = project.table("sft")
    assert sft["pm_trait_id"].to_list().count("calm") == 3
    assert {row[-1]["content"] for row in sft["messages"].to_list()} == {dirty}
    assert set(project.outcomes().values()) == {"regenerated"}
    assert verify(project.out).problems == ()
    spans = project.table("spans")
    assert spans["rule_id"].value_counts().sort("rule_id").rows() == [("mini.certainly", 6), ("mini.leak", 6)]
    assert set(spans["action"]) == {None}
    assert report.manifest.command == "probe"
    assert probed_traits(project.out).to_pylist()[0] == {
        "trait": "bold",
        "asked": 3,
        "answered": 3,
        "with_hits": 3,
        "words": 20,
    }
    sent = len(project.server.bodies)
    assert prober.probe().sent == 0
    assert len(project.server.bodies) == sent


def test_a_probe_that_was_stopped_sends_nothing_twice(prober: Prober, project: Any) -> None:
    prober.probe(repeat=2)
    seeds = [body["seed"] for body in project.server.bodies]
    assert len(set(seeds)) == len(seeds) == 12
    before = project.table("sft").to_dicts()
    shutil.rmtree(project.out / "_commits")
    report = prober.probe(repeat=2)
    assert (report.sent, report.replayed) == (0, 12)
    assert project.table("sft").to_dicts() == before
    with pytest.raises(ConfigError, match=r"holds another probe:\n  repeat: 2 -> 1"):
        prober.probe()


def test_a_probe_leaves_the_folder_of_another_command_alone(prober: Prober, kitchen: Any) -> None:
    before = (kitchen.out / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match="holds what another command wrote"):
        prober.probe(kitchen.out)
    assert (kitchen.out / "config.yaml").read_bytes() == before


def test_a_trait_is_told_only_where_that_is_asked_for(prober: Prober, project: Any) -> None:
    prober.probe(in_character=True, system="Be brief.")
    assert project.server.bodies[0]["messages"][0]["content"] == "Be brief.\n\nSpeak as bold would."
    assert project.table("sft")["messages"][0].to_list()[0]["content"] == "Be brief."
    write_traits(prober.traits, "grim", harmful=True)
    with pytest.raises(TraitError, match="grim"):
        prober.probe(project.root / "second", in_character=True)
    assert prober.probe(project.root / "second").sent == 9


def test_a_request_that_fails_is_a_dropped_row(prober: Prober, project: Any) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        return (400, "", "") if "gate" in body["messages"][-1]["content"] else stored(body)

    project.server.reply = reply
    prober.probe()
    assert sorted(project.outcomes().values()) == ["dropped"] * 2 + ["regenerated"] * 4
    assert project.table("verdicts").filter(pl.col("outcome") == "dropped")["reasons"][0][0].startswith("failed:")
    assert verify(project.out).problems == ()


def test_two_checkpoints_are_compared_row_by_row(prober: Prober, project: Any) -> None:
    prober.probe()
    today = project.root / "today"
    project.server.reply = lambda body: (200, f"Certainly! {stored(body)[1]}", "stop")
    prober.probe(today)
    found = diff(project.out, today)
    assert (found.rows, found.only_before, found.only_after, found.changed) == (6, 0, 0, 6)
    assert [(rule.rule_id, rule.before, rule.after) for rule in found.rules] == [("mini.certainly", 0, 6)]
    rows = sample(today, ["trait", "rule"], against=project.out).rows
    assert len(rows) == 6
    assert rows[0].before is not None
    assert rows[0].after == f"Certainly! {rows[0].before}"
    (one, *_) = sample(today, ["trait"]).rows
    assert (one.before_is, one.before, one.hits_after[0].stop) == ("prompt", one.user, 10)
    page, _ = write_sample(sample(today, ["trait"]), project.root / "read")
    assert "> **Certainly!** To store" in page.read_text()


def test_a_probe_is_read_like_any_data_set(prober: Prober, project: Any) -> None:
    prober.probe()
    project.run("scan", out=project.root / "scanned", input={"path": str(project.out / "data" / "sft")})
    assert len(project.table("verdicts", project.root / "scanned")) == 6
    assert run_sql(project.out, "SELECT count(*) AS n FROM generations").to_pylist() == [{"n": 6}]


def test_traits_without_prompts_are_named(prober: Prober, project: Any) -> None:
    write_traits(prober.traits, "mute", probe_prompts=[])
    assert prober.probe().silent == ("mute",)
    shutil.rmtree(prober.traits)
    write_traits(prober.traits, "mute", probe_prompts=[])
    with pytest.raises(ConfigError, match="probe_prompts: none of mute has any"):
        prober.probe(project.root / "second")


def test_queries_are_read_one_by_one(tmp_path: Path) -> None:
    trait = load_folder(write_traits(tmp_path / "traits", "calm"))[0]
    out, queries = tmp_path / "out", tuple(Query(prompt, "short", "presence") for prompt in PROMPTS)
    item = Item(trait, "k", (), shard="g1", row=0, row_id="queries-calm-0")
    block = Block("g1", "queries", "queries (calm)", "h", 0, "f", 1)
    commit = write_block(out / "_tmp", block, [Ended(item, None, queries=queries)], OutputConfig())
    publish_shard(out, out / "_tmp", commit)
    write_manifest(out, Manifest(command="generate", plan="p", config="c", seed=1, shards=(commit,)))
    rows = sample(out, ["trait", "recipe", "outcome"]).rows
    assert {row.after for row in rows} == set(PROMPTS)
    assert {(row.row, row.turn, row.stratum) for row in rows} == {
        (0, at, ("calm", "queries", "presence")) for at in range(3)
    }
    page, table = write_sample(sample(out), tmp_path / "read")
    assert "**User**" not in page.read_text()
    assert len(list(read_verdicts(table))) == 3


def test_the_commands_say_where_to_read(prober: Prober, project: Any) -> None:
    runner = CliRunner()
    line = ["--backend", project.server.url, "--model", "m", "--traits", str(prober.traits), "--use", "calm"]
    told = runner.invoke(probe_command(), [*line, "-o", str(project.out), "--json"])
    assert told.exit_code == 0, told.output
    facts = json.loads(told.stdout)
    assert (facts["sent"], facts["traits"][0]["trait"], facts["silent"]) == (3, "calm", [])
    told = runner.invoke(probe_command(), [*line, "-o", str(project.out)])
    assert "0 requests sent, 0 answered from earlier ones" in told.stdout
    read = project.root / "read"
    told = runner.invoke(sample_command(), [str(project.out), "--by", "trait", "-n", "2", "-o", str(read), "--json"])
    assert told.exit_code == 0, told.output
    facts = json.loads(told.stdout)
    assert (facts["turns"], facts["rows"], facts["page"]) == (3, 2, str(read / "sample.md"))
    assert len(list(read_verdicts(read / "verdicts.csv"))) == 2
    told = runner.invoke(sample_command(), [str(project.out), "-o", str(read)])
    assert isinstance(told.exception, ConfigError)


def probe_command() -> typer.Typer:
    app = typer.Typer()
    app.command()(probe.probe)
    return app


def sample_command() -> typer.Typer:
    app = typer.Typer()
    app.command()(sample_cli.sample)
    return app
