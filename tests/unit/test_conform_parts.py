"""The parts of a conformance report on their own: gates, likeness of prompts, phrases, differences, the page's text."""

from __future__ import annotations

import random
from collections import Counter

import polars as pl
import pyarrow as pa
import pytest

from phrasemill.engine.conform_difference import change_of_shares, of_pairs, of_samples
from phrasemill.engine.conform_gates import judge_gates, raise_failed, read_gates
from phrasemill.engine.conform_model import Conformance, HitRate, Measure, Whole
from phrasemill.engine.conform_page import escaped
from phrasemill.engine.conform_phrases import count_phrases, phrase_uses
from phrasemill.engine.conform_touch import MIN_OVERLAP, anchors_of, touched
from phrasemill.filters.turns import turn_table
from phrasemill.schemas.errors import ConfigError, GateError
from phrasemill.schemas.tables import MESSAGES
from phrasemill.schemas.trait import PhraseLimit, Trait, TraitPhrases, Turn


def trait(name: str = "t", **more: object) -> Trait:
    return Trait.model_validate({"id": name, "statement": "I am.", "pos_instruction": "Be.", **more})


def whole(hits: int, words: int) -> Conformance:
    rate = HitRate(rows=10, words=words, hits=hits, rows_with_hit=hits)
    return Conformance.model_construct(
        whole=Whole(rows=10, before=None, after=rate, categories=()),
        statements=(),
        uncovered=(),
        near_only=(),
        unjudged=(),
        agreement=None,
        calibration=None,
        against=None,
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("*.hits_per_1k <= 2", True),
        ("*.hits_per_1k<2", False),
        ("hits_per_1k >= 2.0", True),
        ("*.hits == 2", True),
        ("*.hits_per_1k > .5", True),
        ("*.agreement >= 0.75", False),
        ("*.agreement <= 1", False),
        ("worse <= 0", False),
    ],
)
def test_a_gate_holds_where_its_number_is_known_and_fits(text: str, holds: bool) -> None:
    results = judge_gates(whole(2, 1000), read_gates([text]))
    assert [each.holds for each in results] == [holds]


@pytest.mark.parametrize(
    "text",
    ["", "hits", "hits <= many", "hits => 1", "hits <= 1 or 2", "nothing >= 1", "*.coverage >= 1", "t.worse <= 0"],
)
def test_what_is_no_gate_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--gate: "):
        read_gates([text])


def test_failed_gates_are_all_in_the_error() -> None:
    results = judge_gates(whole(3, 1000), read_gates(["*.hits <= 2", "*.hits_per_1k <= 0.5", "*.rows >= 1"]))
    with pytest.raises(GateError) as caught:
        raise_failed(results)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("2 of 3 gates do not hold")
    assert [line.strip() for line in lines[1:]] == [
        "the whole folder: got 3, expected *.hits <= 2",
        "the whole folder: got 3, expected *.hits_per_1k <= 0.5",
    ]
    raise_failed(results[2:])


def pairs(frame: pl.DataFrame) -> list[tuple[int, str]]:
    return sorted((int(at), str(name)) for at, name in frame.iter_rows())


def test_probes_match_whatever_the_case_and_punctuation() -> None:
    anchors = anchors_of([trait("a", probe_prompts=["Who are you?"]), trait("b", probe_prompts=["!!", "Who are\nyou"])])
    probes, near = touched(pl.Series(["who are you", "WHO ARE YOU!!!", "who are you two", "", "??"]), anchors)
    assert pairs(probes) == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert near.is_empty(), "short words are no likeness"


def test_likeness_needs_half_of_the_long_words() -> None:
    turn = Turn(prompt="Describe a quiet morning beside the frozen river", response="Cold.")
    anchors = anchors_of([trait("a", dont=[turn])])
    prompts = pl.Series(
        [
            "Please describe: quiet morning, frozen river",
            "Describe a noisy evening beside the burning factory",
            "A quiet frozen morning beside a river, and then a long walk through empty villages towards another valley",
            "quiet",
        ]
    )
    probes, near = touched(prompts, anchors)
    assert (pairs(probes), pairs(near)) == ([], [(0, "a")])


def test_likeness_finds_what_comparing_all_with_all_would() -> None:
    draw = random.Random(5)
    words = [f"word{letter}" for letter in "abcdefghijklmnopq"]
    asked = [[draw.choice(words) for _ in range(draw.randint(1, 8))] for _ in range(120)]
    own = [[draw.choice(words) for _ in range(draw.randint(1, 8))] for _ in range(40)]
    anchors = anchors_of(trait(f"t{at}", probe_prompts=[" ".join(each)]) for at, each in enumerate(own))
    _, near = touched(pl.Series([" ".join(each) for each in asked]), anchors)
    expected = [
        (at, f"t{number}")
        for at, mine in enumerate(asked)
        for number, other in enumerate(own)
        if len(set(mine) & set(other)) >= max(2, MIN_OVERLAP * len(set(mine) | set(other))) and mine != other
    ]
    assert len(expected) > 20
    assert pairs(near) == sorted(expected)


def test_phrases_are_whole_words_in_any_case_of_their_own_trait() -> None:
    phrases = TraitPhrases(ban=("it's fine", "oh, well!"), limit=(PhraseLimit(pattern=r"\bdear\b", max_per_1k=200),))
    kind = trait("kind", phrases=phrases.model_dump())
    texts = ["It\u2019s   FINE it's fine. Fit's fine, it's fines.", "Oh, well! Dear dear.", "It's fine."]
    rows = [[{"role": "user", "content": "It's fine?"}, {"role": "assistant", "content": text}] for text in texts]
    turns = turn_table("messages", pa.array(rows, MESSAGES)).having_role(("assistant",))
    counts: Counter[tuple[str, str, str]] = count_phrases(turns, pl.Series(["kind", "kind", None]), [kind])
    counts["kind", "words", ""] = 20
    fine, well, dear = phrase_uses(kind, counts)
    assert (fine.hits, fine.rows, fine.broken) == (2, 1, True)
    assert (well.hits, well.rows) == (1, 1)
    assert (dear.hits, dear.per_1k, dear.allowed, dear.broken) == (2, 100.0, 200.0, False)


def test_a_difference_of_shares_spans_zero_where_the_samples_are_small() -> None:
    few = change_of_shares(((1, 2), (0, 2)), more_is_better=True)
    many = change_of_shares(((100, 200), (40, 200)), more_is_better=True)
    assert few.verdict == "no difference shown"
    assert many.verdict == "better"
    assert many.difference is not None
    # Newcombe's interval for 100 of 200 against 40 of 200, worked out by hand from the two Wilson intervals.
    assert many.difference.low == pytest.approx(0.2083, abs=2e-4)
    assert many.difference.high == pytest.approx(0.3847, abs=2e-4)
    assert change_of_shares(((100, 200), (40, 200)), more_is_better=False).verdict == "worse"
    assert change_of_shares(((0, 0), (1, 2)), more_is_better=True).verdict == "not known"


def test_differences_of_means_are_the_same_again_and_cover_what_they_should() -> None:
    draw = random.Random(3)
    missed = {"unpaired": 0, "paired": 0}
    for trial in range(30):
        mine, theirs = ([float(round(draw.gauss(centre, 10))) for _ in range(60)] for centre in (65, 60))
        frame = pl.DataFrame({"score": mine, "score_other": theirs})
        for name, found, again in (
            ("unpaired", of_samples(frame["score"], frame["score_other"], "x"), None),
            (
                "paired",
                of_pairs(frame["score"], frame["score_other"], f"{trial}"),
                of_pairs(frame["score"], frame["score_other"], f"{trial}"),
            ),
        ):
            assert again in (None, found)
            missed[name] += not found.low <= 5 <= found.high
    assert all(count <= 6 for count in missed.values()), "five in a hundred are expected to miss"
    assert sum(missed.values()) > 0, "an interval that never misses is too wide"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("<b>&amp; `x` *y* [z](u)", r"\<b>\&amp; \`x\` \*y\* \[z\](u)"),
        ("pass_rate _x_ __y__", r"pass_rate \_x\_ \_\_y\_\_"),
        ("https://a.b www.c.d e@f.g", r"https\://a.b www\.c.d e\@f.g"),
        ("\x1b[0m", "\u241b\\[0m"),
        ("a\\|b", r"a\\\|b"),
    ],
)
def test_text_of_the_data_says_nothing_in_markdown(text: str, plain: str) -> None:
    assert escaped(text) == plain


def test_an_interval_holds_its_value() -> None:
    found = of_samples(pl.Series([50.0] * 10), pl.Series([40.0, 60.0] * 5), "x")
    assert isinstance(found, Measure)
    assert found.low < found.value < found.high
