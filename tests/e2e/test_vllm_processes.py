"""Starting, watching and ending servers, with real processes and a stand-in for vLLM that needs no model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phrasemill.generators.backend import open_backend
from phrasemill.generators.client import Client
from phrasemill.generators.retry import RequestFailed, RetryPolicy
from phrasemill.generators.vllm_causes import read_cause
from phrasemill.generators.vllm_launch import core_slice, device_slice, reserve_port
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import BackendError, ConfigError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process trees are watched on Linux only")

STANDIN = Path(__file__).parent / "vllm_standin"
QUICK = RetryPolicy(tries=4, base=0.05, cap=0.1)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a model; the stand-in is what is started for it."""
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def config(model: Path, *args: str, **keys: Any) -> BackendConfig:
    return BackendConfig(use="vllm", model=str(model), args=args, concurrency=8, start_seconds=30, **keys)


async def ask(client: Client, prompt: str = "hello") -> dict[str, Any]:
    """What the stand-in tells of itself."""
    messages = [{"role": "user", "content": prompt}]
    completion = await client.chat(messages, max_tokens=5, temperature=0.0, top_p=1.0, seed=1)
    told: dict[str, Any] = json.loads(completion.text)
    return told


def is_gone(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    until = time.monotonic() + 12
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z" and Path(f"/proc/{pid}/stat").exists():
            return True
        time.sleep(0.05)
    return False


def test_it_is_started_asked_and_ended_with_all_its_processes(model: Path, tmp_path: Path) -> None:
    async def go() -> dict[str, Any]:
        async with open_backend(config(model, trust_remote_code=True), logs=tmp_path / "logs") as client:
            assert client.model.startswith("tiny@")
            assert await client.dialect() == "vllm"
            return await ask(client)

    told = asyncio.run(go())
    assert is_gone(told["pid"])
    assert is_gone(told["child"])
    environment = told["env"]
    assert (environment["VLLM_NO_USAGE_STATS"], environment["DO_NOT_TRACK"]) == ("1", "1")
    log = (tmp_path / "logs" / "vllm-0.log").read_text()
    assert "--enable-prefix-caching" in log
    assert "--trust-remote-code" in log
    assert environment["VLLM_API_KEY"] not in log


def test_requests_are_spread_and_a_killed_server_loses_none(model: Path, tmp_path: Path) -> None:
    async def go() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        async with open_backend(config(model, replicas=2), retry=QUICK, logs=tmp_path) as client:
            before = await asyncio.gather(*(ask(client) for _ in range(16)))
            asked = [asyncio.ensure_future(ask(client)) for _ in range(60)]
            await asyncio.sleep(0.05)
            os.kill(before[0]["pid"], signal.SIGKILL)
            await asyncio.gather(*asked)
            first = {told["port"]: told["pid"] for told in before}
            after: list[dict[str, Any]] = []
            while len({told["port"] for told in after}) < 2:
                after = await asyncio.gather(*(ask(client) for _ in range(8)))
            assert {told["port"] for told in after} == first.keys()
            return before, after

    before, after = asyncio.run(go())
    ports = [told["port"] for told in before]
    assert len(set(ports)) == 2
    assert 4 <= ports.count(ports[0]) <= 12
    dead = before[0]
    assert is_gone(dead["child"])  # what a killed server leaves behind is ended too
    assert dead["pid"] not in {told["pid"] for told in after}
    assert all(is_gone(told["pid"]) and is_gone(told["child"]) for told in after)
    assert {told["env"]["VLLM_API_KEY"] for told in (*before, *after)} == {dead["env"]["VLLM_API_KEY"]}


def test_a_request_that_kills_every_server_ends_the_work(model: Path, tmp_path: Path) -> None:
    deadly = tmp_path / "deadly"

    async def go() -> int:
        async with open_backend(config(model, "--deadly", str(deadly)), retry=QUICK, logs=tmp_path) as client:
            await ask(client)
            with pytest.raises((BackendError, RequestFailed)):
                await ask(client, "die")
            deadly.touch()
            with pytest.raises(BackendError, match=r"died 4 times without an answered request.*vllm-0\.log"):
                await asyncio.gather(*(ask(client) for _ in range(4)))
            return client.sent

    assert asyncio.run(go()) > 4


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", BackendError, "does not fit"),
        ("ValueError: To serve at least one request with the model's max seq len (9)", ConfigError, "max_model_len"),
        ("Value error, User-specified max_model_len (9) is greater than the derived", ConfigError, "max_model_len"),
        ("api_server.py: error: unrecognized arguments: --nonsense", ConfigError, "correct backend.args"),
        ("OSError: [Errno 98] Address already in use", ConfigError, "another program has the port"),
        ("RuntimeError: something new", BackendError, "RuntimeError: something new: read the log"),
    ],
)
def test_what_stopped_it_is_quoted(model: Path, tmp_path: Path, line: str, error: type[Exception], words: str) -> None:
    async def go() -> None:
        async with open_backend(
            config(model, "--say", f"(EngineCore pid=7) ERROR 01-02 03:04:05 [core.py:1] {line}"), logs=tmp_path
        ):
            raise AssertionError("it started")

    with pytest.raises(error, match="did not start") as caught:
        asyncio.run(go())
    assert line in str(caught.value)
    assert words in str(caught.value)
    assert "EngineCore" not in str(caught.value)


def test_a_flag_that_does_not_exist_and_a_model_that_loads_too_long(model: Path, tmp_path: Path) -> None:
    async def go(settings: BackendConfig) -> None:
        async with open_backend(settings, logs=tmp_path):
            raise AssertionError("it started")

    with pytest.raises(ConfigError, match="unrecognized arguments: --no-such"):
        asyncio.run(go(config(model, "--no-such")))
    slow = config(model, "--load-seconds", "60").model_copy(update={"start_seconds": 0.5})
    with pytest.raises(BackendError, match=r"not ready after 0\.5 seconds"):
        asyncio.run(go(slow))


def test_settings_that_cannot_work_are_named_before_anything_starts(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go(settings: BackendConfig) -> None:
        async with open_backend(settings, logs=tmp_path / "logs"):
            raise AssertionError("it started")

    def refused(settings: BackendConfig, words: str) -> None:
        with pytest.raises(ConfigError, match=words):
            asyncio.run(go(settings))

    refused(config(tmp_path / "none"), "found nothing")
    refused(config(tmp_path), "a folder without it")
    refused(config(model, "--port=1234"), r"set backend\.port")
    refused(config(model, python="no-such-python"), "not a program")
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused(config(model, port=other.getsockname()[1]), "is taken")
    monkeypatch.delenv("PYTHONPATH")
    refused(config(model), "no vllm in the environment")
    assert not (tmp_path / "logs").exists() or not list((tmp_path / "logs").iterdir())


def test_all_who_want_the_same_server_share_it_and_a_fault_ends_it(model: Path, tmp_path: Path) -> None:
    async def go() -> None:
        settings = config(model)
        async with open_backend(settings, logs=tmp_path) as one:
            async with open_backend(settings.model_copy(update={"temperature": 0.1}), logs=tmp_path) as two:
                told = [await ask(one), await ask(two)]
            told.append(await ask(one))
            raise RuntimeError(json.dumps([each["pid"] for each in told]))

    with pytest.raises(RuntimeError) as caught:
        asyncio.run(go())
    (pid,) = set(json.loads(str(caught.value)))
    assert is_gone(pid)


@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_nothing_is_left_however_the_process_ends(model: Path, tmp_path: Path, end: str) -> None:
    code = (
        "import asyncio, json, os, signal, sys\n"
        "from pathlib import Path\n"
        "from phrasemill.generators.backend import open_backend\n"
        "from phrasemill.schemas.config import BackendConfig\n"
        # Whoever starts the tests in the background may have had the signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "async def go():\n"
        "    config = BackendConfig(use='vllm', model=sys.argv[1], args=sys.argv[4:])\n"
        "    async with open_backend(config, logs=Path(sys.argv[2])) as client:\n"
        "        message = [{'role': 'user', 'content': 'x'}]\n"
        "        got = await client.chat(message, max_tokens=1, temperature=0.0, top_p=1.0, seed=1)\n"
        "        print(got.text, flush=True)\n"
        "        os.kill(os.getpid(), getattr(signal, sys.argv[3]))\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(go())\n"
    )
    command = [
        sys.executable,
        "-c",
        code,
        str(model),
        str(tmp_path),
        end,
        *(["--ignore-sigterm"] if end == "SIGKILL" else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    told = json.loads(done.stdout)
    assert is_gone(told["pid"])
    assert is_gone(told["child"])


def test_a_killed_guard_takes_its_server_along(model: Path, tmp_path: Path) -> None:
    async def go() -> tuple[dict[str, Any], dict[str, Any]]:
        async with open_backend(config(model), retry=QUICK, logs=tmp_path) as client:
            before = await ask(client)
            guard = int(Path(f"/proc/{before['pid']}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(guard, signal.SIGKILL)
            after = await ask(client)
            assert before["pid"] != after["pid"]
            return before, after

    before, after = asyncio.run(go())
    assert all(is_gone(told["pid"]) for told in (before, after))
    os.kill(before["child"], signal.SIGKILL)  # in a session of its own: with its guard gone, nobody knows of it


def test_ports_are_held_and_shared_out() -> None:
    first = reserve_port(None)
    second = reserve_port(None)
    try:
        assert first.getsockname()[1] != second.getsockname()[1]
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(first.getsockname())  # what a server does
        server.listen()
        with pytest.raises(ConfigError, match="is taken"):
            reserve_port(first.getsockname()[1])
        server.close()
    finally:
        first.close()
        second.close()


def test_shares_of_a_machine() -> None:
    assert [device_slice(["0", "1", "2", "3"], replica, 2, 2) for replica in (0, 1)] == ["0,1", "2,3"]
    with pytest.raises(ConfigError, match="need 4, found 2"):
        device_slice(["0", "1"], 0, 2, 2)
    assert [core_slice([0, 1, 2], replica, 2) for replica in (0, 1)] == ["0", "1"]
    assert core_slice([0], 1, 2) == "nobind"


def test_the_cause_of_this_start_is_read_not_of_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ValueError: CUDA out of memory\n")
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write("INFO fine\nOSError: [Errno 98] Address already in use\nRuntimeError: engine failed\n")
    cause = read_cause(log, offset)
    assert read_cause(tmp_path / "gone", 0).line == "it said nothing"
    assert (cause.line, cause.is_port) == ("OSError: [Errno 98] Address already in use", True)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"use": "openai", "model": "m"}, "needs url"),
        ({"use": "vllm", "url": "http://x/v1"}, "needs model"),
        ({"use": "vllm", "url": "http://x/v1", "model": "m", "replicas": 2}, "replicas: only for"),
        ({"use": "local", "args": ["--x"]}, "args: only for"),
    ],
)
def test_a_configuration_says_who_starts_what(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BackendConfig.model_validate(keys)


@pytest.fixture(autouse=True)
def _nobody_waits_for_ever() -> Iterator[None]:
    """A hung process must fail the test, not the machine."""

    def late(*_: object) -> None:
        raise TimeoutError("the test did not end")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
