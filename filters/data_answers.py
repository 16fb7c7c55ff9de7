"""Stretches of an answer that are data or source without a fence: JSON, HTML, XML, LaTeX, YAML, CSV, a bare program.

Offsets are bytes of the UTF-8 text. Only what a parser or an unmistakable frame confirms is taken.
"""

from __future__ import annotations

from typing import Final

import orjson
import re2


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(pattern.encode())


_JSON_START: Final = _compiled(r"(?m)^[ \t]*[\[{]")
_TAG: Final = _compiled(r"(?im)^[ \t]*<(?:!doctype[^>\n]*|\?[^>\n]*|([a-z][\w-]*)(?:\s[^<>\n]*)?)>")
_LATEX: Final = _compiled(r"(?m)^[ \t]*\\(?:documentclass|begin\{[a-zA-Z*]+\})")
_LATEX_END: Final = _compiled(r"\\end\{[a-zA-Z*]+\}")
_YAML_KEY: Final = _compiled(r"^ *(?:- )?[a-z_][\w.-]*:(?: |$)")
_YAML_LINE: Final = _compiled(r"^ *(?:#|- |---|[a-z_][\w.-]*:(?: |$))")
_CSV_HEADER: Final = _compiled(r"^[A-Za-z_][\w]*(?:[,;\t][A-Za-z_][\w]*)+$")
_PROGRAM: Final = _compiled(
    r"\A(?:#include\b|#!/|<\?php|package [\w.]+;|import [\w.{*]|from [\w.]+ import |def \w+\(|class \w+[:({ ]"
    r"|public (?:static |final )?class |using [\w.]+;|function \w+\(|(?i:insert into|select|create table|update) \w)"
)
_PROGRAM_END: Final = (b";", b"}", b")", b">", b"end")

_LEAKS: Final = frozenset(
    {b"think", b"thinking", b"human", b"user", b"bot", b"assistant", b"system", b"s", b"reasoning"}
)
"""Tags that a model leaks: no answer is mark-up because of them."""

MIN_DATA_LINES: Final = 3
"""Fewest lines by which a YAML or CSV answer is recognised."""

MIN_JSON_BYTES: Final = 20
"""Shortest JSON that is recognised between sentences: a lone ``[1]`` is a citation."""


def data_stretch(body: bytes) -> tuple[int, int, str] | None:
    """The stretch of ``body`` that is data or source, and its kind (``json`` or ``code``); None where there is none."""
    for find in (_json, _tagged, _latex, _lines):
        if found := find(body):
            return found
    bare = body.strip()
    if bare.endswith(_PROGRAM_END) and _PROGRAM.match(bare):
        return 0, len(body), "code"
    return None


def is_json(text: bytes) -> bool:
    """Whether the whole text is a JSON object or array."""
    body = text.strip()
    if body[:1] + body[-1:] not in (b"{}", b"[]"):
        return False
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def _json(body: bytes) -> tuple[int, int, str] | None:
    """An object, an array or lines of them that begin a line and run to a closing bracket."""
    stop = max(body.rfind(b"}"), body.rfind(b"]")) + 1
    if not stop or (opened := _JSON_START.search(body)) is None:
        return None
    start = opened.end() - 1
    if start >= stop:
        return None
    piece = body[start:stop]
    if is_json(piece) or all(is_json(line) for line in piece.splitlines() if line.strip()):
        if not body[:start].strip() and not body[stop:].strip():
            return 0, len(body), "json"
        ends_line = not body[stop:].split(b"\n", 1)[0].strip()
        return (start, stop, "json") if ends_line and len(piece) >= MIN_JSON_BYTES else None
    return None


def _tagged(body: bytes) -> tuple[int, int, str] | None:
    """HTML or XML, from the first tag that begins a line to where it, or the document, is closed for the last time."""
    if b"</" not in body or (opened := _TAG.search(body)) is None:
        return None
    name = opened.group(1)
    if name is None:
        stop = body.rfind(b">") + 1
    elif name.lower() in _LEAKS:
        return None
    else:
        closing = b"</" + name + b">"
        stop = body.rfind(closing) + len(closing)
    return (opened.start(), stop, "code") if stop > opened.end() else None


def _latex(body: bytes) -> tuple[int, int, str] | None:
    if b"\\begin{" not in body or (opened := _LATEX.search(body)) is None:
        return None
    stop = max((match.end() for match in _LATEX_END.finditer(body)), default=0)
    return (opened.start(), stop, "code") if stop > opened.start() else None


def _lines(body: bytes) -> tuple[int, int, str] | None:
    """A whole answer in YAML (lower-case keys) or CSV (a header, then as many separators in every line)."""
    head = body.lstrip()[:200].split(b"\n", 1)[0]
    is_csv = b" " not in head.strip() and _CSV_HEADER.search(head) is not None
    if not is_csv and not (head.startswith((b"-", b"#")) or b":" in head):
        return None
    if not is_csv and not _YAML_LINE.search(head):
        return None
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < MIN_DATA_LINES:
        return None
    if is_csv:
        mark = next(mark for mark in (b",", b";", b"\t") if mark in head)
        held = all(line.count(mark) >= head.count(mark) for line in lines)
    else:
        keys = sum(_YAML_KEY.search(line) is not None for line in lines)
        held = keys * 2 > len(lines) and all(_YAML_LINE.search(line) or line.startswith(b"  ") for line in lines)
    return (0, len(body), "code") if held else None
