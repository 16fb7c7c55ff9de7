"""A run whose rows all need a model, on a server with faults and on the same one without: ``llm_faults.py``.

Prints one JSON line. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import polars as pl
from clean_vs_copy import machine

from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import resolved
from phrasemill.engine.verify import verify
from phrasemill.schemas.config import RunConfig

CLIENTS: Final = 16
TIMEOUT_SECONDS: Final = 2.0
DATATROVE_SECONDS: Final = 100
NEEDED: Final = ("datatrove", "xxhash", "aiosqlite", "aiofiles")
"""Without the last two datatrove says that it could not save a row, and ends with exit code 0."""

_SERVER: Final = Path(__file__).with_name("_llm_fault_server.py")
_LEAK: Final = "I am ChatGPT, a large language model trained by OpenAI. Keep the jar dry."


def main() -> None:
    """Measure both in turns, then datatrove where it is installed, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--delay", type=float, default=0.02)
    parser.add_argument("--datatrove-rows", type=int, default=100, help="0: leave datatrove out")
    parser.add_argument("--datatrove", nargs=4, metavar=("URL", "ROWS", "CATCH", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.datatrove:
        url, rows, catches, out = given.datatrove
        run_datatrove(url, int(rows), Path(out), catches=catches == "catch")
        return
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        root = Path(folder)
        found: dict[str, list[dict[str, Any]]] = {"healthy": [], "faulty": []}
        with serving(0.0, given.delay, 0) as port:
            measure(root / "first", port, 20)  # rules are compiled once, whichever side comes first
        for number in range(given.rounds):
            for name, share in (("healthy", 0.0), ("faulty", given.faults)):
                with serving(share, given.delay, number) as port:
                    found[name].append(measure(root / f"{name}-{number}", port, given.rows))
        told = {
            "benchmark": "llm_faults",
            "machine": machine(),
            "rows": given.rows,
            "clients": CLIENTS,
            "fault_share": given.faults,
            "delay_seconds": given.delay,
            "timeout_seconds": TIMEOUT_SECONDS,
            **{name: summary(rounds) for name, rounds in found.items()},
        }
        if given.datatrove_rows:
            told["datatrove"] = compare(root, given.datatrove_rows, given.faults, given.delay)
        pace = {name: told[name]["median_rows_per_second"] for name in found}
        print(json.dumps(told | {"throughput_ratio": round(pace["faulty"] / pace["healthy"], 3)}))


@contextmanager
def serving(faults: float, delay: float, seed: int) -> Iterator[int]:
    """The port of a server of its own process."""
    line = [sys.executable, str(_SERVER), "--faults", str(faults), "--delay", str(delay), "--seed", str(seed)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def counts(port: int) -> dict[str, int]:
    """What the server answered, by kind."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts", timeout=10) as response:
        return dict(json.load(response))


def measure(root: Path, port: int, rows: int) -> dict[str, Any]:
    """One run and what became of its rows."""
    data = root / "in" / "rows.jsonl"
    data.parent.mkdir(parents=True)
    data.write_text("".join(json.dumps(row(number)) + "\n" for number in range(rows)))
    backend = {"use": "openai", "url": f"http://127.0.0.1:{port}/v1", "model": "m", "concurrency": CLIENTS}
    config = RunConfig.model_validate(
        {
            "input": {"path": str(data.parent)},
            "traits": {"use": ["plain"]},
            "policy": {"gate": {"max_dropped": 1}},
            "backend": {**backend, "timeout_seconds": TIMEOUT_SECONDS},
        }
    )
    began = time.process_time()
    report = execute(resolved(config, root), root / "out", RunOptions(mode="run", workers=1, show_progress=False))
    cpu = time.process_time() - began
    verdicts, made = table(root, "verdicts"), table(root, "generations")
    sft = pl.read_parquet(root / "out" / "data" / "sft" / "*.parquet")
    said = [turns[-1]["content"] for turns in sft["messages"].to_list()]
    ends = Counter(verdicts["outcome"].to_list())
    sent = counts(port)
    return {
        "rows_per_second": rows / report.model.seconds,
        "cpu_seconds": cpu,
        "rows": dict(ends),
        "rows_lost": rows - verdicts["row_id"].n_unique(),
        "rows_doubled": len(sft) - sft["id"].n_unique() + len(verdicts) - verdicts["row_id"].n_unique(),
        "truncated_in_sft": sum(not text.endswith("window.") for text in said),
        "reasons": dict(Counter(made.filter(pl.col("outcome") != "accepted")["reason"].to_list())),
        "requests": dict(Counter(made["outcome"].to_list())),
        "tries": sum(sent.values()),
        "answered_by_kind": sent,
        "verify_ok": verify(root / "out").ok,
    }


def row(number: int) -> dict[str, Any]:
    """A conversation whose answer gives away what it is."""
    asked = f"Where do I keep jar number {number} over winter?"
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": _LEAK}]
    return {"id": f"row{number}", "messages": turns}


def table(root: Path, name: str) -> pl.DataFrame:
    """A table of evidence."""
    return pl.read_parquet(root / "out" / "evidence" / name / "*.parquet")


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """All rounds of one side: rates singly, the rest added up."""
    rates = [each["rows_per_second"] for each in rounds]
    added: dict[str, Any] = {
        name: sum(each[name] for each in rounds) for name in ("rows_lost", "rows_doubled", "truncated_in_sft", "tries")
    }
    for name in ("rows", "reasons", "requests", "answered_by_kind"):
        total: Counter[str] = Counter()
        for each in rounds:
            total.update(each[name])
        added[name] = dict(total)
    return {
        "median_rows_per_second": round(statistics.median(rates), 1),
        "rows_per_second": [round(rate, 1) for rate in rates],
        "cpu_seconds": [round(each["cpu_seconds"], 2) for each in rounds],
        "every_row_terminal": not added["rows_lost"],
        "verify_ok": all(each["verify_ok"] for each in rounds),
        **added,
    }


def compare(root: Path, rows: int, faults: float, delay: float) -> dict[str, Any]:
    """The InferenceRunner of datatrove on the same faults: plain, and with a rollout that takes errors as no answer."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        return {"skipped": f"not installed: {', '.join(missing)}"}
    told: dict[str, Any] = {"version": version("datatrove"), "rows": rows}
    for name in ("plain", "catch"):
        out = root / f"datatrove-{name}"
        with serving(faults, delay, seed=1) as port:
            line = [sys.executable, __file__, "--datatrove", f"http://127.0.0.1:{port}", str(rows), name, str(out)]
            code, said = ended(line)
            told[name] = {"exit_code": code, **written(out, rows), "answered_by_kind": counts(port)}
            if code is None:
                told[name]["gave_up_after_seconds"] = DATATROVE_SECONDS
            elif code:
                told[name]["last_words"] = said.strip().splitlines()[-1][:200]
    return told


def ended(line: list[str]) -> tuple[int | None, str]:
    """The exit code and what was said; None where it did not end by itself and was ended with all its processes."""
    process = subprocess.Popen(
        line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        said = process.communicate(timeout=DATATROVE_SECONDS)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None, ""
    return process.returncode, said


def written(out: Path, rows: int) -> dict[str, int]:
    """Rows that datatrove wrote; a file that it left half written counts as far as it can be read."""
    lines: list[dict[str, Any]] = []
    for path in sorted(out.rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
    results = [line["metadata"]["rollout_results"][0] for line in lines]
    known = {line["id"] for line in lines}
    return {
        "rows_written": len(lines),
        "rows_lost": rows - len(known),
        "rows_doubled": len(lines) - len(known),
        "truncated_written": sum(result["finish_reason"] == "length" for result in results),
    }


def run_datatrove(url: str, rows: int, out: Path, *, catches: bool) -> None:
    """The same prompts through datatrove; its own exit code is ours."""
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.inference.types import InferenceError, ServerError
    from datatrove.pipeline.writers import JsonlWriter

    async def rollout(document: Any, generate: Any) -> Any:
        payload = {"messages": [{"role": "user", "content": document.text}], "max_tokens": 512}
        if not catches:
            return await generate(payload)
        try:
            return await generate(payload)
        except (InferenceError, ServerError):
            return None

    settings = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="m",
        endpoint_url=url,
        max_concurrent_generations=CLIENTS,
        request_timeout=TIMEOUT_SECONDS,
    )
    writer = JsonlWriter(str(out / "data"), output_filename="${rank}.jsonl", compression=None)
    documents = [Document(text=row(number)["messages"][0]["content"], id=f"row{number}") for number in range(rows)]
    steps = [documents, InferenceRunner(rollout, settings, writer)]
    LocalPipelineExecutor(steps, tasks=1, logging_dir=str(out / "logs")).run()


if __name__ == "__main__":
    main()
