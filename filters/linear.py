"""The linear subset of regular expressions: parse it, refuse the rest with its position, and emit it for each engine.

Syntax is RE2's (https://github.com/google/re2/wiki/Syntax) without what needs backtracking. Two conveniences of rule
packs are applied here, outside character classes: a literal space means a run of white space, ``'`` any apostrophe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from phrasemill.schemas.complaints import shown
from phrasemill.schemas.errors import PackError

_GAP: Final = r"[\s\x{a0}]"

WHITE_SPACE: Final = _GAP + "{1,16}"
"""What a literal space in a pattern matches: a run of white space or no-break spaces, bounded so that width is."""

APOSTROPHE: Final = r"['\x{2019}\x{2bc}\x{60}\x{b4}]"

FEW: Final = 3
"""A repeat of so few keeps its count where others lose it."""

MAX_WIDTH: Final = 2_000
"""Longest match, in code points, of a rule that may match anywhere: what keeps find-all linear in the text."""

_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})")
_ESCAPE = re.compile(r"\\(?:x\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[pP]\{\^?\w+\}|[pP]\w|[^0-9])", re.S)
_SIGNS: Final[dict[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_GROUP = re.compile(r"\((?:\?(?:P?<(?P<name>[A-Za-z_]\w*)>|(?P<flags>[ims]*(?:-[ims]+)?):))?")
_POSIX = re.compile(r"\[:\^?\w+:\]")
_ZERO_WIDTH: Final = frozenset({r"\b", r"\B", r"\A", r"\z", "^", "$"})
_FORBIDDEN: Final = (
    (re.compile(r"\(\?<?[=!]"), "lookaround"),
    (re.compile(r"\(\?>"), "an atomic group"),
    (re.compile(r"\(\?P=|\\[1-9]|\\k"), "a backreference"),
    (re.compile(r"\(\?\("), "a conditional"),
    (re.compile(r"\\[CQEGKZ]"), "an escape that not every engine knows"),
)


@dataclass(frozen=True, slots=True)
class Atom:
    """One unit: an escape, class, literal or assertion, as it stands for RE2. ``width`` is 0 for assertions."""

    text: str
    width: int


@dataclass(frozen=True, slots=True)
class Group:
    """A group; ``name`` is None for the plain and ``flags`` None for the capturing ones."""

    body: Alternation
    name: str | None
    flags: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """An atom or group, repeated ``low`` to ``high`` times (None: without bound)."""

    item: Atom | Group
    low: int
    high: int | None
    quantifier: str


@dataclass(frozen=True, slots=True)
class Alternation:
    """Branches, each a sequence of pieces."""

    branches: tuple[tuple[Piece, ...], ...]


class _Parser:
    def __init__(self, pattern: str, where: str) -> None:
        self.pattern = pattern
        self.where = where
        self.at = 0

    def fail(self, what: str, at: int | None = None) -> PackError:
        position = self.at if at is None else at
        return PackError(
            f"{self.where}: {what} at position {position} of {shown(self.pattern)}; "
            "patterns must run in linear time (RE2 syntax without lookaround, backreferences or possessive repeats)"
        )

    def alternation(self, depth: int = 0) -> Alternation:
        if depth > 50:
            raise self.fail("groups nested deeper than 50")
        branches: list[tuple[Piece, ...]] = []
        pieces: list[Piece] = []
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "|":
                branches.append(tuple(pieces))
                pieces = []
                self.at += 1
            elif char == ")":
                break
            else:
                pieces.append(self.piece(depth))
        branches.append(tuple(pieces))
        return Alternation(tuple(branches))

    def piece(self, depth: int) -> Piece:
        item = self.item(depth)
        found = _QUANTIFIER.match(self.pattern, self.at)
        if found is None:
            return Piece(item, 1, 1, "")
        quantifier = found.group()
        self.at = found.end()
        low, high = _bounds(quantifier)
        if self.pattern[self.at : self.at + 1] == "?":
            quantifier += "?"
            self.at += 1
        elif self.pattern[self.at : self.at + 1] in ("+", "*"):
            raise self.fail("a possessive or doubled repeat")
        return Piece(item, low, high, quantifier)

    def item(self, depth: int) -> Atom | Group:
        for forbidden, name in _FORBIDDEN:
            if forbidden.match(self.pattern, self.at):
                raise self.fail(name)
        char = self.pattern[self.at]
        if char == "(":
            return self.group(depth)
        if char == "[":
            return self.char_class()
        if char == "\\":
            escape = _ESCAPE.match(self.pattern, self.at)
            if escape is None:
                raise self.fail("an escape that is not understood")
            self.at = escape.end()
            return Atom(escape.group(), 0 if escape.group() in _ZERO_WIDTH else 1)
        if char in "*+?{" and _QUANTIFIER.match(self.pattern, self.at):
            raise self.fail("a repeat with nothing to repeat")
        self.at += 1
        if char == " ":
            return Atom(WHITE_SPACE, 16)
        if char == "'":
            return Atom(APOSTROPHE, 1)
        return Atom("\\" + char if char in "{}" else char, 0 if char in _ZERO_WIDTH else 1)

    def group(self, depth: int) -> Group:
        start = self.at
        found = _GROUP.match(self.pattern, self.at)
        if found is None or (self.pattern.startswith("(?", self.at) and found.end() == start + 1):
            raise self.fail("a group that is not understood")
        self.at = found.end()
        body = self.alternation(depth + 1)
        if self.pattern[self.at : self.at + 1] != ")":
            raise self.fail("a group that is never closed", start)
        self.at += 1
        return Group(body, found.group("name"), found.group("flags"))

    def char_class(self) -> Atom:
        start = self.at
        self.at += 1
        if self.pattern[self.at : self.at + 1] == "^":
            self.at += 1
        first = self.at
        while self.at < len(self.pattern):
            if self.pattern[self.at] == "]" and self.at > first:
                self.at += 1
                return Atom(self.pattern[start : self.at], 1)
            token = _POSIX.match(self.pattern, self.at) or _ESCAPE.match(self.pattern, self.at)
            self.at = token.end() if token else self.at + 1
        raise self.fail("a character class that is never closed", start)


def _bounds(quantifier: str) -> tuple[int, int | None]:
    if quantifier in _SIGNS:
        return _SIGNS[quantifier]
    low, comma, high = quantifier[1:-1].partition(",")
    if not comma:
        return int(low), int(low)
    return int(low), int(high) if high else None


def parse(pattern: str, where: str) -> Alternation:
    """The syntax tree of a pattern. ``where`` starts the message of the PackError that a bad one raises."""
    parser = _Parser(pattern, where)
    tree = parser.alternation()
    if parser.at < len(pattern):
        raise parser.fail("a parenthesis that was never opened")
    return tree


def to_re2(tree: Alternation) -> str:
    """The pattern as RE2 reads it, conveniences spelled out, named groups kept."""
    return "|".join("".join(_emit(piece) for piece in branch) for branch in tree.branches)


def _emit(piece: Piece) -> str:
    item = piece.item
    if isinstance(item, Atom):
        # A white-space run is itself a repeat, so a further quantifier needs a group around it.
        text = f"(?:{item.text})" if piece.quantifier and item.text == WHITE_SPACE else item.text
    else:
        opening = f"(?P<{item.name}>" if item.name else f"(?{item.flags}:" if item.flags is not None else "(?:"
        text = f"{opening}{to_re2(item.body)})"
    return text + piece.quantifier


def relaxed(tree: Alternation) -> str:
    """A pattern that matches wherever the tree does, and more: long repeats lose their count, groups their names.

    An automaton must tell apart every count that a repeat may have come to; without them it stays small, and says
    quickly where the tree itself is worth trying.
    """
    return "|".join("".join(_relaxed(piece) for piece in branch) for branch in tree.branches)


def _relaxed(piece: Piece) -> str:
    item = piece.item
    if isinstance(item, Atom):
        text = f"(?:{_GAP}+)" if item.text == WHITE_SPACE else item.text
    else:
        text = f"(?{item.flags or ''}:{relaxed(item.body)})"
    if piece.high is not None and piece.high <= FEW:
        return text + piece.quantifier
    return text + ("+" if piece.low else "*")


def max_width(tree: Alternation) -> int | None:
    """The longest text, in code points, that the pattern can match; None where nothing bounds it."""
    widest = 0
    for branch in tree.branches:
        total = 0
        for piece in branch:
            width = piece.item.width if isinstance(piece.item, Atom) else max_width(piece.item.body)
            if width is None or (piece.high is None and width > 0):
                return None
            total += width * (piece.high or 0)
        widest = max(widest, total)
    return widest


def group_names(tree: Alternation) -> tuple[str, ...]:
    """Names of all groups of the pattern, in the order of their opening parentheses."""
    names: list[str] = []
    for branch in tree.branches:
        for piece in branch:
            if isinstance(piece.item, Group):
                if piece.item.name:
                    names.append(piece.item.name)
                names.extend(group_names(piece.item.body))
    return tuple(names)


def literal(phrase: str) -> str:
    """A phrase as a pattern: every character stands for itself, but spaces and apostrophes keep their wide meaning."""
    return re.sub(r"([\\.^$|()\[\]{}*+?])", r"\\\1", phrase)
