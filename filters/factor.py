"""The necessary factor of a pattern: a small piece of it without which it cannot match.

A candidate finder for hundreds of rules needs little of each: if ``as an AI`` is not in a turn, nothing that must hold
it can match there. Small factors of plain letters compile in milliseconds and run at the speed of a literal search;
whole patterns, with their counted repeats, take an automaton minutes to build.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from phrasemill.filters.linear import WHITE_SPACE, Alternation, Atom, Group, Piece

ENOUGH_LETTERS: Final = 7
"""A factor of so many letters is selective; a longer one only costs more."""

_LITERAL: Final = re.compile(r"[^.^$\s]|\\[^\w\s]")
_WIDE_SPACE: Final = r"[\s\x{a0}]+"


class Factor(NamedTuple):
    """A pattern that every match contains, and the fewest letters that it stands for."""

    pattern: str
    letters: int

    @property
    def merit(self) -> tuple[int, int]:
        """Order of preference: selective first, then short."""
        return min(self.letters, ENOUGH_LETTERS), -len(self.pattern)


def factor(tree: Alternation) -> Factor:
    """The best factor of a pattern; one of its branches must match, so there is a factor for each."""
    best = [_branch_factor(branch) for branch in tree.branches]
    patterns = dict.fromkeys(each.pattern for each in best)
    return Factor("|".join(patterns), min(each.letters for each in best))


def _branch_factor(branch: tuple[Piece, ...]) -> Factor:
    """The best of all runs of simple pieces, and of the factors of the groups that must take part."""
    candidates: list[Factor] = []
    for first in range(len(branch)):
        text, letters = "", 0
        for piece in branch[first:]:
            if not _is_simple(piece):
                break
            text += _widened(piece)
            letters += _letters(piece)
            candidates.append(Factor(text, letters))
            if letters >= ENOUGH_LETTERS:
                break
        item = branch[first].item
        if isinstance(item, Group) and branch[first].low > 0:
            inner = factor(item.body)
            candidates.append(Factor(_grouped(item, inner.pattern), inner.letters))
    return max(candidates, key=lambda each: each.merit, default=Factor("", 0))


def _is_simple(piece: Piece) -> bool:
    """Whether a piece has no repeat but of white space: its automaton stays small."""
    if isinstance(piece.item, Group):
        return piece.high == 1 and all(_is_simple(inner) for branch in piece.item.body.branches for inner in branch)
    return piece.high == 1 or piece.item.text == WHITE_SPACE


def _letters(piece: Piece) -> int:
    """Fewest letters, digits and marks that a piece stands for."""
    if piece.low == 0:
        return 0
    if isinstance(piece.item, Atom):
        return int(_LITERAL.fullmatch(piece.item.text) is not None)
    return min(sum(map(_letters, branch)) for branch in piece.item.body.branches)


def _widened(piece: Piece) -> str:
    item = piece.item
    if isinstance(item, Atom):
        body = _WIDE_SPACE if item.text == WHITE_SPACE else item.text
        return f"(?:{body})?" if piece.low == 0 else body
    inner = "|".join("".join(map(_widened, branch)) for branch in item.body.branches)
    return _grouped(item, inner) + ("?" if piece.low == 0 else "")


def _grouped(group: Group, body: str) -> str:
    return f"(?{group.flags or ''}:{body})"
