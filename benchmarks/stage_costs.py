"""CPU time of each stage on an input, a million rows of it, and 100 million: ``stage_costs.py [INPUT] [--cores N]``.

Prints one JSON line and, on standard error, the table of the guide. CPU seconds of this process and its threads, not
wall time; a stage's own part, without what the stages before it took.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from clean_vs_copy import generate, machine, parquet_files

from phrasemill.engine.clean_batch import BatchJob, process_batch
from phrasemill.engine.columns import single
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.pairs import PREFERENCE
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.read import read_shard
from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import resolved
from phrasemill.engine.sft import sft_schema
from phrasemill.engine.shard_job import load_filters
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.engine.tally import Tally
from phrasemill.engine.verify import verify
from phrasemill.filters.turns import turn_table
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.tables import ORIGINALS, QUARANTINE, SPANS, VERDICTS

ROWS: Final = 100_000_000
GENERATED_ROWS: Final = 10_000
FILTERS: Final = {"scan": ["regex"], "fuzzy": ["fuzzy"], "classifier": ["classifier"]}
STAGES: Final = ("plan and hash", "read and shape", *FILTERS, "decide and repair", "write", "verify")


def main() -> None:
    """Measure, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", nargs="?", type=Path, help="a Parquet file or a folder of them; by default made here")
    parser.add_argument("--cores", type=int, default=16, help="cores of each node that the hours are told for")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        files = parquet_files(given.input) if given.input else generate(Path(folder) / "input", GENERATED_ROWS)
        found = measure(files, Path(folder), given.cores)
    print(table(found), file=sys.stderr)
    print(json.dumps(found))


def measure(files: Sequence[Path], scratch: Path, cores: int) -> dict[str, Any]:
    """Seconds of every stage over the whole input, in one process."""
    took: Counter[str] = Counter()
    configs = {name: configured(files, use) for name, use in FILTERS.items()}
    config = configs["scan"]
    with timed(took, "plan and hash"):
        plan = plan_input(config.input)
    judges = {name: Judge(load_filters(each), config.policy) for name, each in configs.items()}
    rows, text = shards(plan, judges, config, scratch, took)
    execute(config, scratch / "out", RunOptions(mode="clean", workers=1, show_progress=False))
    with timed(took, "verify"):
        verify(scratch / "out")
    a_million = {stage: round(took[stage] / rows * 1e6, 1) for stage in STAGES}
    every = sum(a_million.values())
    default = every - a_million["fuzzy"] - a_million["classifier"]
    return {
        "benchmark": "stage_costs",
        "machine": machine(),
        "rows": rows,
        "input_bytes_a_row": round(sum(file.stat().st_size for file in files) / rows),
        "scanned_bytes_a_row": round(text / rows),
        "cpu_seconds": {stage: round(took[stage], 2) for stage in STAGES},
        "cpu_seconds_a_million_rows": a_million,
        "cores": cores,
        "hours_of_100_million_rows": {
            "default filters": round(default * ROWS / 1e6 / 3600 / cores, 2),
            "with fuzzy and classifier": round(every * ROWS / 1e6 / 3600 / cores, 2),
        },
    }


def configured(files: Sequence[Path], filters: Sequence[str]) -> RunConfig:
    """The default configuration for these files, with open gates."""
    config = {
        "input": {"path": [str(file) for file in files]},
        "filters": [{"use": each} for each in filters],
        "policy": {"gate": {"max_dropped": 1, "max_quarantined": 1}},
    }
    return resolved(RunConfig.model_validate(config), Path.cwd())


def shards(
    plan: InputPlan, judges: Mapping[str, Judge], config: RunConfig, scratch: Path, took: Counter[str]
) -> tuple[int, int]:
    """Read, find, decide and write every shard; returns rows and bytes of the turns that were searched."""
    rows = text = 0
    for shard in plan.shards:
        job = BatchJob(shard.key, "clean", judges["scan"], True, config.pairs, plan.schema)
        writers = opened(plan, scratch / shard.key)
        batches = read_shard(shard, plan)
        while True:
            with timed(took, "read and shape"):
                batch = next(batches, None)
            if batch is None:
                break
            turns = turn_table("messages", single(batch.table, "messages")).having_role(("assistant",))
            if not rows:
                for judge in judges.values():  # patterns and models are made ready once a process
                    judge.find(turns)
            rows, text = rows + len(batch.row) + len(batch.quarantine), text + turns.text.nbytes
            for name, judge in judges.items():
                with timed(took, name):
                    judge.find(turns)
            with timed(took, "decide and repair"):
                result = process_batch(batch, job, Tally())
            with timed(took, "write"):
                for name, writer in writers.items():
                    writer.write(getattr(result, name))
        with timed(took, "write"):
            for writer in writers.values():
                writer.close()
    took["decide and repair"] -= took["scan"]  # that call finds what it decides on
    return rows, text


def opened(plan: InputPlan, folder: Path) -> dict[str, PartWriter]:
    """A writer for every table of a clean run."""
    schemas = {"sft": sft_schema(plan.schema), "preference": PREFERENCE, "spans": SPANS, "originals": ORIGINALS}
    schemas |= {"verdicts": VERDICTS, "quarantine": QUARANTINE}
    return {name: PartWriter(folder / f"{name}.parquet", name, schema, "zstd") for name, schema in schemas.items()}


@contextmanager
def timed(took: Counter[str], stage: str) -> Iterator[None]:
    """Adds the CPU time of what is done inside, of all threads."""
    before = time.process_time()
    yield
    took[stage] += time.process_time() - before  # type: ignore[assignment]


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| stage | CPU seconds a million rows | share |", "|---|---|---|"]
    costs = found["cpu_seconds_a_million_rows"]
    every = sum(costs.values())
    lines += [f"| {stage} | {cost:,.0f} | {cost / every:.1%} |" for stage, cost in costs.items()]
    hours = found["hours_of_100_million_rows"]
    lines += [
        f"| 100 million rows on {found['cores']} cores, {name} | {value} hours | |" for name, value in hours.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
