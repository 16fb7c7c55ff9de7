"""Time of phrasemill against a plain polars copy of the same files: ``clean_vs_copy.py [INPUT] [--runs N]``.

Prints one JSON line. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from phrasemill import __version__

QUICK_START: Final = Path(__file__).parents[1] / "examples" / "quickstart" / "data"
GENERATED_ROWS: Final = 50_000
GENERATED_FILES: Final = 4
GATE_FAILED: Final = 3
"""Exit code of a clean run that dropped more rows than the policy's gate allows; its output is whole."""

COPY: Final = """
import sys
from pathlib import Path
import polars as pl
for path in sys.argv[2:]:
    pl.scan_parquet(path).sink_parquet(Path(sys.argv[1], Path(path).name), compression="zstd")
"""

MEASURE: Final = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - started
print(json.dumps([code, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
"""Runs one command as its only child, so that the peak of all children is the peak of that command."""

SCANS: Final = {
    "scan": ["regex"],
    "scan_fuzzy": ["regex", "fuzzy"],
    "scan_classifier": ["regex", "fuzzy", "classifier"],
}
"""Scans with a policy, by the filters that they run."""

_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Measure, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", nargs="?", type=Path, help="a Parquet file or a folder of them; by default made here")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        scratch = Path(folder)
        files = parquet_files(given.input) if given.input else generate(scratch / "input")
        print(json.dumps(compare(files, scratch, given.runs)))


def parquet_files(path: Path) -> list[Path]:
    """The file, or all Parquet files under the folder, sorted; names must differ for the copy."""
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files or len({file.name for file in files}) < len(files):
        sys.exit(f"{path}: expected a Parquet file, or a folder of such files with different names")
    return files


def generate(folder: Path, rows: int = GENERATED_ROWS) -> list[Path]:
    """Files of the quick start's conversations, repeated under new ids to ``rows`` rows."""
    folder.mkdir(parents=True)
    base = pl.read_parquet(sorted(QUICK_START.glob("*.parquet")))
    times = -(-rows // base.height)
    table = pl.concat([base] * times).head(rows).with_row_index("n")
    table = table.with_columns(id=pl.col("id") + "-" + pl.col("n").cast(pl.String)).drop("n")
    size = -(-rows // GENERATED_FILES)
    paths = [folder / f"rows-{number}.parquet" for number in range(GENERATED_FILES)]
    for number, path in enumerate(paths):
        # Repeated text would shrink to next to nothing, and a small input is done in one process.
        part = table.slice(number * size, size).to_arrow()
        pq.write_table(part, path, row_group_size=10_000, compression="none", use_dictionary=False)
    return paths


def compare(files: Sequence[Path], scratch: Path, runs: int) -> dict[str, Any]:
    """All sides in turns, the first round not counted."""
    sides = ("copy", "clean", *SCANS)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    peaks: dict[str, float] = dict.fromkeys(sides, 0.0)
    for name, filters in SCANS.items():
        config = {"input": {"path": "."}, "filters": [{"use": each} for each in filters]}
        (scratch / f"{name}.yaml").write_text(json.dumps(config))
    for number in range(runs + 1):
        for name in seconds:
            out = scratch / f"{name}-{number}"
            took, peak = measure(command(name, files, out, scratch))
            if number:
                seconds[name].append(took)
                peaks[name] = max(peaks[name], peak)
            subprocess.run(["rm", "-rf", str(out)], check=True)
    input_bytes = sum(file.stat().st_size for file in files)
    text = text_bytes(files)
    results = {name: summary(seconds[name], peaks[name], text, input_bytes) for name in seconds}
    return {
        "benchmark": "clean_vs_copy",
        "machine": machine(),
        "files": len(files),
        "rows": sum(pq.read_metadata(file).num_rows for file in files),
        "text_bytes": text,
        "input_bytes": input_bytes,
        **results,
        "ratio": {
            name: round(results[name]["median"] / results["copy"]["median"], 2) for name in sides if name != "copy"
        },
    }


def command(name: str, files: Sequence[Path], out: Path, scratch: Path) -> list[str]:
    """The command line of one run, whose output goes under ``out``; ``scratch`` has the scans' configurations."""
    inputs = [str(file) for file in files]
    if name == "copy":
        out.mkdir()
        return [sys.executable, "-c", COPY, str(out), *inputs]
    how = ["clean"] if name == "clean" else ["scan", "--policy", str(scratch / f"{name}.yaml")]
    return [sys.executable, "-m", "phrasemill.engine.cli", *how, *inputs, "-o", str(out), "--quiet"]


def measure(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds from start to exit, and peak memory in MB of the largest process."""
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    code, took, peak = json.loads(measured.stdout)
    if code not in (0, GATE_FAILED):
        sys.exit(f"{' '.join(arguments[:6])} ... ended with {code}:\n{measured.stderr}")
    return took, peak * _RSS_UNIT / 1e6


def text_bytes(files: Sequence[Path]) -> int | None:
    """UTF-8 bytes of all contents of ``messages``, or None where a file has no such column."""
    if not all("messages" in pq.read_schema(file).names for file in files):
        return None
    content = pl.element().struct.field("content").str.len_bytes()
    sizes = [pl.scan_parquet(file).select(pl.col("messages").list.eval(content).list.sum().sum()) for file in files]
    return sum(int(size.collect().item()) for size in sizes)


def summary(seconds: Sequence[float], peak_mb: float, text: int | None, input_bytes: int) -> dict[str, Any]:
    """What one side took."""
    median = statistics.median(seconds)
    return {
        "seconds": [round(each, 3) for each in seconds],
        "min": round(min(seconds), 3),
        "median": round(median, 3),
        "text_mb_per_second": None if text is None else round(text / 1e6 / median, 1),
        "input_mb_per_second": round(input_bytes / 1e6 / median, 1),
        "peak_rss_mb": round(peak_mb, 1),
    }


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = ("polars", "pyarrow", "ahocorasick-rs", "google-re2")
    return {
        "platform": platform.platform(),
        "cores": cores,
        "memory_gb": round(memory / 1e9, 1),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "phrasemill": __version__,
        **{name: version(name) for name in packages},
    }


if __name__ == "__main__":
    main()
