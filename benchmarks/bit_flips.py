"""One bit after another in the files of real output folders: what ``verify`` finds, and what plain readers take.

``bit_flips.py [--flips N] [--rows N] [--seed N]`` prints one JSON line. It makes a folder with ``run`` (a scripted
model answers), one with ``generate``, and one with ``clean`` that is not compressed. Every file has its turn; half of
the places are random, half lie at boundaries: both ends of the file, its footer, and where its column chunks and pages
begin and end. ``found``: flips for which ``verify`` names the very file. For flips in Parquet files, what reading the
whole file without checks of its pages comes to: ``error``, ``same`` (the values are those of the file before) or
``wrong`` (other values, and nothing said).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from clean_vs_copy import machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from phrasemill.engine.verify import verify
from tests.e2e.conftest import Project, Server
from tests.e2e.verify_bench import content, files, flipped, generate, rows

READERS: Final = ("pyarrow", "polars", "duckdb")
SECONDS: Final = 60
"""Longest time for a reader; what takes longer is killed and counted as ``hung``."""

ADDRESS_SPACE: Final = 16 << 30
"""Bytes that a reader may map: a flipped length must not take the machine's memory."""

INPUTS: Final = 3

TELLING: Final = (
    OSError,
    ValueError,
    RuntimeError,
    MemoryError,
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    duckdb.Error,
)
"""What readers raise for a broken file."""


def main() -> None:
    """Flip, verify and read, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=500)
    parser.add_argument("--rows", type=int, default=600, help="rows of each of the three input files")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    dice = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="phrasemill-flips-") as folder:
        made = folders(Project(Path(folder), Server()), given.rows)
        sound = {name: verify(out).ok for name, out in made.items()}
        result = measure(made, given.flips, dice, Path(folder))
    versions = {name: version(name) for name in ("pyarrow", "polars", "duckdb")}
    line = {"benchmark": "bit_flips", "machine": machine(), "versions": versions, "sound_before": sound, **result}
    print(json.dumps(line))


def folders(project: Project, count: int) -> dict[str, Path]:
    """A folder of ``run`` with several shards, one of ``generate``, and one of ``clean`` without compression."""
    for number in range(INPUTS):
        project.write(f"{number}.parquet", rows(f"row{number}-", count))
    project.write("broken.jsonl", rows("line", 3))
    with (project.input / "broken.jsonl").open("a") as lines:
        lines.write('{"id": "broken", "messages": \n')
    out = {name: project.root / name for name in ("run", "generate", "uncompressed")}
    project.run("run", out=out["run"], pairs={"quality": "none"})
    generate(project, out["generate"])
    project.run("clean", out=out["uncompressed"], output={"compression": "none"})
    return out


def measure(made: dict[str, Path], flips: int, dice: random.Random, scratch: Path) -> dict[str, Any]:
    """Counts over all flips, by kind of file and by reader."""
    turns = _turns([(out, path) for out in made.values() for path in files(out)], dice)
    found, tried = Counter[str](), Counter[str]()
    read = {name: {folder: Counter[str]() for folder in ("compressed", "uncompressed")} for name in READERS}
    missed: list[str] = []
    seconds: list[float] = []
    readers = Readers()
    for _ in range(flips):
        out, path = next(turns)
        data = path.read_bytes()
        at, bit = _place(path, data, dice), dice.randrange(8)
        kind, name = _kind(out, path), path.relative_to(out).as_posix()
        changed = flipped(data, at, bit)
        tried[kind] += 1
        started = time.process_time()
        with content(path, changed):
            problems = verify(out).problems
        seconds.append(time.process_time() - started)
        if any(problem.path == name for problem in problems):
            found[kind] += 1
        else:
            missed.append(f"{name}:{at}:{bit}")
        if path.suffix == ".parquet":
            copy = scratch / "flipped.parquet"
            copy.write_bytes(changed)
            for reader in READERS:
                packed = "uncompressed" if out.name == "uncompressed" else "compressed"
                read[reader][packed][readers.read(reader, path, copy)] += 1
    readers.close()
    return {
        "flips": flips,
        "found": found.total(),
        "missed": missed,
        "by_kind": {kind: {"tried": tried[kind], "found": found[kind]} for kind in sorted(tried)},
        "parquet_flips": {packed: counts.total() for packed, counts in read["polars"].items()},
        "read_plainly": read,
        "verify_cpu_seconds_median": sorted(seconds)[len(seconds) // 2],
    }


def _turns(paths: list[tuple[Path, Path]], dice: random.Random) -> Iterator[tuple[Path, Path]]:
    """Kind after kind, and within a kind file after file, for ever."""
    kinds: dict[str, list[tuple[Path, Path]]] = {}
    for out, path in paths:
        kinds.setdefault(_kind(out, path), []).append((out, path))
    for each in kinds.values():
        dice.shuffle(each)
    number = 0
    while True:
        for name in sorted(kinds):
            yield kinds[name][number % len(kinds[name])]
        number += 1


def _kind(out: Path, path: Path) -> str:
    """The folder of a part file or record, the name of any other file."""
    relative = path.relative_to(out)
    return str(relative.parent) if len(relative.parts) > 1 else relative.name


def _place(path: Path, data: bytes, dice: random.Random) -> int:
    """A random place, or one beside a boundary."""
    if dice.random() < 0.5:
        return dice.randrange(len(data))
    bounds = [0, len(data)]
    if path.suffix == ".parquet":
        bounds += [len(data) - 4, len(data) - 8, len(data) - 8 - int.from_bytes(data[-8:-4], "little")]
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                for column in range(file.metadata.num_columns):
                    chunk = file.metadata.row_group(group).column(column)
                    start = chunk.dictionary_page_offset or chunk.data_page_offset
                    bounds += [start, chunk.data_page_offset, start + chunk.total_compressed_size]
    else:
        bounds += [at + 1 for at, byte in enumerate(data) if byte == ord("\n")]
    return min(len(data) - 1, max(0, dice.choice(bounds) + dice.choice((-1, 0, 0, 1, 2))))


class Readers:
    """Plain readers in a process of their own: a flipped file can end it."""

    def __init__(self) -> None:
        self._pool = self._fresh()

    def read(self, reader: str, path: Path, copy: Path) -> str:
        """What reading ``copy`` comes to, beside ``path`` as it was."""
        try:
            return self._pool.submit(_read, reader, path, copy).result(SECONDS)
        except (BrokenProcessPool, TimeoutError) as error:
            hung = isinstance(error, TimeoutError)
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = self._fresh()
            return "hung" if hung else "crash"

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()

    def _fresh(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_limit)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(reader: str, path: Path, copy: Path) -> str:
    before = _values(reader, path)
    try:
        return "same" if before.equals(_values(reader, copy)) else "wrong"
    except TELLING:
        return "error"


def _values(reader: str, path: Path) -> Any:
    if reader == "pyarrow":
        return pq.read_table(path)
    if reader == "polars":
        return pl.read_parquet(path, glob=False)
    return duckdb.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table()


if __name__ == "__main__":
    main()
