"""The shapes that a row can have, which one an input has, and its rows as canonical conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.engine.ingest_columns import Column, history_turns, is_list, is_text, text_of, text_turns, turns_of
from phrasemill.engine.ingest_turns import (
    ASSISTANT,
    BAD_ROLE,
    SYSTEM_CODES,
    TOOL,
    Mask,
    Turns,
    common_prefix,
    join,
    last_assistant,
    no_turns,
)
from phrasemill.schemas.config import ColumnsConfig
from phrasemill.schemas.errors import InputError

ShapeKind = Literal["preference", "messages", "conversations", "alpaca", "prompt"]

SHAPES: Final[dict[ShapeKind, tuple[str, ...]]] = {
    "preference": ("chosen", "rejected"),
    "messages": ("messages",),
    "conversations": ("conversations",),
    "alpaca": ("instruction", "response"),
    "prompt": ("prompt", "response"),
}
"""The columns that a shape needs, by their names in ``columns:``; first shape that fits, in this order."""

_DEFAULTS: Final[dict[tuple[ShapeKind, str], tuple[str, ...]]] = {
    ("alpaca", "response"): ("output",),
    ("prompt", "response"): ("completion", "response", "output", "answer"),
}
_OPTIONAL: Final[dict[ShapeKind, tuple[str, ...]]] = {
    "preference": ("prompt", "system"),
    "messages": (),
    "conversations": ("system",),
    "alpaca": ("input", "system", "history"),
    "prompt": ("system",),
}
_KNOWN: Final = (
    "chosen + rejected (+ prompt); messages; conversations; instruction + output (+ input, system, history); "
    "prompt + completion, response, output or answer"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of rows these are and which input column plays which part. Absent parts are None.

    ``answered`` false: a row may lack an answer, or all rows do; whoever reads it wants prompts.
    """

    kind: ShapeKind
    id: str | None = None
    messages: str | None = None
    conversations: str | None = None
    prompt: str | None = None
    response: str | None = None
    system: str | None = None
    instruction: str | None = None
    input: str | None = None
    history: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    answered: bool = field(default=True, repr=False)

    @property
    def consumed(self) -> tuple[str, ...]:
        """Input columns that become the conversation or its id, and do not pass through a second time."""
        parts = ("id", *self.parts())
        return tuple(dict.fromkeys(name for part in parts if (name := getattr(self, part)) is not None))

    @property
    def needed(self) -> tuple[str, ...]:
        """Input columns without which no row has this shape."""
        return tuple(name for part in SHAPES[self.kind] if (name := getattr(self, part)) is not None)

    @property
    def fields(self) -> tuple[str, ...]:
        """The canonical conversation columns: ``messages``, or ``prompt``, ``chosen``, ``rejected``."""
        return ("prompt", "chosen", "rejected") if self.kind == "preference" else ("messages",)

    def parts(self) -> tuple[str, ...]:
        """Return the parts that this kind of row can have, ``id`` apart."""
        given = ("system",) if self.kind == "messages" else ()
        return (*SHAPES[self.kind], *_OPTIONAL[self.kind], *given)


def detect(types: Mapping[str, pa.DataType], columns: ColumnsConfig, *, answered: bool = True) -> Shape:
    """Return the shape of an input with these columns. What ``columns`` names wins over detection.

    ``answered`` false: ``prompt`` or ``instruction`` alone will do.

    Raises:
        InputError: no shape fits, or ``columns`` names a column that is not there.

    """
    named = {part: name for part, name in columns.model_dump().items() if name is not None}
    for part, name in named.items():
        if name not in types:
            raise InputError(
                f"input.columns.{part} is {name!r}, but the input has no such column; it has: {_list(types)}"
            )
    order = sorted(SHAPES, key=lambda kind: not any(part in named for part in SHAPES[kind]))
    for kind, alone in ((kind, alone) for alone in (False, not answered) for kind in order):
        shape = _fit(kind, types, named, alone=alone)
        if shape is not None:
            return replace(shape, answered=answered)
    raise InputError(
        f"no known shape fits the columns of the input: {_list(types)}. Known shapes: {_KNOWN}. "
        "Name the columns under input.columns, for example {prompt: question, response: reply}"
    )


def _fit(kind: ShapeKind, types: Mapping[str, pa.DataType], named: Mapping[str, str], *, alone: bool) -> Shape | None:
    """The shape, if the columns have all that it needs; ``alone``: but for the answer."""
    found: dict[str, Any] = {}
    for part in SHAPES[kind]:
        if alone and part == "response":
            continue
        candidates = (named[part],) if part in named else _DEFAULTS.get((kind, part), (part,))
        fitting = [name for name in candidates if name in types and _fits(part, types[name])]
        if not fitting:
            return None
        found[part] = fitting[0]
    for part in _OPTIONAL[kind]:
        name = named.get(part, part)
        if name in types and name not in found.values() and _fits(part, types[name]):
            found[part] = name
    if kind == "messages" and "system" in named:
        found["system"] = named["system"]
    if kind == "preference" and "prompt" not in found and is_text(types[found["chosen"]]):
        return None
    name = named.get("id", "id")
    if name in types and not pa.types.is_nested(types[name]) and name not in found.values():
        found["id"] = name
    return Shape(kind, **found)


def _fits(part: str, kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return part not in ("messages", "conversations")
    if part in ("messages", "conversations"):
        return is_list(kind) and not is_text(kind.value_type)
    if part == "history":
        return is_list(kind)
    if part in ("chosen", "rejected", "prompt", "response"):
        return is_text(kind) or is_list(kind) or pa.types.is_struct(kind)
    return is_text(kind)


def _list(types: Mapping[str, pa.DataType]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in types.items()) or "none"


@dataclass(frozen=True, slots=True)
class Canonical:
    """The conversations of a batch: the turns of each of the shape's fields, and one reason code a row (0: usable)."""

    fields: dict[str, Turns]
    reason: npt.NDArray[np.uint8]


def canonicalise(columns: Mapping[str, Column], shape: Shape, n_rows: int) -> Canonical:
    """Return the conversations of ``n_rows`` rows, in order. ``columns`` are the shape's columns by input name.

    A column that is missing has only nulls. The texts must be valid UTF-8.
    """

    def column(part: str) -> Column | None:
        name = getattr(shape, part)
        return None if name is None else columns.get(name, pa.nulls(n_rows))

    def need(part: str) -> Column:
        given = column(part)
        return pa.nulls(n_rows) if given is None else given

    if shape.kind == "preference":
        return _preference(column("prompt"), need("chosen"), need("rejected"), column("system"))
    if shape.kind in ("messages", "conversations"):
        turns = turns_of(need(shape.kind), "user", missing="no_messages")
    elif shape.kind == "alpaca":
        question = text_turns(_question(need("instruction"), column("input")), "user")
        history = column("history")
        parts = [] if history is None else [history_turns(history)]
        turns = join([*parts, question, *_answers(column("response"))])
    else:
        turns = join([turns_of(need("prompt"), "user"), *_answers(column("response"))])
    turns = _checked(_with_system(turns, column("system")), answered=shape.answered)
    return Canonical({"messages": turns}, turns.reason)


def _answers(column: Column | None) -> list[Turns]:
    return [] if column is None else [turns_of(column, "assistant")]


def _question(instruction: Column, context: Column | None) -> Column:
    """Instruction and input as one text, a blank line between them; null where the instruction is null."""
    if context is None:
        return instruction
    first, _ = text_of(instruction)
    second, _ = text_of(context)
    second = pc.fill_null(second, "")
    both = pc.binary_join_element_wise(first, second, pa.scalar("\n\n", pa.large_string()))
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(second), ""), first, both)


def _with_system(turns: Turns, column: Column | None) -> Turns:
    """Return the turns with the row's system prompt in front, where it has one and does not already begin with it."""
    if column is None:
        return turns
    system = text_turns(column, "system", optional=True)
    repeated = (common_prefix(system, turns) > 0) & (system.counts > 0)
    shown = np.where(repeated, 0, system.counts)
    return join([system.between(np.zeros_like(shown), shown), turns])


def _checked(turns: Turns, *, answered: bool = True) -> Turns:
    """Return the turns with a reason for every row that cannot be used."""
    turns = _with_known_roles(turns.with_reason(turns.counts == 0, "no_messages"))
    return _with_answer(turns) if answered else turns


def _with_known_roles(turns: Turns) -> Turns:
    turns = turns.with_reason(turns.any_turn(turns.role == BAD_ROLE), "bad_role")
    return turns.with_reason(_late_system(turns), "bad_role")


def _late_system(turns: Turns) -> Mask:
    """Rows with two or more system turns, one of which stands after a turn of another role."""
    system = np.isin(turns.role, SYSTEM_CODES)
    bad = np.zeros(len(turns.reason), np.bool_)
    many = turns.count_turns(system) > 1
    if many.any():
        after = system.copy()
        after[1:] &= ~system[:-1]
        starts = turns.offsets[:-1][turns.counts > 0]
        after[starts] = False
        bad = many & turns.any_turn(after)
    return bad


def _with_answer(turns: Turns) -> Turns:
    """Return the turns with a reason for every row in which no assistant turn says anything."""
    spoken = turns.role == ASSISTANT
    turns = turns.with_reason(~turns.any_turn(spoken), "no_assistant_turn")
    blank = pc.or_(pc.utf8_is_space(turns.content), pc.equal(turns.content, "")).to_numpy(zero_copy_only=False)
    return turns.with_reason(~turns.any_turn(spoken & (~blank | turns.call)), "empty")


def _preference(prompt: Column | None, chosen: Column, rejected: Column, system: Column | None) -> Canonical:
    """Prompt, chosen and rejected, the latter two without the prompt's turns.

    Where both sides are whole conversations the prompt is what they share; where they are answers it is the prompt
    column, followed by what they share. Each side keeps at least its last assistant turn.
    """
    first, second = turns_of(chosen, "assistant"), turns_of(rejected, "assistant")
    asked = no_turns(len(first.reason)) if prompt is None else turns_of(prompt, "user")
    whole = _is_whole(first, asked) & _is_whole(second, asked)
    shared = np.minimum(common_prefix(first, second), np.minimum(last_assistant(first), last_assistant(second)))
    shared = np.maximum(shared, 0)
    start = np.zeros_like(shared)
    asked = replace(asked, reason=np.where(whole, np.uint8(0), asked.reason))
    asked = asked.between(start, np.where(whole, 0, asked.counts))
    turns = {
        "prompt": _with_system(join([asked, first.between(start, shared)]), system),
        "chosen": first.between(shared, first.counts),
        "rejected": second.between(shared, second.counts),
    }
    reason = _first_reason(
        _checked(first).reason,
        _checked(second).reason,
        _with_known_roles(turns["prompt"]).reason,
        _with_answer(turns["chosen"]).reason,
        _with_answer(turns["rejected"]).reason,
        turns["prompt"].with_reason(turns["prompt"].counts == 0, "no_messages").reason,
    )
    return Canonical(turns, reason)


def _is_whole(side: Turns, asked: Turns) -> Mask:
    """Rows whose side is a conversation from its start: it repeats the prompt, or does not begin with an answer."""
    repeats = (asked.counts > 0) & (common_prefix(side, asked) == asked.counts)
    return np.asarray(repeats | ~np.isin(side.first_role(), (ASSISTANT, TOOL)))


def _first_reason(*reasons: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    merged = reasons[0]
    for other in reasons[1:]:
        merged = np.where(merged == 0, other, merged)
    return merged
