"""What a text must hold before a pattern can match in it: a few short pieces of the pattern.

A candidate finder for hundreds of rules needs little of each: a text without ``can't|cannot|unable to`` or without
``provide|offer|share`` holds no "I cannot provide". Such pieces, without repeats, compile in milliseconds; whole
patterns, with their counted repeats over Unicode classes, take an automaton minutes to build.

Pieces are patterns over bytes. Under Unicode case folding every ``s`` also stands for U+017F and every ``k`` for
U+212A: words would be no literals any more, and the search many times slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from phrasemill.filters.linear import APOSTROPHE, WHITE_SPACE, Alternation, Atom, Group, Piece

ENOUGH: Final = 12
"""A piece of so much weight is rare; a longer one only costs more."""

MAX_TOGETHER: Final = 3
"""Pieces that are asked for together; more hardly thin out the candidates."""

WORTHWHILE: Final = 2
"""A further piece of less weight is in so many texts that looking for it costs more than it saves."""

_COMMON: Final = """
a about after all also an and any are as at be been being but by can could do does even for from get give good
great had has have he help her here how i if in into is it its just know like make may me more most much must
my need new no not of on one only or other our out over people should since so some such than that the their
them then there these they this time to up use user was way we were what when which while who will with work
world would you your name key important because date order start though through
"""

COMMON: Final = frozenset(_COMMON.split())
"""Words so common in English prose that finding one tells next to nothing."""

_LITERAL: Final = re.compile(r"[^.^$\s]|\\[^\w\s]")
_CODE: Final = re.compile(r"\\x\{([0-9A-Fa-f]+)\}")
_HIGH: Final = r"[\x80-\xff]{1,4}"
_SPACE: Final = r"[\s\xc2\xa0]+"
_QUOTE: Final = r"(?:['`]|\xe2\x80\x99|\xca\xbc|\xc2\xb4)"


class Need(NamedTuple):
    """Alternatives, of which one holds for every match: all its pieces are in the text."""

    alternatives: tuple[tuple[str, ...], ...]

    @property
    def is_nothing(self) -> bool:
        """Whether a match asks for nothing that could be looked for."""
        return not all(self.alternatives)


class _Factor(NamedTuple):
    pattern: str
    weight: int


class _Part(NamedTuple):
    """What a piece of the pattern brings: its text over bytes, the letter it is, its weight, whether it is simple.

    ``best`` is the factor of a group that must take part, None where it need not.
    """

    text: str
    letter: str
    weight: int
    simple: bool
    best: _Factor | None


def needed(tree: Alternation) -> Need:
    """What every text in which the pattern matches must hold."""
    while len(tree.branches) == 1 and len(tree.branches[0]) == 1:
        piece = tree.branches[0][0]
        if not isinstance(piece.item, Group) or piece.low == 0:
            break
        tree = piece.item.body
    chosen = [_chosen([_part(piece) for piece in _flat(branch)], MAX_TOGETHER) for branch in tree.branches]
    return Need(tuple(tuple(factor.pattern for factor in factors) for factors in chosen))


def _flat(branch: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces of a sequence, those of groups that only hold them together among them."""
    for piece in branch:
        once = piece.low == 1 and piece.high == 1
        if once and isinstance(piece.item, Group) and len(piece.item.body.branches) == 1:
            yield from _flat(piece.item.body.branches[0])
        else:
            yield piece


def _part(piece: Piece) -> _Part:
    """One piece and all that is in it, in one walk."""
    item = piece.item
    if isinstance(item, Atom):
        return _atom_part(item, piece)
    branches = [[_part(inner) for inner in _flat(branch)] for branch in item.body.branches]
    body = "(?:" + "|".join("".join(part.text for part in parts) for parts in branches) + ")"
    simple = piece.high == 1 and all(part.simple for parts in branches for part in parts)
    if piece.low == 0:
        return _Part(body + "?", "", 0, simple, None)
    inner = [factor for parts in branches for factor in _chosen(parts, 1)]
    best = None
    if len(inner) == len(branches):
        pattern = "(?:" + "|".join(dict.fromkeys(factor.pattern for factor in inner)) + ")"
        best = _Factor(pattern, min(factor.weight for factor in inner))
    return _Part(body, "", min(map(_weight, branches)), simple, best)


def _atom_part(atom: Atom, piece: Piece) -> _Part:
    text = _bytes(atom.text)
    if atom.width == 0:
        return _Part(text, "", 0, True, None)
    if atom.text == WHITE_SPACE:
        return _Part(text if piece.low else f"(?:{text})?", "", 0, True, None)
    once = piece.low == 1 and piece.high == 1
    if once and atom.text.isascii() and atom.text.isalpha():
        return _Part(text, atom.text.lower(), 0, True, None)
    weight = int(piece.low > 0 and _LITERAL.fullmatch(atom.text) is not None)
    return _Part(text if piece.low else f"(?:{text})?", "", weight, piece.high == 1, None)


def _bytes(text: str) -> str:
    """An atom over bytes; where it may stand for a character beyond ASCII, for any such."""
    if text == WHITE_SPACE:
        return _SPACE
    if text == APOSTROPHE:
        return _QUOTE
    if text.startswith("["):
        negated, high = text.startswith("[^"), not text.isascii() or _CODE.search(text) is not None
        plain = "".join(char for char in _CODE.sub("", text) if char.isascii())
        if plain == "[]":
            return _HIGH
        if plain == "[^]":
            return rf"(?:[\x00-\x7f]|{_HIGH})"
        return f"(?:{plain}|{_HIGH})" if negated or high else plain
    if text in (".", r"\W", r"\S", r"\D") or text.startswith((r"\p", r"\P")):
        return rf"(?:[\x00-\x7f]|{_HIGH})"
    if code := _CODE.fullmatch(text):
        text = chr(int(code[1], 16))
    if text.isascii():
        return text
    return "(?:" + "".join(f"\\x{byte:02x}" for byte in text.encode()) + ")"


def _weight(parts: Sequence[_Part]) -> int:
    """How rare a sequence is: letters of its words, a common word counting as one, and its other parts."""
    total, word = 0, ""
    for part in parts:
        if part.letter:
            word += part.letter
            continue
        total += _word_weight(word) + part.weight
        word = ""
    return total + _word_weight(word)


def _word_weight(word: str) -> int:
    return min(1, len(word)) if word in COMMON else len(word)


def _chosen(parts: Sequence[_Part], most: int) -> tuple[_Factor, ...]:
    """The rarest factors of a sequence that do not overlap; none where it asks for nothing."""
    found = sorted(_candidates(parts), key=lambda each: (-min(each[2].weight, ENOUGH), len(each[2].pattern)))
    chosen: list[tuple[int, int, _Factor]] = []
    for first, last, factor in found:
        apart = all(last < low or high < first for low, high, _ in chosen)
        if apart and (not chosen or factor.weight >= WORTHWHILE):
            chosen.append((first, last, factor))
        if len(chosen) == most:
            break
    return tuple(factor for _, _, factor in chosen)


def _candidates(parts: Sequence[_Part]) -> Iterator[tuple[int, int, _Factor]]:
    """Runs of simple pieces, and the groups that must take part, with their first and last place."""
    for first, start in enumerate(parts):
        if start.best is not None and start.best.weight:
            yield first, first, start.best
        if start.letter and first and parts[first - 1].letter:
            continue  # half a word is no word, and none is common
        for last in range(first, len(parts)):
            if not parts[last].simple:
                break
            if parts[last].letter and last + 1 < len(parts) and parts[last + 1].letter:
                continue
            run = parts[first : last + 1]
            weight = _weight(run)
            if weight:
                yield first, last, _Factor("".join(part.text for part in run), weight)
            if weight >= ENOUGH:
                break
