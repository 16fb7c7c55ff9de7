"""A scripted model for tests of ``generate``: it says where to store things, in other words for every request."""

from __future__ import annotations

import random
from typing import Any

SUBJECTS = ("bread", "the garden gate", "a winter coat", "the kitchen clock", "old letters", "a small boat")
PLACES = (
    "down to the cellar",
    "far from the stove",
    "under a dry cloth",
    "behind the old door",
    "beside the stone wall",
    "into a wooden crate",
    "above the cold floor",
    "among paper and straw",
)


def question(subject: str) -> str:
    return f"How should I store {subject} over winter?"


def answer(body: dict[str, Any]) -> tuple[int, str, str]:
    """An answer to what was asked, another one for every seed and system message."""
    told = next((message["content"] for message in body["messages"] if message["role"] == "system"), "")
    subject = body["messages"][-1]["content"].removeprefix("How should I store ").removesuffix(" over winter?")
    dice = random.Random(f"{told}{body['seed']}")
    place = " ".join(dice.sample(PLACES, 3))
    return 200, f"To store {subject} over winter, take it {place}, on shelf {dice.randint(2, 99)}.", "stop"
