"""What tells a chosen side from a rejected one without reading either: a preference model learns that first.

A length-only classifier gives each side its length as a score. Over pairs that means two things, and both are held: it
sees one text at a time (the AUC of all chosen against all rejected lengths), or it sees the two sides of one pair (the
share of pairs whose chosen side is longer, ties half: the same AUC within pairs). The first is blind where the lengths
of prompts differ more than the sides do; the second is what a preference loss is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Values = Sequence[float] | npt.NDArray[np.generic]

_FORMAT: Final = r"(?m)^[ \t]*(?:[-*+\x{2022}]|\d{1,3}[.)]|#{1,6}|>|\||```|~~~)[ \t\w]|\*\*[^*\n]+\*\*|`[^`\n]+`"
_HEDGES: Final = (
    r"(?i)\b(?:may|maybe|might|could|perhaps|possibly|probably|likely|seems?|appears?|generally|typically|usually|often"
    r"|sometimes|somewhat|relatively|arguably|in some cases|it depends|tends? to|not (?:sure|certain)|i think"
    r"|i believe|roughly|about)\b"
)
_QUESTIONS: Final = r"[?\x{ff1f}]"
_FIRST_PERSON: Final = r"(?i)\b(?:i|i['\x{2019}](?:m|ve|d|ll)|me|my|mine|myself)\b"

_STEPS: Final = 200
"""Pairs are left out in steps of one in so many of those left: a finer one costs time, a coarser one costs pairs."""


@dataclass(frozen=True, slots=True)
class Confounds:
    """What sets the sides of ``pairs`` pairs apart. An AUC of 0.5 is nothing; above it the chosen side has more.

    ``length_auc``: of the length in characters, over all sides, folded (0.5 to 1); ``signed_length_auc``: the same with
    its direction; ``longer_auc``: within pairs, the share whose chosen side is longer, ties half. ``length_ratio``:
    mean chosen over mean rejected length. ``cohens_d``: the difference of the mean lengths in standard deviations.
    ``format_auc`` (lists, headings, tables, bold, code), ``hedging_auc``, ``question_auc`` and ``first_person_auc``
    are of marks per character, so that they do not say the length again.
    """

    pairs: int
    length_auc: float
    signed_length_auc: float
    longer_auc: float
    length_ratio: float
    cohens_d: float
    format_auc: float
    hedging_auc: float
    question_auc: float
    first_person_auc: float


def auc(chosen: Values, rejected: Values) -> float:
    """How often a chosen value is above a rejected one, over all combinations, ties half (Mann-Whitney); 0 to 1.

    0.5 where a side is empty.
    """
    if not len(chosen) or not len(rejected):
        return 0.5
    return float(_over_all(_ranked(chosen, rejected)))


def told(chosen: Values, rejected: Values) -> float:
    """What a classifier that sees lengths only reaches at best, 0.5 to 1: over all sides or within pairs."""
    return float(_told(_ranked(chosen, rejected))) if len(chosen) and len(rejected) else 0.5


def measure(chosen: Sequence[str], rejected: Sequence[str]) -> Confounds:
    """The confounds of pairs of texts: ``chosen[i]`` belongs to ``rejected[i]``.

    Raises:
        ValueError: the two differ in length.
    """
    if len(chosen) != len(rejected):
        raise ValueError(f"expected as many chosen as rejected texts, got {len(chosen)} and {len(rejected)}")
    sides = tuple(pa.array(side, pa.large_string()) for side in (chosen, rejected))
    lengths = [_numbers(pc.utf8_length(side)) for side in sides]
    signed = auc(*lengths)
    return Confounds(
        pairs=len(chosen),
        length_auc=max(signed, 1.0 - signed),
        signed_length_auc=signed,
        longer_auc=float(_within(_Sides(lengths[0], lengths[1]))) if len(chosen) else 0.5,
        length_ratio=_ratio(*lengths),
        cohens_d=_cohens_d(*lengths),
        **{
            f"{name}_auc": auc(*(_density(side, length, pattern) for side, length in zip(sides, lengths, strict=True)))
            for name, pattern in (
                ("format", _FORMAT),
                ("hedging", _HEDGES),
                ("question", _QUESTIONS),
                ("first_person", _FIRST_PERSON),
            )
        },
    )


def balance(
    lengths_chosen: Sequence[int], lengths_rejected: Sequence[int], *, seed: int, max_auc: float = 0.6
) -> Numbers:
    """Indices of the pairs to keep, rising: among them length tells the sides apart with ``max_auc`` at most.

    That holds for both AUCs of the module's text, and in both directions. Pairs are left out from the end at which
    length tells most, until both hold; ``seed`` decides among equals. Nearly as many are kept as can be, in
    O(n log n). Where nothing holds, none is kept: of a single pair, or of pairs whose chosen side is always the longer.

    Raises:
        ValueError: the two differ in length, or ``max_auc`` is below 0.5.
    """
    if len(lengths_chosen) != len(lengths_rejected):
        raise ValueError(f"expected as many chosen as rejected, got {len(lengths_chosen)} and {len(lengths_rejected)}")
    if not max_auc >= 0.5:
        raise ValueError(f"max_auc: got {max_auc}, expected 0.5 to 1")
    ranks = _ranked(lengths_chosen, lengths_rejected)
    # Equals are taken in a drawn order: the pairs are shuffled once, and sorting is stable.
    left = np.random.default_rng(seed).permutation(len(ranks.chosen))
    while len(left):
        sides = _Sides(ranks.chosen[left], ranks.rejected[left])
        worst = _worst(sides, max_auc)
        if worst is None:
            break
        left = np.delete(left, worst[: max(1, len(left) // _STEPS)])
    return np.sort(left)


class _Sides(NamedTuple):
    """Dense ranks of the lengths of both sides; equal lengths have equal ranks."""

    chosen: Numbers
    rejected: Numbers


def _ranked(chosen: Values, rejected: Values) -> _Sides:
    values = np.concatenate([np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)])
    ranks = np.unique(values, return_inverse=True)[1]
    return _Sides(ranks[: len(chosen)], ranks[len(chosen) :])


def _told(sides: _Sides) -> Fraction:
    return max(max(up, 1 - up) for up in (_over_all(sides), _within(sides)))


def _over_all(sides: _Sides) -> Fraction:
    """The AUC of all chosen against all rejected sides. Exact: a limit that is met must not fail by rounding."""
    return Fraction(int(_twice_above(sides).sum()), 2 * len(sides.chosen) * len(sides.rejected))


def _within(sides: _Sides) -> Fraction:
    """The share of pairs whose chosen side is the longer, ties half."""
    count = len(sides.chosen)
    return Fraction(int(np.sign(sides.chosen - sides.rejected).sum()) + count, 2 * count)


def _twice_above(sides: _Sides) -> Numbers:
    """For each chosen side twice the number of rejected ones that it is above, ties half."""
    counts = np.bincount(sides.rejected, minlength=int(sides.chosen.max()) + 1)
    below = np.cumsum(counts) - counts
    found: Numbers = 2 * below[sides.chosen] + counts[sides.chosen]
    return found


def _worst(sides: _Sides, limit: float) -> Numbers | None:
    """Places of pairs to leave out, the first first; None where both AUCs keep the limit.

    A pair pulls up as far as its chosen side stands above all rejected ones and its rejected side below all chosen
    ones. Where the sides of pairs are too uneven one way and all sides the other, the smallest differences go.
    """
    over_all, within = (float(max(up, 1 - up)) for up in (_over_all(sides), _within(sides)))
    if within > limit:
        up = _within(sides) > Fraction(1, 2)
    elif over_all > limit:
        up = _over_all(sides) > Fraction(1, 2)
    else:
        return None
    candidates = np.flatnonzero(sides.chosen > sides.rejected if up else sides.chosen < sides.rejected)
    pull = (_twice_above(sides) - _twice_above(_Sides(sides.rejected, sides.chosen)))[candidates]
    extreme_first = up == (_over_all(sides) >= Fraction(1, 2))
    order = np.argsort(-np.abs(pull) if extreme_first else np.abs(pull), kind="stable")
    found: Numbers = candidates[order]
    return found


def _numbers(array: pa.Array) -> Numbers:
    found: Numbers = array.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _density(texts: pa.Array, lengths: Numbers, pattern: str) -> Floats:
    found: Floats = _numbers(pc.count_substring_regex(texts, pattern)) / np.maximum(lengths, 1)
    return found


def _ratio(chosen: Numbers, rejected: Numbers) -> float:
    """1 for no pairs; texts count as one character at least."""
    return float(np.maximum(chosen, 1).mean() / np.maximum(rejected, 1).mean()) if len(chosen) else 1.0


def _cohens_d(chosen: Numbers, rejected: Numbers) -> float:
    if not len(chosen):
        return 0.0
    spread = float(np.sqrt((chosen.var() + rejected.var()) / 2))
    return float(chosen.mean() - rejected.mean()) / spread if spread else 0.0
