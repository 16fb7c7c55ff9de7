"""What a text must hold for a pattern to match, and where a match that holds it can begin.

For each pattern a few sets of literals: every match holds one literal of each set, so many bytes behind its beginning.
Whatever of a pattern is too much to spell out counts with its width only. RE2's own FilteredRE2 does the same without
the places; with them, a rare literal gives a short stretch of the text in which the pattern need be tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from phrasemill.filters.linear import Alternation, Atom, Group, Piece
from phrasemill.filters.literals import (
    EDGE,
    atom_literals,
    atom_width,
    frequency,
    joined,
    shortest,
    without_longer,
)

MAX_TOGETHER: Final = 3
"""Sets that are asked for together; more hardly thin out the candidates."""

RARE: Final = 2.0**-19
"""A set as rare as this needs no other one beside it."""

WORTHWHILE: Final = 16.0
"""A further set that is so many times as common as the rarest one costs more to look for than it saves."""

TOO_COMMON: Final = 2.0**-9
"""And one with a literal as common as this always does."""

PRICE: Final = 2.0**-24
"""What each literal of a set costs in the search, as if it were found in such a share of all bytes."""

FEW: Final = 4
"""A repeat of up to so many times is spelled out."""


class Literal(NamedTuple):
    """Bytes as ``literals`` describes them, and how far behind the beginning of a match they begin, in folded bytes.

    ``high`` is None where nothing bounds it.
    """

    text: str
    low: int
    high: int | None

    def shifted(self, low: int, high: int | None) -> Literal:
        """The same where something of such a width comes before."""
        return Literal(self.text, self.low + low, _sum(self.high, high))


def _literal(plain: list[Any]) -> Literal:
    return Literal(*plain)


Anchor = tuple[Literal, ...]
"""Literals, of which every match holds one."""


class Need(NamedTuple):
    """Alternatives, of which one holds for every match: it holds a literal of each anchor.

    ``width``: the most bytes of a match in a folded text; None where nothing bounds it.
    """

    alternatives: tuple[tuple[Anchor, ...], ...]
    width: int | None

    @property
    def is_nothing(self) -> bool:
        """Whether a match asks for nothing that could be looked for."""
        return not all(self.alternatives)

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Need:
        """The need of which ``plain`` is the JSON."""
        alternatives, width = plain
        return cls(tuple(tuple(tuple(map(_literal, each)) for each in anchors) for anchors in alternatives), width)

    def plain(self) -> list[Any]:
        """The need as JSON can hold it."""
        return [
            [[[list(literal) for literal in anchor] for anchor in anchors] for anchors in self.alternatives],
            self.width,
        ]


class _Part(NamedTuple):
    """A stretch of a pattern: all that it can be, where that is spelled out, its width, and what it needs."""

    literals: tuple[str, ...] | None
    low: int
    high: int | None
    anchors: tuple[Anchor, ...]


def needed(tree: Alternation) -> Need:
    """What every text in which the pattern matches must hold."""
    while len(tree.branches) == 1 and len(tree.branches[0]) == 1:
        piece = tree.branches[0][0]
        if not isinstance(piece.item, Group) or (piece.low, piece.high) != (1, 1):
            break
        tree = piece.item.body
    sequences = [_merged(branch) for branch in tree.branches]
    highs = [_total(part.high for part in parts) for parts in sequences]
    width = None if None in highs else max(high for high in highs if high is not None)
    return Need(tuple(_chosen(parts) for parts in sequences), width)


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _total(widths: Iterable[int | None]) -> int | None:
    total: int | None = 0
    for width in widths:
        total = _sum(total, width)
    return total


def _flat(branch: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces of a sequence, those of groups that only hold them together among them."""
    for piece in branch:
        once = piece.low == 1 and piece.high == 1
        if once and isinstance(piece.item, Group) and len(piece.item.body.branches) == 1:
            yield from _flat(piece.item.body.branches[0])
        else:
            yield piece


def _merged(branch: Sequence[Piece]) -> list[_Part]:
    """The parts of a sequence, neighbours that are one literal each put together."""
    parts: list[_Part] = []
    plain = ""
    for piece in _flat(branch):
        single = _single(piece)
        if single is not None:
            plain += single
            continue
        if plain:
            parts.extend(_plain(plain))
            plain = ""
        parts.extend(_parts(piece))
    if plain:
        parts.extend(_plain(plain))
    return parts


def _single(piece: Piece) -> str | None:
    """The one literal that a piece is, None where it can be more or less."""
    if isinstance(piece.item, Group) or (piece.low, piece.high) != (1, 1):
        return None
    literals = atom_literals(piece.item)
    return literals[0] if literals is not None and len(literals) == 1 else None


def _plain(text: str) -> list[_Part]:
    literals = joined((text,), ("",))
    return [] if literals is None else [_spelled(literals)]


def _spelled(literals: tuple[str, ...]) -> _Part:
    """A part that is spelled out. A space at its edge may be the neighbour's too, so it counts for nothing at least."""
    plain = [each.replace(EDGE, "") for each in literals]
    return _Part(literals, min(len(each.strip(" ")) for each in plain), max(map(len, plain)), ())


def _parts(piece: Piece) -> list[_Part]:
    """One piece with its repeats: spelled out, or once and then what may follow."""
    item = piece.item
    if isinstance(item, Atom):
        literals = atom_literals(item)
        once = _spelled(literals) if literals is not None else _Part(None, *atom_width(item), ())
    else:
        once = _group(item)
    if (piece.low, piece.high) == (1, 1):
        return [once]
    if once.literals == (" ",):
        return [_spelled(("", " ") if piece.low == 0 else (" ",))]  # a run of runs is one byte too
    if once.literals is not None and piece.high is not None and piece.high <= FEW:
        repeated = _repeated(once.literals, piece.low, piece.high)
        if repeated is not None and (piece.low == 0 or len(repeated) <= FEW):
            return [_spelled(repeated)]
    more = piece.high is None or piece.high > 1
    high = None if more and (once.high is None or piece.high is None) else (once.high or 0) * ((piece.high or 1) - 1)
    if piece.low:
        return [once, _Part(None, once.low * (piece.low - 1), 0 if once.high == 0 else high, ())]
    return [_Part(None, 0, 0 if once.high == 0 else _sum(once.high, high), ())]


def _repeated(literals: tuple[str, ...], low: int, high: int) -> tuple[str, ...] | None:
    found: set[str] = set()
    current: tuple[str, ...] | None = ("",)
    for count in range(high + 1):
        if current is None:
            return None
        if count >= low:
            found.update(current)
        current = joined(current, literals)
    return shortest(found)


def _group(group: Group) -> _Part:
    sequences = [_merged(branch) for branch in group.body.branches]
    spelled = [_all_of(parts) for parts in sequences]
    known = [literals for literals in spelled if literals is not None]
    if len(known) == len(spelled):
        literals = shortest(each for some in known for each in some)
        if literals is not None:
            return _spelled(literals)
    highs = [_total(part.high for part in parts) for parts in sequences]
    high = None if None in highs else max(each for each in highs if each is not None)
    low = min(sum(part.low for part in parts) for parts in sequences)
    chosen = [_chosen(parts) for parts in sequences]
    ranks = range(min(map(len, chosen)))
    anchors = tuple(_least(literal for each in chosen for literal in each[rank]) for rank in ranks)
    return _Part(None, low, high, anchors)


def _all_of(parts: Sequence[_Part]) -> tuple[str, ...] | None:
    """All that a sequence can be, where it is spelled out."""
    literals: tuple[str, ...] | None = ("",)
    for part in parts:
        if literals is None or part.literals is None:
            return None
        literals = joined(literals, part.literals)
    return literals


def _least(literals: Iterable[Literal]) -> Anchor:
    """Each text once, with the widest reach that it has."""
    reach: dict[str, Literal] = {}
    for each in literals:
        known = reach.setdefault(each.text, each)
        high = None if known.high is None or each.high is None else max(known.high, each.high)
        reach[each.text] = Literal(each.text, min(known.low, each.low), high)
    return tuple(reach.values())


def _cost(anchor: Anchor) -> float:
    return frequency(literal.text for literal in anchor) + PRICE * len(anchor)


def _chosen(parts: Sequence[_Part]) -> tuple[Anchor, ...]:
    """The rarest anchors of a sequence that do not overlap; none where it asks for nothing."""
    found = sorted(_candidates(parts), key=lambda each: _cost(each[2]))
    chosen: list[tuple[int, int, Anchor]] = []
    for first, last, anchor in found:
        rarest = _cost(chosen[0][2]) if chosen else 1.0
        if chosen and (rarest < RARE or _cost(anchor) > WORTHWHILE * rarest or len(chosen) == MAX_TOGETHER):
            break
        if chosen and max(frequency([literal.text]) for literal in anchor) > TOO_COMMON:
            continue
        if all(last < low or high < first for low, high, _ in chosen):
            chosen.append((first, last, anchor))
    return tuple(anchor for _, _, anchor in chosen)


def _candidates(parts: Sequence[_Part]) -> Iterator[tuple[int, int, Anchor]]:
    """Anchors of a sequence with the first and last part that they stand for."""
    low, high = 0, 0
    reach: int | None = high
    for first, start in enumerate(parts):
        for number, anchor in enumerate(start.anchors):
            # Several anchors of one part go together: only the first one stands in the way of others.
            yield first, first - (number > 0), tuple(literal.shifted(low, reach) for literal in anchor)
        literals: tuple[str, ...] | None = ("",)
        for last in range(first, len(parts)):
            following = parts[last].literals
            if literals is None or following is None:
                break
            ending = joined(literals, without_longer(following)) or ()
            if ending and all(each.replace(EDGE, "").strip(" ") for each in ending):
                texts = dict.fromkeys(map(_edged, without_longer(ending)))
                yield first, last, tuple(Literal(text, low, reach) for text in texts)
            literals = joined(literals, following)
        low += start.low
        reach = _sum(reach, start.high)


def _edged(literal: str) -> str:
    """The literal without the word boundaries inside it."""
    plain = literal.replace(EDGE, "")
    before = EDGE if literal.startswith(EDGE) else ""
    after = EDGE if literal.endswith(EDGE) else ""
    return f"{before}{plain}{after}"
