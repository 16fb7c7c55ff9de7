"""The Python API: the same work as the command line, and frames of what was published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import phrasemill as pm
from phrasemill.engine.catalog import SCHEMAS

ANSWERS = ("Certainly! Water the fern twice a week.", "The shop opens at ten.", "I am ChatGPT, made by OpenAI.")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("api") / "in.parquet"
    pq.write_table(pa.table({"prompt": ["What now?"] * len(ANSWERS), "response": ANSWERS}), path)
    return path


@pytest.fixture(scope="module")
def result(source: Path) -> pm.Result:
    return pm.clean(source, source.parent / "out")


def test_clean_returns_what_it_published(result: pm.Result) -> None:
    assert sorted(result.verdicts()["outcome"]) == ["dropped", "kept", "repaired"]
    assert [turns[1]["content"] for turns in result.sft()["messages"]] == ["Water the fern twice a week.", ANSWERS[1]]
    assert result.preference()["rejected"][0][0]["content"] == ANSWERS[0]
    assert set(result.originals()["text"]) == {ANSWERS[0], ANSWERS[2]}
    assert result.sql("SELECT count(*) AS rows FROM verdicts")["rows"].to_list() == [3]
    assert result.totals.rows_in == 3


def test_tables_that_were_not_published_are_empty_with_their_columns(result: pm.Result) -> None:
    assert result.generations().is_empty()
    assert result.generations().columns == SCHEMAS["generations"].names
    assert result.quarantine().columns == SCHEMAS["quarantine"].names


def test_open_result_reads_it_again(result: pm.Result) -> None:
    again = pm.open_result(result.out)
    assert again.manifest == result.manifest
    assert again.spans().equals(result.spans())


def test_scan_decides_only_with_a_policy(source: Path, result: pm.Result) -> None:
    bare = pm.scan(source, source.parent / "bare")
    assert set(bare.spans()["action"]) == {None}
    judged = pm.scan(
        [source], source.parent / "judged", policy=pm.Policy.model_validate({"actions": {"opener": "tag"}})
    )
    opener = judged.sql("SELECT action FROM spans WHERE category = 'opener'")
    assert opener["action"].to_list() == ["tag"]
    again = pm.scan(source, source.parent / "as-before", policy=result.out / "config.yaml")
    assert "strip" in set(again.spans()["action"])


def test_a_policy_must_name_what_there_is(source: Path) -> None:
    policy = pm.Policy.model_validate({"density": {"slopp": 3}})
    with pytest.raises(pm.PhrasemillError, match=r"policy\.density: got 'slopp'.*did you mean 'slop'"):
        pm.clean(source, source.parent / "never", policy=policy)
    assert not (source.parent / "never").exists()


def test_run_needs_no_model_where_no_row_does(source: Path) -> None:
    body = {"input": {"path": str(source)}, "policy": {"actions": {"identity_leak": "tag", "ai_self_reference": "tag"}}}
    config = pm.RunConfig.model_validate(body)
    first = pm.run(config, source.parent / "ran")
    assert first.totals.outcomes["repaired"] == 1
    taken_over = pm.run(config, source.parent / "ran-again", base=first.out)
    assert taken_over.spans().drop("score").equals(first.spans().drop("score"))


def test_every_public_name_loads_and_importing_is_light() -> None:
    assert all(hasattr(pm, name) for name in pm.__all__)
    assert list(pm.__all__) == sorted(pm.__all__)
    with pytest.raises(AttributeError, match="no attribute 'mend'"):
        _ = pm.mend
    code = (
        "import sys, phrasemill.engine.cli; print(sorted({'polars', 'pyarrow', 'duckdb', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
