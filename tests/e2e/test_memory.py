"""The setting ``memory`` is kept: by long rows, by much input, and by a row larger than it; no result depends on it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from phrasemill.engine.memory import DRIVER_BYTES, Keeper, plan_memory, resident_bytes
from phrasemill.engine.part_writer import ROW_GROUP_BYTES
from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import differences, resolved
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import ConfigError

SETTING = 540_000_000
ALLOWED = 1.25
FLAT = 1.10
ROW_BYTES = 2_000_000
LONG_ROWS = 14
SHORT_ROWS = 15
TALK = "the plant wants water and light in a cool room while its soil dries out before you pour again"
WORDS = TALK.split()
PACK = r"""
id: mini
rules:
  - {id: mini.certainly, category: opener, at: start, frame: match, pattern: "certainly[!,]"}
  - {id: mini.hope, category: closer, at: end, frame: match, pattern: "i hope this helps!"}
"""

linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")


def row(number: int, text: str) -> dict[str, Any]:
    answer = {"role": "assistant", "content": f"Certainly! {text}" if number % 6 else text}
    return {"id": f"r{number}", "messages": [{"role": "user", "content": "Why?"}, answer]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy with the small pack, and inputs of 14 and of 84 long rows among short ones."""
    folder = tmp_path_factory.mktemp("memory")
    (folder / "mini.yaml").write_text(PACK)
    policy = {"gate": {"max_dropped": 1, "max_quarantined": 1}}
    (folder / "policy.yaml").write_text(json.dumps({"input": {"path": "."}, "packs": ["mini.yaml"], "policy": policy}))
    some = random.Random(3)
    long = " ".join(some.choices(WORDS, k=ROW_BYTES // 5))
    for times in (1, 6):
        rows = []
        for number in range(LONG_ROWS * times):
            rows.append(row(6 * number + (not number % 6), long[number:]))
            rows += [row(1000 + number, " ".join(some.choices(WORDS, k=60))) for _ in range(SHORT_ROWS)]
        (folder / f"x{times}").mkdir()
        table = pa.Table.from_pylist(rows)
        pq.write_table(table, folder / f"x{times}/a.parquet", write_batch_size=1, use_dictionary=False)
    return folder


def peak(arguments: Sequence[str | Path]) -> tuple[int, int, str]:
    """Exit code, peak of the resident memory of a command and all below it, and what it said."""
    command = [sys.executable, "-m", "phrasemill.engine.cli", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}) as process:
        most = 0
        while process.poll() is None:
            most = max(most, sum(map(held, below(process.pid))))
            time.sleep(0.02)
        assert process.stderr is not None
        return process.returncode, most, process.stderr.read()


def below(root: int) -> list[int]:
    found = [root]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def held(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


@linux
def test_the_peak_stays_below_the_setting_and_does_not_grow_with_the_input(place: Path, tmp_path: Path) -> None:
    peaks = {}
    for times in (1, 6):
        how = ("--policy", place / "policy.yaml", "--workers", "1", "--memory", str(SETTING), "--quiet")
        code, peaks[times], said = peak(["clean", place / f"x{times}", "-o", tmp_path / f"o{times}", *how])
        assert code == 0, said
        rows = pl.read_parquet(tmp_path / f"o{times}/data/sft/*.parquet")
        assert rows.height == LONG_ROWS * (1 + SHORT_ROWS) * times
    assert peaks[6] <= ALLOWED * SETTING
    # how many tables have a row group nearly full at the same moment is chance, and seldom many in a short run
    assert peaks[6] <= FLAT * peaks[1] + 2 * ROW_GROUP_BYTES


@linux
def test_a_line_larger_than_the_setting_goes_to_quarantine_alone(place: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with (tmp_path / "in/a.jsonl").open("w") as file:
        file.write(json.dumps(row(1, TALK)) + "\n")
        file.write('{"id": "r2", "messages": [{"role": "user", "content": "' + "x" * 1_000_000)
        for _ in range(SETTING // 1_000_000):
            file.write("y" * 1_000_000)
        file.write('"}]}\n' + json.dumps(row(3, TALK)) + "\n")
    how = ("--policy", place / "policy.yaml", "--memory", str(SETTING), "--quiet")
    code, most, said = peak(["clean", tmp_path / "in", "-o", tmp_path / "out", *how])
    assert code == 0, said
    assert most <= ALLOWED * SETTING
    (entry,) = pl.read_parquet(tmp_path / "out/quarantine/*.parquet").to_dicts()
    assert (entry["row"], entry["reason"]) == (1, "too_large")
    assert entry["raw_bytes"] > SETTING
    assert pl.read_parquet(tmp_path / "out/data/sft/*.parquet")["id"].sort().to_list() == ["r1", "r3"]


@linux
def test_a_page_larger_than_the_setting_is_refused_before_it_is_unpacked(place: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [row(number, "word " * (30_000_000 if number == 2 else 1)) for number in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in/a.parquet", use_dictionary=False)
    del rows
    how = ("--policy", place / "policy.yaml", "--memory", str(SETTING), "--quiet")
    code, most, said = peak(["clean", tmp_path / "in", "-o", tmp_path / "out", *how])
    assert code == 2, said
    assert "largest page" in said
    assert most <= ALLOWED * SETTING / 2
    assert not (tmp_path / "out/data").exists()


def test_no_published_byte_depends_on_it(place: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    rows = [row(number, " ".join(WORDS[number % 7 :]) * 40) for number in range(3000)]
    pq.write_table(pa.Table.from_pylist(rows), source / "a.parquet", row_group_size=1100)
    sides = [{"id": "p1", "note": 7}, {"id": "p2", "note": "text"}]
    lines = [json.dumps({**row(each, "So."), **sides[each % 2]}) for each in range(9)]
    (source / "b.jsonl").write_text("\n".join(lines))
    published = []
    for number, memory in enumerate((None, "540MB", "4GB")):
        body = {"input": {"path": str(source)}, "packs": [str(place / "mini.yaml")], "memory": memory}
        config = resolved(RunConfig.model_validate({**body, "policy": {"gate": {"max_dropped": 1}}}), tmp_path)
        out = tmp_path / f"out{number}"
        report = execute(config, out, RunOptions(mode="clean", workers=1, show_progress=False))
        published.append(
            [(file.path, file.blake3) for commit in report.manifest.shards for file in commit.files]
            + [sorted(commit.fingerprints.items()) for commit in report.manifest.shards]
            + [report.manifest.config]
        )
    assert published[0] == published[1] == published[2]


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MB", 512_000_000), ("2GB", 2_000_000_000), ("2GiB", 2**31), ("1.5 gb", 1_500_000_000), (7, 7), (None, None)],
)
def test_sizes(text: object, size: int | None) -> None:
    assert RunConfig.model_validate({"input": {"path": "."}, "memory": text}).memory == size


@pytest.mark.parametrize("text", ["2 XB", "-1GB", "0", 0, True, 1.5, "much", "1e9", "GB", "9" * 40])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValidationError, match="expected a size such as 512MB"):
        RunConfig.model_validate({"input": {"path": "."}, "memory": text})


def test_it_may_change_between_two_runs_in_one_folder() -> None:
    one, other = (RunConfig.model_validate({"input": {"path": "."}, "memory": size}) for size in ("1GB", "2GB"))
    assert not differences(one, other)


def test_the_plan_has_as_many_workers_as_fit() -> None:
    assert plan_memory(None, ["regex"], 8).workers == 8
    assert plan_memory(None, ["regex"], 8).share.limit is None
    wide = plan_memory(64 * 10**9, ["regex"], 8)
    assert wide.workers == 8
    few = plan_memory(2 * 10**9, ["regex"], 8)
    assert 1 < few.workers < 8
    assert (few.share.batch_bytes or 0) <= (wide.share.batch_bytes or 0)
    assert plan_memory(2 * 10**9, ["regex", "fuzzy", "classifier"], 8).workers < few.workers
    assert plan_memory(2 * 10**9, ["regex"], 8, shards=20_000).workers < few.workers
    with pytest.raises(ConfigError, match=r"memory: got 100000000 bytes, expected at least (\d+)MB") as refused:
        plan_memory(100_000_000, ["regex"], 2)
    least = int(str(refused.value).split("at least ")[1].split("MB")[0]) * 1_000_000
    assert plan_memory(least, ["regex"], 2).workers == 1
    assert plan_memory(2 * least + DRIVER_BYTES, ["regex"], 2).workers == 2


@linux
def test_a_keeper_without_a_limit_does_nothing_and_one_with_it_lets_patterns_go() -> None:
    from phrasemill.filters import compiled

    compiled._compiled("keep.{1,9}me")
    Keeper(None).keep()
    assert compiled._compiled.cache_info().currsize
    keeper = Keeper((resident_bytes() or 0) // 2)
    keeper.keep()
    assert not compiled._compiled.cache_info().currsize
    compiled._compiled("keep.{1,9}me")
    keeper.keep()  # what cannot be given up is its limit from now on: patterns are not made anew for every batch
    assert compiled._compiled.cache_info().currsize
