"""The words of the OpenAI wire format, and what each kind of server makes of them: request fields out, answers in.

| | vLLM | llama.cpp | others |
|---|---|---|---|
| schema | ``response_format`` | ``response_format`` | ``response_format``, left out where refused |
| choices | ``structured_outputs`` | ``grammar`` | nothing |
| bans | ``bad_words`` | ``grammar``, unless there is a schema or choices | nothing |
| ``n`` | in one request | ``n`` requests | in one request, what is missing is asked for |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from phrasemill.generators.bans import Dialect, ban_fields

MAYBE_REFUSED: Final = ("logprobs", "response_format", "n")
"""Fields that a server of no known kind may refuse with status 400."""

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


def parse_completion(content: bytes, seconds: float) -> Completion | None:
    """The completion in a response body, or None where it is not one."""
    try:
        answer = orjson.loads(content)
        found = sorted(answer["choices"], key=lambda choice: int(choice.get("index", 0)))
        choices = [
            Choice(str(choice["message"].get("content") or ""), str(choice.get("finish_reason") or "stop"))
            for choice in found
        ]
        usage = answer.get("usage") or {}
        return Completion(
            text=choices[0].text,
            finish_reason=choices[0].finish_reason,
            prompt_tokens=int(usage.get("prompt_tokens", 0)),
            completion_tokens=int(usage.get("completion_tokens", 0)),
            seconds=seconds,
            others=tuple(choices[1:]),
            first_logprobs=_first_logprobs(found[0].get("logprobs")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _first_logprobs(logprobs: Any) -> tuple[tuple[str, float], ...]:
    places = (logprobs or {}).get("content") or [{}]
    found = [(str(top["token"]), float(top["logprob"])) for top in places[0].get("top_logprobs") or ()]
    return tuple(sorted(found, key=lambda pair: -pair[1]))


def error_code(content: bytes) -> str | None:
    """The server's own short word for an error; its sentence may hold text of the row and is never read."""
    try:
        error = orjson.loads(content)["error"]
        words = [str(error.get(field) or "") for field in ("code", "type")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return next((word for word in words if _CODE.fullmatch(word)), None)
