"""Scoring of the labelled suites: what is scored, with which filters, and every threshold in one place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from phrasemill.engine.judge_turns import Judge
from phrasemill.filters.base import load_filter
from phrasemill.filters.examples import conversations
from phrasemill.filters.hits import Hit
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.policy import Policy

SUITES = Path(__file__).parent / "suites"

FILTERS = ("regex", "fuzzy", "classifier")
"""Every shipped filter that finds tics, as a configuration names it."""


class Bar(NamedTuple):
    """The least precision and recall that a suite must reach, and how many cases of each kind it must have.

    ``goal``: the recall that is aimed at, where that is more than what is asked for.
    """

    precision: float
    recall: float
    cases: int
    goal: float | None = None


CATEGORY_BARS = {
    "identity_leak": Bar(0.98, 0.95, 100),
    "leaked_markup": Bar(0.98, 0.95, 100),
    "sycophancy": Bar(0.90, 0.70, 60, goal=0.80),
    "moralising": Bar(0.90, 0.70, 60, goal=0.80),
    "contrast": Bar(0.90, 0.70, 60, goal=0.80),
    "slop": Bar(0.90, 0.70, 60, goal=0.80),
}
EVASION_RECALL = 0.95
MIN_EVASIONS = 400
PARAPHRASE_BAR = Bar(0.90, 0.75, 80)


class Labelled(NamedTuple):
    """An answer behind a prompt. ``wanted``: it has a tic of ``category``; ``tic``: where, the whole answer if None."""

    prompt: str
    text: str
    category: str
    wanted: bool = True
    tic: str | None = None


class Score(NamedTuple):
    """Precision and recall over cases, with the cases that were wrong."""

    right: int
    false: tuple[Labelled, ...]
    missed: tuple[Labelled, ...]

    @property
    def precision(self) -> float:
        """The share of the flagged that was meant; 1 where nothing was flagged."""
        flagged = self.right + len(self.false)
        return self.right / flagged if flagged else 1.0

    @property
    def recall(self) -> float:
        """The share of the meant that was flagged."""
        return self.right / (self.right + len(self.missed))

    def figures(self, name: str, bar: Bar) -> str:
        """Name, precision and recall in one line, with what is asked for."""
        goal = "" if bar.goal is None else f", goal {bar.goal:.2f}"
        return (
            f"{name}: precision {self.precision:.3f} (at least {bar.precision:.2f}),"
            f" recall {self.recall:.3f} (at least {bar.recall:.2f}{goal})"
        )

    def mistakes(self) -> str:
        """One line for each case that was wrong."""
        return "\n".join(
            [f"  false:  {_shown(case)}" for case in self.false] + [f"  missed: {_shown(case)}" for case in self.missed]
        )


def _shown(case: Labelled) -> str:
    where = "" if case.tic is None else f" at {case.tic!r}"
    return f"[{case.category}] {case.text!r}{where}"


@cache
def _judge(filters: tuple[str, ...]) -> Judge:
    return Judge(tuple(load_filter(FilterConfig(use=name)) for name in filters), Policy())


def score(cases: Sequence[Labelled], filters: tuple[str, ...] = FILTERS) -> Score:
    """Scan all cases at once; a case is flagged where a hit of its category counts and overlaps its tic."""
    found = _judge(filters).find(conversations([(case.prompt, case.text) for case in cases]))
    right = 0
    false: list[Labelled] = []
    missed: list[Labelled] = []
    for index, case in enumerate(cases):
        flagged = _is_flagged(case, found.get(index, ()))
        if flagged and case.wanted:
            right += 1
        elif flagged:
            false.append(case)
        elif case.wanted:
            missed.append(case)
    return Score(right, tuple(false), tuple(missed))


def _is_flagged(case: Labelled, hits: Sequence[Hit]) -> bool:
    start, stop = 0, len(case.text)
    if case.tic is not None:
        start = case.text.index(case.tic)
        stop = start + len(case.tic)
    return any(
        hit.category == case.category and hit.exempt is None and hit.start < stop and hit.stop > start for hit in hits
    )


def read_suite(name: str) -> list[Labelled]:
    """The cases of a suite file: its hits, then its misses. A case is a text, or a mapping with ``text``.

    The category is the file's, or the case's own. A ``tic`` stands where the text says ``{tic}``.
    """
    suite = yaml.safe_load((SUITES / f"{name}.yaml").read_text(encoding="utf-8"))
    cases: list[Labelled] = []
    for wanted, kind in ((True, "hit"), (False, "miss")):
        for item in suite[kind]:
            case = {"text": item} if isinstance(item, str) else item
            category, tic = case.get("category") or suite["category"], case.get("tic")
            text = case["text"] if tic is None else case["text"].replace("{tic}", tic)
            cases.append(Labelled(case.get("prompt", ""), text, category, wanted, tic))
    return cases


def complaints(cases: Sequence[Labelled], least: int) -> list[str]:
    """What is wrong with a suite itself: too few cases of a kind, a text that stands twice, a tic that is not there."""
    wrong: list[str] = []
    for wanted in (True, False):
        count = sum(case.wanted is wanted for case in cases)
        if count < least:
            wrong.append(f"{count} cases with wanted={wanted}; expected at least {least}")
    texts: set[str] = set()
    for case in cases:
        if case.text in texts:
            wrong.append(f"twice: {case.text!r}")
        texts.add(case.text)
        if case.tic is not None and case.text.count(case.tic) != 1:
            wrong.append(f"{case.tic!r} is not exactly once in {case.text!r}")
    return wrong
