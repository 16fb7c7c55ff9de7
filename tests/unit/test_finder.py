"""The finder: where a rule matches, its windows are; texts are folded and their places found again."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phrasemill.filters.compiled import THERE, CompiledRule, compile_rule
from phrasemill.filters.confirm import confirm, confirm_within
from phrasemill.filters.finder import Finder, Window
from phrasemill.filters.fold import fold_turns
from phrasemill.schemas.rule import Rule, RulePack

PATTERNS = [
    r"\bcannot (?:help|say)\b",
    r"(?:I'm|I am) (?:\w{1,6} )?sorry",
    r"so {0,2}rry|ba{1,9}",
    r"^say(?: it)?[!.]{1,3}",
    r"s.{0,5}y\b",
    r"help(?:s|ing)?(?: me)?(?: say)?",
    r"\bask\b.{0,9}\bI\b",
    r"(?:a|ab|b) ?(?:c|bc|say)$",
    r"\n\s{0,9}a",
    "\u2026 ?say|k\u2019s",
    r"(?:help me|say it){1,2}",
]


def rules(at: str) -> list[CompiledRule]:
    each = [Rule(id=f"r{number}", category="x", pattern=text, at=at) for number, text in enumerate(PATTERNS)]
    pack = RulePack(id="p", rules=tuple(each))
    return [compile_rule(rule, pack, "x") for rule in each]


ANYWHERE = rules("anywhere")
ALL = [*ANYWHERE, *rules("start"), *rules("end"), *rules("sentence_start")]
FIND_ANYWHERE, FIND_ALL = Finder(ANYWHERE), Finder(ALL)
WORDS = [
    "I'm",
    "I am",
    "i\u2019m",
    "sorry",
    "so",
    "rry",
    "cannot",
    "help",
    "helps",
    "say",
    "it",
    "me",
    "ask",
    "a",
    "ab",
]
OTHERS = [" ", "  ", "\n", "\u00a0", " \u00a0", ".", "!", "\u2026", "\u00e9", "\U0001f600", "\u017f", "\u212a", "\v"]
MARKS = ["<think>", "</think>", "**", "# ", "x" * 300, "`"]
WORD = st.sampled_from([*WORDS, "ab", "ba", "c", "bc", *OTHERS, *MARKS])
TEXT = st.lists(WORD, max_size=14).map("".join)
BATCH = st.lists(TEXT, min_size=1, max_size=5)


def candidates(finder: Finder, texts: list[str]) -> dict[int, dict[int, list[Window]]]:
    raw = [text.encode() for text in texts]
    borders = [0, *accumulate(map(len, raw))]
    found = finder.candidates(memoryview(b"".join(raw)), borders[:-1], borders[1:])
    return {turn: dict(of_turn) for turn, of_turn in found}


@settings(max_examples=60)
@given(BATCH)
@example(["so", "rry so", "", " say", ""])
def test_every_match_begins_and_ends_in_a_window(texts: list[str]) -> None:
    found = candidates(FIND_ANYWHERE, texts)
    for turn, text in enumerate(texts):
        raw = text.encode()
        for number, rule in enumerate(ANYWHERE):
            windows = found.get(turn, {}).get(number, [])
            assert all(first[1] <= second[0] for first, second in pairwise(windows))
            for at in range(len(raw)):
                start, stop = rule.search(THERE, raw, at, len(raw))[0]
                if start >= 0:
                    assert any(low <= start < high and stop <= last for low, high, last in windows)


@settings(max_examples=60)
@given(BATCH)
def test_hits_in_windows_are_the_hits_of_a_full_search(texts: list[str]) -> None:
    found = candidates(FIND_ALL, texts)
    for turn, text in enumerate(texts):
        raw = text.encode()
        some = [(ALL[number], windows) for number, windows in found.get(turn, {}).items()]
        assert confirm_within(raw, some) == confirm(raw, ALL)


def test_windows_are_narrow_and_empty_batches_are_empty() -> None:
    text = "x " * 100 + "\u2026 \u2026 I'm  very sorry." + " x" * 100
    assert candidates(FIND_ANYWHERE, [text])[0][1] == [(208, 216, 232)]
    assert candidates(FIND_ANYWHERE, ["", "Nothing of it."]) == {}
    assert candidates(FIND_ANYWHERE, []) == {}


def test_rules_for_the_start_look_no_further_than_they_must() -> None:
    start = Finder(rules("start"))
    assert candidates(start, ["Bread first. Help me say it!"]) == {}
    assert set(candidates(start, ["** Help me! " + "x" * 900])) == {0}
    assert candidates(start, ["x" * 900 + " help me"]) == {}
    assert set(candidates(start, ["<think>" + "x" * 900 + "</think> help me"])) == {0}


def test_folded_turns() -> None:
    turns = ["A \n\t b\u00a0 \u00e9", "", " \n", "\n", "c  d ", "It\u2019s\u02bc \u00b4`\u00a0\u00a0x"]
    raw = [turn.encode() for turn in turns]
    borders = [0, *accumulate(map(len, raw))]
    data = memoryview(b"--" + b"".join(raw) + b"--")
    folded = fold_turns(data, [place + 2 for place in borders[:-1]], [place + 2 for place in borders[1:]])
    text = bytes(folded.text)
    found = [text[low:high].decode() for low, high in zip(folded.begins, folded.ends, strict=True)]
    assert found == ["a b \u00e9", "", " ", " ", "c d ", "it's' '' x"]
    places = folded.original(np.arange(len(text) + 1))
    assert bytes(data)[places[-2] :] == b"x--"
    assert places.tolist() == sorted(set(places.tolist()))
    assert not folded.odd.any()


def test_letters_that_count_as_ascii_ones_are_marked() -> None:
    folds = [chr(code) for code in range(0x80, 0x3000) if re2.fullmatch("(?i)[a-z]", chr(code))]
    assert folds == ["\u017f", "\u212a"]
    raw = ["plain", "wi\u017fh", "\u00c5\u2122", "\u212aing"]
    borders = [0, *accumulate(len(text.encode()) for text in raw)]
    folded = fold_turns(memoryview("".join(raw).encode()), borders[:-1], borders[1:])
    assert folded.odd.tolist() == [False, True, False, True]
