"""What a rule needs: every match holds a literal of each anchor of one alternative, where the anchor says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phrasemill.filters.compiled import CompiledRule
from phrasemill.filters.examples import cases
from phrasemill.filters.factor import Anchor, Literal, Need, needed
from phrasemill.filters.fold import fold_turns
from phrasemill.filters.linear import parse, to_re2
from phrasemill.filters.literals import EDGE, folded_character, joined, without_longer
from phrasemill.filters.packs import load_rules, shipped_packs

RULES = load_rules(tuple(shipped_packs()))
EXAMPLES = [(case.rule, case.example.text) for case in cases(RULES)]


def folded(text: bytes) -> str:
    return bytes(fold_turns(memoryview(text), [0], [len(text)]).text).decode("latin-1")


def is_met(anchor: Anchor, text: str, start: int) -> bool:
    """Whether a literal stands where a match that begins at ``start`` needs it."""
    for literal, low, high in anchor:
        plain = literal.strip(EDGE)
        last = len(text) if high is None else start + high + len(plain)
        if text.find(plain, start + low, last) >= 0:
            return True
    return False


def holds(need: Need, raw: bytes, start: int) -> bool:
    """Whether what the need says is true of a match that begins at ``start``."""
    text = folded(raw)
    at = len(folded(raw[:start]))
    before = raw[:start].decode()
    if before and before[-1] in "\t\n\f\r \u00a0" and raw[start:].decode()[0] in "\t\n\f\r \u00a0":
        at -= 1  # inside a run of white space, which is one byte
    return any(all(is_met(anchor, text, at) for anchor in anchors) for anchors in need.alternatives)


def test_every_example_that_matches_holds_what_its_rule_needs() -> None:
    found = [(rule, text.encode(), rule.matcher.search(text.encode())) for rule, text in EXAMPLES]
    matched = [(rule, raw, match.start()) for rule, raw, match in found if match]
    assert len(matched) > 400
    assert [(rule.rule.id, raw) for rule, raw, start in matched if not holds(rule.needs, raw, start)] == []


MUTATIONS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "space": lambda text: text.replace(" ", " \u00a0\n"),
    "apostrophe": lambda text: text.replace("'", "\u2019"),
    "front": lambda text: "\U0001f600\u00e9\n\n" + text,
    "back": lambda text: text + "\n\nMore of it, \u00e9 and so on.",
}


@settings(max_examples=80)
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
    if match := rule.matcher.search(raw):
        assert holds(rule.needs, raw, match.start())


ATOM = st.sampled_from(
    [
        "ab",
        "c",
        "d",
        "[e-g]",
        r"\bh",
        ".",
        "i?",
        "j{2,3}",
        " ",
        "'",
        "g*",
        r"\.",
        "(?:l|mn)",
        "(?:o p)?",
        "[b ]",
        r"\s*",
    ]
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
    if match := re2.compile(f"(?im:{to_re2(tree)})".encode()).search(raw):
        need = needed(tree)
        assert need.is_nothing or holds(need, raw, match.start())
        assert need.width is None or len(folded(match.group())) <= need.width


@pytest.mark.parametrize(
    "pattern", ["abc|xyz", "(?:one|two) three", "a(?:b)?cdefgh", "as an? (?:ai|bot)", "\u00e9t\u00e9", "x{3,90}"]
)
def test_a_pattern_with_letters_needs_something(pattern: str) -> None:
    assert not needed(parse(pattern, "x")).is_nothing


@pytest.mark.parametrize("pattern", ["[a-z]+", "a?b*", "abc|.", r"\b\w{3}\b"])
def test_a_pattern_without_any_needs_nothing(pattern: str) -> None:
    assert needed(parse(pattern, "x")).is_nothing


def test_a_need_is_a_literal_with_its_reach() -> None:
    need = needed(parse(r"(?:\w{1,9} )?zzyzx!", "x"))
    assert need == Need((((Literal("zzyzx!", 0, 10),),),), 16)
    assert Need.from_plain(need.plain()) == need


def test_what_is_rare_is_looked_for_and_what_is_common_beside_it() -> None:
    need = needed(parse(r"\bas an? .{0,40}\b(?:bot|model)\b", "x"))
    (anchors,) = need.alternatives
    assert [sorted(literal.text for literal in anchor) for anchor in anchors] == [
        ["\bbot\b", "\bmodel\b"],
        ["\bas a ", "\bas an "],
    ]


def test_literals() -> None:
    assert joined(["a ", "b"], [" c"]) == ("a c", "b c")
    assert joined(map(str, range(100)), map(str, range(100))) is None
    assert without_longer(["abc", "ab", "b"]) == ("ab", "b")


def re2_folds(pattern: str, text: str) -> bool:
    return bool(re2.fullmatch(f"(?i){re2.escape(pattern)}", text))


ALIKE = "ks\u017f\u212a\u212b\u1e9e\u0178\u03bc" + "".join(map(chr, range(0x1C80, 0x1C89)))
"""Letters that count as another one where case does not matter, though their bytes are quite different."""


@given(
    st.one_of(st.characters(codec="utf-8", min_codepoint=0x80), st.characters(min_codepoint=0xC0, max_codepoint=0x45F))
)
@example("\u0432")
@example("\u00e5")
def test_whatever_counts_as_a_literal_character_is_folded_like_it_or_marked(char: str) -> None:
    literal = folded_character(char)
    if literal in (None, "'", " "):
        return
    for other in {char.lower(), char.upper(), char.swapcase(), char.casefold(), *ALIKE}:
        if len(other) == 1 and re2_folds(char, other):
            raw = other.encode()
            turns = fold_turns(memoryview(raw), [0], [len(raw)])
            assert bytes(turns.text).decode("latin-1") == literal or turns.odd[0]
