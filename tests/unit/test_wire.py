"""Request fields in the words of each server, and answers that come back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phrasemill.generators.bans import Dialect
from phrasemill.generators.wire import answer_fields, parse_completion, without

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


def fields(dialect: Dialect, **options: Any) -> dict[str, Any]:
    return answer_fields(dialect, **{"schema": None, "choices": (), "logprobs": 0, "banned": (), **options})


@pytest.mark.parametrize("dialect", ["vllm", "llama.cpp", "other"])
def test_a_schema_is_said_in_the_same_words_to_all(dialect: Dialect) -> None:
    asked = fields(dialect, schema=SCHEMA)["response_format"]
    assert asked == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("dialect", "names"),
    [("vllm", {"response_format", "bad_words"}), ("llama.cpp", {"response_format"}), ("other", {"response_format"})],
)
def test_a_schema_comes_before_bans_where_one_grammar_is_all_there_is(dialect: Dialect, names: set[str]) -> None:
    assert fields(dialect, schema=SCHEMA, banned=["As an AI"]).keys() == names


def test_choices_in_the_words_of_each_server() -> None:
    asked = {"choices": ["yes", 'a "b"\\\n\u00e9'], "banned": ["As an AI"]}
    assert fields("vllm", **asked) == {"structured_outputs": {"choice": asked["choices"]}}
    grammar = fields("llama.cpp", **asked)["grammar"]
    assert grammar == r'root ::= "yes" | "a \U00000022b\U00000022\U0000005C\U0000000A\U000000E9"'
    assert fields("other", **asked) == {}


def test_a_schema_and_choices_together_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="not both"):
        fields("vllm", schema=SCHEMA, choices=["a"])


def test_a_field_is_left_out_with_what_belongs_to_it() -> None:
    body = {"model": "m", **fields("other", logprobs=4, schema=SCHEMA)}
    assert without(body, frozenset({"logprobs"})).keys() == {"model", "response_format"}
    assert without(body, frozenset()) == body


def test_the_first_token_is_read_and_put_in_order() -> None:
    top = [{"token": "B", "logprob": -2.5}, {"token": "A", "logprob": -0.1}]
    places = [{"token": "A", "logprob": -0.1, "top_logprobs": top}, {"token": "x", "top_logprobs": []}]
    choice = {"message": {"content": "A"}, "finish_reason": "stop"}

    def parsed(logprobs: Any) -> tuple[tuple[str, float], ...]:
        got = parse_completion(json.dumps({"choices": [{**choice, "logprobs": logprobs}]}).encode(), 0.0)
        assert got is not None
        return got.first_logprobs

    assert parsed({"content": places}) == (("A", -0.1), ("B", -2.5))
    assert parsed(None) == parsed({"content": []}) == parsed({"content": None}) == ()
