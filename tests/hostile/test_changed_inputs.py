"""A file that vanishes or changes between plan and reading, or while it is read, is named and never half believed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from phrasemill.engine import run as run_module
from phrasemill.engine.manifest import TABLES
from phrasemill.engine.read import read_shard
from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import resolved
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.engine.source import hashed
from phrasemill.engine.verify import verify
from phrasemill.schemas.config import InputConfig, RunConfig
from phrasemill.schemas.errors import IntegrityError, PhrasemillError
from tests.hostile.case import lines, parquet, rows

PACK = "id: mini\nrules:\n  - {id: mini.x, category: opener, at: start, frame: match, pattern: 'certainly[!,]'}\n"
OLD, NEW = rows(400, "old"), rows(400, "new")


def write(path: Path, data: list[dict[str, Any]]) -> None:
    """Write the file anew in its place, in the format that its name says."""
    other = path.with_name("_other" + path.suffix)
    if path.suffix == ".parquet":
        parquet(other, data, row_group_size=50)
    else:
        other.write_bytes(lines(data))
    with other.open("rb") as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    other.unlink()


def vanish(path: Path) -> None:
    path.unlink()


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grow(path: Path) -> None:
    with path.open("ab") as target:
        target.write(lines(rows(3, "more")))


def rewrite(path: Path) -> None:
    write(path, NEW)


def replace(path: Path) -> None:
    write(path.with_name("zz-new" + path.suffix), NEW)
    path.with_name("zz-new" + path.suffix).replace(path)


def rewrite_with_its_times(path: Path) -> None:
    """Same size, same time of the last write: only the time of the last change of any kind tells."""
    before = path.stat()
    write(path, NEW)
    os.truncate(path, before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {change.__name__: change for change in (vanish, shrink, grow, rewrite, replace, rewrite_with_its_times)}
NAMES = ("a.parquet", "a.jsonl")
changes = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
names = pytest.mark.parametrize("name", NAMES)


def ids(plan: InputPlan) -> list[str]:
    return [
        name for shard in plan.shards for batch in read_shard(shard, plan) for name in batch.table["id"].to_pylist()
    ]


@changes
@names
def test_before_it_is_read(change: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path, OLD)
    plan = plan_input(InputConfig(path=(str(path),)))
    change(path)
    with pytest.raises(IntegrityError, match=name):
        ids(plan)


@changes
@names
def test_while_it_is_read(
    change: Callable[[Path], None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phrasemill.engine.parquet_rows.MAX_BATCH_ROWS", 20)
    monkeypatch.setattr("phrasemill.engine.ingest_lines.BLOCK_BYTES", 2_000)
    monkeypatch.setattr("phrasemill.engine.ingest_lines.READ_BYTES", 1_000)
    path = tmp_path / name
    write(path, OLD)
    plan = plan_input(InputConfig(path=(str(path),)))
    batches = read_shard(plan.shards[0], plan)
    assert next(batches).table["id"].to_pylist()[0] == "old0"
    change(path)
    with pytest.raises(IntegrityError, match=name):
        list(batches)


@names
def test_a_touched_moved_or_rewritten_file_of_the_same_content_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path, OLD)
    plan = plan_input(InputConfig(path=(str(path),)))
    os.utime(path, ns=(1, 1))
    path.chmod(0o600)
    assert ids(plan) == [row["id"] for row in OLD]
    batches = read_shard(plan.shards[0], plan)
    shown = len(next(batches).table)
    path.chmod(0o644)
    assert sum(len(batch.table) for batch in batches) == len(OLD) - shown


def test_a_touched_file_is_hashed_once_for_all_its_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    write(path, OLD)
    monkeypatch.setattr("phrasemill.engine.shards.TARGET_LINES_BYTES", 2_000)
    plan = plan_input(InputConfig(path=(str(path),)))
    assert len(plan.shards) > 5
    looked: list[str] = []

    def counted(path: str) -> tuple[int, str]:
        looked.append(path)
        return hashed(path)

    monkeypatch.setattr("phrasemill.engine.ingest_unchanged.hashed", counted)
    path.chmod(0o600)
    path.chmod(0o640)
    assert ids(plan) == [row["id"] for row in OLD]
    assert looked == [str(path)]
    rewrite_with_its_times(path)
    with pytest.raises(IntegrityError, match=r"a\.jsonl: is not the file that was planned"):
        ids(plan)


class Run:
    """Three files and a folder to clean them into."""

    def __init__(self, root: Path) -> None:
        self.input = root / "in"
        self.input.mkdir()
        self.out = root / "out"
        (root / "mini.yaml").write_text(PACK)
        for name, prefix in (("a.jsonl", "a"), ("b.parquet", "b"), ("c.jsonl", "c")):
            write(self.input / name, rows(30, prefix))
        config = {"input": {"path": str(self.input)}, "packs": [str(root / "mini.yaml")]}
        self.config = resolved(RunConfig.model_validate(config), root)

    def clean(self, workers: int = 1) -> None:
        execute(self.config, self.out, RunOptions(mode="clean", workers=workers, show_progress=False))

    def ids(self) -> list[str]:
        paths = (self.out / TABLES["sft"]).glob("*.parquet")
        return sorted(name for path in paths for name in pl.read_parquet(path)["id"])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def after_plan(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is put in here happens between plan and reading, in the real run."""
    then: list[Callable[[], None]] = []

    def planned(*args: Any, **options: Any) -> InputPlan:
        plan = plan_input(*args, **options)
        while then:
            then.pop()()
        return plan

    monkeypatch.setattr(run_module, "plan_input", planned)
    return then


def expected(*prefixes: str) -> list[str]:
    return sorted(row["id"] for prefix in prefixes for row in rows(30, prefix))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_other_shards_are_published_and_the_run_resumes(
    run: Run, after_plan: list[Callable[[], None]], workers: int
) -> None:
    kept = (run.input / "a.jsonl").read_bytes()
    after_plan.append(lambda: vanish(run.input / "a.jsonl"))
    with pytest.raises(IntegrityError, match=r"a\.jsonl: is gone") as caught:
        run.clean(workers)
    assert caught.value.exit_code == 5
    assert run.ids() == expected("b", "c")
    assert not verify(run.out).problems
    (run.input / "a.jsonl").write_bytes(kept)
    run.clean(workers)
    assert run.ids() == expected("a", "b", "c")


@pytest.mark.parametrize("workers", [1, 2])
def test_all_changed_files_are_named_and_their_new_content_is_taken_next_time(
    run: Run, after_plan: list[Callable[[], None]], workers: int
) -> None:
    after_plan.append(lambda: write(run.input / "a.jsonl", rows(30, "x")))
    after_plan.append(lambda: shrink(run.input / "b.parquet"))
    with pytest.raises(IntegrityError) as caught:
        run.clean(workers)
    assert all(part in caught.value.message for part in ("a.jsonl", "b.parquet", "2 shards"))
    assert run.ids() == expected("c")
    write(run.input / "b.parquet", rows(30, "b"))
    run.clean(workers)
    assert run.ids() == expected("b", "c", "x")


def test_a_file_that_is_written_to_all_the_time(run: Run) -> None:
    """Whatever the moment, what is published of the file is one whole state of it, or nothing."""
    path, done = run.input / "a.jsonl", threading.Event()

    def keep_writing() -> None:
        at = 0
        while not done.is_set():
            at += 1
            data = lines(rows(30, f"s{at}x"))
            path.write_bytes(data[: len(data) // 2])
            path.write_bytes(data)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    outcomes: set[int] = set()
    try:
        for _ in range(5):
            shutil.rmtree(run.out, ignore_errors=True)
            try:
                run.clean()
                outcomes.add(0)
            except PhrasemillError as error:
                outcomes.add(error.exit_code)
            states = {name.split("x")[0] for name in run.ids() if name.startswith("s")}
            assert len(states) <= 1
            assert sum(name.startswith("s") for name in run.ids()) in (0, 14, 15, 30)
    finally:
        done.set()
        writer.join()
    assert outcomes <= {0, 2, 3, 5}
