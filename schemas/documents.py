"""YAML files read so that every value knows its line, and turned into models with errors that name it.

A small, strict part of YAML 1.2: one document, text keys, no anchors, aliases, merges or tags. ``yes``, ``no``, ``on``
and ``off`` are text; ``true`` and ``false`` are the only booleans; ``.inf`` and ``.nan`` are text.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from phrasemill.schemas.complaints import complaints
from phrasemill.schemas.errors import ConfigError, PhrasemillError

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Keys: TypeAlias = tuple[str | int, ...]
T = TypeVar("T", bound=BaseModel)

MAX_DEPTH: Final = 50
"""Levels of nesting; no file of ours needs ten, and the reader recurses."""

MAX_BYTES: Final = 4_000_000
"""Largest file; a thousand rules have a quarter of it."""

_MAX_NUMBER: Final = 2**63 - 1
"""Past it no other part that a number goes to, from JSON to Parquet, can hold it."""

# Lengths are bounded so that no text is so long a number that it becomes infinite or slow to read.
_INT: Final = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]{1,100}|[0-9]{1,100}(\.[0-9]{0,100})?)([eE][-+]?[0-9]{1,2})?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """The plain data of a file, and the line, counted from 1, of every key and list item in it."""

    data: Value
    path: Path
    lines: Mapping[Keys, int]

    def line_of(self, keys: Keys) -> int:
        """Return the line of the value at ``keys``, or of the nearest one around it where there is none."""
        for length in range(len(keys), 0, -1):
            line = self.lines.get(keys[:length])
            if line is not None:
                return line
        return self.lines.get((), 1)


def read_document(path: Path, text: str | None = None) -> Document:
    """Read a YAML file, or ``text`` under the name ``path``. An empty file has the data None.

    Raises:
        ConfigError: the file cannot be read or is outside the part of YAML above; says ``file:line``.

    """
    try:
        content = _content(path) if text is None else text
        content.encode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text: {error}") from error
    except ValueError as error:  # a NUL in the path
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    reader = _Reader(path, content)
    try:
        return Document(data=reader.document(), path=path, lines=reader.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = content.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.reason}") from error


def _content(path: Path) -> str:
    """The text of a file. A pipe or a device has no end that could be waited for, and a path with a NUL no file."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ConfigError(f"{path}: cannot be read: it is a folder, a pipe or a device, expected a file")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: got more than {MAX_BYTES:,} bytes, expected a smaller file: make several of it")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def parse_model(model: type[T], document: Document, error: type[PhrasemillError]) -> T:
    """Return the document as ``model``. The text ``"8"`` is not a number, nor ``yes`` a boolean.

    Raises:
        error: with one line a problem, in the order of the file: ``file:line: key.path: got X, expected Y``.

    """
    if document.data is None:
        raise error(f"{document.path}:1: got an empty file, expected keys of {model.__name__}")
    try:
        return model.model_validate(_with_tuples(document.data), strict=True)
    except ValidationError as invalid:
        found = [(document.line_of(keys), message) for keys, message in complaints(model, document.data, invalid)]
        lines = [f"{document.path}:{line}: {message}" for line, message in sorted(found, key=lambda item: item[0])]
        raise error("\n".join(lines)) from invalid


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _with_tuples(value: Value) -> object:
    """Return the value with a tuple for every list, as strict validation of our models wants them."""
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return value


class _Reader:
    """Composes plain data from the events of the C parser; ``lines`` fills as it goes."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines: dict[Keys, int] = {}
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CSafeLoader)

    def document(self) -> Value:
        """Return the one document of the stream, or None for an empty stream."""
        next(self._events)  # StreamStart
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        event = next(self._events)
        self.lines[()] = _line(event)
        data = self._value(event, ())
        next(self._events)  # DocumentEnd
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._error(after, "got a second document (---), expected one a file")
        return data

    def _error(self, event: yaml.Event, message: str) -> ConfigError:
        return ConfigError(f"{self.path}:{_line(event)}: {message}")

    def _value(self, event: yaml.Event, keys: Keys) -> Value:
        if isinstance(event, yaml.AliasEvent):
            raise self._error(event, f"got the alias *{event.anchor}, expected the value itself: write it out")
        if not isinstance(event, yaml.NodeEvent):
            raise self._error(event, "got the end of the file, expected a value")
        if event.anchor is not None:
            raise self._error(event, f"got the anchor &{event.anchor}, which is not supported: write the value out")
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None:
            raise self._error(event, f"got the tag {event.tag}, expected none: put text in quotes instead")
        if len(keys) > MAX_DEPTH:
            raise self._error(event, f"got more than {MAX_DEPTH} levels of nesting")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(keys)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(keys)
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
            if isinstance(value, int) and abs(value) > _MAX_NUMBER:
                raise self._error(event, f"got a whole number of more than 63 bits, expected at most {_MAX_NUMBER:,}")
            return value
        raise self._error(event, f"got {type(event).__name__}, expected a value")

    def _mapping(self, keys: Keys) -> dict[str, Value]:
        result: dict[str, Value] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                raise self._error(event, "got a list or mapping as a key, expected text")
            key = self._value(event, keys)
            if not isinstance(key, str):
                raise self._error(event, f"got the key {json.dumps(key)}, expected text: put it in quotes")
            at = (*keys, key)
            if key in result:
                name = ".".join(map(str, at))
                raise self._error(
                    event, f"{name}: got this key again, expected it once; first on line {self.lines[at]}"
                )
            self.lines[at] = _line(event)
            result[key] = self._value(next(self._events), at)
        return result

    def _sequence(self, keys: Keys) -> list[Value]:
        result: list[Value] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            at = (*keys, len(result))
            self.lines[at] = _line(event)
            result.append(self._value(event, at))
        return result


def _scalar(event: yaml.ScalarEvent) -> Value:
    text: str = event.value
    if not event.implicit[0]:  # quoted or a block: always text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
