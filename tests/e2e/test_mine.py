"""``phrasemill mine`` from files to a pack that other commands take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from phrasemill.engine.mine import Mining, Source, run_mining
from phrasemill.engine.mine_pack import prove
from phrasemill.filters.examples import run_examples
from phrasemill.filters.lint import lint_packs
from phrasemill.filters.mining_pack import pack_yaml, shown_phrase
from phrasemill.schemas.errors import ConfigError

PLACES = ("the harbour", "a small garden", "an old mill", "the market", "a quiet lane", "the north shore")
ACTS = ("Walk along", "Think about", "Describe", "Draw", "Leave", "Return to", "Measure", "Clean")
ENDS = ("before noon", "with great care", "twice a week", "in the rain", "for an hour", "on foot")


def answers(count: int, seed: int) -> list[str]:
    """Plain answers of two sentences of the same words."""
    chance = np.random.default_rng(seed)
    return [
        " ".join(f"{chance.choice(ACTS)} {chance.choice(PLACES)} {chance.choice(ENDS)}." for _ in range(2))
        for _ in range(count)
    ]


def table(rows: list[str], model: str) -> pl.DataFrame:
    chats = [
        [{"role": "user", "content": f"Question {number}?"}, {"role": "assistant", "content": text}]
        for number, text in enumerate(rows)
    ]
    return pl.DataFrame({"messages": chats, "source": [model] * len(rows)})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of a model with an opener and a closer of its own, and of two others to the same prompts."""
    folder = tmp_path_factory.mktemp("mine")
    ticked = answers(200, 1)
    for number in range(0, 200, 8):
        ticked[number] = f"Aye aye, skipper! {ticked[number]}"
        ticked[number + 3] = f"{ticked[number + 3]}\n\nYell if anything is murky."
    own = table(ticked, "gull")
    others = pl.concat([table(answers(200, 2), "tern"), table(answers(200, 3), "auk")])
    pl.concat([own, others]).sample(fraction=1.0, shuffle=True, seed=1).write_parquet(folder / "all.parquet")
    own.drop("source").write_parquet(folder / "gull.parquet")
    others.drop("source").write_ndjson(folder / "others.jsonl")
    return folder


def mine(mining: Mining) -> list[str]:
    return [shown_phrase(phrase.tokens) for phrase in run_mining(mining, Source(mining)).phrases]


def test_sources_are_told_apart_and_the_pack_is_proven(files: Path, tmp_path: Path) -> None:
    mining = Mining((str(files / "all.parquet"),), by="source", model="gull", show_progress=False)
    source = Source(mining)
    mined = run_mining(mining, source)
    assert [shown_phrase(phrase.tokens) for phrase in mined.phrases] == [
        "^aye aye, skipper!",
        "¶ yell if anything is murky.$",
    ]
    assert (mined.against, mined.matched, mined.here_seen, mined.elsewhere_seen) == ("sources", True, 200, 400)
    pack = prove(mined, mining, source, "gulls").pack
    path = tmp_path / "gulls.yaml"
    path.write_text(pack_yaml(pack), "utf-8")
    assert [(rule.id, rule.at, rule.category) for rule in pack.rules] == [
        ("gulls.aye_aye_skipper", "start", "mined"),
        ("gulls.yell_if_anything_is_murky", "end", "mined"),
    ]
    assert all("hits 25 of 200 (12.50%) answers; elsewhere 0 of 400 (0.00%)" in rule.note for rule in pack.rules)
    assert all(outcome.passed for outcome in run_examples([str(path)]))
    assert lint_packs([str(path)]) == []


def test_another_corpus_is_compared_with(files: Path) -> None:
    mining = Mining((str(files / "gull.parquet"),), against=(str(files / "others.jsonl"),), top=1, show_progress=False)
    assert mine(mining) == ["^aye aye, skipper!"]


def test_rows_of_a_model_against_another_corpus(files: Path) -> None:
    whole, others = str(files / "all.parquet"), str(files / "others.jsonl")
    assert mine(Mining((whole,), by="source", model="tern", against=(others,), show_progress=False)) == []


def test_word_frequencies_where_there_is_nothing_to_compare_with(files: Path) -> None:
    pytest.importorskip("wordfreq")
    found = mine(Mining((str(files / "gull.parquet"),), show_progress=False))
    assert any("aye aye, skipper" in phrase for phrase in found)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"by": "model", "model": "gull"}, "no column 'model' beside its messages; it has: source"),
        ({"by": "source", "model": "emu"}, r"no row of column 'source' is 'emu'; there are .*gull \(200\)"),
        ({"by": "source"}, "got one of --by and --model, expected both"),
    ],
)
def test_what_is_not_there_is_named(files: Path, options: dict[str, str], says: str) -> None:
    mining = Mining((str(files / "all.parquet"),), show_progress=False, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=says):
        run_mining(mining, Source(mining))


def command(*args: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "phrasemill.engine.cli", "mine", *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_prints_json_and_writes_a_pack_once(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "gulls.yaml"
    args = (files / "all.parquet", "--by", "source", "--model", "gull", "-o", out)
    done = command(*args, "--json")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    first = said["phrases"][0]
    assert (first["phrase"], first["here"], first["prompts"]) == ("^aye aye, skipper!", 25, 25)
    assert first["rule"] == "gulls.aye_aye_skipper"
    assert first["example"].startswith("Aye aye, skipper!")
    assert said["rules"] == 2
    assert all(outcome.passed for outcome in run_examples([str(out)]))
    before = out.read_text("utf-8")
    again = command(*args)
    assert again.returncode == 2
    assert "is already there and left alone" in again.stderr
    assert out.read_text("utf-8") == before


def test_the_command_prints_a_table(files: Path) -> None:
    done = command(files / "all.parquet", "--by", "source", "--model", "gull", "--top", "1")
    assert done.returncode == 0, done.stderr
    assert "^aye aye, skipper!  12.50%" in done.stdout
    assert "murky" not in done.stdout.split("example")[0]


def test_a_bad_name_of_a_pack_is_refused_before_the_work(files: Path, tmp_path: Path) -> None:
    done = command(files / "absent.parquet", "-o", tmp_path / "My pack.yaml")
    assert done.returncode == 2
    assert "expected a name such as mined.yaml" in done.stderr
