"""The quick start's data is what its sources say, and holds what its README promises."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from phrasemill.engine.query import open_catalog
from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import load_config as read_config
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.tables import CATEGORIES

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
PLANTED = [category for category in CATEGORIES if category != "repetition"]


def load_script(name: str) -> ModuleType:
    """Import a script of the example under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"quickstart_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return load_script("build")


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    shards = [pq.read_table(path) for path in sorted((EXAMPLE / "data").glob("part-*.parquet"))]
    assert len(shards) == 4
    return {row["id"]: row for row in pa.concat_tables(shards).to_pylist()}


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EXAMPLE / "expected.yaml").read_text(encoding="utf-8"))
    return document


def answers(row: dict[str, Any]) -> list[str]:
    return [message["content"] for message in row["messages"] if message["role"] == "assistant"]


def test_shards_equal_the_build_from_sources(build: ModuleType) -> None:
    for index, table in enumerate(build.shards(build.read_sources())):
        assert pq.read_table(EXAMPLE / "data" / f"part-{index}.parquet").equals(table)


def test_expected_equals_the_build_from_sources(build: ModuleType, truth: dict[str, Any]) -> None:
    assert build.expected(build.read_sources()) == truth


def test_every_marked_text_stands_in_its_turn(rows: dict[str, dict[str, Any]], truth: dict[str, Any]) -> None:
    for mark in truth["planted"] + truth["hard_negatives"]:
        message = rows[mark["id"]]["messages"][mark["turn"]]
        assert message["role"] == "assistant", mark
        assert mark["text"], mark
        assert message["content"][mark["start"] :].startswith(mark["text"]), mark


def test_no_mark_is_left_in_the_data(rows: dict[str, dict[str, Any]]) -> None:
    assert not [row["id"] for row in rows.values() if any(mark in str(row["messages"]) for mark in "⟦⟧")]


def test_there_is_enough_of_everything(rows: dict[str, dict[str, Any]], truth: dict[str, Any]) -> None:
    assert len(rows) >= 200
    user_turns = [Counter(message["role"] for message in row["messages"])["user"] for row in rows.values()]
    assert sum(turns > 1 for turns in user_turns) >= 60
    counts = Counter(mark["category"] for mark in truth["planted"])
    assert set(counts) == set(PLANTED)
    assert min(counts.values()) >= 6
    assert len(truth["hard_negatives"]) >= 40
    messages = [message for row in rows.values() for message in row["messages"]]
    assert any(message["role"] == "system" for message in messages)
    assert sum(message["tool_calls"] is not None for message in messages) >= 3
    assert sum(message["content"].startswith("<think>") for message in messages) >= 4


def test_kinds_agree_with_what_is_planted(rows: dict[str, dict[str, Any]], truth: dict[str, Any]) -> None:
    planted: dict[str, set[str]] = {}
    for mark in truth["planted"]:
        planted.setdefault(mark["id"], set()).add(mark["category"])
    kinds = {row_id: kind for kind, ids in truth["rows"].items() for row_id in ids}
    assert kinds.keys() == rows.keys()
    tags = {"refusal", "moralising", "contrast", "slop"}
    for row_id, kind in kinds.items():
        categories = planted.get(row_id, set())
        if kind in ("clean", "unusable"):
            assert not categories, row_id
        elif kind == "tag":
            assert categories, row_id
            assert categories <= tags, row_id
        else:
            assert categories - tags or (kind == "model" and categories == {"slop"}), row_id


def test_dense_slop_is_past_the_shipped_limit(rows: dict[str, dict[str, Any]], truth: dict[str, Any]) -> None:
    per_turn = Counter((mark["id"], mark["turn"]) for mark in truth["planted"] if mark["category"] == "slop")
    policy = load_config().policy
    limit = policy.limit("slop", "slop.any")
    assert limit is not None
    dense = set()
    for (row_id, turn), hits in per_turn.items():
        words = len(rows[row_id]["messages"][turn]["content"].split())
        if hits >= policy.density_min_hits and hits * 1000 / words > limit:
            dense.add(row_id)
    assert len(dense) >= 3
    assert dense <= set(truth["rows"]["model"])
    elsewhere = {row_id for row_id, _ in per_turn} - dense
    assert elsewhere.isdisjoint(truth["rows"]["model"])


def test_two_rows_are_unusable_and_no_more(rows: dict[str, dict[str, Any]], truth: dict[str, Any]) -> None:
    unusable = {row_id for row_id, row in rows.items() if not answers(row)}
    assert unusable == set(truth["rows"]["unusable"])
    assert len(unusable) / len(rows) <= load_config().policy.gate.max_quarantined


def test_answers_are_written_once(rows: dict[str, dict[str, Any]]) -> None:
    texts = Counter(text for row in rows.values() for text in answers(row) if text)
    assert [text for text, count in texts.items() if count > 1] == []
    asked = [[m["content"] for m in row["messages"] if m["role"] == "user"] for row in rows.values()]
    prompts = Counter(turns[0] for turns in asked if turns)
    assert [text for text, count in prompts.items() if count > 1] == []


def load_config() -> RunConfig:
    return RunConfig.model_validate(yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8")))


def test_config_reads_the_shards() -> None:
    config = load_config()
    assert config.input.path == ("data/*.parquet",)
    assert config.backend.use == "local"
    assert config.traits.use == ("plain",)
    assert config.pairs.quality == "judge"


@pytest.mark.parametrize(
    "text", [pytest.param("⟦opener|Sure!", id="open"), pytest.param("Sure!⟧", id="closed without one")]
)
def test_unbalanced_marks_are_refused(build: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="mark"):
        build.unmark(text)


def test_marks_may_nest(build: ModuleType) -> None:
    assert build.unmark("a ⟦opener|b ⟦keep|c⟧⟧ d") == ("a b c d", [("opener", 2, 5), ("keep", 4, 5)])


def test_show_tells_of_a_run_without_a_model(
    truth: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    execute(read_config(EXAMPLE / "config.yaml"), out, RunOptions(mode="clean", show_progress=False))
    with open_catalog(out) as catalog:
        refused = catalog.execute("SELECT row_id FROM quarantine ORDER BY row_id").fetchall()
    assert [row_id for (row_id,) in refused] == truth["rows"]["unusable"]
    monkeypatch.setattr(sys, "argv", ["show.py", str(out)])
    assert load_script("show").main() == 0
    printed = capsys.readouterr().out
    assert "205 conversations in" in printed
    assert "Before and after, stripped" in printed
    assert "Before and after, regenerated: no such turn in this run" in printed
    assert "proves the plumbing" in printed
