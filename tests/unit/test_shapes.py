"""Which shape an input has, and the conversations that rows of each shape become."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from phrasemill.engine.ingest_turns import REASONS
from phrasemill.engine.shapes import Canonical, Shape, canonicalise, detect
from phrasemill.schemas import tables
from phrasemill.schemas.config import ColumnsConfig
from phrasemill.schemas.errors import InputError

TEXT = pa.large_string()
TALK = tables.MESSAGES

SYSTEM = {"role": "system", "content": "Be kind."}
ASK = {"role": "user", "content": "Why?"}
ANSWER = {"role": "assistant", "content": "So."}
OTHER = {"role": "assistant", "content": "No."}


def shape_of(types: dict[str, pa.DataType], **columns: str) -> Shape:
    return detect(types, ColumnsConfig(**columns))


@pytest.mark.parametrize(
    ("types", "kind", "consumed"),
    [
        ({"chosen": TALK, "rejected": TALK, "messages": TALK}, "preference", ("chosen", "rejected")),
        ({"chosen": TEXT, "rejected": TEXT, "prompt": TEXT}, "preference", ("chosen", "rejected", "prompt")),
        ({"messages": TALK, "conversations": TALK, "system": TEXT, "id": TEXT}, "messages", ("id", "messages")),
        ({"conversations": TALK, "system": TEXT}, "conversations", ("conversations", "system")),
        ({"instruction": TEXT, "input": TEXT, "output": TEXT}, "alpaca", ("instruction", "output", "input")),
        ({"prompt": TEXT, "output": TEXT, "text": TEXT}, "prompt", ("prompt", "output")),
        ({"prompt": TALK, "completion": TALK, "response": TEXT}, "prompt", ("prompt", "completion")),
        ({"prompt": TEXT, "answer": TEXT, "chosen": TEXT}, "prompt", ("prompt", "answer")),
    ],
)
def test_first_shape_that_fits(types: dict[str, pa.DataType], kind: str, consumed: tuple[str, ...]) -> None:
    found = shape_of(types)
    assert (found.kind, found.consumed) == (kind, consumed)


def test_columns_win_over_detection() -> None:
    types = {"messages": TALK, "question": TEXT, "reply": TEXT, "key": pa.int64(), "id": TEXT}
    found = shape_of(types, prompt="question", response="reply", id="key")
    assert (found.kind, found.consumed) == ("prompt", ("key", "question", "reply"))
    assert shape_of({"dialog": TALK, "s": TEXT}, messages="dialog", system="s").consumed == ("dialog", "s")


def test_no_fit_names_the_columns_seen_and_the_shapes_known() -> None:
    with pytest.raises(InputError, match=r"body \(large_string\).*Known shapes: chosen \+ rejected.*messages"):
        shape_of({"body": TEXT})
    with pytest.raises(InputError, match=r"input\.columns\.prompt is 'q'.*it has: body"):
        shape_of({"body": TEXT}, prompt="q")


def test_texts_without_a_prompt_are_no_preference_rows() -> None:
    with pytest.raises(InputError):
        shape_of({"chosen": TEXT, "rejected": TEXT})


def both_ways(shape: Shape, **columns: list[Any]) -> list[Canonical]:
    """The rows read from Arrow columns and from Python values; where Arrow has no type for them, the latter alone."""
    n_rows = len(next(iter(columns.values())))
    found = [canonicalise(columns, shape, n_rows)]
    try:
        arrow = {name: pa.array(values) for name, values in columns.items()}
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return found
    return [*found, canonicalise(arrow, shape, n_rows)]


def one(shape: Shape, **row: Any) -> list[dict[str, Any]]:
    """A single row's turns and reason, each way; a good row stands beside it, so that no column is all null."""
    results = []
    for found in both_ways(shape, **{name: [value, GOOD.get(name)] for name, value in row.items()}):
        reason = REASONS[found.reason[0]]
        if reason:
            results.append({"reason": reason})
            continue
        usable = found.reason == 0
        parts = {name: turns.keep_rows(usable) for name, turns in found.fields.items()}
        result: dict[str, Any] = {name: turns.to_arrow().to_pylist()[0] for name, turns in parts.items()}
        extra = {name: turns.extra[0] for name, turns in parts.items() if 0 in turns.extra}
        results.append(result | ({"extra": extra} if extra else {}))
    return results


GOOD: dict[str, Any] = {
    "messages": [ASK, ANSWER],
    "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
    "instruction": "Do",
    "input": "x",
    "output": "Done",
    "system": "Be kind.",
    "prompt": "Why?",
    "response": "So.",
    "history": [["q", "a"]],
}
MESSAGES = Shape("messages", messages="messages")
SHAREGPT = Shape("conversations", conversations="conversations", system="system")
ALPACA = Shape(
    "alpaca", instruction="instruction", input="input", response="output", system="system", history="history"
)
PROMPT = Shape("prompt", prompt="prompt", response="response", system="system")
PAIRS = Shape("preference", prompt="prompt", chosen="chosen", rejected="rejected")


def test_messages() -> None:
    for result in one(MESSAGES, messages=[SYSTEM, ASK, ANSWER, ASK, OTHER]):
        assert result == {"messages": [SYSTEM, ASK, ANSWER, ASK, OTHER]}


def test_a_canonical_column_is_not_copied() -> None:
    column = pa.array([[ASK, ANSWER]] * 3, tables.MESSAGES)
    found = canonicalise({"messages": column}, MESSAGES, 3).fields["messages"].to_arrow()
    assert found.values.field(1).buffers()[2].address == column.values.field(1).buffers()[2].address


def test_a_slice_of_a_column_keeps_its_rows() -> None:
    column = pa.array([[ASK, ANSWER], None, [SYSTEM, ASK, OTHER], [ASK]], tables.MESSAGES).slice(1, 2)
    found = canonicalise({"messages": column}, MESSAGES, 2)
    assert [REASONS[code] for code in found.reason] == ["no_messages", ""]
    kept = found.fields["messages"].keep_rows(found.reason == 0)
    assert kept.to_arrow().to_pylist() == [[SYSTEM, ASK, OTHER]]


def test_sharegpt_roles_and_system_column() -> None:
    turns = [{"from": "human", "value": "q"}, {"from": "GPT", "value": "a"}, {"from": "observation", "value": "o"}]
    for result in one(SHAREGPT, conversations=turns, system="Be kind."):
        assert result["messages"] == [
            SYSTEM,
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a"},
            {"role": "tool", "content": "o"},
        ]
        assert result["extra"] == {"messages": [None, None, None, {"role": "observation"}]}


def test_a_system_column_is_not_said_twice() -> None:
    turns = [{"from": "system", "value": "Be kind."}, *GOOD["conversations"]]
    for result in one(SHAREGPT, conversations=turns, system="Be kind."):
        assert [turn["role"] for turn in result["messages"]] == ["system", "user", "assistant"]
    for result in one(SHAREGPT, conversations=turns, system=" "):
        assert [turn["role"] for turn in result["messages"]] == ["system", "user", "assistant"]


@pytest.mark.parametrize(("given", "asked"), [("x", "Do\n\nx"), ("", "Do"), (None, "Do"), (" \n", "Do")])
def test_alpaca(given: str | None, asked: str) -> None:
    for result in one(ALPACA, instruction="Do", input=given, output="Done"):
        assert result == {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": "Done"}]}


def test_alpaca_system_and_history() -> None:
    for result in one(ALPACA, instruction="Do", input="", output="Done", system="Be kind.", history=[["q", "a"]]):
        roles = [(turn["role"], turn["content"]) for turn in result["messages"]]
        assert roles == [
            ("system", "Be kind."),
            ("user", "q"),
            ("assistant", "a"),
            ("user", "Do"),
            ("assistant", "Done"),
        ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "Why?", "response": "So."}, [ASK, ANSWER]),
        ({"prompt": "Why?", "response": "So.", "system": "Be kind."}, [SYSTEM, ASK, ANSWER]),
    ],
)
def test_prompt_and_response_as_text(row: dict[str, Any], expected: list[dict[str, str]]) -> None:
    for result in one(PROMPT, **row):
        assert result == {"messages": expected}


@pytest.mark.parametrize("response", [[ANSWER], ANSWER, "So."])
def test_prompt_and_response_as_messages(response: Any) -> None:
    columns = {"prompt": [[SYSTEM, ASK]], "response": [response]}
    for found in both_ways(PROMPT, **columns):
        assert found.fields["messages"].to_arrow().to_pylist() == [[SYSTEM, ASK, ANSWER]]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            {"prompt": "Why?", "chosen": "So.", "rejected": "No."}, ([ASK], [ANSWER], [OTHER]), id="three texts"
        ),
        pytest.param(
            {"prompt": [SYSTEM, ASK], "chosen": [ANSWER], "rejected": [OTHER]},
            ([SYSTEM, ASK], [ANSWER], [OTHER]),
            id="explicit lists",
        ),
        pytest.param(
            {"prompt": "Why?", "chosen": [ASK, ANSWER], "rejected": [ASK, OTHER]},
            ([ASK], [ANSWER], [OTHER]),
            id="prompt text beside conversations",
        ),
        pytest.param(
            {"prompt": "Why?", "chosen": [SYSTEM, ASK, ANSWER], "rejected": [SYSTEM, ASK, OTHER]},
            ([SYSTEM, ASK], [ANSWER], [OTHER]),
            id="prompt text beside conversations with system",
        ),
        pytest.param(
            {"chosen": [ASK, ANSWER, ASK, ANSWER], "rejected": [ASK, ANSWER, ASK, OTHER, ASK, OTHER]},
            ([ASK, ANSWER, ASK], [ANSWER], [OTHER, ASK, OTHER]),
            id="no prompt column",
        ),
        pytest.param(
            {"prompt": [ANSWER, ASK], "chosen": [ANSWER, ASK, ANSWER], "rejected": [ANSWER, ASK, OTHER]},
            ([ANSWER, ASK], [ANSWER], [OTHER]),
            id="prompt repeated in both, assistant first",
        ),
        pytest.param(
            {"prompt": "Why?", "chosen": [ANSWER], "rejected": [OTHER]},
            ([ASK], [ANSWER], [OTHER]),
            id="answers as lists",
        ),
        pytest.param(
            {"prompt": "Why?", "chosen": ANSWER, "rejected": OTHER}, ([ASK], [ANSWER], [OTHER]), id="answers as objects"
        ),
        pytest.param(
            {"chosen": [ASK, ANSWER], "rejected": [ASK, ANSWER]}, ([ASK], [ANSWER], [ANSWER]), id="same on both sides"
        ),
        pytest.param(
            {"chosen": [ASK, ANSWER], "rejected": [ASK, ANSWER, ASK, OTHER]},
            ([ASK], [ANSWER], [ANSWER, ASK, OTHER]),
            id="one side goes on",
        ),
    ],
)
def test_preference(row: dict[str, Any], expected: tuple[Any, Any, Any]) -> None:
    for found in both_ways(PAIRS, **{name: [value] for name, value in row.items()}):
        assert not found.reason.any()
        assert (
            tuple(found.fields[name].to_arrow().to_pylist()[0] for name in ("prompt", "chosen", "rejected")) == expected
        )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": None, "chosen": "So.", "rejected": "No."}, "null_content"),
        ({"prompt": "Why?", "chosen": None, "rejected": "No."}, "null_content"),
        ({"prompt": "Why?", "chosen": "So.", "rejected": ""}, "empty"),
        ({"prompt": "Why?", "chosen": [ASK], "rejected": [ASK, OTHER]}, "no_assistant_turn"),
        ({"chosen": [ANSWER], "rejected": [OTHER]}, "null_content"),
        ({"prompt": [], "chosen": [ANSWER], "rejected": [OTHER]}, "no_messages"),
        ({"chosen": [ASK, ANSWER], "rejected": [{"role": "user", "content": "Else"}, OTHER]}, "no_messages"),
        ({"chosen": [{"role": "narrator", "content": "x"}, ANSWER], "rejected": [ASK, OTHER]}, "bad_role"),
    ],
)
def test_preference_rows_that_cannot_be_used(row: dict[str, Any], reason: str) -> None:
    for found in both_ways(PAIRS, **{name: [value] for name, value in row.items()}):
        assert [REASONS[code] for code in found.reason] == [reason]


def test_answers_alone_have_no_prompt() -> None:
    shape = Shape("preference", chosen="chosen", rejected="rejected")
    for found in both_ways(shape, chosen=[[ANSWER], [ASK, ANSWER]], rejected=[[OTHER], [ASK, OTHER]]):
        assert [REASONS[code] for code in found.reason] == ["no_messages", ""]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (None, "no_messages"),
        ([], "no_messages"),
        ([ASK], "no_assistant_turn"),
        ([ASK, {"role": "assistant", "content": " \n\u00a0"}], "empty"),
        ([ASK, {"role": "assistant", "content": ""}], "empty"),
        ([ASK, {"role": "assistant", "content": None}], "null_content"),
        ([{"role": "user", "content": None}, ANSWER], "null_content"),
        ([None, ANSWER], "null_content"),
        ([{"role": "narrator", "content": "x"}, ANSWER], "bad_role"),
        ([{"role": None, "content": "x"}, ANSWER], "bad_role"),
        ([ASK, ANSWER, SYSTEM, ANSWER, SYSTEM], "bad_role"),
        ([SYSTEM, ASK, SYSTEM, ANSWER], "bad_role"),
        ([{"role": "user", "content": 5}, ANSWER], "not_text"),
        ([{"role": "user", "content": [{"type": "image", "url": "x"}]}, ANSWER], "not_text"),
        (["just text", ANSWER], "not_text"),
    ],
)
def test_rows_that_cannot_be_used(messages: Any, reason: str) -> None:
    for result in one(MESSAGES, messages=messages):
        assert result == {"reason": reason}


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([ANSWER], id="assistant alone"),
        pytest.param([ASK, ANSWER, ASK], id="last turn is the user's"),
        pytest.param([ASK, ASK, ANSWER, ANSWER], id="same role twice"),
        pytest.param([SYSTEM, SYSTEM, ASK, ANSWER], id="two system turns in front"),
        pytest.param([ASK, SYSTEM, ANSWER], id="one system turn inside"),
        pytest.param([{"role": "user", "content": ""}, ANSWER], id="empty question"),
        pytest.param([ASK, {"role": "assistant", "content": ""}, ASK, ANSWER], id="one empty answer of two"),
    ],
)
def test_rows_that_can_be_used(messages: list[dict[str, str]]) -> None:
    for result in one(MESSAGES, messages=messages):
        assert result == {"messages": messages}


def test_null_content_with_tool_calls_is_kept_as_empty_text() -> None:
    calls = [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    for result in one(MESSAGES, messages=[ASK, turn]):
        assert result["messages"] == [ASK, {"role": "assistant", "content": ""}]
        assert result["extra"] == {"messages": [None, {"tool_calls": calls}]}
    for result in one(MESSAGES, messages=[ASK, {"role": "assistant", "content": None, "tool_calls": []}]):
        assert result == {"reason": "null_content"}


def test_other_keys_and_parts_travel_in_the_extra() -> None:
    parts = [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}]
    turns = [{"role": "user", "content": parts}, ANSWER | {"name": "bot", "weight": 0, "reasoning_content": None}]
    for result in one(MESSAGES, messages=turns):
        assert result["messages"] == [ASK, ANSWER]
        assert result["extra"] == {"messages": [{"content": parts}, {"name": "bot", "weight": 0}]}


def test_extras_of_a_pair_stay_with_their_side() -> None:
    row = {
        "prompt": [[ASK | {"name": "ann"}]],
        "chosen": [[ANSWER | {"weight": 1}]],
        "rejected": [[OTHER]],
    }
    for found in both_ways(PAIRS, **row):
        extra = {name: turns.extra for name, turns in found.fields.items()}
        assert extra == {"prompt": {0: [{"name": "ann"}]}, "chosen": {0: [{"weight": 1}]}, "rejected": {}}
