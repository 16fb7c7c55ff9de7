"""The words of the OpenAI wire format, and what each kind of server makes of them: request fields out, answers in.

| | vLLM | llama.cpp | others |
|---|---|---|---|
| schema | ``response_format`` | ``response_format`` | ``response_format``, left out where refused |
| choices | ``structured_outputs`` | ``grammar`` | nothing |
| bans | ``bad_words`` | ``grammar``, unless there is a schema or choices | nothing |
| ``n`` | in one request | ``n`` requests | in one request, what is missing is asked for |
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from phrasemill.generators.bans import Dialect, ban_fields

MAYBE_REFUSED: Final = ("logprobs", "response_format", "n")
"""Fields that a server of no known kind may refuse with status 400."""

MAX_STOPS: Final = 4
"""Stop strings that the format allows: OpenAI's server and vLLM refuse a request with more."""

MAX_RESPONSE_BYTES: Final = 16 * 2**20
"""A longer answer is not read to its end: no row may be so long."""

_MOST_TOKENS: Final = 2**31 - 1
_MOST_REASON: Final = 40
_MOST_MODELS: Final = 20
_MODEL: Final = re.compile(r"[A-Za-z0-9][\w./:@+-]{0,119}", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,59}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer and why it ended (``stop``, ``length``, ``content_filter``, ...)."""

    text: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What a server answered. Tokens are of all answers together; ``seconds`` includes waits and retries.

    ``others`` are the second and later answers where ``n`` was more than 1. ``first_logprobs``: the likeliest first
    tokens of the first answer with their natural logarithms of probability, likeliest first, before temperature; vLLM
    counts only tokens that the schema or the choices allow, llama.cpp all. Empty where the server offers none.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    others: tuple[Choice, ...] = ()
    first_logprobs: tuple[tuple[str, float], ...] = ()
    id: str = field(default="", compare=False)
    """The server's own name for the answer."""


def answer_fields(
    dialect: Dialect,
    *,
    schema: Mapping[str, object] | None,
    choices: Sequence[str],
    logprobs: int,
    banned: Sequence[str],
) -> dict[str, Any]:
    """Request fields for the shape of the answer, its bans and its logprobs, in the words of the server.

    Raises:
        ValueError: both a schema and choices are asked for.
    """
    if schema is not None and choices:
        raise ValueError("an answer has a schema or choices, not both")
    fields: dict[str, Any] = {}
    if logprobs:
        fields |= {"logprobs": True, "top_logprobs": logprobs}
    if choices:
        return fields | _choice_fields(dialect, choices)
    if schema is not None:
        named = {"name": "answer", "schema": dict(schema), "strict": True}
        fields["response_format"] = {"type": "json_schema", "json_schema": named}
        # llama.cpp makes a grammar of the schema, and takes one grammar a request.
        if dialect == "llama.cpp":
            return fields
    return fields | (ban_fields(dialect, banned) if banned else {})


def _choice_fields(dialect: Dialect, choices: Sequence[str]) -> dict[str, Any]:
    if dialect == "vllm":
        return {"structured_outputs": {"choice": list(choices)}}
    if dialect == "llama.cpp":
        return {"grammar": "root ::= " + " | ".join(map(_literal, choices))}
    return {}


def _literal(text: str) -> str:
    """A GBNF string; what is not plain ASCII is escaped by code point."""
    return '"' + "".join(c if (c.isalnum() and c.isascii()) or c == " " else f"\\U{ord(c):08X}" for c in text) + '"'


def without(body: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """The request body without fields that the server refuses."""
    dropped = refused | ({"top_logprobs"} if "logprobs" in refused else set())
    return {name: value for name, value in body.items() if name not in dropped}


def canary(model: str, mark: str) -> bytes:
    """A request for one token that concerns no row. With a ``mark`` of its own no cache can answer it."""
    message = {"role": "user", "content": f"Hi {mark}"}
    return orjson.dumps({"model": model, "messages": [message], "max_tokens": 1, "temperature": 0.0})


def merged(parts: Sequence[Completion], n: int, seconds: float) -> Completion:
    """One completion of ``n`` answers out of several requests, in order."""
    first = parts[0]
    choices = [choice for part in parts for choice in (Choice(part.text, part.finish_reason), *part.others)][:n]
    return Completion(
        text=first.text,
        finish_reason=first.finish_reason,
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        completion_tokens=sum(part.completion_tokens for part in parts),
        seconds=seconds,
        others=tuple(choices[1:]),
        first_logprobs=first.first_logprobs,
    )


def parse_completion(content: bytes, seconds: float) -> Completion | None:
    """The completion in a response body, or None where it is not one.

    Of choices with the same index the first counts. What is no text (half a character, bytes that are none) comes as
    U+FFFD, and counts of tokens that are no numbers as 0: an answer that is there is judged, not asked for again.
    """
    try:
        answer = _loaded(content)
        found = {int(choice.get("index") or 0): choice for choice in reversed(answer["choices"])}
        choices = [_choice(found[index]) for index in sorted(found)]
        usage = answer.get("usage") or {}
        return Completion(
            text=choices[0].text,
            finish_reason=choices[0].finish_reason,
            prompt_tokens=_count(usage.get("prompt_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
            seconds=seconds,
            others=tuple(choices[1:]),
            first_logprobs=_first_logprobs(found[min(found)].get("logprobs")),
            id=str(answer.get("id") or ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        return None


def _loaded(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # Takes lone surrogates, as Python's own servers write them.
        return json.loads(content.decode(errors="replace"))


def _choice(choice: Mapping[str, Any]) -> Choice:
    text = choice["message"].get("content")
    if not isinstance(text, str | None):
        raise TypeError("content is not a text")
    reason = _storable(str(choice.get("finish_reason") or "stop"))
    return Choice(_storable(text or ""), reason[:_MOST_REASON])


def _storable(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def _count(tokens: Any) -> int:
    is_number = isinstance(tokens, int | float) and 0 <= tokens <= _MOST_TOKENS
    return int(tokens) if is_number else 0


def _first_logprobs(logprobs: Any) -> tuple[tuple[str, float], ...]:
    places = (logprobs or {}).get("content") or [{}]
    found = [(_storable(str(top["token"])), float(top["logprob"])) for top in places[0].get("top_logprobs") or ()]
    return tuple(sorted(found, key=lambda pair: -pair[1]))


def error_code(content: bytes) -> str | None:
    """The server's own short word for an error; its sentence may hold text of the row and is never read."""
    try:
        error = orjson.loads(content)["error"]
        words = [str(error.get(field) or "") for field in ("code", "type")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return next((word for word in words if _CODE.fullmatch(word)), None)


def served_models(content: bytes) -> dict[str, str]:
    """The names of models in a list of them and who owns each; one that is no name to show is ``#`` and its place."""
    try:
        models = orjson.loads(content)["data"]
        found = [(str(model.get("id", "")), str(model.get("owned_by", ""))) for model in models[:_MOST_MODELS]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name if _MODEL.fullmatch(name) else f"#{at}": owner for at, (name, owner) in enumerate(found, start=1)}
