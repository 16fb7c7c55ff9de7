"""A server that answers as a test tells it, a pack small enough to load at once, and a project folder to run in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.engine.manifest import TABLES
from phrasemill.engine.run import RunOptions, RunReport, execute
from phrasemill.engine.settings import resolved
from phrasemill.schemas.config import RunConfig

PACK = r"""
id: mini
rules:
  - {id: mini.certainly, category: opener, at: start, frame: match, pattern: "certainly[!,]"}
  - {id: mini.leak, category: identity_leak, pattern: '\bi am zorbot\b'}
  - {id: mini.hope, category: closer, at: end, frame: match, pattern: "i hope this helps!"}
  - {id: mini.delve, category: slop, pattern: '\bdelve into\b'}
  - {id: mini.sorry, category: refusal, pattern: "i cannot help with that"}
  - {id: mini.loop, category: repetition, pattern: "round and round and round"}
"""

Body = dict[str, Any]
Reply = Callable[[Body], tuple[int, str, str]]


def plain_answer(body: Body) -> tuple[int, str, str]:
    """A clean answer that depends on the request alone."""
    return 200, f"Keep it dry and cool, about {len(body['messages'][-1]['content'])} steps from the window.", "stop"


class Server:
    """An OpenAI-compatible server on a thread. ``reply`` maps a request to status, text and finish reason."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.reply: Reply = plain_answer
        self.delay = 0.0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, {"data": [{"id": "m", "owned_by": "vllm"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.bodies.append(body)
                time.sleep(server.delay)
                # Servers of this format take no more than four.
                status, text, finish = server.reply(body) if len(body.get("stop", ())) <= 4 else (400, "", "stop")
                choice = {"index": 0, "finish_reason": finish, "message": {"content": text}}
                self.answer(status, {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 6}})

            def answer(self, status: int, body: Body) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up is expected
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def says(self, *answers: str | tuple[str, str]) -> None:
        """Give these answers (text, or text and finish reason) in turn, the last one for ever."""
        waiting = list(answers)

        def reply(_: Body) -> tuple[int, str, str]:
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return (200, answer, "stop") if isinstance(answer, str) else (200, *answer)

        self.reply = reply


class Project:
    """An input folder, a configuration and an output folder. Every table of the output is a polars frame."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.server = server
        self.input = root / "in"
        self.input.mkdir()
        self.out = root / "out"
        self.pack = root / "mini.yaml"
        self.pack.write_text(PACK)

    def write(self, name: str, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None) -> Path:
        """Write one input file, Parquet or JSON lines by its name."""
        path = self.input / name
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(list(rows), schema), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def config(self, **sections: Any) -> RunConfig:
        """The configuration with the small pack and this server; ``sections`` are laid over it."""
        backend = {"use": "openai", "url": self.server.url, "model": "m", "concurrency": 4}
        policy = {"gate": {"max_dropped": 1, "max_quarantined": 1}, **sections.pop("policy", {})}
        base = {"input": {"path": str(self.input)}, "packs": [str(self.pack)], "policy": policy, "backend": backend}
        return resolved(RunConfig.model_validate({**base, **sections}), self.root)

    def run(
        self, mode: str = "run", *, out: Path | None = None, config: RunConfig | None = None, **how: Any
    ) -> RunReport:
        """Run the engine; ``how`` are run options, other names are sections of the configuration."""
        options = {name: how.pop(name) for name in list(how) if name in RunOptions.__dataclass_fields__}
        chosen = config or self.config(**how)
        return execute(chosen, out or self.out, RunOptions(mode=mode, show_progress=False, **options))  # type: ignore[arg-type]

    def table(self, name: str, out: Path | None = None) -> pl.DataFrame:
        """All rows of a published table, by row and turn where it has them; empty where there is no file."""
        paths = sorted(((out or self.out) / TABLES[name]).glob("*.parquet"))
        frame = pl.concat([pl.read_parquet(path) for path in paths]) if paths else pl.DataFrame()
        keys = [
            key for key in ("shard", "pm_shard", "row", "pm_row", "turn", "pm_turn", "attempt") if key in frame.columns
        ]
        return frame.sort(keys) if keys else frame

    def said(self, out: Path | None = None) -> dict[str, list[str]]:
        """What every published row says, turn by turn, by id."""
        sft = self.table("sft", out)
        return (
            {}
            if sft.is_empty()
            else {
                row["id"]: [turn["content"] for turn in row["messages"]]
                for row in sft.select("id", "messages").to_dicts()
            }
        )

    def outcomes(self, out: Path | None = None) -> dict[str, str]:
        """Outcome of every row by id."""
        return dict(self.table("verdicts", out).select("row_id", "outcome").iter_rows())


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Project:
    return Project(tmp_path, server)


Chat = Callable[..., dict[str, Any]]


@pytest.fixture
def chat() -> Chat:
    """``chat(id, *turns)``: a row of a conversation whose turns are the user's and the assistant's by turns."""

    def build(id_: str, *turns: str, system: str | None = None, **more: Any) -> dict[str, Any]:
        roles = ("user", "assistant")
        messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        return {"id": id_, "messages": messages, **more}

    return build
