"""What a filter reports: a hit in one turn, and the smaller Span that a plugin's ``find`` yields."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A piece of one text: code points, half-open. ``cut`` is what a strip would remove, None where it cannot."""

    start: int
    stop: int
    rule_id: str
    category: str
    score: float = 1.0
    cut: tuple[int, int] | None = None


class Hit(NamedTuple):
    """A span in turn ``at`` of a turn table. ``exempt``: why the text itself excuses it; None where it counts.

    ``whole``: it is said of the turn as such (its length, its language), not of words in it.
    """

    at: int
    start: int
    stop: int
    rule_id: str
    category: str
    filter: str
    score: float
    cut: tuple[int, int] | None
    exempt: str | None
    whole: bool = False
