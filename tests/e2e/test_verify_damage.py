"""What ``verify`` found damaged is recorded, and the same command does just that anew: all bytes are as they were."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from phrasemill.engine.cli.app import app
from phrasemill.engine.damage import DAMAGED_NAME, record_damage
from phrasemill.engine.folder import locked
from phrasemill.engine.manifest import part_path, read_commits
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import ConfigError, IntegrityError
from tests.e2e.verify_bench import again, content, files, finished, flipped, generate, rows

COMPILED = {"README.md", "catalog.sql", "config.yaml", "generation.json", "manifest.json", "_schema.arrow"}
"""Files that every run writes anew."""

Stamps = dict[str, tuple[int, int, bytes]]


def stamps(out: Path) -> Stamps:
    """Inode, time and bytes of every file that is not compiled anew by each run."""
    named = {path.relative_to(out).as_posix(): path for path in files(out)}
    return {
        name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for name, path in named.items()
        if name not in COMPILED
    }


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files(out)}


def flip(path: Path, seed: object) -> None:
    dice, data = random.Random(f"{seed}"), path.read_bytes()
    path.write_bytes(flipped(data, dice.randrange(len(data)), dice.randrange(8)))


@pytest.mark.parametrize("command", ["scan", "clean", "run", "generate"])
def test_just_the_damaged_shard_is_done_anew(project: Any, command: str) -> None:
    out = finished(project, command)
    before, whole, sent = stamps(out), contents(out), len(project.server.bodies)
    damaged = read_commits(out)[0]
    table = {"scan": "spans", "run": "generations"}.get(command, "sft")
    flip(out / part_path(table, damaged.key), command)
    report = verify(out)
    assert list(report.damaged) == [damaged.key]
    assert record_damage(out, report) == ""
    assert (out / DAMAGED_NAME).exists()
    assert again(project, command, out).taken_back == (damaged.key,)
    assert contents(out) == whole
    assert len(project.server.bodies) == sent
    own = {file.path for file in damaged.files} | {f"_commits/{damaged.key}.json"}
    after = stamps(out)
    assert {name for name in after if after[name][:2] != before[name][:2]} == own
    assert verify(out).ok


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "catalog.sql", "README.md", "config.yaml", "_schema.arrow", "_statistics/1-repetition.parquet"],
)
def test_damaged_files_beside_the_shards_are_written_anew(project: Any, name: str) -> None:
    out = finished(project, "scan")
    whole = contents(out)
    for changed in (flipped(whole[name], len(whole[name]) // 2, 5), None):
        path = out / name
        path.unlink() if changed is None else path.write_bytes(changed)
        report = verify(out)
        assert [problem.path for problem in report.problems] == [name]
        assert record_damage(out, report) == ""
        assert not (out / DAMAGED_NAME).exists()
        assert (again(project, "scan", out).done, contents(out)) == (0, whole)


def test_a_damaged_record_is_restored_from_the_manifest(project: Any) -> None:
    out = finished(project, "clean")
    before, whole = stamps(out), contents(out)
    record = next(name for name in before if name.startswith("_commits/"))
    flip(out / record, 3)
    assert list(verify(out).damaged) == [Path(record).stem]
    assert again(project, "clean", out).done == 0
    assert contents(out) == whole
    after = stamps(out)
    assert {name for name in after if after[name] != before[name]} == {record}


def test_a_damaged_record_that_nothing_restores_costs_its_shard(project: Any) -> None:
    out = finished(project, "clean")
    whole = contents(out)
    key = read_commits(out)[0].key
    flip(out / "_commits" / f"{key}.json", 1)
    flip(out / "manifest.json", 2)
    report = verify(out)
    assert {problem.path for problem in report.problems} >= {"manifest.json", f"_commits/{key}.json"}
    assert again(project, "clean", out).done == 1
    assert contents(out) == whole


@pytest.mark.parametrize("numbers", [(0, 2), (1,), (1, 3)])
def test_blocks_behind_a_damaged_one_stay(
    project: Any, monkeypatch: pytest.MonkeyPatch, numbers: tuple[int, ...]
) -> None:
    monkeypatch.setattr("phrasemill.engine.generate_stratum.BLOCK_ITEMS", 4)
    out, sections = project.root / "out", {"accept": {"rows": 14, "where": ["words >= 8"]}}
    generate(project, out, **sections)
    commits = sorted(read_commits(out), key=lambda commit: commit.start)
    before, whole, sent = stamps(out), contents(out), len(project.server.bodies)
    assert len(commits) == 4
    for number in numbers:
        flip(out / part_path("preference", commits[number].key), number)
    record_damage(out, verify(out))
    report = generate(project, out, **sections)
    assert set(report.taken_back) == {commits[number].key for number in numbers}
    assert [(each.accepted, each.complete) for each in report.strata] == [(14, True)]
    after, log = contents(out), "_requests.jsonl"
    if 3 in numbers:  # behind the last block more items are begun, and cancelled when the last row is accepted
        whole[log] = after[log] = b""
    else:
        assert len(project.server.bodies) == sent
    assert after == whole
    kept = {file.path for number in {0, 1, 2, 3} - set(numbers) for file in commits[number].files}
    now = stamps(out)
    assert {name for name in kept if now[name] != before[name]} == set()
    assert verify(out).ok


def test_damaged_lines_of_the_log_are_taken_out(project: Any) -> None:
    out = finished(project, "run")
    log, sent = out / "_requests.jsonl", len(project.server.bodies)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + flipped(lines[1], 40, 2) + b"".join(lines[2:]))
    report = verify(out)
    assert [problem.path for problem in report.problems] == ["_requests.jsonl"]
    record_damage(out, report)
    again(project, "run", out)
    assert log.read_bytes() == lines[0] + b"".join(lines[2:])
    assert verify(out).ok
    assert len(project.server.bodies) == sent


def test_recheck_finds_what_nobody_verified(project: Any) -> None:
    out = finished(project, "clean")
    whole = contents(out)
    flip(out / part_path("sft", read_commits(out)[0].key), 4)
    assert again(project, "clean", out).taken_back == ()
    assert again(project, "clean", out, recheck=True).taken_back == (read_commits(out)[0].key,)
    assert contents(out) == whole


def test_a_shard_whose_input_is_gone_is_never_taken_back(project: Any) -> None:
    for name in "ab":
        project.write(f"{name}.parquet", rows(name))
    project.run("clean")
    gone = next(each for each in read_commits(project.out) if each.source.endswith("a.parquet"))
    (project.input / "a.parquet").unlink()
    flip(project.out / part_path("sft", gone.key), 1)
    left = (project.out / part_path("sft", gone.key)).read_bytes()
    for how in ({}, {"recheck": True}):
        record_damage(project.out, verify(project.out))
        report = project.run("clean", **how)
        assert (report.taken_back, report.absent) == ((), (gone.key,))
        assert (project.out / part_path("sft", gone.key)).read_bytes() == left
        assert gone.key in (project.out / DAMAGED_NAME).read_text()
    (project.out / "manifest.json").unlink()
    flip(project.out / "_commits" / f"{gone.key}.json", 2)
    with pytest.raises(IntegrityError, match="its input is gone: bring back the input or the record"):
        project.run("clean")


def test_a_damaged_configuration_never_hides_another_one(project: Any) -> None:
    out = finished(project, "clean")
    text = (out / "config.yaml").read_bytes()
    (out / "config.yaml").write_bytes(flipped(text, text.index(b"seed: 1") + 6, 1))
    before = stamps(out)
    with pytest.raises(ConfigError, match="another configuration"):
        project.run("clean", out=out, seed=9)
    assert stamps(out) == before
    assert again(project, "clean", out).done == 0
    assert (out / "config.yaml").read_bytes() == text


def test_what_is_whole_again_is_left_alone(project: Any) -> None:
    out = finished(project, "clean")
    before = stamps(out)
    path = out / part_path("sft", read_commits(out)[0].key)
    with content(path, flipped(path.read_bytes(), 50, 1)):
        record_damage(out, verify(out))
    assert again(project, "clean", out).taken_back == ()
    assert not (out / DAMAGED_NAME).exists()
    assert {name for name, stamp in stamps(out).items() if stamp[0] != before[name][0]} == set()


def test_the_record_waits_while_a_run_holds_the_folder(project: Any) -> None:
    out = finished(project, "scan")
    flip(out / part_path("spans", read_commits(out)[0].key), 1)
    with locked(out):
        assert "a run holds the folder" in record_damage(out, verify(out))
    assert not (out / DAMAGED_NAME).exists()
    assert record_damage(out, verify(out)) == ""
    assert (out / DAMAGED_NAME).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_verified_all_the_same(project: Any) -> None:
    out = finished(project, "scan")
    flip(out / part_path("spans", read_commits(out)[0].key), 1)
    for folder in (out, *out.rglob("*")):
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    try:
        report = verify(out)
        assert len(report.damaged) == 1
        assert "was not recorded" in record_damage(out, report)
    finally:
        for folder in (out, *out.rglob("*")):
            folder.chmod(0o755 if folder.is_dir() else 0o644)


def test_the_command_says_records_and_clears(project: Any) -> None:
    out = finished(project, "clean")
    key = read_commits(out)[0].key
    path = out / part_path("sft", key)
    runner: Callable[..., Any] = CliRunner().invoke
    with content(path, flipped(path.read_bytes(), 99, 0)):
        result = runner(app, ["verify", str(out)])
        assert (result.exit_code, DAMAGED_NAME in os.listdir(out)) == (5, True)
        assert "1 shards are damaged" in result.output
        result = runner(app, ["verify", str(out), "--json"])
        assert f'"{key}"' in result.stdout
    result = runner(app, ["verify", str(out)])
    assert (result.exit_code, DAMAGED_NAME in os.listdir(out)) == (0, False)
