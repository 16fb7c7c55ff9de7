"""The fuzzy filter: its suite, its cuts, its offsets, and that a batch finds what each turn alone gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasemill.filters.base import load_filter
from phrasemill.filters.examples import conversations
from phrasemill.filters.fuzzy import FuzzyFilter
from phrasemill.filters.fuzzy_words import Vocabulary, tokens
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.errors import PackError

SUITE = Path(__file__).parents[1] / "golden" / "suites" / "fuzzy.yaml"
MIN_CASES = 60
MIN_RECALL = 0.90


@cache
def _fuzzy() -> FuzzyFilter:
    return FuzzyFilter()


@cache
def _suite() -> dict[str, Any]:
    return dict(yaml.safe_load(SUITE.read_text(encoding="utf-8")))


def test_suite_finds_most_hits_and_no_miss() -> None:
    hits, misses = _suite()["hit"], _suite()["miss"]
    assert len(hits) >= MIN_CASES
    assert len(misses) >= MIN_CASES
    lost = [hit for hit in hits if hit["category"] not in {span.category for span in _fuzzy().find(hit["text"])}]
    assert len(lost) <= (1 - MIN_RECALL) * len(hits), lost
    assert [text for text in misses if list(_fuzzy().find(text))] == []


def _cut(text: str) -> str | None:
    for span in _fuzzy().find(text):
        if span.cut is not None:
            return text[: span.cut[0]] + text[span.cut[1] :]
    return None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Certianly! Here is the list.", " Here is the list."),
        ("Of cousre, here is the list.", " here is the list."),
        ("I'd be hapy to help you with that! The answer is nine.", " The answer is nine."),
        ("It is importnat to note that the lake is deep.", " the lake is deep."),
        ("Bake it.\n\nSo please don't hestitate to ask me any questions.", "Bake it.\n\n"),
        ("As an advanced AI langauge model, I can explain how a kiln works.", " I can explain how a kiln works."),
        ("As an advanced AI langauge model, I cannot see the kiln.", None),
    ],
)
def test_a_cut_takes_the_phrase_with_its_marks_and_leaves_a_sentence(text: str, left: str | None) -> None:
    assert _cut(text) == left


def test_an_opener_counts_at_the_start_only_and_a_closer_at_the_end_only() -> None:
    assert not list(_fuzzy().find("The list is below. Certianly! There are nine rivers in it."))
    assert not list(_fuzzy().find("I hope this halps you!" + "\n\nThe rivers are long." * 20))


def test_openers_stack() -> None:
    text = "Certianly! I'd be hapy to help you with that! The answer is nine."
    assert [text[span.start : span.stop] for span in _fuzzy().find(text)] == [
        "Certianly!",
        "I'd be hapy to help you with that!",
    ]


def test_an_opener_that_is_the_whole_answer_stays() -> None:
    assert not list(_fuzzy().find("Certianly!"))


def test_a_batch_gives_what_each_turn_gives_with_exact_offsets() -> None:
    texts = [hit["text"] for hit in _suite()["hit"]] + _suite()["miss"]
    texts += ["", "é😀 — " + texts[0], "Naïve.\n\n" + texts[1], "\u201eJa\u201c 日本語 " + texts[0]]
    random.Random(3).shuffle(texts)
    hits = _fuzzy().find_batch(conversations([("Tell me.", text) for text in texts]))
    assert [(hit.at, hit.start, hit.stop, hit.rule_id, hit.score, hit.cut) for hit in hits] == list(_one_by_one(texts))
    assert all(0 < hit.score <= 1 and hit.filter == "fuzzy" for hit in hits)
    first = next(hit for hit in hits if texts[hit.at].startswith("é😀"))
    assert texts[first.at][first.start : first.stop] == "As an AI langauge model,"


def _one_by_one(texts: list[str]) -> Iterator[tuple[object, ...]]:
    for at, text in enumerate(texts):
        for span in _fuzzy().find(text):
            yield at, span.start, span.stop, span.rule_id, span.score, span.cut


def test_only_assistant_turns_are_read_and_quotes_are_excused() -> None:
    said = 'The robot in the film says: "As an AI langauge model, I cannot dance."'
    table = conversations([("As an AI langauge model, I ask.", said)])
    (hit,) = _fuzzy().find_batch(table)
    assert (hit.at, hit.exempt) == (0, "quote")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_random_text_gives_nothing_and_no_error(text: str) -> None:
    assert list(_fuzzy().find(text)) == []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(range(MIN_CASES)), st.text(alphabet="aé😀 *\n\"'\u2014.", max_size=30), st.integers(0, 10**6))
def test_spans_lie_in_their_text_whatever_stands_around(number: int, around: str, seed: int) -> None:
    base = _suite()["hit"][number]["text"]
    slip = random.Random(seed).randrange(len(base))
    text = around + base[:slip] + base[slip + 1 :] + around
    for span in _fuzzy().find(text):
        assert 0 <= span.start < span.stop <= len(text)
        assert text[span.start : span.stop].strip() == text[span.start : span.stop]
        assert span.cut is None or (span.start, span.stop) == span.cut


def test_contractions_are_two_words() -> None:
    text = "I\u2019m sure it can't wait, dont worry"
    words = [token.word for token in tokens(text, 0, len(text), Vocabulary([], [], [], []))]
    assert words == ["i", "am", "sure", "it", "can", "not", "wait", "do", "not", "worry"]


def test_a_real_word_is_no_misspelling_of_another() -> None:
    vocabulary = Vocabulary(["language", "certainly"], ["the"], [], ["certainty"])
    assert dict(vocabulary.near("langauge")) == {"language": 1}
    assert dict(vocabulary.near("certainty")) == {}
    assert dict(vocabulary.near("languages")) == {}


def test_phrases_of_ones_own_load_by_path_and_bad_ones_say_where(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    head = "id: own\nfunction: [the]\nmodifiers: []\nentries:\n  - {id: slop.tapestry, category: slop, phrases: "
    path.write_text(head + "['rich! tapestry!']}\n", encoding="utf-8")
    own = load_filter(FilterConfig(use="fuzzy", phrases=str(path)))
    assert [span.rule_id for span in own.find("It is a rich, woven tapestri of sounds.")] == []
    assert [span.rule_id for span in own.find("It is the rich tapestri of sounds.")] == ["fuzzy.slop.tapestry"]
    path.write_text(head + "['the {colour} tapestry!']}\n", encoding="utf-8")
    with pytest.raises(PackError, match=r"slop\.tapestry.*no word list 'colour'"):
        FuzzyFilter(phrases=str(path)).entries  # noqa: B018
    path.write_text(head + "['rich tapestry']}\n", encoding="utf-8")
    with pytest.raises(PackError, match="requires no word"):
        FuzzyFilter(phrases=str(path)).entries  # noqa: B018
    with pytest.raises(PackError, match="fuzzy-en"):
        FuzzyFilter(phrases="nowhere").entries  # noqa: B018


def test_the_fingerprint_follows_the_content_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("id: own\n", encoding="utf-8")
    before = FuzzyFilter(phrases=str(path)).fingerprint()
    path.write_text("id: own\nversion: 2\n", encoding="utf-8")
    assert FuzzyFilter(phrases=str(path)).fingerprint() != before


def test_examples_of_the_shipped_phrases() -> None:
    wrong: list[str] = []
    for entry in _fuzzy().entries:
        for wanted, examples in ((True, entry.plain.examples.hit), (False, entry.plain.examples.miss)):
            for example in examples:
                text = example if isinstance(example, str) else example.text
                found = f"fuzzy.{entry.plain.id}" in {span.rule_id for span in _fuzzy().find(text)}
                if found != wanted:
                    wrong.append(f"{entry.plain.id}: {text}")
        assert entry.plain.examples.hit, entry.plain.id
        assert entry.plain.examples.miss, entry.plain.id
    assert wrong == []
