"""How well near-variants of tics are told from their look-alikes, by rapidfuzz's scorers alone and by the fuzzy filter.

    python benchmarks/fuzzy_separation.py [CORPUS.parquet ...] [--seed 1] [--negatives 20000]

Positives: sentences of ours with one or two seeded slips of the keyboard, half of them with a modifier put in.
Negatives: the misses of the phrases and of the suite in tests/golden; with a corpus also sentences of assistant turns
in which the regex filter finds nothing. A sentence's score is its best over all phrases. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from rapidfuzz import fuzz, process, utils

from phrasemill.filters.examples import conversations
from phrasemill.filters.fuzzy import FuzzyFilter
from phrasemill.filters.fuzzy_phrases import read_phrases
from phrasemill.filters.regex import RegexFilter
from phrasemill.filters.turns import turn_table
from phrasemill.schemas.tables import MESSAGES

SUITE = Path(__file__).parents[1] / "tests" / "golden" / "suites" / "fuzzy.yaml"
MODIFIERS = ("really", "quite", "truly", "very", "also", "simply")
VARIANTS = 12
BASES = (
    "As an AI language model, I cannot taste the soup.",
    "As a machine learning system, I do not sleep.",
    "Being an artificial intelligence, I have no favourite colour.",
    "I am just a language model with no garden of my own.",
    "I don't have personal opinions on the vote.",
    "I don't have access to real-time information about trains.",
    "I was created by OpenAI to answer questions.",
    "As a language model developed by Anthropic, I would put the verb first.",
    "I'm sorry, but I cannot assist with that.",
    "I apologize, but I am unable to provide such a list.",
    "I cannot fulfill this request.",
    "I must decline to answer this question.",
    "I hope this helps you!",
    "Let me know if you have any other questions.",
    "Please don't hesitate to reach out to me.",
    "Is there anything else I can help you with?",
    "It is important to note that the lake is deep.",
    "It is worth mentioning that the ferry is slow.",
    "It should be noted that prices have risen.",
    "Keep in mind that maps age.",
    "Certainly! Here is the list of rivers.",
    "Absolutely! The rivers are below.",
    "I'd be delighted to assist you with that! The answer is nine.",
    "That's a fantastic question! The moon has no air.",
    "Thank you for your question! The moon has no air.",
    "What an insightful question! Tides follow the moon.",
)
"""One sentence of ours for each kind of phrase; its variants are what must be found."""
_SENTENCE = re.compile(r"[^.!?\n]{12,300}[.!?]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Print precision, recall and area under the curve of each scorer as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--negatives", type=int, default=20_000)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    book = read_phrases("fuzzy-en")
    positives = [vary(text, dice) for text in BASES for _ in range(VARIANTS)]
    hard = [str(text) for entry in book.entries for text in entry.examples.miss]
    hard += yaml.safe_load(SUITE.read_text(encoding="utf-8"))["miss"]
    corpus = list(unflagged(options.corpus, options.negatives, dice))
    phrases = sorted({plain(phrase, book.words) for entry in book.entries for phrase in entry.phrases})
    result: dict[str, Any] = {
        "positives": len(positives),
        "hard": len(hard),
        "corpus": len(corpus),
        "seed": options.seed,
    }
    for name, scorer in (
        ("partial_ratio", lambda texts: alone(texts, phrases, fuzz.partial_ratio)),
        ("token_set_ratio", lambda texts: alone(texts, phrases, fuzz.token_set_ratio)),
        ("filter", filtered),
    ):
        result[name] = measured(scorer(positives), scorer(hard), scorer(corpus))
    print(orjson.dumps(result).decode())


def vary(text: str, dice: random.Random) -> str:
    """The text with one or two slips inside its longer words, in half the cases a modifier before the first of them."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word.strip(",.!?")) > 4]
    for index in dice.sample(long, min(len(long), dice.randint(1, 2))):
        words[index] = slip(words[index], dice)
    if dice.random() < 0.5 and long and long[0]:
        words.insert(long[0], dice.choice(MODIFIERS))
    return " ".join(words)


def slip(word: str, dice: random.Random) -> str:
    """The word with a letter dropped, doubled, replaced, or two swapped; its first and last stay."""
    at = dice.randrange(1, len(word.rstrip(",.!?")) - 2)
    kind = dice.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + dice.choice(_LETTERS) + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def plain(phrase: str, words: dict[str, tuple[str, ...]]) -> str:
    """A reference phrase as text: the first word of each list, without marks."""
    pieces = [piece.rstrip("?!") for piece in phrase.split() if piece not in ("|", "...")]
    return " ".join(words[piece.strip("{}")][0] if piece.startswith("{") else piece for piece in pieces)


def unflagged(paths: Sequence[Path], count: int, dice: random.Random) -> Iterator[str]:
    """Up to ``count`` sentences of assistant turns that the regex filter leaves alone."""
    regex = RegexFilter()
    for path in paths:
        column = (
            pq.read_table(path, columns=["messages"])["messages"]
            .combine_chunks()
            .cast(pa.large_list(MESSAGES.value_type))
        )
        turns = turn_table("messages", column).having_role(("assistant",))
        flagged = {hit.at for hit in regex.find_batch(turns)}
        clean = [index for index in range(len(turns)) if index not in flagged]
        found = [
            sentence
            for index in dice.sample(clean, min(len(clean), count // len(paths)))
            for sentence in _SENTENCE.findall(str(turns.text[index]))
        ]
        yield from dice.sample(found, min(len(found), count // len(paths)))


def alone(texts: Sequence[str], phrases: Sequence[str], scorer: Callable[..., float]) -> Floats:
    """Each text's best score over the phrases, 0 to 1, by one of rapidfuzz's scorers."""
    if not texts:
        return np.zeros(0)
    ready = [utils.default_process(text) for text in texts]
    return np.asarray(process.cdist(ready, phrases, scorer=scorer).max(axis=1) / 100, dtype=np.float64)


def filtered(texts: Sequence[str]) -> Floats:
    """Each text's best span by the fuzzy filter, 0 where there is none."""
    scores = np.zeros(len(texts))
    for hit in FuzzyFilter().find_batch(conversations([("Go on.", text) for text in texts])) if texts else []:
        scores[hit.at] = max(scores[hit.at], hit.score)
    return scores


def measured(positives: Floats, hard: Floats, corpus: Floats) -> dict[str, float | None]:
    """At the threshold that is best for F1 on all texts: precision and recall; and how often a pair is in order."""
    negatives = np.concatenate([hard, corpus])
    edges = np.unique(np.concatenate([positives, negatives]))[-2_000:]
    edges = edges[edges > 0]
    right = (positives[:, None] >= edges).sum(axis=0)
    wrong = (negatives[:, None] >= edges).sum(axis=0)
    best = int(np.argmax(2 * right / (right + wrong + len(positives))))
    return {
        "threshold": round(float(edges[best]), 3),
        "precision": round(float(right[best] / (right[best] + wrong[best])), 4),
        "recall": round(float(right[best] / len(positives)), 4),
        "auc_hard": area(positives, hard),
        "auc_corpus": area(positives, corpus),
    }


def area(positives: Floats, negatives: Floats) -> float | None:
    """The share of pairs of a positive and a negative that are in order, ties counting half; None without pairs."""
    if not len(negatives):
        return None
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    same = np.searchsorted(ordered, positives, side="right") - below
    return round(float((below + same / 2).sum() / (len(positives) * len(negatives))), 4)


if __name__ == "__main__":
    main()
