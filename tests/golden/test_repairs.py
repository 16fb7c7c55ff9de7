"""Golden pairs: what a repair makes of a text, end to end through the shipped rules, or with given cuts."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from phrasemill.engine.decide import plan_turn
from phrasemill.engine.repair import Cut, mend
from phrasemill.filters.hits import Hit
from phrasemill.filters.masks import HARD, find_masks
from phrasemill.filters.regex import RegexFilter
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.policy import Policy

POLICY = Policy()
MODEL = "(a model must rewrite it)"


@functools.cache
def _pairs() -> list[dict[str, Any]]:
    pairs = yaml.safe_load(Path(__file__).with_name("repairs.yaml").read_text("utf-8"))
    assert isinstance(pairs, list)
    return pairs


@functools.cache
def _filter() -> RegexFilter:
    return RegexFilter(packs=("core-en",))


def _turns(pairs: list[dict[str, Any]]) -> TurnTable:
    count = len(pairs)
    index = np.arange(count)
    text = pa.array([pair["before"] for pair in pairs], pa.large_string())
    role = pa.array(["assistant"] * count, pa.large_string())
    prompts = pa.array([pair.get("prompt", "Tell me about it.") for pair in pairs], pa.large_string())
    return TurnTable("messages", index, np.ones(count, np.int32), role, text, index, prompts)


def _hard_masks(text: str) -> list[tuple[int, int]]:
    raw = text.encode()
    masks = [mask for mask in find_masks(raw) if mask.kind in HARD]
    return [(len(raw[: mask.start].decode()), len(raw[: mask.stop].decode())) for mask in masks]


def _by_rules(pairs: list[dict[str, Any]]) -> dict[str, str | None]:
    """What the shipped rules and the default policy make of each pair; None where a model must rewrite it."""
    hits: list[list[Hit]] = [[] for _ in pairs]
    for hit in _filter().find_batch(_turns(pairs)):
        hits[hit.at].append(hit)
    mended: dict[str, str | None] = {}
    for pair, found in zip(pairs, hits, strict=True):
        plan = plan_turn(pair["before"], found, POLICY)
        mended[pair["id"]] = pair["before"] if plan.action is None else plan.text
    return mended


def _by_cuts(pair: dict[str, Any]) -> str | None:
    """What a repair makes of the cuts that the pair names; the finder's masks hold as well as its own."""
    text = pair["before"]
    cuts, masks = [], _hard_masks(text) if "masks" not in pair else []
    for wanted in pair["cuts"]:
        start = text.index(wanted)
        cuts.append(Cut(start, start + len(wanted), pair.get("category", "opener")))
    for wanted in pair.get("masks", ()):
        start = text.index(wanted)
        masks.append((start, start + len(wanted)))
    return mend(text, cuts, masks=masks, policy=POLICY).text


def _expected(pair: dict[str, Any]) -> str | None:
    after = pair.get("after", pair["before"])
    assert after is None or isinstance(after, str)
    return after


def _report(wrong: dict[str, tuple[str | None, str | None]]) -> str:
    lines = [f"{len(wrong)} of {len(_pairs())} pairs differ"]
    for name, (expected, got) in wrong.items():
        lines.append(f"{name}\n  expected {expected if expected is None else repr(expected)}")
        lines.append(f"  got      {MODEL if got is None else repr(got)}")
    return "\n".join(lines)


def test_every_pair_is_mended_as_written() -> None:
    ruled = [pair for pair in _pairs() if "cuts" not in pair]
    results = _by_rules(ruled) | {pair["id"]: _by_cuts(pair) for pair in _pairs() if "cuts" in pair}
    wrong = {
        pair["id"]: (_expected(pair), results[pair["id"]])
        for pair in _pairs()
        if results[pair["id"]] != _expected(pair)
    }
    if wrong:
        pytest.fail(_report(wrong), pytrace=False)


def test_a_mended_text_is_clean() -> None:
    again = [
        {"id": pair["id"], "before": after, "prompt": pair.get("prompt", "Tell me about it.")}
        for pair in _pairs()
        if "cuts" not in pair and (after := _expected(pair)) is not None
    ]
    results = _by_rules(again)
    wrong = {
        pair["id"]: (pair["before"], results[pair["id"]]) for pair in again if results[pair["id"]] is not pair["before"]
    }
    if wrong:
        pytest.fail(_report(wrong), pytrace=False)


def test_the_pairs_are_many_and_distinct() -> None:
    names = [pair["id"] for pair in _pairs()]
    texts = [pair["before"] for pair in _pairs()]
    assert len(names) >= 160
    assert len(set(names)) == len(names)
    assert len(set(texts)) == len(texts)
    assert sum("after" not in pair for pair in _pairs()) >= 25
    assert all(pair["why"] for pair in _pairs() if "after" in pair)
