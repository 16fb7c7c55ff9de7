"""A language model as a filter: it is asked a question about every turn, and its answers are kept between runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, NamedTuple, Self, TypeVar

import blake3
from pydantic import Field, model_validator

from phrasemill.filters.base import Filter
from phrasemill.filters.cache import cache_folder
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable
from phrasemill.generators.attempts import request_hash
from phrasemill.generators.backend import open_backend
from phrasemill.generators.judge_answers import AnswerStore, Judgement, parse_judgement
from phrasemill.generators.judge_prompt import TEMPLATE_VERSION, judge_messages
from phrasemill.generators.local import find_model
from phrasemill.generators.retry import RequestFailed, RequestRefused
from phrasemill.schemas.backend import BackendConfig

Result = TypeVar("Result")

_TEMPERATURE: Final = 0.0
_TOP_P: Final = 1.0
_SEED: Final = 0


class _Request(NamedTuple):
    key: str
    messages: list[dict[str, str]]


class JudgeFilter(Filter, name="judge"):
    """Turns of which a model says that ``question`` is so, with at least ``threshold`` (0 to 1).

    ``rubric`` tells it how to decide. ``backend`` has the keys of a run's backend; it is asked at temperature 0. The
    model sees the turn and the user turn before it. Where it quotes words that stand in the turn, they are the span,
    else the whole turn is. A turn for which it has no usable answer is a hit too, of the rule
    ``judge.CATEGORY.no_answer``: what nobody judged does not pass as judged.
    """

    question: str = Field(default="", max_length=20_000)
    rubric: str = Field(default="", max_length=20_000)
    category: str = Field(default="judge", pattern=r"^[a-z][a-z0-9_]*$")
    threshold: float = Field(default=0.5, gt=0.0, le=1.0)
    backend: BackendConfig = BackendConfig()

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.question.strip() and not self.rubric.strip():
            raise ValueError("give a question, a rubric or both")
        if self.backend.is_started:
            raise ValueError("backend: a judge asks a server that runs already: give its url")
        return self

    def fingerprint(self) -> dict[str, Any]:
        """What is asked, who answers, and what counts as a hit."""
        answers = self.backend.model_dump(include={"use", "url", "max_tokens"}) | {"model": self._model}
        asks = self.model_dump(mode="json", exclude={"backend"})
        return {"use": self.name, "version": self.version, "template": TEMPLATE_VERSION, **asks, "backend": answers}

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """At most one hit a turn, in order. What was answered before is not asked again.

        Raises:
            BackendError: the server is down or refuses the key; what it answered is kept.

        """
        requests = {
            at: self._request(turns.previous_user(at), text)
            for at in self.wanted(turns).tolist()
            if (text := str(turns.text[at])).strip()
        }
        missing = {request.key: request for request in requests.values() if self._answers.get(request.key) is None}
        if missing:
            _run(self._ask(list(missing.values())))
        hits = (self._hit(turns, at, self._answers.get(request.key)) for at, request in requests.items())
        return [hit for hit in hits if hit is not None]

    def _request(self, message: str, reply: str) -> _Request:
        messages = judge_messages(message, reply, self._asked)
        params = {"max_tokens": self.backend.max_tokens, "temperature": _TEMPERATURE, "top_p": _TOP_P}
        return _Request(request_hash(self._model, params, messages, _SEED, TEMPLATE_VERSION), messages)

    def _hit(self, turns: TurnTable, at: int, answer: str | None) -> Hit | None:
        judgement = None if answer is None else parse_judgement(answer)
        rule_id = f"judge.{self.category}"
        if judgement is None:
            return self.whole_turn(turns, at, f"{rule_id}.no_answer", self.category, 0.0)
        if judgement.score < self.threshold:
            return None
        start = _place(str(turns.text[at]), judgement)
        if start is None:
            return self.whole_turn(turns, at, rule_id, self.category, judgement.score)
        stop = start + len(judgement.quote)
        return Hit(at, start, stop, rule_id, self.category, self.name, judgement.score, cut=None, exempt=None)

    async def _ask(self, requests: list[_Request]) -> None:
        """Answers into the store, ``backend.concurrency`` at a time; a refused or failed request has none."""
        waiting = iter(requests)

        async def work() -> None:
            for request in waiting:
                try:
                    completion = await client.chat(
                        request.messages,
                        max_tokens=self.backend.max_tokens,
                        temperature=_TEMPERATURE,
                        top_p=_TOP_P,
                        seed=_SEED,
                    )
                except (RequestRefused, RequestFailed):
                    continue
                self._answers.add(request.key, completion.text)

        async with open_backend(self.backend) as client:
            await asyncio.gather(*(work() for _ in range(self.backend.concurrency)))

    @cached_property
    def _asked(self) -> str:
        question = self.question.strip()
        return "\n".join(part for part in (f"Question: {question}" if question else "", self.rubric.strip()) if part)

    @cached_property
    def _answers(self) -> AnswerStore:
        identity = blake3.blake3(f"{self._model}\n{self._asked}".encode()).hexdigest()[:24]
        return AnswerStore(cache_folder() / "judge" / identity)

    @cached_property
    def _model(self) -> str:
        """The model's name; an embedded one's file, without starting it."""
        if self.backend.use != "local":
            return str(self.backend.model)
        path = find_model()
        return f"{path.name} {path.stat().st_size}"


def _place(text: str, judgement: Judgement) -> int | None:
    """Where the quote stands in the text."""
    start = text.find(judgement.quote) if judgement.quote.strip() else -1
    return None if start < 0 else start


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``, also where a loop runs already, as it does while a model writes turns afresh."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
