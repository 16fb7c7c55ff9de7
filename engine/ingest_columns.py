"""One input column becomes turns: lists of messages as Arrow where their type allows, else value by value.

A message is ``role`` (or ``from``) with ``content`` (or ``value``). Other keys that are not null are its extra; content
given as a list of text parts is joined, and the parts stay in the extra under ``content``. A role that means more than
its canonical name (``function_call``) stays in the extra under ``role``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.engine.ingest_turns import (
    ASSISTANT,
    BAD_ROLE,
    CODE,
    ROLE_CODE,
    Codes,
    Extra,
    Ints,
    Mask,
    Turns,
    no_turns,
    one_turn,
)
from phrasemill.schemas import tables

Column: TypeAlias = pa.Array | list[Any]
"""A column as Arrow, or as Python values where a row reader had to make them."""

ROLE_KEYS: Final = ("role", "from")
CONTENT_KEYS: Final = ("content", "value")
CALL_KEYS: Final = ("tool_calls", "function_call")

ROLE_ALIASES: Final = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "function_call": "assistant",
    "function": "tool",
    "function_response": "tool",
    "observation": "tool",
    "ipython": "tool",
}
TELLING_ROLES: Final = frozenset({"function_call", "function", "function_response", "observation", "ipython"})


def role_code(name: str | None) -> int:
    """Return the index in ``tables.ROLES`` of a role or of another name for it; -1 where it is neither."""
    folded = (name or "").strip().lower()
    return ROLE_CODE.get(ROLE_ALIASES.get(folded, folded), BAD_ROLE)


def turns_of(column: Column, role: str, missing: str = "null_content") -> Turns:
    """Return the turns of a column of conversations; a bare string is one turn of ``role``.

    ``missing`` is the reason of a row where the column is null.
    """
    if isinstance(column, list):
        return _from_values(column, role, missing)
    if is_text(column.type):
        return text_turns(column, role)
    keys = _plain_keys(column.type)
    if keys is not None:
        turns = _from_arrow(column, *keys)
        if column.null_count:
            turns = turns.with_reason(column.is_null().to_numpy(zero_copy_only=False), missing)
        return turns
    return _from_values([without_nulls(value) for value in column.to_pylist()], role, missing)


def text_turns(column: Column, role: str, *, optional: bool = False) -> Turns:
    """One turn a row. A null is a bad row; with ``optional`` a null or blank text is no turn at all."""
    text, not_text = text_of(column)
    if optional:
        filled = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(text), ""), False)
        keep = filled.to_numpy(zero_copy_only=False)
        return one_turn(text, role, keep, np.zeros(len(text), np.uint8))
    reason = np.where(text.is_null().to_numpy(zero_copy_only=False), np.uint8(CODE["null_content"]), np.uint8(0))
    reason[not_text] = CODE["not_text"]
    return one_turn(pc.fill_null(text, ""), role, np.ones(len(text), np.bool_), reason)


def text_of(column: Column) -> tuple[pa.LargeStringArray, Mask]:
    """Return the texts of a column, null where there is none, and a flag for each value that is no text."""
    if isinstance(column, pa.Array) and is_text(column.type):
        text = column if column.type == pa.large_string() else column.cast(pa.large_string())
        return text, np.zeros(len(text), np.bool_)
    values = column.to_pylist() if isinstance(column, pa.Array) else column
    wrong = np.fromiter((value is not None and not isinstance(value, str) for value in values), np.bool_, len(values))
    texts = [value if isinstance(value, str) else None for value in values]
    return pa.array(texts, pa.large_string()), wrong


def history_turns(column: Column) -> Turns:
    """Earlier turns of an Alpaca row: a list of (user, assistant) pairs. Null and empty lists are no turns."""
    if isinstance(column, pa.Array) and column.null_count == len(column):
        return no_turns(len(column))
    values = column.to_pylist() if isinstance(column, pa.Array) else column
    if not any(values):
        return no_turns(len(values))
    builder = _Builder()
    for pairs in values:
        builder.add_row([turn for pair in pairs or () for turn in _pair_messages(pair)])
    return builder.turns()


def is_text(kind: pa.DataType) -> bool:
    """Whether values of this type are strings (dictionary-encoded ones too)."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether this is a list of variable length."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def is_odd_list(kind: pa.DataType) -> bool:
    """Whether this is a list of another layout: of one size, or a view."""
    views = pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
    return bool(views or pa.types.is_fixed_size_list(kind))


def as_list(array: pa.Array) -> pa.Array:
    """Return lists of another layout as large lists. From lengths: a cast mixes up the values of a sliced view."""
    if not is_odd_list(array.type):
        return array
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths.to_numpy())]))
    return pa.LargeListArray.from_arrays(
        offsets, pc.list_flatten(array), mask=array.is_null() if array.null_count else None
    )


def without_nulls(value: Any) -> Any:
    """Return the value without null dictionary entries: an Arrow struct cannot tell a null from an absent key."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _plain_keys(kind: pa.DataType) -> tuple[str, str] | None:
    """Return the names of role and content, where messages are structs with exactly one of each, both text."""
    if not is_list(kind) or not pa.types.is_struct(kind.value_type):
        return None
    fields = {item.name: item.type for item in kind.value_type}
    roles = [key for key in ROLE_KEYS if key in fields]
    contents = [key for key in CONTENT_KEYS if key in fields]
    if len(roles) != 1 or len(contents) != 1 or len(fields) != kind.value_type.num_fields:
        return None
    return (roles[0], contents[0]) if is_text(fields[roles[0]]) and is_text(fields[contents[0]]) else None


def _from_arrow(column: pa.ListArray | pa.LargeListArray, role_key: str, content_key: str) -> Turns:
    offsets = column.offsets.to_numpy().astype(np.int64)
    base = int(offsets[0])
    values = column.values.slice(base, int(offsets[-1]) - base)
    offsets = offsets - base
    names = [item.name for item in values.type]
    children = dict(zip(names, values.flatten(), strict=True))
    role, telling, plain = _roles(children.pop(role_key))
    content = children.pop(content_key)
    content = content if content.type == pa.large_string() else content.cast(pa.large_string())
    call = _has_call(children, len(values)) & (role == ASSISTANT)
    turns = Turns(
        offsets,
        role,
        pc.fill_null(content, "") if content.null_count else content,
        np.zeros(len(column), np.uint8),
        call,
        _extra_of(children, telling, values, role_key, offsets),
        column if column.type == tables.MESSAGES and plain and not content.null_count else None,
    )
    if content.null_count:
        lacking = content.is_null().to_numpy(zero_copy_only=False) & ~call
        turns = turns.with_reason(turns.any_turn(lacking), "null_content")
    return turns


def _roles(names: pa.Array) -> tuple[Codes, Mask, bool]:
    """Codes, which names say more than their code, and whether every name already is canonical."""
    encoded = names if pa.types.is_dictionary(names.type) else names.dictionary_encode()
    known = encoded.dictionary.to_pylist()
    codes = np.array([role_code(name) for name in known] + [BAD_ROLE], np.int8)
    telling = np.array([(name or "").strip().lower() in TELLING_ROLES for name in known] + [False], np.bool_)
    index = pc.fill_null(encoded.indices.cast(pa.int64()), len(known)).to_numpy()
    return codes[index], telling[index], all(name in ROLE_CODE for name in known)


def _has_call(children: dict[str, pa.Array], n_turns: int) -> Mask:
    call = np.zeros(n_turns, np.bool_)
    for key in CALL_KEYS:
        if key in children:
            call |= _not_empty(children[key])
    return call


def _not_empty(array: pa.Array) -> Mask:
    given = array.is_valid()
    if is_list(array.type):
        given = pc.and_(given, pc.fill_null(pc.greater(pc.list_value_length(array), 0), False))
    elif is_text(array.type):
        given = pc.and_(given, pc.fill_null(pc.not_equal(array, ""), False))
    return np.asarray(given.to_numpy(zero_copy_only=False))


def _extra_of(
    children: dict[str, pa.Array], telling: Mask, values: pa.StructArray, role_key: str, offsets: Ints
) -> dict[int, list[Extra | None]]:
    """Extras as Python objects, made for the turns that have one."""
    present = telling.copy()
    for array in children.values():
        if array.null_count < len(array):
            present |= array.is_valid().to_numpy(zero_copy_only=False)
    index = np.flatnonzero(present)
    if not len(index):
        return {}
    at = pa.array(index)
    columns = {name: array.take(at).to_pylist() for name, array in children.items()}
    roles = values.field(role_key).take(at).to_pylist()
    rows = np.searchsorted(offsets, index, side="right") - 1
    extra: dict[int, list[Extra | None]] = {}
    for place, (turn, row) in enumerate(zip(index.tolist(), rows.tolist(), strict=True)):
        entry = without_nulls({name: column[place] for name, column in columns.items()})
        if telling[turn]:
            entry["role"] = roles[place]
        of_row = extra.setdefault(row, [None] * int(offsets[row + 1] - offsets[row]))
        of_row[turn - int(offsets[row])] = entry or None
    return extra


class _Builder:
    """Collects turns row by row from Python values."""

    def __init__(self) -> None:
        self.offsets = [0]
        self.role: list[int] = []
        self.content: list[str] = []
        self.call: list[bool] = []
        self.reason: list[int] = []
        self.extra: dict[int, list[Extra | None]] = {}

    def add_row(self, messages: Iterable[Any], missing: str = "") -> None:
        reason = CODE[missing]
        extras: list[Extra | None] = []
        for message in messages:
            why, extra = self._add_message(message)
            reason = reason or why
            extras.append(extra)
        if any(extras):
            self.extra[len(self.reason)] = extras
        self.reason.append(reason)
        self.offsets.append(len(self.role))

    def _add_message(self, message: Any) -> tuple[int, Extra | None]:
        if not isinstance(message, dict):
            return CODE["null_content"] if message is None else CODE["not_text"], None
        extra = {key: value for key, value in message.items() if value is not None}
        name = _pop_first(extra, ROLE_KEYS)
        value = _pop_first(extra, CONTENT_KEYS)
        code = role_code(name) if isinstance(name, str) else BAD_ROLE
        if isinstance(name, str) and name.strip().lower() in TELLING_ROLES:
            extra["role"] = name
        call = code == ASSISTANT and any(extra.get(key) for key in CALL_KEYS)
        text, why = _content(value, call=call)
        if isinstance(value, list):
            extra["content"] = value
        self.role.append(code)
        self.content.append(text)
        self.call.append(call)
        return why, extra or None

    def turns(self) -> Turns:
        return Turns(
            np.array(self.offsets, np.int64),
            np.array(self.role, np.int8),
            pa.array(self.content, pa.large_string()),
            np.array(self.reason, np.uint8),
            np.array(self.call, np.bool_),
            self.extra,
        )


def _from_values(values: Sequence[Any], role: str, missing: str) -> Turns:
    builder = _Builder()
    for value in values:
        if isinstance(value, str):
            builder.add_row([{"role": role, "content": value}])
        elif isinstance(value, dict):
            builder.add_row([value])
        elif value is None:
            builder.add_row((), missing)
        else:
            builder.add_row(value if isinstance(value, list) else [value])
    return builder.turns()


def _pop_first(extra: Extra, keys: tuple[str, ...]) -> Any:
    return next((extra.pop(key) for key in keys if key in extra), None)


def _content(value: Any, *, call: bool) -> tuple[str, int]:
    if isinstance(value, str):
        return value, 0
    if value is None:
        return "", 0 if call else CODE["null_content"]
    if not isinstance(value, list):
        return "", CODE["not_text"]
    texts = [part.get("text") if isinstance(part, dict) else part for part in value]
    strings = [text for text in texts if isinstance(text, str)]
    return ("".join(strings), 0) if len(strings) == len(texts) else ("", CODE["not_text"])


def _pair_messages(pair: Any) -> list[Any]:
    if not isinstance(pair, list) or len(pair) != 2:
        return [pair if pair is None else 0]
    return [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
