"""Answers to one prompt put in order by a judge. What the judge did not judge well has no place in the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from phrasemill.generators.ask import Answer, Ask
from phrasemill.generators.judging.pairwise import compare
from phrasemill.generators.judging.scorers import ModelScorer
from phrasemill.generators.together import together


@dataclass(frozen=True, slots=True)
class Ranking:
    """``scores``: 0 to 100, by index of the answer, of ranked ones only.

    ``beats``: (winner, loser) of every comparison that was won; None where answers were scored one by one.
    """

    scores: Mapping[int, float]
    beats: frozenset[tuple[int, int]] | None = None

    @property
    def best(self) -> int:
        """The index of the highest score, the first of equals."""
        return max(self.scores, key=lambda index: (self.scores[index], -index))

    def widest(self, min_margin: float) -> tuple[int, int] | None:
        """The better and the worse of the two that lie furthest apart, by at least ``min_margin``; else None.

        Where answers were compared, the better one must have won against the worse one itself. Equal scores never make
        a pair.
        """
        won = [
            (better, worse)
            for better, worse in permutations(sorted(self.scores), 2)
            if self.beats is None or (better, worse) in self.beats
        ]
        margins = {sides: self.scores[sides[0]] - self.scores[sides[1]] for sides in won}
        widest = max(margins, key=lambda sides: margins[sides], default=None)
        if widest is None or margins[widest] <= 0.0 or margins[widest] < min_margin:
            return None
        return widest


async def by_scores(ask: Ask, answers: Sequence[Answer]) -> Ranking:
    """Each answer scored by itself. A refusal and an invalid judgement are no scores; the evidence names them."""
    scorer = ask.desk.scorer or ModelScorer()
    given = await together(
        scorer.score(ask, ask.item.trait, ask.item.messages, answer.text, number)
        for number, answer in enumerate(answers)
    )
    scores: dict[int, float] = {}
    for index, (answer, score) in enumerate(zip(answers, given, strict=True)):
        if score.label == "scored" and score.value is not None:
            scores[index] = score.value
            ask.score(answer, score.value)
        else:
            ask.reject(answer, f"judged_{score.label}")
    return Ranking(scores)


async def by_comparisons(ask: Ask, answers: Sequence[Answer]) -> Ranking:
    """Each answer compared with each other one. A score is the share of its comparisons that it won, a tie being half.

    Comparisons that are inconsistent or invalid count for nobody; who has no other is not ranked.
    """
    trait, conversation = ask.item.trait, ask.item.messages
    couples = list(combinations(range(len(answers)), 2))
    verdicts = await together(
        compare(ask, trait, conversation, answers[one].text, answers[other].text, number=number)
        for number, (one, other) in enumerate(couples)
    )
    points: dict[int, list[float]] = {}
    beats: set[tuple[int, int]] = set()
    for (one, other), verdict in zip(couples, verdicts, strict=True):
        share = {"first": 1.0, "tie": 0.5, "second": 0.0}.get(verdict.label)
        if share is None:
            continue
        points.setdefault(one, []).append(share)
        points.setdefault(other, []).append(1.0 - share)
        if share != 0.5:
            beats.add((one, other) if share == 1.0 else (other, one))
    scores = {index: 100.0 * sum(given) / len(given) for index, given in points.items()}
    for index, answer in enumerate(answers):
        if index in scores:
            ask.score(answer, scores[index])
        else:
            ask.reject(answer, "not_ranked")
    return Ranking(scores, frozenset(beats))
