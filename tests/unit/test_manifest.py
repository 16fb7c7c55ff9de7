"""Commit records and the manifest: written whole or not at all, read back, refused where they are broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from phrasemill.engine.manifest import (
    CategoryCount,
    FileRecord,
    Manifest,
    ShardCommit,
    check_ledger,
    part_path,
    read_commits,
    read_manifest,
    totals,
    write_atomic,
    write_commit,
    write_manifest,
)
from phrasemill.schemas.errors import ConfigError, IntegrityError


def record(key: str, **changes: Any) -> ShardCommit:
    files = (FileRecord(path=part_path("sft", key), rows=3, bytes=100, blake3="0" * 64),)
    known = {"source": "in.parquet", "source_hash": "1", "kind": "parquet", "start": 0, "stop": 2, "files": files}
    counts = {"rows_in": 4, "outcomes": {"kept": 2, "repaired": 1, "dropped": 1}, "rules": {"sure": 2}}
    hits = {"opener": CategoryCount(rows=2, spans=2, exempt=1, acted=1)}
    return ShardCommit.model_validate({"key": key, "hits": hits, **known, **counts, **changes})


def manifest(*shards: ShardCommit) -> Manifest:
    return Manifest(command="clean", plan="p", config="c", shards=shards)


def test_files_appear_whole_and_leave_nothing_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["file.json"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_atomic(path, b"data")
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]


def test_commits_are_read_back_in_order_of_their_keys(tmp_path: Path) -> None:
    assert read_commits(tmp_path) == ()
    commits = [record(key) for key in ("b", "c", "a")]
    for commit in commits:
        write_commit(tmp_path, commit)
    (tmp_path / "_commits" / ".d.json.0.tmp").write_text("{")
    assert read_commits(tmp_path) == tuple(sorted(commits, key=lambda commit: commit.key))


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        pytest.param({"kept": 3}, "4 rows in, but 3 ended (kept 3)", id="lost"),
        pytest.param({"kept": 5}, "4 rows in, but 5 ended (kept 5)", id="made up"),
        pytest.param({}, "4 rows in, but 0 ended (no outcome)", id="none"),
        pytest.param({"kept": 5, "dropped": -1}, "4 rows in, but 4 ended", id="negative"),
        pytest.param({"kept": 3, "gone": 1}, "got the outcome gone, expected kept, repaired", id="unknown"),
    ],
)
def test_a_ledger_that_does_not_add_up_is_never_committed(
    tmp_path: Path, outcomes: dict[str, int], message: str
) -> None:
    commit = record("a", outcomes=outcomes)
    with pytest.raises(IntegrityError) as caught:
        write_commit(tmp_path, commit)
    assert str(caught.value).startswith(f"in.parquet, shard a: {message}")
    with pytest.raises(IntegrityError):
        write_manifest(tmp_path, manifest(commit))
    assert list(tmp_path.rglob("*.json")) == []
    check_ledger(record("a"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": "a"}'])
def test_broken_commits_are_told_with_their_path(tmp_path: Path, content: str) -> None:
    write_commit(tmp_path, record("a"))
    (tmp_path / "_commits" / "a.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"_commits/a\.json: is no commit record"):
        read_commits(tmp_path)


def test_a_record_under_another_name_is_refused(tmp_path: Path) -> None:
    write_commit(tmp_path, record("a"))
    (tmp_path / "_commits" / "a.json").rename(tmp_path / "_commits" / "b.json")
    with pytest.raises(IntegrityError, match="got the record of shard a, expected that of b"):
        read_commits(tmp_path)


def test_the_manifest_is_the_same_whatever_the_order_of_its_shards(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest(record("b"), record("a")))
    first = (tmp_path / "manifest.json").read_bytes()
    write_manifest(tmp_path, manifest(record("a"), record("b")))
    assert (tmp_path / "manifest.json").read_bytes() == first
    assert read_manifest(tmp_path) == manifest(record("a"), record("b"))
    with pytest.raises(ValidationError, match="shard a more than once"):
        manifest(record("a"), record("a"))


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        pytest.param("", IntegrityError, "is damaged", id="empty"),
        pytest.param('{"format": 1', IntegrityError, "is damaged", id="cut"),
        pytest.param('{"format": 1, "command": "clean"}', IntegrityError, "is damaged: plan", id="key missing"),
        pytest.param("[]", IntegrityError, "is damaged", id="list"),
        pytest.param('{"format": 2}', ConfigError, "got format 2, expected 1", id="of the future"),
    ],
)
def test_manifests_that_cannot_be_read_say_why(
    tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(error, match=message):
        read_manifest(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "data/../../x", "", "a\0b"])
def test_records_never_point_outside_the_folder(path: str) -> None:
    with pytest.raises(ValidationError):
        FileRecord(path=path, rows=0, bytes=0, blake3="0" * 64)


@pytest.mark.parametrize("key", ["", "../up", "a/b", "a.json", "x" * 81])
def test_keys_are_plain_names(key: str) -> None:
    with pytest.raises(ValidationError):
        record(key)


def test_totals_add_up_shards_and_tables() -> None:
    sums = totals(manifest(record("a"), record("b", rules={"sure": 1, "as-an-ai": 1})))
    assert (sums.shards, sums.rows_in) == (2, 8)
    assert sums.outcomes == {"kept": 4, "repaired": 2, "regenerated": 0, "dropped": 2, "quarantined": 0}
    assert sums.rules == {"as-an-ai": 1, "sure": 3}
    assert sums.hits == {"opener": CategoryCount(rows=4, spans=4, exempt=2, acted=2)}
    assert (sums.rows["sft"], sums.bytes["sft"], sums.files["sft"], sums.rows["spans"]) == (6, 200, 2, 0)
