"""What a rule needs: a text that matches it holds every piece of one of its alternatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.examples import cases
from phrasemill.filters.factor import Need, needed
from phrasemill.filters.finder import squeezed
from phrasemill.filters.linear import parse, to_re2
from phrasemill.filters.packs import load_rules, shipped_packs

RULES = load_rules(tuple(shipped_packs()))
EXAMPLES = [(case.rule, case.example.text) for case in cases(RULES)]


@cache
def piece(pattern: str) -> re2._Regexp:
    """A piece of a need, which is over bytes, as RE2 searches for it in bytes."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(f"(?im:{pattern})".encode("latin-1"), options)


def holds(need: Need, text: bytes) -> bool:
    plain = bytes(squeezed(memoryview(text), [0], [len(text)])[0])
    return any(all(piece(each).search(plain) for each in alternative) for alternative in need.alternatives)


def test_every_example_that_matches_holds_what_its_rule_needs() -> None:
    matched = [(rule, text.encode()) for rule, text in EXAMPLES if rule.matcher.search(text.encode())]
    assert len(matched) > 400
    assert [(rule.rule.id, text) for rule, text in matched if not holds(rule.needs, text)] == []


MUTATIONS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "space": lambda text: text.replace(" ", " \u00a0\n"),
    "apostrophe": lambda text: text.replace("'", "\u2019"),
    "front": lambda text: "\U0001f600\u00e9\n\n" + text,
    "back": lambda text: text + "\n\nMore of it, \u00e9 and so on.",
}


@settings(max_examples=150)
@given(
    example=st.sampled_from(EXAMPLES),
    changes=st.lists(st.sampled_from(sorted(MUTATIONS)), max_size=3),
    cut=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_mutated_examples_too(example: tuple[CompiledRule, str], changes: list[str], cut: tuple[int, int]) -> None:
    rule, text = example
    for name in changes:
        text = MUTATIONS[name](text)
    raw = text[cut[0] % 8 : len(text) - cut[1] % 8].encode()
    if rule.matcher.search(raw):
        assert holds(rule.needs, raw)


ATOM = st.sampled_from(
    ["ab", "c", "d", "[e-g]", r"\bh", ".", "i?", "j{2,3}", " ", "'", "g*", r"\.", "(?:l|mn)", "(?:o p)?"]
)
PATTERN = st.recursive(
    st.lists(ATOM, min_size=1, max_size=5).map("".join),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda parts: "(?:" + "|".join(parts) + ")"),
    max_leaves=4,
)


@given(parts=st.lists(PATTERN, min_size=1, max_size=3), text=st.text("abcdefghijlmnop .'\u2019\u00e9", max_size=30))
def test_any_pattern(parts: list[str], text: str) -> None:
    tree = parse("".join(parts), "x")
    raw = text.encode()
    if re2.compile(f"(?im:{to_re2(tree)})".encode()).search(raw):
        need = needed(tree)
        assert need.is_nothing or holds(need, raw)


@pytest.mark.parametrize(
    "pattern", ["abc|xyz", "(?:one|two) three", "a(?:b)?cdefgh", "as an? (?:ai|bot)", "\u00e9t\u00e9"]
)
def test_a_pattern_with_letters_needs_something(pattern: str) -> None:
    assert not needed(parse(pattern, "x")).is_nothing


@pytest.mark.parametrize("pattern", ["[a-z]+", "a?b*", "abc|.", r"\b\w{3}\b"])
def test_a_pattern_without_any_needs_nothing(pattern: str) -> None:
    assert needed(parse(pattern, "x")).is_nothing


def test_squeezed_turns_have_one_byte_for_each_run_of_white_space() -> None:
    turns = ["a \n\t b\u00a0 \u00e9", "", " \n", "\n", "c  d "]
    raw = [turn.encode() for turn in turns]
    stops = [sum(map(len, raw[: number + 1])) for number in range(len(raw))]
    starts = [0, *stops[:-1]]
    data, begin, end = squeezed(memoryview(b"".join(raw)), starts, stops)
    found = [bytes(data[low:high]).decode() for low, high in zip(begin, end, strict=True)]
    assert found == ["a\nb \u00e9", "", "\n", "\n", "c d "]
    assert squeezed(memoryview(b""), [0, 0], [0, 0])[1:] == ([0, 0], [0, 0])
