"""Model servers that fail: rows that end whatever comes back, and commands that go on where a server left them."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from phrasemill.engine import model_stage
from phrasemill.engine.generate import execute_generation
from phrasemill.engine.generate_settings import resolved_generate
from phrasemill.engine.judge_run import Judging, run_judge
from phrasemill.engine.probe import ProbeConfig, execute_probe
from phrasemill.engine.verify import verify
from phrasemill.generators.backend import open_backend
from phrasemill.generators.retry import RetryPolicy
from phrasemill.generators.traits import load_folder
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import TraitsConfig
from phrasemill.schemas.errors import BackendError, Interrupted
from phrasemill.schemas.generate import GenerateConfig

Body = dict[str, Any]
Answer = tuple[int, str, str]

ROWS = 16
LEAK = "I am Zorbot. Keep it dry."
GOOD = "Keep it dry and cool, two steps from the window."
QUICK = RetryPolicy(base=0.001, cap=0.01, down_after=30.0)
STANDIN = Path(__file__).parent / "vllm_standin"


def is_row(body: Body) -> bool:
    """Whether the request is a row's; the others ask whether the server is up."""
    return "seed" in body


class Mortal:
    """The project's server with a life: it answers ``count`` requests of rows, then breaks every connection."""

    def __init__(self, server: Any, say: Callable[[Body], str]) -> None:
        self.server, self.say, self.left = server, say, 0
        self.answered: list[str] = []
        self._lock = threading.Lock()
        server.reply = self._reply

    def _reply(self, body: Body) -> Answer:
        with self._lock:
            self.left -= is_row(body)
            if self.left < 0:
                raise ConnectionAbortedError
            if is_row(body):
                self.answered.append(json.dumps(body, sort_keys=True))
        return 200, self.say(body) if is_row(body) else "Yes.", "stop"

    def goes_on_where_it_died(self, command: Callable[[], object], *, after: int) -> None:
        """The command ends with exit code 4 once the server is dead; done again, it sends nothing twice."""
        self.left = after
        with pytest.raises(BackendError, match="run the same command again") as caught:
            command()
        assert caught.value.exit_code == 4
        assert len(self.answered) == after
        self.left = 10_000
        command()
        assert len(self.answered) > after
        assert [count for count in Counter(self.answered).values() if count > 1] == []


def backend(server: Any, **keys: Any) -> dict[str, Any]:
    return {"use": "openai", "url": server.url, "model": "m", "concurrency": 4, "wait_seconds": 0.2, **keys}


def write_traits(folder: Path) -> Path:
    folder.mkdir()
    trait = {
        "id": "dry",
        "statement": "I am dry.",
        "pos_instruction": "Be dry.",
        "rubric": "100: dry. 0: gushing.",
        "probe_prompts": [f"Where do I keep number {at}?" for at in range(ROWS)],
    }
    (folder / "dry.yaml").write_text(yaml.safe_dump(trait))
    return folder


def test_every_row_ends_whatever_comes_back(project: Any, chat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_stage, "open_backend", functools.partial(open_backend, retry=QUICK))
    asked: Counter[str] = Counter()

    def reply(body: Body) -> Answer:
        if not is_row(body):
            return 200, "Yes.", "stop"
        fault = body["messages"][-1]["content"].split()[-1].rstrip("?")
        asked[fault] += 1
        is_first = asked[fault] == 1
        if fault in ("500", "400", "429"):
            return int(fault), "", ""
        if fault == "reset":
            raise ConnectionAbortedError
        if fault == "hang":
            time.sleep(2.5)
        texts = {"nul": "Keep it\x00 dry.", "surrogate": "Keep it dry \ud83d.", "empty": "", "endless": GOOD[:20]}
        finishes = {"endless": "length", "withheld": "content_filter"}
        if fault == "once":
            return (200, GOOD[:20], "length") if is_first else (200, GOOD, "stop")
        if fault == "recovers":
            return (503, "", "") if is_first else (200, GOOD, "stop")
        return 200, texts.get(fault, GOOD), finishes.get(fault, "stop")

    wanted = {
        "500": ("failed", "status_500", 1),
        "429": ("failed", "status_429", 1),
        "400": ("failed", "status_400", 1),
        "reset": ("failed", "remote_protocol_error", 1),
        "hang": ("failed", "timeout", 1),
        "nul": ("rejected", "not_text", 3),
        "surrogate": ("rejected", "not_text", 3),
        "empty": ("rejected", "empty", 3),
        "withheld": ("rejected", "content_filter", 3),
        "endless": ("rejected", "truncated", 2),
    }
    project.server.reply = reply
    names = [*wanted, "once", "recovers", *(f"good{at}" for at in range(ROWS))]
    project.write("a.parquet", [chat(name, f"Where do I keep the one called {name}?", LEAK) for name in names])
    project.run(backend=backend(project.server, timeout_seconds=1.5))
    outcomes = project.outcomes()
    assert {name: outcomes[name] for name in wanted} == dict.fromkeys(wanted, "dropped")
    assert {outcomes[name] for name in names if name not in wanted} == {"regenerated"}
    assert set(project.said()) == set(names) - set(wanted)
    assert {turns[1] for turns in project.said().values()} == {GOOD}
    made = project.table("generations")
    for name, (outcome, reason, count) in wanted.items():
        rows = made.filter(made["row_id"] == name)
        assert (set(rows["outcome"]), set(rows["reason"]), len(rows)) == ({outcome}, {reason}, count), name
    limits = {json.loads(each)["max_tokens"] for each in made.filter(made["row_id"] == "endless")["params"]}
    assert limits == {512, 1024}
    assert verify(project.out).ok
    sent = sum(asked.values())
    project.run(backend=backend(project.server, timeout_seconds=1.5))
    assert sum(asked.values()) == sent


def test_a_server_that_dies_and_comes_back_is_waited_for(project: Any, chat: Any) -> None:
    server = project.server
    dead = threading.Event()

    def dies() -> None:
        server.http.shutdown()
        server.http.server_close()
        time.sleep(0.5)
        # Its port is free meanwhile: connections are refused.
        again = ThreadingHTTPServer(server.http.server_address, server.http.RequestHandlerClass)
        again.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.http = again
        again.serve_forever(0.01)

    def reply(_: Body) -> Answer:
        if len(server.bodies) >= 5 and not dead.is_set():
            dead.set()
            threading.Thread(target=dies, daemon=True).start()
            raise ConnectionAbortedError
        return 200, GOOD, "stop"

    server.reply = reply
    project.write("a.parquet", [chat(f"r{at}", f"Where do I keep number {at}?", LEAK) for at in range(ROWS)])
    project.run(backend=backend(server, wait_seconds=60.0))
    assert dead.is_set()
    assert project.outcomes() == {f"r{at}": "regenerated" for at in range(ROWS)}
    assert verify(project.out).ok


def test_run_goes_on_after_a_server_that_died(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat(f"r{at}", f"Where do I keep number {at}?", LEAK) for at in range(ROWS)])
    mortal = Mortal(project.server, lambda _: GOOD)
    mortal.goes_on_where_it_died(lambda: project.run(backend=backend(project.server)), after=9)
    assert len(project.said()) == ROWS
    assert verify(project.out).ok


def test_a_signal_while_a_server_is_waited_for_stops_the_run(project: Any, chat: Any) -> None:
    told = threading.Event()

    def reply(body: Body) -> Answer:
        if not is_row(body) and not told.is_set():
            told.set()
            os.kill(os.getpid(), signal.SIGTERM)
        raise ConnectionAbortedError

    project.server.reply = reply
    project.write("a.parquet", [chat(f"r{at}", f"Where do I keep number {at}?", LEAK) for at in range(4)])
    with pytest.raises(Interrupted) as caught:
        project.run(backend=backend(project.server, wait_seconds=600.0))
    assert caught.value.exit_code == 128 + signal.SIGTERM
    log = (project.out / "_requests.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in log] == ["cancelled"] * 4
    project.server.says(GOOD)
    project.run(backend=backend(project.server))
    assert len(project.said()) == 4


def test_generate_goes_on_after_a_server_that_died(project: Any) -> None:
    traits = write_traits(project.root / "traits")
    mortal = Mortal(project.server, lambda body: f"{GOOD} Take {body['seed']} bricks.")
    body = {
        "recipe": "distill",
        "traits": {"use": ["dry"], "dir": str(traits)},
        "packs": [str(project.pack)],
        "backend": backend(project.server),
    }
    config = resolved_generate(GenerateConfig.model_validate(body), project.root)
    mortal.goes_on_where_it_died(lambda: execute_generation(config, project.out, show_progress=False), after=9)
    assert verify(project.out).ok


def test_judge_goes_on_after_a_server_that_died(project: Any) -> None:
    traits = load_folder(write_traits(project.root / "traits"))
    rows = [{"prompt": f"Where is {at}?", "response": f"On shelf {at}."} for at in range(ROWS)]
    project.write("rows.jsonl", rows)
    mortal = Mortal(project.server, lambda _: json.dumps({"refusal": False, "score": 80}))
    judging = Judging(
        (str(project.input),), tuple(traits), BackendConfig(**backend(project.server)), show_progress=False
    )
    mortal.goes_on_where_it_died(lambda: run_judge(judging, project.out), after=9)
    assert (project.out / "judged.json").exists()


def test_probe_goes_on_after_a_server_that_died(project: Any) -> None:
    folder = write_traits(project.root / "traits")
    mortal = Mortal(project.server, lambda _: GOOD)
    config = ProbeConfig.model_validate(
        {
            "traits": TraitsConfig(use=("dry",), dir=str(folder)),
            "backend": backend(project.server),
            "packs": (str(project.pack),),
        }
    )
    mortal.goes_on_where_it_died(
        lambda: execute_probe(config, load_folder(folder), project.out, show_progress=False), after=9
    )
    assert len(project.table("sft")) == ROWS


def distilled(project: Any) -> pl.DataFrame:
    """Generate with one trait; every attempt that was made."""
    body = {
        "recipe": "distill",
        "traits": {"use": ["dry"], "dir": str(write_traits(project.root / "traits"))},
        "packs": [str(project.pack)],
        "backend": backend(project.server),
    }
    config = resolved_generate(GenerateConfig.model_validate(body), project.root)
    execute_generation(config, project.out, show_progress=False)
    attempts: pl.DataFrame = project.table("generations")
    return attempts


def test_a_generated_answer_that_ran_into_the_limit_is_asked_for_once_more(project: Any) -> None:
    def reply(body: Body) -> Answer:
        is_short = body["max_tokens"] == 512
        is_endless = "number 3?" in body["messages"][-1]["content"]
        cut = is_short or is_endless
        return 200, f"{GOOD} Take {body['seed']} bricks.", "length" if cut else "stop"

    project.server.reply = reply
    made = distilled(project)
    assert set(made.filter(made["outcome"] == "accepted")["finish_reason"]) == {"stop"}
    assert set(made.filter(made["finish_reason"] == "length")["reason"]) == {"truncated"}
    assert len(project.table("sft")) == ROWS - 1
    assert verify(project.out).ok


def test_a_server_that_cannot_give_more_tokens_is_asked_for_another_answer(project: Any) -> None:
    cut: list[int] = []

    def reply(body: Body) -> Answer:
        if body["max_tokens"] > 512:
            return 400, "", ""
        is_cut = "number 3?" in str(body) and not cut
        cut.extend([body["seed"]] * is_cut)
        return 200, f"{GOOD} Take {body['seed']} bricks.", "length" if is_cut else "stop"

    project.server.reply = reply
    made = distilled(project)
    assert set(made.filter(made["finish_reason"] == "length")["reason"]) == {"truncated"}
    assert set(made.filter(made["outcome"] == "failed")["reason"]) == {"status_400"}
    assert len(project.table("sft")) == ROWS
    assert verify(project.out).ok


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process trees are watched on Linux only")


class Standin:
    """Runs that start a stand-in for vLLM, and somebody who does something to it meanwhile."""

    def __init__(self, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(STANDIN))
        monkeypatch.setenv("XDG_CACHE_HOME", str(project.root / "cache"))
        self.project = project
        self.model = project.root / "tiny"
        self.model.mkdir()
        (self.model / "config.json").write_text("{}")
        self.log = project.out / "_logs" / "vllm-0.log"

    def pids(self) -> list[int]:
        """The server, not its guard, whose command line begins otherwise."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if str(self.model).encode() in words and b"vllm_guard" not in words:
                found.append(int(path.parent.name))
        return found

    def run(self, *args: str, when: Callable[[], bool], do: Callable[[int], None]) -> None:
        """Run to the end; as soon as a server is there and ``when`` holds, ``do`` something to its process."""
        over = threading.Event()

        def wait() -> None:
            while not over.wait(0.05):
                if (pids := self.pids()) and when():
                    do(pids[0])
                    return

        waiting = threading.Thread(target=wait)
        waiting.start()
        try:
            backend = {"use": "vllm", "url": None, "model": str(self.model), "args": list(args), "concurrency": 4}
            self.project.run(backend=backend, regenerate={"attempts": 1})
        finally:
            over.set()
            waiting.join()


@pytest.fixture
def standin(project: Any, monkeypatch: pytest.MonkeyPatch) -> Standin:
    return Standin(project, monkeypatch)


@linux_only
def test_a_signal_while_a_server_starts_stops_it(project: Any, chat: Any, standin: Standin) -> None:
    project.write("a.parquet", [chat("r", "Where do I keep it?", LEAK)])
    with pytest.raises(Interrupted) as caught:
        standin.run(
            "--load-seconds",
            "300",
            when=lambda: True,
            do=lambda _: os.kill(os.getpid(), signal.SIGTERM),
        )
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert standin.pids() == []


@linux_only
def test_rows_outlive_a_server_of_ours_that_dies(project: Any, chat: Any, standin: Standin) -> None:
    project.write("a.parquet", [chat(f"r{at}", f"Where do I keep number {at}?", LEAK) for at in range(40)])
    requests = project.out / "_requests.jsonl"
    standin.run(
        when=lambda: requests.exists() and requests.stat().st_size > 0,
        do=lambda pid: os.kill(pid, signal.SIGKILL),
    )
    made = project.table("generations")
    assert len(made) == 40
    assert set(made["outcome"]) <= {"accepted", "rejected"}
    starts = [line for line in standin.log.read_text().splitlines() if line.startswith("--- ")]
    assert len(starts) == 2
    assert verify(project.out).ok
