"""Phrases that answers here have and answers elsewhere have not, best first.

An n-gram counts for an answer where it stands in it and not in its prompt. Each is tested against the other side's
answers, or against word frequencies; those that pass are ranked by how many times as often they stand here at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from phrasemill.filters.mining_corpus import Side
from phrasemill.filters.mining_counts import MAX_ORDER, Lattice, count_documents, enumerate_ngrams
from phrasemill.filters.mining_expected import expected_rates
from phrasemill.filters.mining_phrases import Edges, choose
from phrasemill.filters.mining_statistics import (
    Floats,
    least_excess,
    least_ratio,
    log_binomial_tail,
    log_odds_z,
    log_p,
    log_q,
)
from phrasemill.filters.mining_tokens import BREAK_ID, CODE_ID, START_ID, STOP_ID, Counts, Vocabulary

MAX_Q: Final = 0.05
"""Largest share of false finds, by Benjamini and Hochberg, among the n-grams that pass."""

MIN_PROMPTS: Final = 3
"""Different prompts that the answers with a phrase must stand behind."""

_LAST: Final = frozenset(".,:;!?\u2026\u3002\uff01\uff1f\u3001\uff0c\uff1a\uff1b")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase and its figures. ``tokens`` are as in ``mining_tokens``, the markers of the ends among them.

    ``here`` of ``n_here`` and ``elsewhere`` of ``n_elsewhere`` answers hold it; against word frequencies
    ``elsewhere`` is what these let expect in as many answers. Of a phrase longer than six tokens six are counted.
    ``in_prompt``: further answers here, whose prompt holds it. ``ratio``: how many times as often here at least.
    """

    tokens: tuple[str, ...]
    here: int
    n_here: int
    elsewhere: float
    n_elsewhere: int
    in_prompt: int
    prompts: int
    z: float
    q: float
    ratio: float


@dataclass(frozen=True, slots=True)
class _Figures:
    """Per n-gram: answers here and elsewhere, the careful ratio, log p, z."""

    here: Counts
    elsewhere: Floats
    n_elsewhere: int
    ratio: Floats
    log_p: Floats
    z: Floats


def default_min_documents(answers: int) -> int:
    """Answers that must hold an n-gram before it is looked at: 4, or one in 2,000."""
    return max(4, answers // 2_000)


def mine(here: Side, elsewhere: Side | None, vocabulary: Vocabulary, *, top: int, min_documents: int) -> list[Phrase]:
    """At most ``top`` phrases, best first. ``elsewhere`` None: against word frequencies.

    Raises:
        ConfigError: word frequencies are needed and not installed.

    """
    lattice = enumerate_ngrams(here, vocabulary, min_documents)
    counts = count_documents(here, lattice)
    tokens = len(here.answers.ids)
    if elsewhere is None:
        figures = _against_words(here, counts.counted, lattice, vocabulary)
    else:
        figures = _against(here, elsewhere, counts.counted, lattice)
        tokens += len(elsewhere.answers.ids)
    words = vocabulary.words()
    edges = _edges(words)
    tested = np.flatnonzero(_may_stand(lattice, words, edges) & (figures.here >= min_documents))
    # Every n-gram of both sides is a test, those too rare to be looked at among them: at most so many.
    q = np.ones(len(figures.here))
    q[tested] = np.exp(log_q(figures.log_p[tested], MAX_ORDER * tokens))
    passed = tested[(q[tested] <= MAX_Q) & (figures.ratio[tested] > 1)]
    ranked = _ranked(passed, figures, lattice, by_weight=elsewhere is None)
    phrases = []
    for chosen in choose(here, lattice, ranked, edges, 2 * top):
        at, prompts = chosen.number, len(np.unique(here.prompt[chosen.documents]))
        if prompts >= MIN_PROMPTS:
            phrase = Phrase(
                tokens=tuple(words[token] for token in chosen.tokens),
                here=int(figures.here[at]),
                n_here=len(here),
                elsewhere=float(figures.elsewhere[at]),
                n_elsewhere=figures.n_elsewhere,
                in_prompt=int(counts.in_prompt[at]),
                prompts=prompts,
                z=float(figures.z[at]),
                q=float(q[at]),
                ratio=float(figures.ratio[at]),
            )
            phrases.append(phrase)
    return phrases[:top]


def _against(here: Side, elsewhere: Side, held: Counts, lattice: Lattice) -> _Figures:
    found = count_documents(elsewhere, lattice).counted
    sizes = len(here), len(elsewhere)
    others = found.astype(np.float64)
    ratio, z = least_ratio(held, others, *sizes), log_odds_z(held, others, *sizes)
    return _Figures(held, others, sizes[1], ratio, log_p(held, found, *sizes), z)


def _against_words(here: Side, held: Counts, lattice: Lattice, vocabulary: Vocabulary) -> _Figures:
    rates = expected_rates(here, lattice, vocabulary)
    others, size = rates * len(here), len(here)
    tail = log_binomial_tail(held, np.full(len(held), size), rates)
    return _Figures(held, others, size, least_excess(held, rates, size), tail, log_odds_z(held, others, size, size))


def _ranked(passed: Counts, figures: _Figures, lattice: Lattice, *, by_weight: bool) -> list[int]:
    """N-grams, the best first, of equals the longer. ``by_weight``: how often counts too.

    Word frequencies know nothing of word order, so that against them the longest n-gram always looks rarest.
    """
    score = np.log(figures.ratio[passed])
    if by_weight:
        score = score * figures.here[passed]
    order = np.searchsorted(lattice.bases, passed, side="right")
    best = np.lexsort((passed, -order, -np.round(score, 6)))
    return [int(number) for number in passed[best]]


def _edges(words: list[str]) -> Edges:
    """A phrase begins with a word, the start of the text or of a line, and ends with a word, a stop or the end."""
    is_word = np.array([word[0].isalnum() for word in words])
    first, last = is_word.copy(), is_word | np.array([word[0] in _LAST for word in words])
    first[[START_ID, BREAK_ID]] = True
    last[STOP_ID] = True
    return Edges(first, last)


def _may_stand(lattice: Lattice, words: list[str], edges: Edges) -> npt.NDArray[np.bool_]:
    """N-grams that could be a phrase: with such edges, and with a word of two letters or an unspaced script."""
    telling = np.array([word[0].isalpha() and (len(word) > 1 or not word.isascii()) for word in words])
    telling[[START_ID, STOP_ID, CODE_ID, BREAK_ID]] = False
    first, last = lattice.edges()
    return np.asarray(edges.first[first] & edges.last[last] & lattice.holds(telling))
