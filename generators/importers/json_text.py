"""JSON and JSON lines read so that every value knows its line, like the YAML of our own files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from phrasemill.schemas.documents import MAX_DEPTH, Document, Keys
from phrasemill.schemas.errors import InputError

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def read_json(path: Path, text: str) -> Document:
    """The one JSON value of ``text``.

    Raises:
        InputError: with ``file:line``: not JSON, a key twice, NaN or an infinity, half a surrogate pair, or nested too
            deeply.
    """
    return Document(data=_parse(path, text, 1), path=path, lines=_lines(path, text, 1))


def read_json_lines(path: Path, text: str) -> list[Document]:
    """The JSON values of ``text``, one a line; empty lines are passed over. Errors as of :func:`read_json`."""
    rows = ((number, row) for number, row in enumerate(text.split("\n"), 1) if row.strip())
    return [Document(data=_parse(path, row, n), path=path, lines=_lines(path, row, n)) for n, row in rows]


def list_items(document: Document) -> list[Document]:
    """The items of a document that is a list, each a document of its own with the lines of the whole."""
    assert isinstance(document.data, list)
    return [
        Document(
            data=item,
            path=document.path,
            lines={keys[1:]: line for keys, line in document.lines.items() if keys[:1] == (number,)},
        )
        for number, item in enumerate(document.data)
    ]


def _parse(path: Path, text: str, first: int) -> Any:
    def refuse(word: str) -> NoReturn:
        raise ValueError(f"got {word}, which is not JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"got the key {key!r} twice in one object, expected it once")
            found[key] = value
        return found

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{first + error.lineno - 1}: not valid JSON: {error.msg}") from error
    except ValueError as error:
        raise InputError(f"{path}:{first}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}:{first}: got more than {MAX_DEPTH} levels of nesting") from error


def _lines(path: Path, text: str, first: int) -> dict[Keys, int]:
    """The line of every key and list item of valid JSON."""
    lines: dict[Keys, int] = {}
    keys: list[str | int] = []
    kinds: list[str] = []
    expects_key = False
    for token, line in _tokens(text, first):
        if token[0] == '"':
            _check_text(path, line, token)
        if token in "{[":
            lines.setdefault(tuple(keys), line)
            if len(kinds) == MAX_DEPTH:
                raise InputError(f"{path}:{line}: got more than {MAX_DEPTH} levels of nesting")
            kinds.append(token)
            keys.append("" if token == "{" else 0)
            expects_key = token == "{"
        elif token in "}]":
            kinds.pop()
            keys.pop()
            expects_key = False
        elif token == ",":
            expects_key = kinds[-1] == "{"
            last = keys[-1]
            if isinstance(last, int):
                keys[-1] = last + 1
        elif expects_key:
            keys[-1] = json.loads(token)
            lines[tuple(keys)] = line
            expects_key = False
        elif token != ":":
            lines.setdefault(tuple(keys), line)
    return lines


def _tokens(text: str, first: int) -> Iterator[tuple[str, int]]:
    line, seen = first, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        yield match[0], line


def _check_text(path: Path, line: int, token: str) -> None:
    try:
        json.loads(token).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}:{line}: got half a surrogate pair (\\ud800 to \\udfff), expected whole text"
        ) from error
