"""The same kills and faults for datatrove alone and for phrasemill: rows lost, doubled, stale, and unreadable files.

``peer_kills.py [--kills N] [--seed N]`` prints one JSON line. datatrove runs as it comes: its local executor with its
own completion markers, reader, filter and writer, and its InferenceRunner with checkpoints against a scripted server.
Without datatrove, or without what its runner needs beside it, the script says so in its JSON line and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from clean_vs_copy import machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from phrasemill.engine.settings import dump_config
from tests.e2e.conftest import Project, Server

FILES: Final = 4
ROWS: Final = 150
ASKED: Final = 120
_TRIES: Final = 4
"""A run that had ended before it was killed is no kill, and another is begun: so many times at most."""

TIC: Final = "Certainly! "
PEER: Final = "datatrove"
NEEDED: Final = (PEER, "xxhash", "aiosqlite", "aiofiles")
OURS: Final = "phrasemill"


class Bench:
    """A folder with the same rows for both sides, and one server."""

    def __init__(self, root: Path, server: Server, seed: int) -> None:
        self.project = Project(root, server)
        self.chance = random.Random(seed)
        self.server = server
        self.texts = root / "texts"
        self.texts.mkdir()
        for name in range(FILES):
            self.add(name)
        self._number = 0

    def add(self, name: int) -> None:
        """One more input file, for both sides."""
        rows = [(f"{name}-{at}", f"{TIC if at % 3 == 0 else ''}It is on shelf {name} at {at}.") for at in range(ROWS)]
        pq.write_table(pa.table({"id": [id_ for id_, _ in rows], "text": [text for _, text in rows]}), self.file(name))
        chats = [{"id": id_, "messages": chat(f"Where is {id_}?", text)} for id_, text in rows]
        self.project.write(f"{name}.parquet", chats)

    def file(self, name: int) -> Path:
        """The peer's input file."""
        return self.texts / f"{name}.parquet"

    def remove(self, name: int) -> None:
        """Take an input file away again."""
        self.file(name).unlink()
        (self.project.input / f"{name}.parquet").unlink()

    def out(self) -> Path:
        """A new output folder's name."""
        self._number += 1
        return self.project.root / f"out-{self._number}"

    def peer(self, out: Path, what: str = "filter", **how: Any) -> list[str]:
        """The peer's command line."""
        given = {"texts": str(self.texts), "out": str(out), "url": self.server.url.removesuffix("/v1"), **how}
        return [sys.executable, __file__, "--peer", what, json.dumps(given)]

    def ours(
        self, out: Path, mode: str = "clean", *more: str, source: Path | None = None, **sections: Any
    ) -> list[str]:
        """Our command line."""
        config = self.project.root / f"{out.name}.yaml"
        where = {"input": {"path": str(source or self.project.input)}}
        config.write_text(dump_config(self.project.config(**where, **sections)))
        line = [sys.executable, "-m", "phrasemill.engine.cli", mode]
        inputs = [str(config)] if mode == "run" else [str(source or self.project.input), "--policy", str(config)]
        packs = [] if mode == "run" else ["--pack", str(self.project.pack)]
        return [*line, *inputs, *packs, "-o", str(out), "--quiet", *more]


def chat(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def run(line: list[str]) -> int:
    """The exit code of a command."""
    return subprocess.run(line, capture_output=True, check=False, timeout=600).returncode


def visible(out: Path) -> Iterator[Path]:
    """Files that a glob over the published rows finds."""
    folder = out / "data" / "sft" if (out / "_commits").exists() else out / "data"
    yield from sorted(folder.rglob("*.parquet"))
    yield from sorted(folder.rglob("*.jsonl"))


def look(out: Path) -> tuple[Counter[str], int]:
    """Published ids with how often they stand there, and files that cannot be read."""
    ids: Counter[str] = Counter()
    broken = 0
    for path in visible(out):
        try:
            if path.suffix == ".jsonl":
                ids.update(json.loads(line)["id"] for line in path.read_text().splitlines())
            else:
                ids.update(pq.read_table(path, columns=["id"])["id"].to_pylist())
        except (OSError, pa.ArrowException, ValueError):
            broken += 1
    return ids, broken


def against(wanted: set[str], out: Path) -> Counter[str]:
    """What is wrong with what is published."""
    ids, broken = look(out)
    return Counter(
        lost=len(wanted - ids.keys()),
        doubled=sum(count - 1 for count in ids.values()),
        stale=len(ids.keys() - wanted),
        unreadable_at_the_end=broken,
    )


def killed(bench: Bench, line: Callable[[Path], list[str]], kills: int) -> dict[str, int]:
    """SIGKILL at random moments, each followed by the same command again."""
    whole = bench.out()
    span = timed(line(whole), whole)
    wanted = set(look(whole)[0])
    total: Counter[str] = Counter(kills=0, runs=1)
    for _ in range(_TRIES * kills):
        if total["kills"] == kills:
            break
        out = bench.out()
        command = line(out)
        total["runs"] += 1
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        first_change(process, out)
        time.sleep(bench.chance.uniform(0, span))
        died = process.poll() is None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not died:
            continue
        total["kills"] += 1
        total["unreadable_after_the_kill"] += look(out)[1]
        total["exit_not_0"] += run(command) != 0
        total.update(against(wanted, out))
    return dict(total)


def timed(command: list[str], out: Path) -> float:
    """Seconds from the first change of the folder to the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first_change(process, out)
    began = time.monotonic()
    assert process.wait() == 0, command
    return time.monotonic() - began


def first_change(process: subprocess.Popen[bytes], out: Path) -> None:
    while not out.exists() and process.poll() is None:
        time.sleep(0.005)


def twice(first: list[str], second: list[str], wanted: set[str], out: Path) -> dict[str, int]:
    """What two commands leave that write to one folder, and the second one's exit code."""
    assert run(first) == 0, first
    return {"exit": run(second), **against(wanted, out)}


def of_peer(bench: Bench, kills: int) -> dict[str, Any]:
    """Every case for datatrove alone."""
    texts = {path: pq.read_table(path) for path in sorted(bench.texts.glob("*.parquet"))}
    rows = [row for table in texts.values() for row in table.to_pylist()]
    clean = {row["id"] for row in rows if TIC not in row["text"]}
    cases: dict[str, Any] = {"killed": killed(bench, bench.peer, kills)}
    out = bench.out()
    stricter = {row["id"] for row in rows if TIC not in row["text"] and "at 1." not in row["text"]}
    cases["config_changed"] = twice(bench.peer(out), bench.peer(out, pattern=r"Certainly!|at 1\."), stricter, out)
    out = bench.out()
    cases["other_tasks"] = twice(bench.peer(out, tasks=4), bench.peer(out, tasks=2, logs="other"), clean, out)
    out = bench.out()
    assert run(bench.peer(out)) == 0
    bench.add(FILES)
    more = clean | {f"{FILES}-{at}" for at in range(ROWS) if at % 3}
    cases["file_added"] = {"exit": run(bench.peer(out)), **against(more, out)}
    bench.remove(FILES)
    out = bench.out()
    wanted = {f"q{at}" for at in range(ASKED)}
    cases["adapter_raises"] = {"exit": run(bench.peer(out, "ask", fails=10)), **against(wanted, out)}
    cases["inference_killed"] = asked(bench, lambda out: bench.peer(out, "ask"), kills)
    return cases


def of_ours(bench: Bench, kills: int) -> dict[str, Any]:
    """The same cases for phrasemill."""
    ids = {f"{name}-{at}" for name in range(FILES) for at in range(ROWS)}
    cases: dict[str, Any] = {"killed": killed(bench, bench.ours, kills)}
    out = bench.out()
    first = bench.ours(out)
    assert run(first) == 0
    second = bench.ours(out, policy={"actions": {"opener": "drop"}})
    cases["config_changed"] = {"exit": run(second), "refused_and_unchanged": look(out)[0].keys() == ids}
    out = bench.out()
    cases["other_workers"] = twice(
        bench.ours(out, "clean", "--workers", "2"), bench.ours(out, "clean", "--workers", "1"), ids, out
    )
    out = bench.out()
    assert run(bench.ours(out)) == 0
    bench.add(FILES)
    cases["file_added"] = {
        "exit": run(bench.ours(out)),
        **against(ids | {f"{FILES}-{at}" for at in range(ROWS)}, out),
    }
    bench.remove(FILES)
    out, broken = bench.out(), bench.project.root / "broken"
    broken.mkdir()
    rows = [{"id": str(at), "messages": chat("Where?", "Here.") if at % 10 else []} for at in range(ROWS)]
    pq.write_table(pa.Table.from_pylist(rows), broken / "rows.parquet")
    code = run(bench.ours(out, source=broken))
    set_apart = sum(pq.read_metadata(path).num_rows for path in (out / "quarantine").glob("*.parquet"))
    cases["unusable_rows"] = {"exit": code, "lost": ROWS - set_apart - look(out)[0].total(), "quarantined": set_apart}
    source = bench.project.root / "asked"
    source.mkdir()
    leaks = [{"id": f"q{at}", "messages": chat(f"Where is {at}?", "I am Zorbot.")} for at in range(ASKED)]
    pq.write_table(pa.Table.from_pylist(leaks), source / "rows.parquet")
    cases["inference_killed"] = asked(bench, lambda out: bench.ours(out, "run", source=source), kills)
    return cases


def asked(bench: Bench, line: Callable[[Path], list[str]], kills: int) -> dict[str, int]:
    """Kills of a run that asks a server; ``sent_again``: requests beyond one a row and run."""
    bench.server.delay = 0.05
    bench.server.bodies.clear()
    total = killed(bench, line, kills)
    bench.server.delay = 0.0
    return {**total, "sent_again": len(bench.server.bodies) - total["runs"] * ASKED}


def run_peer(what: str, given: dict[str, Any]) -> None:
    """The peer's pipeline, in this process."""
    from datatrove.executor import LocalPipelineExecutor

    out = Path(given["out"])
    pipeline = filtering(given, out) if what == "filter" else asking(given, out)
    tasks = given.get("tasks", FILES) if what == "filter" else 1
    LocalPipelineExecutor(
        pipeline=pipeline, tasks=tasks, workers=1, logging_dir=str(out / given.get("logs", "logs"))
    ).run()


def filtering(given: dict[str, Any], out: Path) -> list[Any]:
    """Read, drop what a pattern finds, write."""
    from datatrove.pipeline.filters import RegexFilter
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    def slowly(data: Any, *_: int) -> Any:
        for document in data:
            time.sleep(0.001)
            yield document

    return [
        ParquetReader(given["texts"], glob_pattern="*.parquet"),
        slowly,
        RegexFilter(given.get("pattern", "Certainly!")),
        ParquetWriter(str(out / "data"), batch_size=50),
    ]


def asking(given: dict[str, Any], out: Path) -> list[Any]:
    """Its runner with checkpoints, one request a document; every ``fails``-th makes the output adapter raise."""
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    async def rollout(document: Any, generate: Any) -> Any:
        return await generate({"messages": [{"role": "user", "content": document.text}], "max_tokens": 32})

    def adapter(_: Any, document: Any) -> dict[str, Any]:
        if given.get("fails") and int(document.id[1:]) % given["fails"] == 1:
            raise ValueError(f"{document.id} cannot be laid out")
        return {"id": document.id, "text": document.text}

    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="m",
        endpoint_url=given["url"],
        max_concurrent_generations=4,
        metric_interval=3600,
    )
    name = "${rank}_${chunk_index}.jsonl"
    writer = JsonlWriter(str(out / "data"), name, compression=None, adapter=adapter)
    runner = InferenceRunner(
        rollout_fn=rollout,
        config=config,
        output_writer=writer,
        checkpoints_local_dir=str(out / "checkpoints"),
        records_per_chunk=20,
    )
    return [[Document(text=f"Where is {at}?", id=f"q{at}") for at in range(ASKED)], runner]


def main() -> None:
    """Measure and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=8, help="of each kind and side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peer", nargs=2, metavar=("WHAT", "HOW"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        run_peer(given.peer[0], json.loads(given.peer[1]))
        return
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        print(json.dumps({"benchmark": "peer_kills", "skipped": f"not installed: {', '.join(missing)}"}))
        return
    server = Server()
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        bench = Bench(Path(folder), server, given.seed)
        sides = {PEER: of_peer(bench, given.kills), OURS: of_ours(bench, given.kills)}
    server.http.shutdown()
    print(json.dumps({"benchmark": "peer_kills", "machine": machine(), "versions": {PEER: version(PEER)}, **sides}))


if __name__ == "__main__":
    main()
