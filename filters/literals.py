"""Which plain bytes a part of a pattern can be in a folded text (``folded``), and how rare they are in prose.

A literal is a string with one character for each byte. It is folded as texts are: small letters, one space for a run of
white space, ``'`` for every apostrophe. The character ``EDGE`` in it stands for a word boundary and for no byte.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

import re2

from phrasemill.filters.linear import APOSTROPHE, WHITE_SPACE, Atom

EDGE: Final = "\b"
"""A word boundary in a literal."""

MOST: Final = 300
"""Literals that stand for one stretch of a pattern; more are not spelled out."""

FEW: Final = 12
"""A character class of more members is not spelled out."""

WIDEST: Final = 4
"""Bytes of the widest character."""

_COMMON: Final = """
a about after all also an and any are as at be been being but by can could do does even for from get give good
great had has have he help her here how i if in into is it its just know like make may me more most much must
my need new no not of on one only or other our out over people should since so some such than that the their
them then there these they this time to up use user was way we were what when which while who will with work
world would you your name key important because date order start though through however
"""

COMMON: Final = frozenset(_COMMON.split())
"""Words so common in English prose that finding one tells next to nothing."""

_TWO_BYTES: Final = re.compile("[\u00c0-\u00d6\u00d8-\u00de\u00e0-\u00f6\u00f8-\u00fe\u0400-\u045f]")
"""Letters beyond ASCII whose capital and small forms are of one length, and folded (``fold``)."""

_APOSTROPHES: Final = "'`\u2019\u02bc\u00b4"
_SPACES: Final = "\t\n\f\r \u00a0"
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "s": " "}
_CODE: Final = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_UNCLEAR: Final = re.compile(r"\\[wWSDdpP]|\[:")
_ASCII_CLASS: Final = re.compile(r"\\[wd]|\[(?!\^)(?:[^\\\[\x80-\U0010ffff]|\\[wd]|\\[^\w])*\]")
_RUN: Final = re.compile(" {2,}")
_MARK_BITS: Final = {",": 3.5, ".": 3.5, "'": 4.0, "-": 4.0, '"': 4.0, ":": 5.0, "*": 5.0}
_LETTERS: Final = (("etao", 2.4), ("inshr", 2.8), ("dl", 3.2), ("cumwfgy", 3.8), ("pbvk", 4.5), ("jxqz", 6.6))
_LETTER_BITS: Final = {letter: bits for letters, bits in _LETTERS for letter in letters}
_WORDS: Final = re.compile(r"[a-z0-9]+|[^a-z0-9 \x08]")


def folded_character(char: str) -> str | None:
    """A character of a pattern as bytes of a folded text; None where letter case makes it several."""
    if char in _APOSTROPHES:
        return "'"
    if char in _SPACES:
        return " "
    if char == EDGE:
        return None
    if char.isascii():
        return char.lower()
    if _TWO_BYTES.fullmatch(char):
        return char.lower().encode().decode("latin-1")
    if not char.lower() == char.upper() == char.casefold() == char:
        return None
    return char.encode().decode("latin-1")


def atom_literals(atom: Atom) -> tuple[str, ...] | None:
    """All that an atom can match, folded; None where that is too much to spell out."""
    if atom.text == WHITE_SPACE:
        return (" ",)
    if atom.text == APOSTROPHE:
        return ("'",)
    if atom.width == 0:
        return (EDGE,) if atom.text == r"\b" else ("",)
    return _characters(atom.text)


def atom_width(atom: Atom) -> tuple[int, int]:
    """Fewest and most bytes of an atom in a folded text; white space may share its byte with a neighbour."""
    if atom.width == 0:
        return 0, 0
    if atom.text == WHITE_SPACE:
        return 0, 1
    most = 1 if atom.text == APOSTROPHE or _ASCII_CLASS.fullmatch(atom.text) else WIDEST
    return (0 if _may_be_space(atom.text) else 1), most


def joined(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...] | None:
    """Each literal of the first followed by each of the second; None where they are too many."""
    befores, afters = tuple(first), tuple(second)
    if len(befores) * len(afters) > 4 * MOST:
        return None
    return shortest(_RUN.sub(" ", before + after) for before in befores for after in afters)


def shortest(literals: Iterable[str]) -> tuple[str, ...] | None:
    """The literals in order, each once; None where they are too many."""
    unique = tuple(sorted(set(literals)))
    return unique if len(unique) <= MOST else None


def without_longer(literals: Iterable[str]) -> tuple[str, ...]:
    """The literals that begin with no other one: where a longer one is, the shorter one is too."""
    kept: list[str] = []
    for each in sorted(set(literals)):
        if not kept or not each.startswith(kept[-1]):
            kept.append(each)
    return tuple(kept)


def frequency(literals: Iterable[str]) -> float:
    """A rough share of the bytes of English prose at which one of the literals begins."""
    return sum(math.exp2(-3.0 - _rarity(each)) for each in literals)


@lru_cache(maxsize=1 << 16)
def _rarity(literal: str) -> float:
    """How rare a literal is, in bits: words and marks of prose taken as independent."""
    edges = literal.startswith((" ", EDGE)) + literal.endswith((" ", EDGE))
    bits: list[float] = [_word_bits(word) for word in _WORDS.findall(literal)]
    return sum(bits) + edges / 2


@lru_cache(maxsize=1 << 14)
def _word_bits(word: str) -> float:
    if not (word.isascii() and word.isalnum()):
        return _MARK_BITS.get(word, 7.0)
    if word in COMMON:
        return min(4.5, 2.5 * len(word))
    return min(sum(_LETTER_BITS.get(char, 5.0) for char in word), 10.0 + len(word) / 4)


@lru_cache(maxsize=4096)
def _characters(text: str) -> tuple[str, ...] | None:
    """What an atom of one character can be."""
    if text.startswith("["):
        return _members(text)
    if code := _CODE.fullmatch(text):
        text = chr(int(code[1] or code[2], 16))
    elif text in (".", r"\pN") or len(text) > 2:
        return None
    elif text.startswith("\\"):
        if text[1].isalnum() and text[1] not in _ESCAPED:
            return None
        text = _ESCAPED.get(text[1], text[1])
    folded = folded_character(text)
    return None if folded is None else (folded,)


def _members(text: str) -> tuple[str, ...] | None:
    """The characters of a class, folded, where they are few."""
    if text.startswith("[^") or _UNCLEAR.search(text):
        return None
    plain = _CODE.sub(lambda code: chr(int(code[1] or code[2], 16)), text[1:-1])
    if any("-" in pair and not "".join(pair).isascii() for pair in pairwise(plain)):
        return None
    beyond = [char for char in plain if not char.isascii()]
    pattern = _class_pattern(text)
    ascii_members = [char for char in map(chr, range(128)) if pattern.fullmatch(char)]
    folded = {folded_character(char) for char in (*ascii_members, *beyond)}
    if None in folded or len(folded) > FEW:
        return None
    return tuple(sorted(char for char in folded if char is not None))


@lru_cache(maxsize=4096)
def _may_be_space(text: str) -> bool:
    pattern = _class_pattern(text)
    return any(pattern.fullmatch(space) for space in _SPACES)


@lru_cache(maxsize=4096)
def _class_pattern(text: str) -> re2._Regexp:
    options = re2.Options()
    options.dot_nl = True
    options.case_sensitive = False
    return re2.compile(text, options)
