"""A desk whose model says what a test tells it, answer by answer, while log, filters, guards and client are real."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from phrasemill.engine.fates import refuses
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.rewrite import find_hits, scanner
from phrasemill.filters.regex import RegexFilter
from phrasemill.generators.ask import Ask, Desk, Item, Voice, item_key, seed_of
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.retry import RetryPolicy
from phrasemill.generators.tasks import Hit, Message
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.trait import Trait, Turn
from tests.e2e.conftest import PACK, Body, Server

T = TypeVar("T")
Said = str | tuple[str, str] | int
"""What the model says: a text, a text and why it ended, or a status instead of an answer."""

RUN_SEED = 1
KIND = Trait(
    id="kind",
    statement="I look after the person while I look after the question.",
    applies_when="Somebody is worried.",
    do=(
        Turn(prompt="I lost my keys.", response="That is a bad start to a day. Try yesterday's coat before the sofa."),
        Turn(prompt="My plan failed.", response="Plans do [...]", elided=True),
    ),
    dont=(
        Turn(prompt="I lost my keys.", response="Look for them.", why="Right, and blind to the bad start."),
        Turn(prompt="I lost my keys.", response="Oh no, oh dear!", why="All sympathy and no keys."),
    ),
    pos_instruction="Meet the worry in one sentence, then help for real.",
    neg_instruction="Be curt, and pass over the worry.",
    rubric="100: the worry is met and the question answered. 0: neither.",
)
QUICK = RetryPolicy(tries=1, base=0.001, cap=0.001)


@dataclass
class ScriptedDesk:
    """Answers by part (``answer``) or by part and number (``answer.2``); a part that the script lacks is an error."""

    server: Server
    log: Path
    script: dict[str, Said] = field(default_factory=dict)
    asked: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def rollout(self, item: Item, work: Callable[[Ask], Awaitable[T]]) -> tuple[T, Ask]:
        """What ``work`` comes to for one item, and what was asked."""
        self.server.reply = self._reply(item)

        async def go() -> tuple[T, Ask]:
            async with AsyncExitStack() as opened:
                log = opened.enter_context(AttemptLog(self.log))
                settings = BackendConfig(use="openai", url=self.server.url, model="m")
                client = await opened.enter_async_context(open_backend(settings, retry=QUICK))
                voice = Voice(client, settings)
                ask = Ask(desk({"backend": voice, "teacher": voice, "judge": voice}, log, self.log.parent), item)
                return await work(ask), ask

        return asyncio.run(go())

    def _reply(self, item: Item) -> Callable[[Body], tuple[int, str, str]]:
        parts = {name.partition(".")[0] for name in self.script}
        names = {seed_of(RUN_SEED, item.key, part, number): (part, number) for part in parts for number in range(64)}

        def reply(body: Body) -> tuple[int, str, str]:
            if "seed" not in body:  # whether the server is up
                return 200, "Yes.", "stop"
            part, number = names[body["seed"]]
            name = f"{part}.{number}"
            self.asked[name] = body["messages"]
            said = self.script[name if name in self.script else part]
            if isinstance(said, int):
                return said, "", ""
            return (200, said, "stop") if isinstance(said, str) else (200, *said)

        return reply


Model = Callable[..., ScriptedDesk]
"""``model(answer="...", judge_2="...")``: a desk with that script; an underscore before digits stands for the dot."""


def scripted(root: Path) -> Iterator[Model]:
    """For a fixture: a model, whose server ends with the test."""
    server = Server()
    logs = (root / f"log{number}.jsonl" for number in count())
    yield lambda **script: ScriptedDesk(
        server, next(logs), {re.sub(r"_(\d+)$", r".\1", name): said for name, said in script.items()}
    )
    server.http.shutdown()
    server.http.server_close()


def desk(voices: Mapping[Any, Voice], log: AttemptLog, root: Path, recipe: str = "test") -> Desk:
    """A desk with the real regex filter and a small pack."""
    pack = root / "mini.yaml"
    pack.write_text(PACK)
    judge = Judge((RegexFilter(packs=(str(pack),)),), Policy())
    scan = scanner(judge)

    def found(text: str, previous_user: str) -> list[Hit]:
        hits = find_hits(text, previous_user, judge)
        return [Hit(hit.rule_id, hit.category, text[hit.start : hit.stop]) for hit in hits if hit.exempt is None]

    return Desk(
        voices=voices,
        log=log,
        scan=lambda _, text, previous_user: scan(text, previous_user),
        refuses=lambda text, previous_user: refuses(find_hits(text, previous_user, judge)),
        find=found,
        seed=RUN_SEED,
        recipe=recipe,
    )


def item(trait: Trait, *turns: str, aim: str = "") -> Item:
    """An item whose turns are the user's and the assistant's by turns."""
    messages = tuple(Message(("user", "assistant")[at % 2], text) for at, text in enumerate(turns))
    return Item(trait, item_key(trait, messages), messages, shard="s", row_id="r", aim=aim)


def fates(ask: Ask) -> dict[str, str]:
    """The end of every request by part and number: ``accepted``, or why it was not."""
    return {
        f"{attempt.recipe.partition('.')[2]}.{attempt.attempt - 1}": attempt.reason or attempt.outcome
        for attempt in ask.attempts
    }
