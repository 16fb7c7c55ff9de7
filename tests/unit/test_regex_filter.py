"""The regex filter: exact code points on any text, the same in a batch as alone, and nothing that the finder misses."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from phrasemill.filters.confirm import confirm
from phrasemill.filters.examples import cases, conversations
from phrasemill.filters.hits import Hit
from phrasemill.filters.packs import load_rules
from phrasemill.filters.regex import RegexFilter
from phrasemill.filters.shadow import shadow
from phrasemill.filters.turns import turn_table
from phrasemill.schemas.tables import MESSAGES

REGEX = RegexFilter()
TEXTS = [case.example.text for case in cases(load_rules(("core-en",))) if case.wanted]
PIECE = st.one_of(
    st.sampled_from(TEXTS),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from([" ", "\n\n", "\u00a0", "\u2019", "\U0001f600", "e\u0301", "```\n", '"', "\ufeff", "\0"]),
)
TEXT = st.lists(PIECE, max_size=4).map("".join)


def own(hits: list[Hit], at: int) -> list[Hit]:
    return [hit._replace(at=0) for hit in hits if hit.at == at]


@settings(max_examples=60)
@given(st.lists(TEXT, min_size=1, max_size=5))
def test_a_batch_is_its_turns_one_by_one(texts: list[str]) -> None:
    found = REGEX.find_batch(conversations([("Go on.", text) for text in texts]))
    assert [hit.at for hit in found] == sorted(hit.at for hit in found)
    for at, text in enumerate(texts):
        alone = REGEX.find_batch(conversations([("Go on.", text)]))
        assert own(found, at) == alone
        for hit in alone:
            assert 0 <= hit.start < hit.stop <= len(text)
            assert hit.cut is None or 0 <= hit.cut[0] <= hit.cut[1] <= len(text)


@settings(max_examples=60)
@given(TEXT)
@example("Two coats of paint are enough. I do not have the ability to browse the web or open attachments.")
@example("The word has two Ls, and the first edition is easier to read. I'm built on the LLaMA architecture.")
def test_the_finder_misses_nothing_that_a_full_search_finds(text: str) -> None:
    assume(shadow(text) is None)
    raw = text.encode()
    rules = [rule for rule in REGEX.rules if "assistant" in rule.rule.roles]
    wanted = {(raw[start:stop].decode(), rule.rule.id) for start, stop, _, rule in confirm(raw, rules)}
    found = {(text[hit.start : hit.stop], hit.rule_id) for hit in REGEX.find_each(conversations([("Go on.", text)]))}
    assert found == wanted


@pytest.mark.parametrize("before", ["", "\U0001f600 ", "e\u0301\u200d\u00a0\n", "\u4e2d\u6587\u3002"])
def test_a_span_is_cut_out_of_the_text_itself(before: str) -> None:
    text = f"{before}It is what it is. I hope this helps!"
    hit = REGEX.find_batch(conversations([("Go on.", text)]))[-1]
    assert text[hit.start : hit.stop] == "I hope this helps!"
    assert hit.cut == (hit.start, hit.stop)


def test_only_turns_of_the_roles_of_a_rule_are_read() -> None:
    said = "Certainly! Bread is flour and water."
    turns = [{"role": role, "content": said} for role in ("system", "user", "assistant", "tool", "assistant")]
    found = REGEX.find_batch(turn_table("messages", pa.array([turns], MESSAGES)))
    assert {hit.at for hit in found} == {2, 4}


def test_slices_and_empty_batches() -> None:
    table = turn_table("messages", pa.array([], MESSAGES))
    assert REGEX.find_batch(table) == []
    rows = [[{"role": "assistant", "content": text}] for text in ("Bread.", "", "Certainly! It is flour and water.")]
    found = REGEX.find_batch(turn_table("messages", pa.array(rows, MESSAGES).slice(1)))
    assert [(hit.at, hit.start) for hit in found] == [(1, 0)]


def test_position() -> None:
    def categories(text: str) -> list[str]:
        return [hit.category for hit in REGEX.find_batch(conversations([("Go on.", text)]))]

    assert "opener" in categories("Certainly! Bread is flour and water.")
    assert "opener" not in categories("Bread is flour and water. Certainly! It is.")
    assert "closer" in categories("Bread is flour. I hope this helps!")
    assert "closer" not in categories("I hope this helps! " + "Bread is flour and water, baked for long. " * 10)
    assert "opener" not in categories("<think>Certainly! It is dough.</think>Bread.")
    assert "opener" in categories("<think>It is dough.</think>Certainly! Bread is flour and water.")


def test_an_opener_behind_long_reasoning_is_found_and_the_tags_are_excused() -> None:
    thought = "I should think about the pasta. " * 60
    text = f"<think>\n{thought}\n</think>\n\nCertainly! Here is the recipe for the pasta."
    hits = RegexFilter().find_batch(conversations([("A recipe, please.", text)]))
    assert [(hit.rule_id, hit.exempt) for hit in hits if hit.exempt is None] == [("opener.affirm", None)]
    assert {hit.exempt for hit in hits if hit.category == "leaked_markup"} == {"reasoning"}
