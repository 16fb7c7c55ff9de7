"""What is wrong with a file, in words of the file: pydantic's errors as ``key.path: got X, expected Y``."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from phrasemill.schemas.secrets import is_secret_name

Location = tuple[str | int, ...]

_SHOWN_CHARACTERS: Final = 60
_EXPECTED: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
}
_KINDS: Final[dict[type, str]] = {
    str: "text",
    dict: "a mapping",
    bool: "true or false",
    **dict.fromkeys((list, tuple), "a list"),
    **dict.fromkeys((int, float), "a number"),
}
_SUBJECT: Final = re.compile(r"^(Input|String|Value|List|Tuple|Dictionary) should (be )?")


def complaints(model: type[BaseModel], data: object, invalid: ValidationError) -> list[tuple[Location, str]]:
    """Keys of the value and a message for every problem, in pydantic's order.

    Where a value may have one of several shapes, only the shape that it came nearest to complains.
    """
    grouped: dict[Location, list[ErrorDetails]] = {}
    for detail in invalid.errors(include_url=False):
        grouped.setdefault(_keys(data, detail), []).append(detail)
    schema = _schema(model)
    return [
        (keys, _message(schema, keys, details))
        for keys, details in grouped.items()
        if not _shadowed(keys, details, grouped)
    ]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _shadowed(keys: Location, details: list[ErrorDetails], grouped: dict[Location, list[ErrorDetails]]) -> bool:
    """Whether these only say that the value has a wrong shape or length, while others complain deeper inside it."""
    deeper = any(len(other) > len(keys) and other[: len(keys)] == keys for other in grouped)
    return deeper and all(detail["type"] in {*_EXPECTED, "too_short"} for detail in details)


def _keys(data: Any, detail: ErrorDetails) -> Location:
    """Return the error's location without the names that pydantic adds for the arms of a union."""
    keys: list[str | int] = []
    value = data
    for part in detail["loc"]:
        in_mapping = isinstance(value, dict) and isinstance(part, str) and part in value
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not in_mapping and not in_list:
            continue
        value = value[part]
        keys.append(part)
    if detail["type"] == "missing" and isinstance(value, dict):
        keys.append(detail["loc"][-1])
    return tuple(keys)


def _message(schema: dict[str, Any], keys: Location, details: list[ErrorDetails]) -> str:
    where = ".".join(map(str, keys)) or "the file"
    first = details[0]
    kind = first["type"]
    if kind == "extra_forbidden":
        known = sorted(_known_keys(schema, keys[:-1]))
        near = _nearest(str(keys[-1]), known)
        return f"{where}: got an unknown key, expected one of {', '.join(known)}{near}"
    if kind == "missing":
        return f"{where}: got nothing, expected this key to be set"
    if kind in ("value_error", "assertion_error"):
        return f"{where}: {first['msg'].partition(', ')[2]}"
    got = _got(keys, first["input"])
    expected = " or ".join(dict.fromkeys(_expected(detail) for detail in details))
    near = ""
    if kind == "literal_error" and isinstance(first["input"], str):
        near = _nearest(first["input"], re.findall(r"'([^']*)'", expected))
    return f"{where}: got {got}, expected {expected}{near}"


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] in _EXPECTED:
        return _EXPECTED[detail["type"]]
    if detail["type"] == "literal_error":
        return str(detail["ctx"]["expected"])
    if detail["type"] == "string_pattern_mismatch":
        return f"text that matches {detail['ctx']['pattern']}"
    message = detail["msg"].partition(" after validation")[0]
    subject = _SUBJECT.match(message)
    if subject is None:
        return message[0].lower() + message[1:]
    return ("" if subject.group(2) else "it to ") + message[subject.end() :]


def _got(keys: Location, value: object) -> str:
    """Return the value as a message may show it: what may be a key or hold one is not shown."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    names = [key for key in keys if isinstance(key, str)]
    is_secret = "://" in text or any(name == "url" or is_secret_name(name) for name in names)
    return f"{_KINDS.get(type(value), 'a value')}, which is not shown here" if is_secret else shown(value)


def shown(value: object) -> str:
    """Return the value as JSON, cut to a length that fits a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _known_keys(schema: dict[str, Any], keys: Location) -> set[str]:
    """Return the keys that the mapping at ``keys`` may have, by the model's JSON schema."""
    nodes = list(_arms(schema, schema))
    for key in keys:
        nodes = [arm for node in nodes for child in _children(node, key) for arm in _arms(schema, child)]
    return {name for node in nodes for name in node.get("properties", {})}


def _children(node: dict[str, Any], key: str | int) -> Iterator[dict[str, Any]]:
    child = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
    child = child or node.get("additionalProperties")
    if isinstance(child, dict):
        yield child


def _arms(schema: dict[str, Any], node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the node itself, what it refers to, and every alternative of it."""
    yield node
    if "$ref" in node:
        yield from _arms(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    for arm in node.get("anyOf", ()):
        yield from _arms(schema, arm)
