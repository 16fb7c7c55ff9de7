"""The request layer of the recipes: one place where a model is asked, answers are kept, and evidence is gathered.

A request is known by its hash. One that the log knows is answered from it, so that a rollout that is done again, after
a stop or in another folder, sends only what was never answered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from blake3 import blake3

from phrasemill.generators.attempts import Attempt, AttemptLog, request_hash
from phrasemill.generators.client import Client, Completion
from phrasemill.generators.guards import TRUNCATED, check_answer
from phrasemill.generators.retry import RequestFailed, RequestRefused
from phrasemill.generators.tasks import Hit, Message
from phrasemill.generators.traits import trait_hash
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import BackendError, PhrasemillError
from phrasemill.schemas.trait import Trait

if TYPE_CHECKING:
    from phrasemill.generators.judging.scorers import Scorer

Speaker = Literal["backend", "teacher", "judge"]
"""Who is asked: the model that is to be trained, the one that speaks in character, the one that judges."""

TEMPLATE_VERSION: Final = "ask-1"

FAILED: Final = "failed"
"""First part of the reason of an item that ended because a request of it was refused or kept failing."""

_MORE_TOKENS: Final = 2
_REASONING: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)


class NoAnswer(PhrasemillError):
    """A request that the server refuses or keeps failing: the rollout ends for this ``reason``, others go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no answer: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[NoAnswer], tuple[str]]:
        return type(self), (self.reason,)


@dataclass(frozen=True, slots=True)
class Voice:
    """A server, and how it is asked."""

    client: Client
    settings: BackendConfig


@dataclass(frozen=True, slots=True)
class Desk:
    """What all rollouts of a run share.

    ``scan(trait, text, previous_user)``: the hits on which the policy would act under the trait.
    ``refuses(text, previous_user)``: whether the text is a refusal. ``find(text, previous_user)``: every hit that
    counts, whatever the policy does with it. ``scorer``: who scores answers; None: the model that speaks as ``judge``.
    ``more_tokens``: an answer that runs into ``backend.max_tokens`` is asked for once more, with twice the tokens.
    """

    voices: Mapping[Speaker, Voice]
    log: AttemptLog
    scan: Callable[[Trait, str, str], list[Hit]]
    refuses: Callable[[str, str], bool]
    find: Callable[[str, str], list[Hit]]
    seed: int
    recipe: str
    scorer: Scorer | None = None
    more_tokens: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do: a trait and a conversation. ``(shard, row)`` is its place in the output.

    ``messages`` ends on a user turn; for recipes that work on existing answers, on an assistant turn. ``key`` names
    the item wherever it stands, and is what seeds are made of. ``aim``: whether the trait should show (``presence``)
    or keep silent (``absence``), empty where nobody said.
    """

    trait: Trait
    key: str
    messages: tuple[Message, ...]
    shard: str = ""
    row: int = 0
    row_id: str = ""
    aim: str = ""

    @property
    def user(self) -> str:
        """The last user turn, or the empty text."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``text`` is without leading reasoning and white space. ``place`` is its index in the evidence."""

    text: str
    finish_reason: str
    place: int
    seed: int
    request_hash: str


@dataclass(slots=True)
class Ask:
    """Asks on behalf of one item, and keeps the evidence of everything that was asked. One event loop."""

    desk: Desk
    item: Item
    attempts: list[Attempt] = field(default_factory=list)

    async def __call__(
        self,
        messages: Sequence[Message],
        *,
        part: str,
        who: Speaker = "backend",
        turn: int | None = None,
        number: int = 0,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        banned: Sequence[str] = (),
        schema: Mapping[str, object] | None = None,
        choices: Sequence[str] = (),
    ) -> Answer:
        """The answer of ``who``, from the log or the server.

        ``part`` names the step (``answer``, ``critique``); with ``number`` it tells requests of one item apart and
        gives each its own seed. ``turn`` is the index of the assistant turn that is written; None: the next one.
        An answer counts as accepted until ``reject`` says otherwise.

        Raises:
            NoAnswer: the server refused or kept failing this request.
            BackendError: the server is down.
            asyncio.CancelledError: the attempt is recorded as cancelled.
        """
        voice = self.desk.voices[who]
        limit = voice.settings.max_tokens if max_tokens is None else max_tokens
        sampling: dict[str, Any] = {
            "max_tokens": limit,
            "temperature": voice.settings.temperature if temperature is None else temperature,
            "top_p": voice.settings.top_p,
        }
        extras: dict[str, Any] = {"stop": list(stop), "banned": list(banned), "schema": schema}
        extras |= {"choices": list(choices)}
        options = sampling | {name: value for name, value in extras.items() if value}
        plain = [{"role": message.role, "content": message.content} for message in messages]
        answer = await self._answer(voice, part, turn, number, options, plain)
        is_free = max_tokens is None and schema is None and not choices
        if answer.finish_reason == "length" and is_free and self.desk.more_tokens:
            options["max_tokens"] = limit * _MORE_TOKENS
            try:
                whole = await self._answer(voice, part, turn, number, options, plain)
            except NoAnswer:
                # More than the server can give: what it gave is judged as it is.
                return answer
            self.reject(answer, TRUNCATED)
            return whole
        return answer

    async def _answer(
        self,
        voice: Voice,
        part: str,
        turn: int | None,
        number: int,
        options: Mapping[str, Any],
        messages: Sequence[Mapping[str, str]],
    ) -> Answer:
        attempt = self._attempt(voice, part, turn, number, options, messages)
        completion, replayed = await self._completion(attempt, voice, messages, options)
        text = _REASONING.sub("", completion.text).strip()
        attempt = replace(attempt, replayed=replayed, outcome="answered", **_answered(completion))
        self.desk.log.record(attempt)
        self.attempts.append(replace(attempt, outcome="accepted"))
        return Answer(
            text,
            completion.finish_reason,
            len(self.attempts) - 1,
            attempt.seed,
            attempt.request_hash,
        )

    def reject(self, answer: Answer, reason: str, hits: Sequence[str] = ()) -> None:
        """Note in the evidence that an answer was not used, and why. ``hits`` are rule ids."""
        known = self.attempts[answer.place]
        self.attempts[answer.place] = replace(known, outcome="rejected", reason=reason, hits_left=tuple(hits))

    def score(self, answer: Answer, value: float) -> None:
        """Note in the evidence what a judge gave an answer, 0 to 100."""
        self.attempts[answer.place] = replace(self.attempts[answer.place], judge_score=value)

    def check(
        self, answer: Answer, *, prompt: str | None = None, instruction: str = "", in_character: bool = True
    ) -> str:
        """Why the answer must not be published, or an empty text; what is wrong goes into the evidence.

        ``prompt``: what it answers; None: the item's last user turn. ``instruction``: what the model was told beside
        the conversation. ``in_character`` false: an answer without the trait, which is not held against the trait.
        """
        asked = self.item.user if prompt is None else prompt
        trait = self.item.trait
        rejection = check_answer(
            answer.text, finish_reason=answer.finish_reason, prompt=asked, instruction=instruction, trait=trait
        )
        if rejection is not None and (in_character or rejection.reason != "banned_phrase"):
            self.reject(answer, rejection.reason)
            return rejection.reason
        found = self.desk.scan(trait, answer.text, asked)
        if found:
            reason = f"dirty:{found[0].rule_id}"
            self.reject(answer, reason, tuple(dict.fromkeys(hit.rule_id for hit in found)))
            return reason
        if self.desk.refuses(answer.text, asked):
            self.reject(answer, "refusal")
            return "refusal"
        return ""

    def _attempt(
        self,
        voice: Voice,
        part: str,
        turn: int | None,
        number: int,
        params: Mapping[str, object],
        messages: Sequence[Mapping[str, str]],
    ) -> Attempt:
        item = self.item
        seed = seed_of(self.desk.seed, item.key, part, number)
        return Attempt(
            shard=item.shard,
            row=item.row,
            row_id=item.row_id,
            field="messages",
            turn=len(item.messages) if turn is None else turn,
            attempt=number + 1,
            recipe=f"{self.desk.recipe}.{part}",
            trait_id=item.trait.id,
            trait_hash=trait_hash(item.trait),
            backend=voice.settings.use,
            model=voice.client.model,
            seed=seed,
            params=orjson.dumps(dict(params), option=orjson.OPT_SORT_KEYS).decode(),
            request_hash=request_hash(voice.client.model, params, messages, seed, TEMPLATE_VERSION),
            outcome="cancelled",
        )

    async def _completion(
        self, attempt: Attempt, voice: Voice, messages: Sequence[Mapping[str, str]], options: Mapping[str, Any]
    ) -> tuple[Completion, bool]:
        """The answer, and whether a log had it. What does not come back is in the evidence before the error goes on."""
        known = self.desk.log.get(attempt.request_hash)
        if known is not None:
            return known, True
        try:
            return await voice.client.chat(messages, seed=attempt.seed, **options), False
        except (RequestFailed, RequestRefused) as error:
            self._record(replace(attempt, outcome="failed", reason=error.reason))
            raise NoAnswer(error.reason) from error
        except BackendError:
            self._record(replace(attempt, outcome="failed", reason="backend_down"))
            raise
        except asyncio.CancelledError:
            self._record(replace(attempt, outcome="cancelled", reason="cancelled"))
            raise

    def _record(self, attempt: Attempt) -> None:
        self.desk.log.record(attempt)
        self.attempts.append(attempt)


def seed_of(seed: int, key: str, part: str, number: int) -> int:
    """The seed of a request, 0 to 2**31 - 1: the same for the same run seed, item, step and number."""
    digest = blake3(orjson.dumps([seed, key, part, number])).digest(length=4)
    return int.from_bytes(digest, "big") >> 1


def item_key(trait: Trait, messages: Sequence[Message], repeat: int = 0) -> str:
    """The name of an item wherever it stands: of the trait's id (not its text), the conversation and the repeat."""
    whole = [trait.id, [list(message) for message in messages], repeat]
    return blake3(orjson.dumps(whole)).hexdigest()[:32]


def _answered(completion: Completion) -> dict[str, Any]:
    return {
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "seconds": completion.seconds,
    }
