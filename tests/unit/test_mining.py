"""Mining on answers made here: what is counted, how it is tested, which phrases come out, what their rules match."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.filters.examples import conversations, run_examples
from phrasemill.filters.mining import Phrase, mine
from phrasemill.filters.mining_corpus import Side, SideBuilder, matched
from phrasemill.filters.mining_counts import count_documents, enumerate_ngrams
from phrasemill.filters.mining_examples import snippet
from phrasemill.filters.mining_lookup import NONE, key_table
from phrasemill.filters.mining_pack import draft_rules, pack_yaml, shown_phrase
from phrasemill.filters.mining_statistics import least_ratio, log_binomial_tail, log_odds_z, log_q
from phrasemill.filters.mining_tokens import BREAK, CODE, MARKERS, START, STOP, Vocabulary
from phrasemill.schemas.rule import Examples, RulePack

NOUNS = ("kettle", "ferry", "garden", "engine", "violin", "harbour", "ladder", "mirror", "bridge", "candle")
VERBS = ("needs", "keeps", "holds", "wants", "shows", "brings", "costs", "makes", "gives", "takes")
THINGS = ("water", "time", "oil", "paint", "paper", "salt", "sand", "glass", "rope", "wood", "light", "care")


def plain_answers(count: int, seed: int) -> list[str]:
    """Answers of three sentences, all of the same words."""
    chance = np.random.default_rng(seed)

    def sentence() -> str:
        return f"The {chance.choice(NOUNS)} {chance.choice(VERBS)} {chance.choice(THINGS)}."

    return [" ".join(sentence() for _ in range(3)) for _ in range(count)]


def side(vocabulary: Vocabulary, answers: Sequence[str], prompts: Sequence[str] | None = None, **options: int) -> Side:
    builder = SideBuilder(vocabulary, **options)
    asked = prompts or [f"Question {number}?" for number in range(len(answers))]
    turns = conversations(list(zip(asked, answers, strict=True)))
    keys = np.random.default_rng(7).integers(0, 2**63, len(answers), dtype=np.uint64) * np.uint64(2)
    builder.add(turns, keys)
    return builder.build()


def spelled(texts: Sequence[str]) -> list[list[str]]:
    vocabulary = Vocabulary()
    tokens = vocabulary.tokenise(pa.array(texts, pa.large_string()))
    words = vocabulary.words()
    return [
        [words[number] for number in tokens.ids[low:high]]
        for low, high in zip(tokens.offsets, tokens.offsets[1:], strict=False)
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Sure! Here\u2019s it.", ["sure", "!", "here's", "it", "."]),
        ("**Sure!!** yes…", ["sure", "!!", "**", "yes", "…"]),
        ("One\n\n- two", ["one", BREAK, "two"]),
        ("See:\n```py\nx = 1\n```\nDone", ["see", ":", BREAK, CODE, BREAK, "done"]),
        ("<think>hm</think>Fine", ["fine"]),
        ("当然!", ["当", "然", "!"]),
        ("a\x02b", ["a", "b"]),
        ("", []),
    ],
)
def test_a_text_becomes_words_punctuation_and_places(text: str, tokens: list[str]) -> None:
    assert spelled([text]) == [[START, *tokens, STOP]]


def test_texts_keep_their_order_and_null_is_empty() -> None:
    assert spelled(["b a", "a"]) == [[START, "b", "a", STOP], [START, "a", STOP]]
    tokens = Vocabulary().tokenise(pa.array([None, "x"], pa.large_string()))
    assert tokens.lengths.tolist() == [2, 3]


def test_ngrams_are_counted_once_an_answer_and_not_across_answers() -> None:
    vocabulary = Vocabulary()
    given = side(vocabulary, ["a b a b", "a b c", "b c", "c a b"])
    lattice = enumerate_ngrams(given, vocabulary, 2)
    counts = count_documents(given, lattice).counted
    words = vocabulary.words()
    found = {
        tuple(words[token] for token in lattice.spell(number)): int(counts[number])
        for number in range(lattice.bases[-1])
    }
    assert found[("a", "b")] == 3
    assert found[("b", "c")] == 2
    assert found[("b", STOP)] == 2
    assert found[(START, "a", "b")] == 2
    assert ("b", "a") not in found
    assert not any(pair == (STOP, START) for gram in found for pair in pairwise(gram))


def test_what_the_prompt_holds_is_not_counted() -> None:
    vocabulary = Vocabulary()
    given = side(
        vocabulary, ["Red fish swim.", "Red fish eat.", "Red fish."], ["On red fish", "Why?", "About RED fish!"]
    )
    lattice = enumerate_ngrams(given, vocabulary, 2)
    counts = count_documents(given, lattice)
    words = vocabulary.words()
    place = {tuple(words[t] for t in lattice.spell(n)): n for n in range(lattice.bases[-1])}
    for gram in ((START, "red", "fish"), ("red", "fish"), ("fish",)):
        assert (counts.counted[place[gram]], counts.in_prompt[place[gram]]) == (1, 2)


def test_the_exact_tail_is_that_of_the_binomial() -> None:
    counts, trials, rates = [4, 9, 30, 2], [4, 60, 400, 9], [0.01, 0.05, 0.02, 0.5]
    got = np.exp(log_binomial_tail(np.array(counts), np.array(trials), np.array(rates)))
    for value, count, trial, rate in zip(got, counts, trials, rates, strict=True):
        sums = math.fsum(math.comb(trial, k) * rate**k * (1 - rate) ** (trial - k) for k in range(count, trial + 1))
        assert value == pytest.approx(sums if count > trial * rate else 1.0, rel=1e-6)


def test_log_odds_are_those_of_the_formula() -> None:
    prior = 500 * 12 / 1000
    delta = math.log((10 + prior) / (600 - 10 - prior)) - math.log((2 + prior) / (1400 - 2 - prior))
    expected = delta / math.sqrt(1 / (10 + prior) + 1 / (2 + prior))
    assert log_odds_z(np.array([10]), np.array([2.0]), 100, 900)[0] == pytest.approx(expected)


def test_a_rare_phrase_that_nobody_else_has_beats_a_common_one() -> None:
    exclusive, common = least_ratio(np.array([4, 40]), np.array([0.0, 400.0]), 400, 50_000)
    assert exclusive > common > 1


def test_q_counts_tests_that_are_not_listed() -> None:
    logs = np.log([0.001, 0.5, 0.01])
    assert np.exp(log_q(logs, 3)) == pytest.approx([0.003, 0.5, 0.015])
    assert np.exp(log_q(logs, 300)) == pytest.approx([0.3, 1.0, 1.0])


def planted() -> tuple[list[str], list[str]]:
    """Answers with three habits in one of ten answers each, and answers without."""
    here, elsewhere = plain_answers(400, 1), plain_answers(4_000, 2)
    for number in range(0, 400, 10):
        here[number] = "Right away, dear captain! " + here[number]
        here[number + 3] += " Now you know all the lamp has to say about that today, my friend."
        first, rest = here[number + 5].split(". ", 1)
        here[number + 5] = f"{first}. As the old miller put it, {rest}"
    return here, elsewhere


def mined(here: Sequence[str], elsewhere: Sequence[str] | None, **options: int) -> list[Phrase]:
    vocabulary = Vocabulary()
    one = side(vocabulary, here)
    other = None if elsewhere is None else side(vocabulary, elsewhere)
    return mine(one, other, vocabulary, top=options.get("top", 20), min_documents=options.get("least", 4))


def test_planted_habits_come_out_whole_once_and_alone() -> None:
    phrases = mined(*planted())
    assert {shown_phrase(phrase.tokens) for phrase in phrases} == {
        "^right away, dear captain! the",
        "now you know all the lamp has to say about that today, my friend.$",
        "as the old miller put it, the",
    }
    assert {(phrase.here, phrase.elsewhere, phrase.prompts) for phrase in phrases} == {(40, 0.0, 40)}
    assert all(phrase.q < 1e-6 and phrase.z > 3 and phrase.ratio > 100 for phrase in phrases)


def test_equal_sides_have_no_tics() -> None:
    assert mined(plain_answers(400, 1), plain_answers(4_000, 2)) == []


def test_a_phrase_of_too_few_prompts_is_none() -> None:
    here, elsewhere = planted()
    vocabulary = Vocabulary()
    one = side(vocabulary, here, ["Same question?"] * len(here))
    assert mine(one, side(vocabulary, elsewhere), vocabulary, top=20, min_documents=4) == []


def test_word_frequencies_stand_in_for_other_answers() -> None:
    pytest.importorskip("wordfreq")
    phrases = mined(planted()[0], None)
    assert any("the old miller put it" in shown_phrase(phrase.tokens) for phrase in phrases)


def test_sides_are_compared_on_shared_prompts() -> None:
    vocabulary = Vocabulary()
    here = side(vocabulary, ["a", "b", "c"], ["one", "two", "three"])
    elsewhere = side(vocabulary, ["d", "e", "f"], ["two", "three", "four"])
    one, other, is_matched = matched(here, elsewhere)
    assert (len(one), len(other), is_matched) == (2, 2, True)
    apart = side(vocabulary, ["d"], ["five"])
    assert matched(here, apart) == (here, apart, False)


def test_a_side_that_grows_too_large_keeps_a_part_that_batches_do_not_change() -> None:
    answers = plain_answers(200, 3)
    small = side(Vocabulary(), answers, max_tokens=800)
    assert small.halvings > 0
    assert 0 < len(small.answers.ids) <= 800
    builder = SideBuilder(Vocabulary(), max_tokens=800)
    keys = np.random.default_rng(7).integers(0, 2**63, len(answers), dtype=np.uint64) * np.uint64(2)
    for low in range(0, 200, 50):
        turns = conversations([(f"Question {n}?", answers[n]) for n in range(low, low + 50)])
        builder.add(turns, keys[low : low + 50])
    assert sorted(builder.build().keys.tolist()) == sorted(small.keys.tolist())


def phrase(*tokens: str) -> Phrase:
    return Phrase(tokens, 4, 400, 0.0, 4_000, 0, 4, 2.0, 0.01, 50.0)


@pytest.mark.parametrize(
    ("tokens", "at", "hit", "miss"),
    [
        ((START, "sure", "!"), "start", "**Sure!** Fine.", "I am sure! Fine."),
        (("hope", "it's", "ok", "!", STOP), "end", "Done. Hope it\u2019s  ok!", "Hope it is ok! Then go."),
        ((BREAK, "in", "short", ","), "sentence_start", "One.\n- In short, two.", "Said in short, two."),
        (("tips", ":", BREAK, "first"), "anywhere", "Tips:\n\n* First", "Tips: first"),
        (("a", '"', "b", '"', "c"), "anywhere", "a “b” c", "a b c"),
        (("what", "(", "x", ")", "?"), "anywhere", "So what (x)?", "So what x?"),
        (("当", "然", "!"), "anywhere", "当然!", "当 的!"),
        ((START, "yes", ".", STOP), "start", "Yes.", "Yes. It is."),
    ],
)
def test_a_phrase_becomes_a_rule(tokens: tuple[str, ...], at: str, hit: str, miss: str, tmp_path: Path) -> None:
    (rule,) = draft_rules([phrase(*tokens)], "mined")
    shown = rule.model_copy(update={"examples": Examples(hit=(hit,), miss=(miss,))})
    path = tmp_path / "mined.yaml"
    path.write_text(pack_yaml(RulePack(id="mined", rules=(shown,))), "utf-8")
    assert rule.at == at
    assert [outcome.passed for outcome in run_examples([str(path)])] == [True, True]


def test_rule_ids_differ_and_are_ids() -> None:
    same = [phrase(START, "sure", "!"), phrase("sure", "!"), phrase("当", "然"), phrase("don't", "so-so", "café")]
    ids = [rule.id for rule in draft_rules(same, "house")]
    assert ids == ["house.sure", "house.sure_2", "house.phrase", "house.dont_so-so_cafe"]


def test_a_snippet_is_whole_sentences_around_the_hit() -> None:
    text = "First one. Second has the hit here. Third one.\nFourth."
    at = text.index("hit")
    assert snippet(text, at, at + 3, "anywhere") == "Second has the hit here."
    assert snippet(text, 0, 5, "start") == "First one."
    assert snippet(text, text.index("Four"), len(text), "end") == "Fourth."
    assert snippet(text, text.index("Four"), len(text), "end", 1) == "Third one.\nFourth."
    assert snippet(text, 0, 5, "start", 1) == "First one. Second has the hit here."
    long = "word " * 200
    assert len(snippet(long, 500, 504, "anywhere")) <= 300


def test_markers_are_one_character_each() -> None:
    assert len(set(MARKERS)) == 4
    assert all(len(marker) == 1 for marker in MARKERS)


def test_a_table_finds_every_key_and_no_other() -> None:
    chance = np.random.default_rng(5)
    numbers = np.unique(chance.integers(0, 2**63, 5_000, dtype=np.uint64))
    keys, others = numbers[::2], numbers[1::2]
    table = key_table(keys)
    wanted = chance.permutation(np.concatenate([keys, others, keys[:10]]))
    expected = [int(np.searchsorted(keys, key)) if key in keys else int(NONE) for key in wanted]
    assert table.places(wanted).tolist() == expected
    assert key_table(keys[:0]).places(others[:3]).tolist() == [int(NONE)] * 3
