"""Whatever is changed, lost, added or miscounted in an output folder is found, with its shard and path."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engine.manifest import part_path, read_commits, write_commit
from phrasemill.engine.verify import VerifyReport, verify
from phrasemill.schemas.errors import ConfigError

Rows = dict[str, list[dict[str, Any]]]
SFT = "data/sft/part-aa.parquet"


def messages(report: VerifyReport) -> dict[str, str]:
    return {problem.path: problem.message for problem in report.problems}


def test_a_whole_folder_has_no_problem(out: Path, empty_out: Path) -> None:
    report = verify(out)
    assert report.problems == ()
    assert (report.shards, report.rows_in, report.ok) == (2, 8, True)
    assert report.files == len(list(out.rglob("*.parquet")))
    assert verify(empty_out).ok


@pytest.mark.parametrize("table", ["sft", "preference", "spans", "originals", "verdicts"])
def test_every_flipped_bit_is_found(out: Path, table: str) -> None:
    path = out / part_path(table, "aa")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    (problem,) = verify(out).problems
    assert (problem.shard, problem.path) == ("aa", part_path(table, "aa"))
    assert "its content was changed" in problem.message


def test_truncated_and_missing_files_are_found(out: Path) -> None:
    os.truncate(out / SFT, 100)
    (out / "evidence/spans/part-bb.parquet").unlink()
    found = messages(verify(out))
    assert found[SFT].startswith("has 100 bytes, expected ")
    assert found["evidence/spans/part-bb.parquet"] == "is missing"
    assert len(found) == 2


def test_files_that_no_shard_lists_are_found(out: Path) -> None:
    (out / "data/sft/part-cc.parquet").write_bytes(b"stray")
    (out / "quarantine/.part-dd.parquet.tmp").write_bytes(b"left by a stopped run")
    (out / "README.md").unlink()
    assert sorted(messages(verify(out))) == ["README.md", "data/sft/part-cc.parquet", "quarantine/.part-dd.parquet.tmp"]


def test_commit_records_must_be_those_of_the_manifest(out: Path) -> None:
    first, second = read_commits(out)
    write_commit(out, second.model_copy(update={"source": "elsewhere"}))
    write_commit(out, first.model_copy(update={"key": "new", "files": ()}))
    (out / "_commits" / "aa.json").unlink()
    assert sorted(messages(verify(out))) == ["_commits/aa.json", "_commits/bb.json", "_commits/new.json"]


def test_a_damaged_commit_record_is_told(out: Path) -> None:
    (out / "_commits" / "aa.json").write_text("{")
    assert "no commit record" in messages(verify(out))["_commits/aa.json"]


@pytest.mark.parametrize(
    ("edit", "path", "message"),
    [
        pytest.param(
            lambda rows: rows["verdicts"][1].update(row=0),
            "evidence/verdicts/part-aa.parquet",
            "has more than one verdict for row 0",
            id="verdict twice",
        ),
        pytest.param(
            lambda rows: rows["verdicts"][1].update(shard="zz"),
            "evidence/verdicts/part-aa.parquet",
            "has 1 verdicts of other shards",
            id="verdict of another shard",
        ),
        pytest.param(
            lambda rows: rows["sft"].pop(),
            SFT,
            "lacks what was kept, repaired or regenerated: row 4",
            id="row lost",
        ),
        pytest.param(
            lambda rows: rows["sft"].append(rows["sft"][0]),
            SFT,
            "has more than once row 0",
            id="row repeated",
        ),
        pytest.param(
            lambda rows: rows["verdicts"][0].update(outcome="dropped"),
            SFT,
            "has what was not kept, repaired or regenerated: row 0",
            id="dropped row published",
        ),
        pytest.param(
            lambda rows: rows["verdicts"][0].update(outcome="quarantined"),
            "quarantine/part-aa.parquet",
            "lacks what was quarantined: row 0",
            id="quarantined row lost",
        ),
        pytest.param(
            lambda rows: rows["verdicts"][0].update(outcome="regenerated"),
            "evidence/generations/part-aa.parquet",
            "has no accepted answer for what was regenerated: row 0",
            id="regenerated without an answer",
        ),
        pytest.param(
            lambda rows: rows["preference"][0].update(pm_row=9),
            "data/preference/part-aa.parquet",
            "has pairs of rows that are not published: row 9",
            id="pair of no row",
        ),
        pytest.param(
            lambda rows: [span.update(start=span["start"] + 1) for span in rows["spans"]],
            "evidence/spans/part-aa.parquet",
            "has 5 spans whose text is not the cut of the original: 5 rows (0, 1, 2, ...)",
            id="span shifted",
        ),
        pytest.param(
            lambda rows: rows["spans"][0].update(cut_stop=1000),
            "evidence/spans/part-aa.parquet",
            "has 1 spans that cut outside their turn: row 0",
            id="cut outside",
        ),
        pytest.param(
            lambda rows: rows["originals"].pop(2),
            "evidence/spans/part-aa.parquet",
            "has 1 spans in turns that originals lacks: row 2",
            id="original lost",
        ),
        pytest.param(
            lambda rows: rows["originals"].append(rows["originals"][0]),
            "evidence/originals/part-aa.parquet",
            "has the same turn twice in row 0",
            id="original twice",
        ),
    ],
)
def test_evidence_that_does_not_fit_is_found(
    out: Path, rewrite: Callable[..., None], edit: Callable[[Rows], None], path: str, message: str
) -> None:
    rewrite(edit)
    assert (path, message) in [(problem.path, problem.message) for problem in verify(out).problems]


def test_counts_of_the_commit_record_are_checked(out: Path, rewrite: Callable[..., None]) -> None:
    rewrite(list, outcomes={"kept": 2, "repaired": 3}, pairs={"strip": 5}, requests={"failed": 1})
    assert messages(verify(out)) == {
        "evidence/verdicts/part-aa.parquet": "has the outcomes kept 1, repaired 4, expected kept 2, repaired 3",
        "data/preference/part-aa.parquet": "has the pairs strip 4, expected strip 5",
        "evidence/generations/part-aa.parquet": "has the requests none, expected failed 1",
    }


def test_without_a_manifest_there_is_nothing_to_verify(out: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found; expected a folder"):
        verify(tmp_path / "nowhere")
    (out / "manifest.json").unlink()
    assert messages(verify(out))["manifest.json"].startswith("is missing: the run was stopped")
    (out / "manifest.json").write_text('{"format": 1}')
    assert messages(verify(out))["manifest.json"].startswith("is damaged")
