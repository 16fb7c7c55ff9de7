"""A run with a filter that counts the corpus first: frozen once, the same for every worker, kept when input grows."""

from __future__ import annotations

import shutil
from typing import Any

import polars as pl
import pytest

from phrasemill.schemas.errors import ConfigError, IntegrityError

TALE = (
    "The old mill stood at the bend of the river, and every autumn the village came to grind its corn there. "
    "A miller with a lame foot kept the stones turning, and his daughter kept the accounts in a blue book."
)
FILTERS = [{"use": "repetition"}]


@pytest.fixture
def tales(project: Any, chat: Any) -> Any:
    project.write("a.parquet", [chat("first", "Tell me.", TALE), chat("other", "Tell me.", "Once upon a time.")])
    project.write("b.parquet", [chat("twin", "Tell me.", TALE), chat("loop", "Tell me.", "On and on it went. " * 8)])
    return project


def test_twins_and_loops_are_dropped(tales: Any) -> None:
    tales.run("clean", filters=FILTERS)
    outcomes = tales.outcomes()
    assert outcomes["other"] == "kept"
    assert outcomes["loop"] == "dropped"
    assert sorted(outcomes[each] for each in ("first", "twin")) == ["dropped", "kept"]


def test_workers_make_no_difference_and_a_base_is_reused(tales: Any) -> None:
    tales.run("clean", filters=FILTERS, workers=1)
    other = tales.root / "other"
    tales.run("clean", filters=FILTERS, workers=2, out=other)
    assert tales.table("spans").equals(tales.table("spans", other))
    third = tales.run("clean", filters=FILTERS, out=tales.root / "third", base=tales.out)
    assert third.spans_reused == 2


def test_statistics_stay_frozen_when_the_input_grows(tales: Any, chat: Any) -> None:
    tales.run("clean", filters=FILTERS)
    frozen = next((tales.out / "_statistics").glob("*.parquet")).read_bytes()
    tales.write("c.parquet", [chat("late twin", "Tell me.", TALE)])
    report = tales.run("clean", filters=FILTERS)
    assert (report.done, report.skipped) == (1, 2)
    assert next((tales.out / "_statistics").glob("*.parquet")).read_bytes() == frozen
    assert tales.outcomes()["late twin"] == "kept"


def test_damaged_statistics_are_counted_again_unless_the_input_has_grown(tales: Any, chat: Any) -> None:
    tales.run("clean", filters=FILTERS)
    path = next((tales.out / "_statistics").glob("*.parquet"))
    frozen = path.read_bytes()
    path.write_bytes(frozen[:-9] + bytes([frozen[-9] ^ 1]) + frozen[-8:])
    assert tales.run("clean", filters=FILTERS).done == 0
    assert path.read_bytes() == frozen
    tales.write("c.parquet", [chat("late twin", "Tell me.", TALE)])
    tales.run("clean", filters=FILTERS)
    path.write_bytes(frozen[:-9] + bytes([frozen[-9] ^ 1]) + frozen[-8:])
    for _ in range(2):
        with pytest.raises(IntegrityError, match="restore it from a copy"):
            tales.run("clean", filters=FILTERS)
    path.write_bytes(frozen)
    assert tales.run("clean", filters=FILTERS).done == 0


def test_other_options_want_another_folder(tales: Any) -> None:
    tales.run("clean", filters=FILTERS)
    with pytest.raises(ConfigError, match="similarity"):
        tales.run("clean", filters=[{"use": "repetition", "similarity": 0.9}])


def test_statistics_of_another_run_can_be_named(tales: Any) -> None:
    tales.run("scan", filters=FILTERS)
    frozen = next((tales.out / "_statistics").glob("*.parquet"))
    other = tales.root / "other"
    tales.run("scan", filters=[{"use": "repetition", "statistics": str(frozen)}], out=other)
    assert not (other / "_statistics").exists()
    spans = tales.table("spans", other)
    assert spans.equals(tales.table("spans"))
    assert spans.filter(pl.col("rule_id") == "repetition.duplicate").height == 1


def test_what_an_interrupted_count_left_is_not_counted(tales: Any) -> None:
    left = tales.out / "_tmp" / "_statistics"
    left.mkdir(parents=True)
    (tales.out / ".lock").touch()
    (left / "0-dead.parquet").write_bytes(b"PAR1 cut short")
    (tales.out / "_statistics").mkdir()
    (tales.out / "_statistics" / "0-repetition.parquet").write_bytes(b"PAR1 of other options")
    tales.run("clean", filters=FILTERS)
    assert sorted(tales.outcomes()[each] for each in ("first", "twin")) == ["dropped", "kept"]


def test_a_folder_made_again_is_counted_again_in_the_same_process(tales: Any, chat: Any) -> None:
    tales.run("clean", filters=FILTERS)
    shutil.rmtree(tales.out)
    tales.write("a.parquet", [chat("first", "Tell me.", "Quite another story."), chat("other", "Tell me.", "Once.")])
    tales.run("clean", filters=FILTERS)
    assert tales.outcomes()["twin"] == "kept"
