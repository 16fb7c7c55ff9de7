"""vLLM itself, started with a small real model: on processors by ``make test-vllm``, on GPUs where there are some."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from phrasemill.generators.backend import open_backend
from phrasemill.generators.client import Client, Completion
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import BackendError, ConfigError, PhrasemillError

PYTHON, MODEL = os.environ.get("PHRASEMILL_VLLM_PYTHON"), os.environ.get("PHRASEMILL_VLLM_MODEL")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PYTHON and MODEL), reason="needs vLLM: PHRASEMILL_VLLM_PYTHON and PHRASEMILL_VLLM_MODEL (make test-vllm)"
    ),
]
needs_gpu = pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="needs a GPU")

SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 0, "maximum": 100}, "label": {"enum": ["GOOD", "REFUSAL"]}},
    "required": ["score", "label"],
    "additionalProperties": False,
}
SEA = [{"role": "user", "content": "Tell me one thing about the sea."}]


def config(*args: str, **keys: Any) -> BackendConfig:
    settings: dict[str, Any] = {
        "max_model_len": 2048,
        "concurrency": 16,
        "start_seconds": 900.0,
        "timeout_seconds": 600.0,
        **keys,
    }
    return BackendConfig(
        use="vllm", model=MODEL, python=PYTHON, args=("--enforce-eager", "--dtype", "float32", *args), **settings
    )


@pytest.fixture(autouse=True, scope="module")
def _little_memory() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1"))
        yield


class Server:
    """A started server and the loop that its client lives in."""

    def __init__(self, runner: asyncio.Runner, client: Client) -> None:
        self.runner, self.client = runner, client

    def ask(self, *each: dict[str, Any]) -> list[Completion]:
        """One answer for each set of options, all in flight together."""

        async def go() -> list[Completion]:
            return list(await asyncio.gather(*(ask(self.client, **options) for options in each)))

        return self.runner.run(go())


async def ask(client: Client, **options: Any) -> Completion:
    sampling = {"max_tokens": 16, "temperature": 0.8, "top_p": 1.0, "seed": 5}
    return await client.chat(options.pop("messages", SEA), **{**sampling, **options})


def family(pid: int) -> set[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = set(), [pid]
    while waiting:
        found.add(now := waiting.pop())
        waiting += children.get(now, [])
    return found


def named(pids: set[int], words: str) -> list[int]:
    """Those of the processes whose first argument after the interpreter's flags is ``words``."""
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0") for pid in pids}
    return sorted(pid for pid, line in lines.items() if words in line[1:3])


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def server(logs: Path) -> Iterator[Server]:
    mine = family(os.getpid())
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        client = runner.run(stack.enter_async_context(open_backend(config(), logs=logs)))
        started = family(os.getpid()) - mine
        assert len(started) >= 3  # a guard, the server, its engine
        yield Server(runner, client)
        started |= family(os.getpid()) - mine
        runner.run(stack.aclose())
        assert not {pid for pid in started if Path(f"/proc/{pid}").exists()}


def test_two_replicas_share_the_work(logs: Path) -> None:
    # First: before the server that the others share takes its memory.
    async def go() -> None:
        async with open_backend(config(replicas=2), logs=logs) as client:
            await asyncio.gather(*(ask(client, seed=seed) for seed in range(24)))
            assert len(named(family(os.getpid()), "vllm.entrypoints.openai.api_server")) == 2

    asyncio.run(go())
    assert not named(family(os.getpid()), "vllm.entrypoints.openai.api_server")


def test_fifty_requests_sixteen_at_a_time(server: Server) -> None:
    answers = server.ask(*({"seed": seed} for seed in range(50)))
    assert len(answers) == 50
    assert len({answer.text for answer in answers}) > 25
    assert all(answer.completion_tokens > 0 for answer in answers)
    assert server.ask({"seed": 7})[0].prompt_tokens == answers[7].prompt_tokens


def test_an_answer_obeys_a_schema(server: Server) -> None:
    for answer in server.ask(*({"schema": SCHEMA, "seed": seed, "max_tokens": 60} for seed in range(4))):
        said = json.loads(answer.text)
        assert said.keys() == {"score", "label"}
        assert 0 <= said["score"] <= 100


def test_an_answer_is_one_of_the_choices_and_its_first_token_is_weighed(server: Server) -> None:
    words = ("A", "B", 'neither "A" nor \u00e9')
    answers = server.ask(*({"choices": words, "logprobs": 5, "seed": seed} for seed in range(4)))
    assert {answer.text for answer in answers} <= set(words)
    for answer in answers:
        weights = [weight for _, weight in answer.first_logprobs]
        assert len(weights) >= 5
        assert weights == sorted(weights, reverse=True)
        assert weights[0] <= 0.0
    assert answers[0].first_logprobs == answers[1].first_logprobs  # the seed comes after


def test_n_answers_are_those_of_the_seeds_that_follow(server: Server) -> None:
    (several,) = server.ask({"n": 3, "seed": 20})
    alone = server.ask(*({"seed": seed} for seed in (20, 21, 22)))
    assert len(several.others) == 2
    assert several.completion_tokens == sum(answer.completion_tokens for answer in alone)
    assert len({several.text, *(other.text for other in several.others)}) > 1


def test_a_banned_phrase_is_not_said(server: Server) -> None:
    (first,) = server.ask({"temperature": 0.0})
    phrase = " ".join(first.text.split()[:2])
    (other,) = server.ask({"temperature": 0.0, "banned": [phrase]})
    assert not other.text.startswith(phrase)


def test_a_prompt_in_pieces_with_a_seed_kills_nothing(server: Server) -> None:
    long = [{"role": "user", "content": "the sea and the land " * 300}]
    answers = server.ask(*({"messages": long, "seed": seed, "max_tokens": 4} for seed in range(8)))
    assert len(answers) == 8


@pytest.mark.parametrize("victim", ["vllm.entrypoints.openai.api_server", "VLLM::EngineCore"])
def test_a_killed_server_is_started_again_and_every_request_answered(server: Server, victim: str) -> None:
    pids = family(os.getpid())
    if victim.startswith("VLLM"):
        targets = [pid for pid in pids if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(victim.encode())]
    else:
        targets = named(pids, victim)
    assert len(targets) == 1

    async def go() -> list[Completion]:
        asked = [asyncio.ensure_future(ask(server.client, seed=seed, max_tokens=64)) for seed in range(24)]
        await asyncio.sleep(1.0)
        os.kill(targets[0], signal.SIGKILL)
        return list(await asyncio.gather(*asked))

    before = server.client.sent
    answers = server.runner.run(go())
    assert len(answers) == 24
    assert server.client.sent - before > 24
    assert not pids & set(targets) & family(os.getpid())


def refused(settings: BackendConfig, logs: Path, check: Callable[[PhrasemillError], None]) -> None:
    async def go() -> None:
        async with open_backend(settings, logs=logs):
            raise AssertionError("it started")

    with pytest.raises(PhrasemillError) as caught:
        asyncio.run(go())
    assert str(logs) in str(caught.value)
    check(caught.value)


def test_a_model_that_does_not_exist(logs: Path) -> None:
    def check(error: PhrasemillError) -> None:
        assert isinstance(error, ConfigError)
        assert "nobody/no-such-model" in str(error)

    refused(config().model_copy(update={"model": "nobody/no-such-model"}), logs, check)


def test_a_context_that_the_model_does_not_have(logs: Path) -> None:
    def check(error: PhrasemillError) -> None:
        assert isinstance(error, ConfigError)
        assert "set backend.max_model_len" in str(error)

    refused(config(max_model_len=1_000_000), logs, check)


def test_a_context_that_does_not_fit_into_the_memory(logs: Path) -> None:
    def check(error: PhrasemillError) -> None:
        assert isinstance(error, ConfigError)
        assert "VLLM_CPU_KVCACHE_SPACE" in str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("VLLM_CPU_KVCACHE_SPACE")
        refused(config("--kv-cache-memory-bytes", "16M", max_model_len=8192), logs, check)


@pytest.mark.gpu
@needs_gpu
def test_a_share_of_the_gpu_that_is_too_small(logs: Path) -> None:
    def check(error: PhrasemillError) -> None:
        assert isinstance(error, BackendError)
        assert "backend.gpu_memory" in str(error)

    refused(config(gpu_memory=0.001), logs, check)
