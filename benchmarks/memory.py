"""Memory of a run at 1, 3 and 10 times an input, with and without ``memory``: ``memory.py [INPUT] [--memory SIZE]``.

Each larger input is the same rows again under new ids. Prints one JSON line; sizes in MB (10^6 bytes). Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from _process_tree import held_by
from clean_vs_copy import GATE_FAILED, generate, machine, parquet_files

from phrasemill.schemas.size import as_bytes

TIMES: Final = (1, 3, 10)
WORKERS: Final = (1, 2)
MEMORY: Final = "2GB"
GENERATED_ROWS: Final = 20_000
ALLOWED: Final = 1.25
"""How much of the setting the peak may be."""

FLAT: Final = 1.10
"""How much more the largest input may take than the smallest."""


def main() -> None:
    """Measure, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", nargs="?", type=Path, help="a Parquet file or a folder of them; by default made here")
    parser.add_argument("--memory", default=MEMORY, help="the setting, such as 2GB")
    parser.add_argument("--times", type=int, nargs="+", default=TIMES, help="sizes of the input")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, help="numbers of processes")
    parser.add_argument("--filters", nargs="+", default=["regex"], help="filters that run")
    parser.add_argument("--only", choices=("with", "without"), help="runs with the setting only, or without it only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        scratch = Path(folder)
        files = parquet_files(given.input) if given.input else generate(scratch / "made", GENERATED_ROWS)
        print(json.dumps(compare(files, scratch, given)))


def compare(files: Sequence[Path], scratch: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Every size of the input, number of workers and setting once."""
    config = {"input": {"path": "."}, "filters": [{"use": each} for each in given.filters]}
    (scratch / "policy.yaml").write_text(json.dumps(config))
    runs = []
    for times in given.times:
        repeated = repeat(files, scratch / "repeated", times)
        for workers in given.workers:
            for memory in (given.memory, None):
                if given.only is None or (given.only == "with") == (memory is not None):
                    runs.append({"times": times, **measured(repeated, scratch, workers, memory)})
                    print(json.dumps(runs[-1]), file=sys.stderr)
        shutil.rmtree(scratch / "repeated")
    return {
        "benchmark": "memory",
        "machine": machine(),
        "rows": sum(pq.read_metadata(file).num_rows for file in files),
        "input_mb": round(sum(file.stat().st_size for file in files) / 1e6, 1),
        "filters": given.filters,
        "runs": runs,
        "growth": growth(runs),
        "kept": all(run["of_setting"] <= ALLOWED for run in runs if run["memory"]),
        "flat": all(ratio <= FLAT for name, ratio in growth(runs).items() if not name.startswith("none")),
    }


def repeat(files: Sequence[Path], folder: Path, times: int) -> Path:
    """Folder of as many copies of each file; ids get the number of the copy, so that no two files are equal."""
    folder.mkdir()
    for copy in range(times):
        for number, file in enumerate(files):
            with pq.ParquetFile(file) as source:
                schema = source.schema_arrow.remove_metadata()
                with pq.ParquetWriter(folder / f"{copy:03d}-{number:03d}.parquet", schema) as target:
                    for group in range(source.num_row_groups):
                        target.write_table(renamed(source.read_row_group(group), copy).cast(schema))
    return folder


def renamed(table: pa.Table, copy: int) -> pa.Table:
    """The rows under other ids; where they have none, as they are but for the text of a column that is added."""
    place = table.schema.get_field_index("id")
    if place < 0:
        sys.exit("the input has no column 'id', by which copies of a row are told apart")
    ids = pc.binary_join_element_wise(table["id"].cast(pa.string()), f"copy{copy}", "-")
    return table.set_column(place, "id", ids)


def measured(folder: Path, scratch: Path, workers: int, memory: str | None) -> dict[str, Any]:
    """One run of ``clean``, with the peak as a share of the setting."""
    out = scratch / "out"
    command = [sys.executable, "-m", "phrasemill.engine.cli", "clean", str(folder), "-o", str(out), "--quiet"]
    command += ["--policy", str(scratch / "policy.yaml"), "--workers", str(workers)]
    held = held_by([*command, *(["--memory", memory] if memory else [])])
    if held.code not in (0, GATE_FAILED):
        sys.exit(f"clean of {folder} ended with {held.code}")
    rows = sum(commit["rows_in"] for commit in json.loads((out / "manifest.json").read_text())["shards"])
    shutil.rmtree(out)
    limit = as_bytes(memory)
    return {
        "workers": workers,
        "memory": memory,
        "rows": rows,
        "rss_mb": round(held.rss / 1e6, 1),
        "pss_mb": round(held.pss / 1e6, 1),
        "largest_process_mb": round(held.largest / 1e6, 1),
        "of_setting": round(held.rss / limit, 3) if isinstance(limit, int) else None,
        "samples_per_second": round(held.samples / held.seconds, 1),
        "seconds": round(held.seconds, 1),
        "cpu_seconds": round(held.cpu_seconds, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def growth(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Peak at the largest input over that at the smallest, by setting and workers."""
    peaks: dict[str, list[tuple[int, float]]] = {}
    for run in runs:
        peaks.setdefault(f"{run['memory'] or 'none'} x {run['workers']}", []).append((run["times"], run["rss_mb"]))
    return {name: round(max(found)[1] / min(found)[1], 3) for name, found in peaks.items()}


if __name__ == "__main__":
    main()
