"""Every hostile input ends in a clear error or in quarantine: no traceback, no hang, no lost row, no changed row."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from phrasemill.engine.manifest import TABLES, read_manifest, totals
from tests.hostile.case import GOOD, GOOD_NAME, Case, Outcome, parquet
from tests.hostile.commands import Commands
from tests.hostile.folders import FOLDERS
from tests.hostile.json_files import FILES
from tests.hostile.parquet_files import DAMAGED, SCHEMAS
from tests.hostile.texts import TEXTS

CORPUS = {
    f"{kind}: {name}": case
    for kind, cases in (
        ("parquet", DAMAGED),
        ("columns", SCHEMAS),
        ("json", FILES),
        ("text", TEXTS),
        ("folder", FOLDERS),
    )
    for name, case in cases.items()
}


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    made = Commands()
    yield made
    made.close()


def frame(out: Path, table: str) -> pl.DataFrame:
    """All rows of a published table."""
    paths = sorted((out / TABLES[table]).glob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed") if paths else pl.DataFrame()


def check(commands: Commands, folder: Path, case: Case, expected: Outcome, good: list[dict[str, object]]) -> None:
    """Build the input, beside the good rows where there are any, clean it, and look at all that came of it."""
    source, out = folder / "in", folder / "out"
    source.mkdir(parents=True)
    if good:
        parquet(source / GOOD_NAME, good)
    arguments = case.build(source) or [source]
    answer = commands.run("clean", "-q", "-o", out, "--", *arguments)
    told = f"exit {answer.code}: {answer.stderr}"
    assert "Traceback" not in answer.stderr, told
    assert answer.code == expected.code, told
    assert all(part in answer.stderr for part in expected.says), told
    if expected.code == 2:
        assert not os.path.lexists(out), f"{told}; wrote {sorted(out.rglob('*'))}"
        return
    check_rows(out, case, expected, good)
    if good or case.heavy:
        checked = commands.run("verify", out)
        assert checked.code == 0, checked.stderr


def check_rows(out: Path, case: Case, expected: Outcome, good: list[dict[str, object]]) -> None:
    """The good rows came out as they were, and of the others as many as there are, each once."""
    summed = totals(read_manifest(out))
    lost = sum(expected.quarantined.values())
    assert summed.rows_in == expected.rows + lost + len(good), (summed.rows_in, summed.outcomes, summed.reasons)
    assert summed.rows_in == sum(summed.outcomes.values())
    held = frame(out, "quarantine")
    reasons = Counter(held["reason"].to_list()) if len(held) else Counter()
    assert dict(reasons) == dict(expected.quarantined), (
        held.select("reason", "detail", "row").to_dicts() if len(held) else ""
    )
    published = frame(out, "sft")
    said = dict(published.select("id", "messages").iter_rows()) if len(published) else {}
    assert [said[row["id"]] for row in good] == [row["messages"] for row in good]
    assert {name: said[name][-1]["content"] for name in case.said} == dict(case.said)
    assert len(published) + summed.outcomes["dropped"] == expected.rows + len(good)


@pytest.mark.parametrize("name", CORPUS)
def test_alone(name: str, commands: Commands, tmp_path: Path) -> None:
    case = CORPUS[name]
    if why := case.needs():
        pytest.skip(why)
    check(commands, tmp_path, case, case.alone, [])


@pytest.mark.parametrize("name", [name for name, case in CORPUS.items() if not case.heavy])
def test_beside_a_good_file(name: str, commands: Commands, tmp_path: Path) -> None:
    case = CORPUS[name]
    if why := case.needs():
        pytest.skip(why)
    check(commands, tmp_path, case, case.beside or case.alone, GOOD)
