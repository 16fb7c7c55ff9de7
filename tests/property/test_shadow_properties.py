"""What a shadow promises on any text: its spans lie in the original in order, and nothing is lifted twice."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phrasemill.filters.confirm import confirm
from phrasemill.filters.examples import cases, conversations
from phrasemill.filters.packs import load_rules
from phrasemill.filters.regex import MARKUP, RegexFilter
from phrasemill.filters.shadow import shadow
from phrasemill.filters.shadow_batch import may_need, shadows

PIECES = [
    *("*", "**", "_", "~~", "***", "*_", "\\", "`", "```\n", "\n", "\n\n", " ", ".", ",", "(", "!", "\u00a0", "2"),
    *(
        "&amp;",
        "&#39;",
        "&nbsp;",
        "&shy;",
        "&lt;",
        "&",
        ";",
        "#39;",
        "&#42;",
        "&#1072;",
        "&zwj;",
        "A.I.",
        "A. I.",
        " an ",
    ),
    *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u0301", "\u0338", "e", "I", "A", "ai", "language"),
    *("а", "Ж", "α", "π", "ո", "ＡＩ", "，", "𝐀", "ﬁ", "ⓐ", "ᴵ", "नमस्", "می", "\U0001f469", "\ufe0f", "中", "é", "“"),
]
TEXT = st.one_of(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), st.text(max_size=12))
BRIEF = settings(max_examples=150, deadline=None)


@BRIEF
@given(TEXT)
@example("&#38;#38;#39;")
def test_spans_lie_in_the_original_in_order(text: str) -> None:
    found = shadow(text)
    if found is None:
        return
    assert found.text != text
    points = [found.original(at, at + 1) for at in range(len(found.text))]
    assert all(0 <= start < stop <= len(text) for start, stop in points)
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(points))
    for first, (start, _) in enumerate(points):
        for last in range(first, min(first + 12, len(points))):
            low, high = found.original(first, last + 1)
            cut = found.original_cut(first, last + 1)
            assert 0 <= low <= start
            assert points[last][1] <= high <= cut[1] <= len(text)
            assert cut[0] <= low


@BRIEF
@given(TEXT)
@example("**a**b**")
@example("A.*I*.")
def test_the_shadow_of_a_shadow_is_none(text: str) -> None:
    found = shadow(text)
    assert found is None or shadow(found.text) is None


@BRIEF
@given(st.lists(TEXT, max_size=6))
def test_a_batch_is_its_texts_one_by_one(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    at, made = shadows(column)
    found = dict(zip(at.tolist(), made.to_pylist(), strict=True))
    may = set(may_need(column).tolist())
    for index, text in enumerate(texts):
        alone = shadow(text)
        assert found.get(index, text) == (text if alone is None else alone.text)
        assert alone is None or index in may


REGEX = RegexFilter()
TICS = [case.example.text for case in cases(load_rules(("core-en",))) if case.wanted]
TALK = st.lists(st.one_of(st.sampled_from(TICS), st.sampled_from(PIECES)), max_size=5).map("".join)


@settings(max_examples=80, deadline=None)
@given(TALK)
def test_the_filter_finds_all_that_a_full_search_of_text_and_shadow_finds(text: str) -> None:
    found = shadow(text)
    spoken = [rule for rule in REGEX.rules if "assistant" in rule.rule.roles]
    markup = [rule for rule in spoken if found is None or rule.rule.category in MARKUP]
    wanted = {rule.rule.id for _, _, _, rule in confirm(text.encode(), markup)}
    if found is not None:
        others = [rule for rule in spoken if rule.rule.category not in MARKUP]
        wanted |= {rule.rule.id for _, _, _, rule in confirm(found.text.encode(), others)}
    hits = REGEX.find_each(conversations([("Go on.", text)]))
    assert {hit.rule_id for hit in hits} == wanted
    assert all(0 <= hit.start < hit.stop <= len(text) for hit in hits)
    assert all(hit.cut is None or 0 <= hit.cut[0] <= hit.cut[1] <= len(text) for hit in hits)
