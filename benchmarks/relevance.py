"""How well relevance tells an answer to its prompt from an answer to another one, without a judge.

``relevance.py FILES... [-n 5000]`` reads Parquet files with a column ``messages``, takes the first user turn and the
answer behind it, and sets the answers against the same ones shuffled over the prompts. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from phrasemill.generators.relevance import OFF_TOPIC, relevance

Scores = npt.NDArray[np.float64]


def main() -> None:
    """Measure and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="Parquet files with a column messages")
    parser.add_argument("-n", type=int, default=5000, help="pairs to take")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not given.files:
        print(json.dumps({"benchmark": "relevance", "skipped": "give files with conversations"}))
        return
    print(json.dumps(measure(pairs(given.files, given.n, given.seed), given.seed)))


def pairs(files: list[str], count: int, seed: int) -> list[tuple[str, str]]:
    """``count`` pairs of a first user turn and its answer, drawn over all files."""
    table = pl.concat([pl.read_parquet(name, columns=["messages"]) for name in files])
    drawn = table.sample(min(count, len(table)), seed=seed, shuffle=True)["messages"].to_list()
    return [(turns[0]["content"], turns[1]["content"]) for turns in drawn if len(turns) > 1]


def measure(own: list[tuple[str, str]], seed: int) -> dict[str, Any]:
    """AUC of all pairs and of those that are told (a score under 1), and what ``OFF_TOPIC`` refuses of each side."""
    answers = [answer for _, answer in own]
    random.Random(seed).shuffle(answers)
    relevance(*own[0])
    before = time.process_time()
    right = np.array([relevance(prompt, answer) for prompt, answer in own])
    seconds = time.process_time() - before
    others = [(prompt, other) for (prompt, answer), other in zip(own, answers, strict=True) if answer != other]
    wrong = np.array([relevance(prompt, other) for prompt, other in others])
    return {
        "benchmark": "relevance",
        "pairs": len(own),
        "auc": auc(right, wrong),
        "auc_told": auc(right[right < 1.0], wrong[wrong < 1.0]),
        "abstained": float((right == 1.0).mean()),
        "true_refused": float((right < OFF_TOPIC).mean()),
        "shuffled_caught": float((wrong < OFF_TOPIC).mean()),
        "shuffled_caught_told": float((wrong[wrong < 1.0] < OFF_TOPIC).mean()),
        "cpu_ms": 1000 * seconds / len(own),
    }


def auc(right: Scores, wrong: Scores) -> float:
    """How often a right pair scores above a wrong one, ties half."""
    ranks = pl.Series(np.concatenate([right, wrong])).rank().to_numpy()[: len(right)]
    return float((ranks.sum() - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))


if __name__ == "__main__":
    main()
