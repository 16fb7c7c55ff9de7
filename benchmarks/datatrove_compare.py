"""The same rules in datatrove's local executor, with Python ``re``, against ``phrasemill scan``.

``datatrove_compare.py [INPUT] [--rows N]`` prints one JSON line. Without datatrove it says so there and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from clean_vs_copy import generate, machine, measure, parquet_files, text_bytes

from phrasemill.filters.confirm import END_BYTES
from phrasemill.filters.packs import load_rules

ROWS: Final = 5_000
_CODE: Final = re.compile(r"\\x\{([0-9A-Fa-f]+)\}")


def main() -> None:
    """Measure both sides once each after a first run, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", nargs="?", type=Path, help="a Parquet file or a folder of them; by default made here")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows that are made where no input is given")
    parser.add_argument("--datatrove", nargs=2, metavar=("FOLDER", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.datatrove:
        run_datatrove(Path(given.datatrove[0]), Path(given.datatrove[1]))
        return
    try:
        installed = version("datatrove")
    except PackageNotFoundError:
        print(json.dumps({"benchmark": "datatrove_compare", "skipped": "datatrove is not installed"}))
        return
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        files = parquet_files(given.input) if given.input else generate(Path(folder, "input"), given.rows)
        print(json.dumps({**compare(files, Path(folder)), "datatrove": installed}))


def compare(files: Sequence[Path], scratch: Path) -> dict[str, Any]:
    """Seconds of both sides as whole processes, the first round not counted."""
    seconds: dict[str, float] = {}
    for number in range(2):
        for name in ("datatrove_seconds", "scan_seconds"):
            out = scratch / f"{name}-{number}"
            if name == "scan_seconds":
                inputs = map(str, files)
                line = [sys.executable, "-m", "phrasemill.engine.cli", "scan", *inputs, "-o", str(out), "--quiet"]
            else:
                line = [sys.executable, __file__, "--datatrove", str(files[0].parent), str(out)]
            seconds[name] = round(measure(line)[0], 3)
    ported, left_out = patterns()
    text = text_bytes(files) or 0
    return {
        "benchmark": "datatrove_compare",
        "machine": machine(),
        "rows": sum(pq.read_metadata(file).num_rows for file in files),
        "text_bytes": text,
        "rules": len(ported),
        "rules_left_out": left_out,
        **seconds,
        "datatrove_mb_per_second": round(text / 1e6 / seconds["datatrove_seconds"], 2),
        "scan_mb_per_second": round(text / 1e6 / seconds["scan_seconds"], 2),
        "ratio": round(seconds["datatrove_seconds"] / seconds["scan_seconds"], 2),
    }


def patterns() -> tuple[list[tuple[str, re.Pattern[str]]], int]:
    """Position and pattern of the rules of ``core-en`` that Python can compile, and how many it cannot."""
    ported: list[tuple[str, re.Pattern[str]]] = []
    left_out = 0
    for rule in load_rules(("core-en",)):
        text = _CODE.sub(lambda code: f"\\U{int(code[1], 16):08x}", rule.pattern).replace(r"\z", r"\Z")
        try:
            ported.append((rule.rule.at, re.compile(text, re.IGNORECASE | re.MULTILINE)))
        except re.error:
            left_out += 1
    return ported, left_out


def run_datatrove(folder: Path, out: Path) -> None:
    """Read, find, and write the number of hits of each row, in one task a file and one worker a core."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import JsonlWriter

    def adapter(_self: Any, row: dict[str, Any], path: str, number: int) -> dict[str, Any]:
        said = [turn["content"] for turn in row["messages"] if turn["role"] == "assistant"]
        return {"text": "\n\n".join(said), "id": f"{path}/{number}", "metadata": {"said": said}}

    def find(documents: Iterator[Any], rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG001
        rules, _ = patterns()
        for document in documents:
            said = document.metadata.pop("said")
            document.metadata["hits"] = sum(hits(text, rules) for text in said)
            yield document

    files = len(list(folder.glob("*.parquet")))
    reader = ParquetReader(str(folder), text_key="messages", adapter=adapter, glob_pattern="*.parquet")
    workers = machine()["cores"]
    LocalPipelineExecutor(
        [reader, find, JsonlWriter(str(out / "data"), compression="zstd")],
        tasks=files,
        workers=min(files, workers),
        logging_dir=str(out / "logs"),
    ).run()


def hits(text: str, rules: Sequence[tuple[str, re.Pattern[str]]]) -> int:
    """Matches of all rules, each looked for where its position lets it stand."""
    first, last = text.lstrip(" \n*_#>"), text[-END_BYTES:]
    count = 0
    for at, pattern in rules:
        if at == "start":
            count += pattern.match(first) is not None
        else:
            count += sum(1 for _ in pattern.finditer(last if at == "end" else text))
    return count


if __name__ == "__main__":
    main()
