"""``verify``: a flipped bit in any file, a file too few or too many, a row lost or doubled: each is found and named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.engine.manifest import (
    FileRecord,
    ShardCommit,
    part_path,
    plain_record,
    read_commits,
    read_manifest,
    write_commit,
    write_manifest,
)
from phrasemill.engine.verify import verify
from phrasemill.generators.attempts import ATTEMPT_NAMES, AttemptLog
from phrasemill.schemas.errors import IntegrityError
from tests.e2e.conftest import Project, Server
from tests.e2e.verify_bench import content, files, finished, flipped, judged, places, wrong

COMMANDS = ("scan", "clean", "run", "generate")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    server = Server()
    project = Project(tmp_path_factory.mktemp("verify"), server)
    out = {command: finished(project, command) for command in COMMANDS}
    yield {**out, "judge": judged(project, out["clean"])}
    server.http.shutdown()
    server.http.server_close()


@pytest.mark.parametrize("command", [*COMMANDS, "judge"])
def test_a_flipped_bit_is_found_in_every_file(made: dict[str, Path], command: str) -> None:
    out, dice = made[command], random.Random(f"flips of {command}")
    report = verify(out)
    assert (report.problems, report.notes) == ((), ())
    for path in files(out):
        data = path.read_bytes()
        at = dice.choice(places(data, dice, 4))
        with content(path, flipped(data, at, dice.randrange(8))):
            assert path.relative_to(out).as_posix() in wrong(out), (path, at)
    assert verify(out).ok


def test_every_bit_of_the_records_counts(made: dict[str, Path]) -> None:
    out = made["generate"]
    commit = next((out / "_commits").glob("*.json"))
    data, dice = commit.read_bytes(), random.Random(11)
    for at in dice.sample(range(len(data)), 300):
        with content(commit, flipped(data, at, dice.randrange(8))), pytest.raises(IntegrityError):
            read_commits(out)
    manifest = out / "manifest.json"
    data = manifest.read_bytes()
    for at in dice.sample(range(len(data)), 300):
        with content(manifest, flipped(data, at, dice.randrange(8))), pytest.raises(IntegrityError):
            read_manifest(out)


def test_a_changed_answer_is_never_replayed(made: dict[str, Path]) -> None:
    log = made["run"] / "_requests.jsonl"
    data = log.read_bytes()
    at = data.index(b"Keep it dry")
    with content(log, flipped(data, at, 1)), pytest.raises(IntegrityError, match=r"_requests\.jsonl:1: not a record"):
        AttemptLog(log)
    with content(log, data):
        opened = AttemptLog(log)
        key = orjson.loads(data.splitlines()[0])["request_hash"]
        log.write_bytes(flipped(data, at, 1))
        with pytest.raises(IntegrityError, match="a stored answer is damaged"):
            opened.get(key)
        opened.close()


def test_a_log_of_an_earlier_version_is_read(made: dict[str, Path]) -> None:
    log = made["run"] / "_requests.jsonl"
    records = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    plain = [{name: record[name] for name in record if name in ATTEMPT_NAMES} for record in records]
    with content(log, b"".join(orjson.dumps(record) + b"\n" for record in plain)):
        assert verify(made["run"]).ok
        with AttemptLog(log) as opened:
            answer = opened.get(records[0]["request_hash"])
            assert answer is not None
            assert answer.text == records[0]["text"]


def test_a_folder_of_an_earlier_version_is_checked_as_far_as_it_goes(made: dict[str, Path]) -> None:
    out = made["clean"]
    manifest = orjson.loads((out / "manifest.json").read_bytes())
    for name in ("checksum", "beside"):
        del manifest[name]
    with content(out / "manifest.json", orjson.dumps(manifest)):
        report = verify(out)
        assert report.ok
        assert "no checksum of its own" in report.notes[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_are_gone_cut_or_longer_are_found(made: dict[str, Path], command: str) -> None:
    out, dice = made[command], random.Random(f"sizes of {command}")
    for path in files(out):
        if path.name == "_requests.jsonl":
            continue  # lines may be missing there: their requests are sent again
        data = path.read_bytes()
        changed = dice.choice([None, data[: dice.randrange(len(data))], data + b"\n"])
        with content(path, changed):
            assert path.relative_to(out).as_posix() in wrong(out), (path, changed)


@pytest.mark.parametrize(
    "name",
    ["data/sft/part-00.parquet", "data/extra.parquet", "evidence/spans/copy of part.parquet", "_commits/old.json.bak"],
)
def test_strangers_are_found(made: dict[str, Path], name: str) -> None:
    with content(made["clean"] / name, b"PAR1"):
        assert wrong(made["clean"]) == {name}


def test_a_second_record_of_the_same_rows_is_found(made: dict[str, Path]) -> None:
    out = made["clean"]
    first, manifest = read_commits(out)[0], read_manifest(out)
    for name in ("manifest.json", "_commits/twin.json"):
        if not (out / name).exists():
            write_commit(out, first.model_copy(update={"key": "twin"}))
    try:
        with content(out / "manifest.json", b""):
            write_manifest(out, manifest.model_copy(update={"shards": read_commits(out)}))
            said = [problem.message for problem in verify(out).problems if problem.shard == "twin"]
    finally:
        (out / "_commits" / "twin.json").unlink()
    assert any("the same rows are there twice" in message for message in said)
    assert any("is not the name of a file of shard twin" in message for message in said)


def test_files_of_two_shards_in_each_others_place_are_found(made: dict[str, Path]) -> None:
    out = made["run"]
    one, two = (out / part_path("verdicts", commit.key) for commit in read_commits(out))
    first, second = one.read_bytes(), two.read_bytes()
    with content(one, second), content(two, first):
        assert {path.relative_to(out).as_posix() for path in (one, two)} <= wrong(out)


Edit = Callable[[pl.DataFrame], pl.DataFrame]


def first_twice(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame.head(1)])


def without_first(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.tail(-1)


def rewritten(out: Path, commit: ShardCommit, table: str, edit: Edit) -> ShardCommit:
    """The record of the shard with an edited table that is named with its new checksum and number of rows."""
    name = part_path(table, commit.key)
    schema = pq.read_schema(out / name)
    frame = edit(pl.read_parquet(out / name))
    pq.write_table(frame.to_arrow().cast(pa.schema(schema)), out / name)
    record = FileRecord(**plain_record(out, name).model_dump(), rows=frame.height)
    others = tuple(record if file.path == name else file for file in commit.files)
    return commit.model_copy(update={"files": others})


@pytest.mark.parametrize(
    ("table", "edit", "message"),
    [
        pytest.param("sft", without_first, "lacks what was kept, repaired or regenerated: row 1", id="row lost"),
        pytest.param("sft", first_twice, "has more than once row 1", id="row doubled"),
        pytest.param("verdicts", without_first, "has 7 verdicts, expected one for each of 8 rows", id="verdict lost"),
        pytest.param("verdicts", first_twice, "has more than one verdict for row 1", id="verdict doubled"),
        pytest.param(
            "verdicts",
            lambda frame: frame.with_columns(row=pl.when(pl.col("row") == 7).then(9).otherwise("row")),
            "has verdicts outside the 8 rows of the shard: row 9",
            id="verdict of no row",
        ),
        pytest.param(
            "sft",
            lambda frame: frame.with_columns(id=frame["id"].reverse()),
            "has another id than its verdict: 8 rows (0, 1, 2, ...)",
            id="rows mixed up",
        ),
        pytest.param(
            "spans",
            lambda frame: frame.with_columns(shard=pl.lit("other")),
            "has 4 rows of other shards",
            id="another shard's evidence",
        ),
        pytest.param("spans", first_twice, "has the hits identity_leak 3, opener 2, expected", id="hit doubled"),
        pytest.param("spans", without_first, "has the hits identity_leak 1, opener 2, expected", id="hit lost"),
        pytest.param("preference", first_twice, "has the same pair more than once: row 1", id="pair doubled"),
        pytest.param("originals", without_first, "has 1 spans in turns that originals lacks: row 0", id="turn lost"),
        pytest.param("generations", without_first, "has no accepted answer for what was regenerated", id="answer lost"),
    ],
)
def test_rows_lost_or_doubled_are_found_though_every_checksum_holds(
    made: dict[str, Path], table: str, edit: Edit, message: str
) -> None:
    out, manifest = made["run"], read_manifest(made["run"])
    commit = next(each for each in manifest.shards if each.kind == "parquet")
    name = part_path(table, commit.key)
    kept: dict[str, Any] = {each: (out / each).read_bytes() for each in (name, "manifest.json")}
    kept[f"_commits/{commit.key}.json"] = (out / "_commits" / f"{commit.key}.json").read_bytes()
    try:
        forged = rewritten(out, commit, table, edit)
        write_commit(out, forged)
        shards = tuple(forged if each.key == forged.key else each for each in manifest.shards)
        write_manifest(out, manifest.model_copy(update={"shards": shards}))
        report = verify(out)
    finally:
        for path, data in kept.items():
            (out / path).write_bytes(data)
    said = [problem.message for problem in report.problems if problem.shard == commit.key]
    assert any(each.startswith(message) for each in said), report.problems
    assert commit.key in report.damaged
