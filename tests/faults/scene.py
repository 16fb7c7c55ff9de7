"""A small input, commands over it in processes that are made to die, and what must hold of what they leave.

What is checked after every death stands in ``look``: whatever is visible is whole. What is checked when the same
command has been run again stands in ``Scene.losses`` and ``Scene.redone``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from phrasemill.engine.manifest import TABLES, is_whole, read_commits
from phrasemill.engine.settings import dump_config
from phrasemill.engine.verify import verify
from tests.e2e.conftest import Project

ANSWERS: Final = (
    "I am Zorbot and I would put the bread into a paper bag on the shelf.",
    "Certainly! It is on the shelf by the window.",
    "On the shelf.",
)
ROWS: Final = 9
"""Rows of each file; each file is a shard."""

_DRIVER: Final = Path(__file__).with_name("driver.py")
_ATTEMPT: Final = re.compile(r"([0-9a-f]{16}(?:-\d+)?)\.[0-9a-f]+")
_TIMED: Final = "seconds"
"""The one column of any table that a clock fills."""


@dataclass(slots=True)
class Seen:
    """Published files that were looked at, and what was wrong with which."""

    files: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Scene:
    """A project with files of ``ROWS`` rows each, and its undisturbed result."""

    project: Project
    files: int = 3
    ids: set[str] = field(default_factory=set)

    def write(self) -> None:
        """Write the input and the configuration."""
        for name in "abcdefgh"[: self.files]:
            rows = [_row(f"{name}{at}", f"Where is {name} number {at}?", ANSWERS[at % 3]) for at in range(ROWS)]
            self.project.write(f"{name}.jsonl", rows)
            self.ids |= {row["id"] for row in rows}
        self.config.write_text(dump_config(self.project.config()))

    @property
    def config(self) -> Path:
        """The configuration file: for ``run`` whole, for ``clean`` as a policy."""
        return self.project.root / "config.yaml"

    def command(self, mode: str, out: Path, workers: int = 1) -> list[str]:
        """The command line of ``clean`` or ``run`` into ``out``."""
        paths = [str(self.config)] if mode == "run" else [str(self.project.input), "--policy", str(self.config)]
        packs = [] if mode == "run" else ["--pack", str(self.project.pack)]
        return [mode, *paths, *packs, "-o", str(out), "--workers", str(workers), "--quiet"]

    def start(self, command: list[str], **spec: Any) -> subprocess.Popen[bytes]:
        """The command in a process and a session of its own, with ``spec`` for its steps."""
        line = [sys.executable, str(_DRIVER), json.dumps({"root": command[command.index("-o") + 1], **spec}), *command]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def losses(self, out: Path, reference: dict[str, Any]) -> Counter[str]:
        """What a finished folder lacks or has too much: ``lost`` and ``doubled`` rows, ``verify``, ``tables``."""
        wrong: Counter[str] = Counter()
        for table in ("verdicts", "sft"):
            key = "row_id" if table == "verdicts" else "id"
            rows = self.project.table(table, out)
            ids = Counter(rows[key].to_list() if key in rows.columns else [])
            wanted = self.ids if table == "verdicts" else set(reference["ids"])
            wrong["lost"] += len(wanted - ids.keys())
            wrong["doubled"] += sum(count - 1 for count in ids.values()) + len(ids.keys() - wanted)
        wrong["verify"] += len(verify(out).problems)
        found = tables(out)
        wrong["tables"] += sum(found.get(name) != reference["tables"].get(name) for name in found | reference["tables"])
        wrong["left_over"] += len(left_over(out))
        return +wrong

    def reference(self, mode: str) -> dict[str, Any]:
        """The undisturbed result of a mode, from a folder of its own."""
        out = self.project.root / f"undisturbed-{mode}"
        report = self.project.run(mode, out=out)
        assert report.done == self.files
        assert verify(out).ok
        sft = self.project.table("sft", out)
        return {"tables": tables(out), "ids": sft["id"].to_list()}


def _row(id_: str, question: str, answer: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": id_, "messages": messages}


def tables(out: Path) -> dict[str, Any]:
    """Every published file by its path: its bytes, but without the clock's column where there is one."""
    found: dict[str, Any] = {}
    for folder in TABLES.values():
        for path in sorted((out / folder).glob("*")):
            timed = folder == TABLES["generations"]
            found[path.relative_to(out).as_posix()] = (
                pl.read_parquet(path).drop(_TIMED).to_dicts() if timed else path.read_bytes()
            )
    return found


def left_over(out: Path) -> list[str]:
    """What a finished folder should not hold any more: unfinished files, attempts and stages."""
    kept = [path for path in out.rglob(".*") if path.name != ".lock"]
    kept += [path for folder in ("_tmp", "_staged") for path in (out / folder).rglob("*")]
    return sorted(path.relative_to(out).as_posix() for path in kept)


def look(out: Path, *, published: bool = True) -> Seen:
    """Every file that a commit record names is whole; with ``published``, every visible file can be read by all three.

    The records are read anew where a file is gone: only one that is still named must be there.
    """
    seen = Seen()
    for commit in read_commits(out):
        for record in commit.files:
            seen.files += 1
            if not is_whole(out / record.path, record):
                seen.wrong.append(f"{record.path}: not as its record says")
    if published:
        for folder in TABLES.values():
            for path in sorted((out / folder).glob("*")):
                seen.wrong += _unreadable(path)
    manifest = out / "manifest.json"
    if manifest.exists():
        shards = json.loads(manifest.read_bytes())["shards"]
        named = [file["path"] for shard in shards for file in shard["files"]]
        seen.wrong += [f"{path}: in the manifest, but missing" for path in named if not (out / path).is_file()]
    return seen


def _unreadable(path: Path) -> list[str]:
    try:
        rows = pq.read_table(path, page_checksum_verification=True).num_rows
        others = pl.read_parquet(path).height, len(duckdb.from_parquet(str(path)))
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError, duckdb.Error) as error:
        return [f"{path}: {type(error).__name__}: {error}"]
    return [] if others == (rows, rows) else [f"{path}: {rows} rows, others read {others}"]


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every commit record and of the files that it names."""
    paths = [out / record.path for commit in read_commits(out) for record in commit.files]
    paths += [out / "_commits" / f"{commit.key}.json" for commit in read_commits(out)]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def begun(out: Path) -> set[str]:
    """Keys of shards that were begun and are neither committed nor staged: those that will be done again."""
    done = {commit.key for commit in read_commits(out)}
    done |= {path.parent.name for path in out.glob("_staged/*/stage.json")}
    names = (_ATTEMPT.fullmatch(path.name) for path in (out / "_tmp").rglob("*") if path.is_dir())
    return {name[1] for name in names if name} - done


@contextmanager
def reader(out: Path) -> Iterator[Seen]:
    """Somebody who reads along: follows the commit records while the block runs, and opens what they name."""
    seen, ended = Seen(), threading.Event()

    def follow() -> None:
        while not ended.wait(0.01):
            now = look(out, published=False)
            seen.files += now.files
            seen.wrong += now.wrong

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def wait_for_first_step(process: subprocess.Popen[bytes]) -> None:
    """Return once the command has begun to change its folder."""
    assert process.stdout is not None
    assert process.stdout.read(1) == b"!"


def wait_until(what: Any, seconds: float = 120.0) -> None:
    """Wait for ``what()``; a deadline is there for a hang only."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)
