"""What a text must hold before a pattern can match in it: a few short pieces of the pattern.

A candidate finder for hundreds of rules needs little of each: a text without ``can't|cannot|unable to`` or without
``provide|offer|share`` holds no "I cannot provide". Such pieces, without repeats, compile in milliseconds; whole
patterns, with their counted repeats over Unicode classes, take an automaton minutes to build.

Pieces are patterns over bytes, for texts whose white space is squeezed (``squeezed`` in ``finder``): every gap between
words is one byte there, and phrases are literals, an order of magnitude quicker to find than runs of white space.

Bytes, because under Unicode case folding every ``s`` also stands for U+017F and every ``k`` for U+212A: words would be
no literals any more, and the search many times slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import re2

from phrasemill.filters.linear import APOSTROPHE, WHITE_SPACE, Alternation, Atom, Group, Piece

ENOUGH: Final = 12
"""A piece of so much weight is rare; a longer one only costs more."""

MAX_TOGETHER: Final = 3
"""Pieces that are asked for together; more hardly thin out the candidates."""

WORTHWHILE: Final = 2
"""A further piece of less weight is in so many texts that looking for it costs more than it saves."""

FEW: Final = 4
"""A repeat of one character up to so often keeps its count."""

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
_NAMED: Final = re.compile(r"\\[pP]|\[:")
_BEYOND_ASCII: Final = re.compile(r"\\[WSD]|[^\x00-\x7f]|\\x\{")
_ANY: Final = r"[\x00-\xff]"
_HIGH: Final = r"[\x80-\xff]"
_GAP: Final = r"[ \n]"
_QUOTE: Final = r"(?:['`]|\xe2\x80\x99|\xca\xbc|\xc2\xb4)"
_SPACES: Final = ("\t", "\n", "\f", "\r", " ", "\u00a0")


class Need(NamedTuple):
    """Alternatives, of which one holds for every match: all its pieces are in the text, white space squeezed."""

    alternatives: tuple[tuple[str, ...], ...]

    @property
    def is_nothing(self) -> bool:
        """Whether a match asks for nothing that could be looked for."""
        return not all(self.alternatives)


class _Factor(NamedTuple):
    pattern: str
    weight: int

    @property
    def merit(self) -> tuple[int, int, int]:
        """Order of preference: rare, bounded as a word, short."""
        return min(self.weight, ENOUGH), min(self.pattern.count(r"\b"), 1), -len(self.pattern)


class _Part(NamedTuple):
    """What a piece of the pattern brings: itself, the letter it is, its weight, whether it is simple.

    ``best`` is the factor of a group that must take part, None where it need not.
    """

    piece: Piece
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
    simple = piece.high == 1 and all(part.simple for parts in branches for part in parts)
    if piece.low == 0:
        return _Part(piece, "", 0, simple, None)
    inner = [factor for parts in branches for factor in _chosen(parts, 1)]
    best = None
    if len(inner) == len(branches):
        pattern = "(?:" + "|".join(dict.fromkeys(factor.pattern for factor in inner)) + ")"
        best = _Factor(pattern, min(factor.weight for factor in inner))
    return _Part(piece, "", min(map(_weight, branches)), simple, best)


def _atom_part(atom: Atom, piece: Piece) -> _Part:
    if atom.width == 0 or atom.text == WHITE_SPACE:
        return _Part(piece, "", 0, True, None)
    once = piece.low == 1 and piece.high == 1
    if once and atom.text.isascii() and atom.text.isalpha():
        return _Part(piece, atom.text.lower(), 0, True, None)
    weight = int(piece.low > 0 and _LITERAL.fullmatch(atom.text) is not None)
    return _Part(piece, "", weight, piece.high == 1, None)


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
    found = sorted(_candidates(parts), key=lambda each: each[2].merit, reverse=True)
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
                yield first, last, _Factor(_sequence([part.piece for part in run], after_gap=False)[0], weight)
            if weight >= ENOUGH:
                break


# A run of white space is one byte in a squeezed text, though several parts of a pattern may have shared it. Of these,
# the first gap takes the byte; further gaps, and whatever else can match white space, may take nothing. ``after_gap``
# says whether a gap, or the beginning of a line, may have taken it already; each function returns the same for what
# follows.


def _alternation(tree: Alternation, *, after_gap: bool) -> tuple[str, bool]:
    branches = [_sequence(branch, after_gap=after_gap) for branch in tree.branches]
    return "|".join(dict.fromkeys(text for text, _ in branches)), any(after for _, after in branches)


def _sequence(branch: Sequence[Piece], *, after_gap: bool) -> tuple[str, bool]:
    texts: list[str] = []
    for piece in branch:
        text, after_gap = _piece(piece, after_gap=after_gap)
        texts.append(text)
    return "".join(texts), after_gap


def _piece(piece: Piece, *, after_gap: bool) -> tuple[str, bool]:
    item = piece.item
    if isinstance(item, Atom):
        return _assertion(item, piece, after_gap) if item.width == 0 else _characters(item, piece, after_gap)
    body, after = _alternation(item.body, after_gap=after_gap)
    repeats = piece.high is None or piece.high > 1
    if repeats and after and not after_gap:
        body, after = _alternation(item.body, after_gap=True)
    return f"(?{item.flags or ''}:{body}){_sign(piece.low, repeats)}", after or (piece.low == 0 and after_gap)


def _sign(low: int, repeats: bool) -> str:
    return ("+" if low else "*") if repeats else ("" if low else "?")


def _assertion(atom: Atom, piece: Piece, after_gap: bool) -> tuple[str, bool]:
    """Ends are left out: the finder knows none inside a pattern. So are non-boundaries, which squeezing may undo."""
    if piece.low == 0 or atom.text in ("$", r"\z", r"\B"):
        return "", after_gap
    return atom.text, after_gap or atom.text != r"\b"


def _characters(atom: Atom, piece: Piece, after_gap: bool) -> tuple[str, bool]:
    if atom.text == WHITE_SPACE:
        return _GAP if piece.low and not after_gap else f"{_GAP}?", True
    many = piece.high is None or piece.high > FEW
    text = _bytes(atom.text, many)
    if spaces := _spaces(atom.text):
        text = f"(?:{text})" if " " in spaces else f"(?:{text}| )"
        return (f"{text}*" if many else f"{text}{{0,{piece.high}}}"), after_gap
    if piece.low == 1 == piece.high:
        return text, False
    count = _sign(piece.low, True) if many else f"{{{piece.low},{piece.high}}}"
    return f"(?:{text}){count}", after_gap and piece.low == 0


@lru_cache(maxsize=4096)
def _spaces(text: str) -> tuple[str, ...]:
    """The white space that an atom can match."""
    options = re2.Options()
    options.dot_nl = True
    options.case_sensitive = False
    pattern = re2.compile(text, options)
    return tuple(space for space in _SPACES if pattern.fullmatch(space))


def _bytes(text: str, many: bool) -> str:
    """An atom over bytes, wide enough for all of its characters; with ``many``, over each byte of a run of them."""
    if text == APOSTROPHE:
        return _QUOTE
    if text.startswith(("[", r"\p", r"\P")) or text in (".", r"\W", r"\S", r"\D"):
        return _class_bytes(text, many)
    if code := _CODE.fullmatch(text):
        text = chr(int(code[1], 16))
        if text.isascii():
            return f"\\x{ord(text):02x}"
    if text.isascii():
        return text
    if text.lower() != text.upper():
        return f"{_HIGH}{{1,4}}"
    return "(?:" + "".join(f"\\x{byte:02x}" for byte in text.encode()) + ")"


def _class_bytes(text: str, many: bool) -> str:
    if _NAMED.search(text):
        return _ANY if many else rf"(?:[\x00-\x7f]|{_HIGH}{{1,4}})"
    if not text.startswith("["):
        return text if many else f"(?:{text}|{_HIGH}{{2,4}})"
    plain = "".join(char for char in _CODE.sub("", text) if char.isascii())
    if text.startswith("[^"):
        each = _ANY if plain == "[^]" else plain
        return each if many else f"(?:{each}|{_HIGH}{{2,4}})"
    if _BEYOND_ASCII.search(text) is None:
        return plain
    if many:
        return rf"{plain[:-1]}\x80-\xff]"
    return f"{_HIGH}{{1,4}}" if plain == "[]" else f"(?:{plain}|{_HIGH}{{1,4}})"
