"""Repair: reasons for giving up, policy thresholds, masks, and the capital behind a cut."""

from __future__ import annotations

import pytest

from phrasemill.engine.repair import Cut, Mended, mend
from phrasemill.engine.repair_case import capital
from phrasemill.engine.repair_seam import line_end, line_start, next_line, open_runs
from phrasemill.schemas.policy import Policy

POLICY = Policy()
ANSWER = "Rinse the kettle twice before the first use."


def _mend(
    text: str, *tics: str, category: str = "opener", masks: tuple[str, ...] = (), policy: Policy = POLICY
) -> Mended:
    cuts = [Cut(text.index(tic), text.index(tic) + len(tic), category) for tic in tics]
    ranges = [(text.index(mask), text.index(mask) + len(mask)) for mask in masks]
    return mend(text, cuts, masks=ranges, policy=policy)


def test_no_cuts_give_the_same_object_even_if_thin() -> None:
    text = " ok "
    assert mend(text, (), policy=POLICY).text is text


@pytest.mark.parametrize(
    ("start", "stop"),
    [pytest.param(-1, 2, id="before"), pytest.param(0, 99, id="behind"), pytest.param(4, 2, id="turned")],
)
def test_a_cut_outside_of_the_text_is_an_error(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="lies outside of a text of 44 code points"):
        mend(ANSWER, [Cut(start, stop, "opener")], policy=POLICY)


@pytest.mark.parametrize(
    ("text", "tic", "reason"),
    [
        pytest.param("Certainly!", "Certainly!", "too_thin", id="nothing"),
        pytest.param("Certainly! Yes.", "Certainly!", "too_thin", id="one-word"),
        pytest.param("Certainly! Here are the seven steps:", "Certainly!", "gutted", id="lead-in"),
        pytest.param("Certainly! Here you are!", "Certainly!", "gutted", id="bare-lead-in"),
        pytest.param("Certainly! the small one", "Certainly!", "gutted", id="fragment"),
        pytest.param(
            "Sure, since it is you who asks, I eat nothing.", "Sure, since it is you who asks,", "gutted", id="most"
        ),
        pytest.param(f"{ANSWER}\n\n# Summary\n\nGood luck!", "Good luck!", "gutted", id="heading"),
        pytest.param(f"{ANSWER} In short: good luck!", "good luck!", "gutted", id="label"),
        pytest.param("Rinse it twice in clear water and good luck!", "good luck!", "gutted", id="connector"),
        pytest.param("1. Rinse it.\n2. Good luck!\n3. Boil water in it.", "Good luck!", "gutted", id="numbering"),
    ],
)
def test_what_is_no_answer_goes_to_a_model(text: str, tic: str, reason: str) -> None:
    assert _mend(text, tic) == Mended(None, reason)


def test_the_policy_says_what_is_thin() -> None:
    text = "Certainly! It rains in Bergen."
    assert _mend(text, "Certainly!").text == "It rains in Bergen."
    assert _mend(text, "Certainly!", policy=Policy(min_words_left=5)).reason == "too_thin"
    text = "Of course, my friend! It is Bergen."
    assert _mend(text, "Of course, my friend!").reason == "gutted"
    assert _mend(text, "Of course, my friend!", policy=Policy(max_share_cut=0.9)).text == "It is Bergen."


def test_reasoning_is_neither_counted_nor_touched() -> None:
    thought = "<think>\nSure! The user wants one short word.\n</think>"
    assert _mend(f"{thought}\n\nCertainly! No.", "Certainly!", masks=(thought,)).reason == "too_thin"
    assert _mend(f"{thought}\n\nCertainly! {ANSWER}", "Certainly!", masks=(thought,)).text == f"{thought}\n\n{ANSWER}"


def test_a_cut_into_a_mask_is_refused() -> None:
    text = f"Sure, `sure` it is. {ANSWER}"
    assert _mend(text, "Sure, `su", masks=("`sure`",)) == Mended(None, "masked")
    assert _mend(text, "Sure,", masks=("`sure`",)).text == text.removeprefix("Sure, ")


def test_white_space_at_a_masked_edge_stays() -> None:
    text = f"Sure!  \n{ANSWER}"
    masks = [(5, 8)]
    assert mend(text, [Cut(0, 5, "opener")], masks=masks, policy=POLICY).text == f"  \n{ANSWER}"


def test_cuts_come_in_any_order_and_may_overlap() -> None:
    text = f"Sure! Happy to help! {ANSWER}\n\nGood luck! Bye!"
    cuts = [(0, 5), (6, 20), (0, 20), (67, 77), (78, 82), (70, 82)]
    for order in (cuts, cuts[::-1]):
        assert mend(text, [Cut(*cut, "opener") for cut in order], policy=POLICY).text == ANSWER


def test_a_cut_of_white_space_changes_nothing() -> None:
    assert mend(ANSWER, [Cut(5, 6, "opener"), Cut(9, 9, "opener")], policy=POLICY).text == ANSWER


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("here it is", "H", id="word"),
        pytest.param("here's one", "H", id="apostrophe"),
        pytest.param("well-known herbs", "W", id="hyphen"),
        pytest.param("**here** it is", "H", id="emphasis"),
        pytest.param("¿qué hora es?", "Q", id="inverted"),
        pytest.param("here—now", "H", id="dash"),
        pytest.param("i agree", "I", id="pronoun"),
        pytest.param("я думаю", "Я", id="cyrillic"),
        pytest.param("ǆep is a pocket", "ǅ", id="digraph"),
        pytest.param("işte", "İ", id="turkish"),
        pytest.param("Here it is", None, id="capital-already"),
        pytest.param("iPhone cases", None, id="inner-capital"),
        pytest.param("npm installs", None, id="lowercase-name"),
        pytest.param("x is five", None, id="variable"),
        pytest.param("a) first", None, id="letter-label"),
        pytest.param("ii) second", None, id="roman-label"),
        pytest.param("snake_case here", None, id="underscore"),
        pytest.param("h2o is water", None, id="digit"),
        pytest.param("https://example.org is", None, id="url"),
        pytest.param("docs/index.md is", None, id="path"),
        pytest.param("me@example.org is", None, id="mail"),
        pytest.param("print(total)", None, id="call"),
        pytest.param("total = 3", None, id="assignment"),
        pytest.param("def area(side):", None, id="definition"),
        pytest.param("select name from towns", None, id="query"),
        pytest.param("`here` it is", None, id="inline-code"),
        pytest.param("*args and **kwargs", None, id="stars"),
        pytest.param('"here" it is', None, id="quotation"),
        pytest.param("(here) it is", None, id="brackets"),
        pytest.param("3 apples", None, id="number"),
        pytest.param("以下", None, id="uncased"),
        pytest.param("აქ არის", None, id="georgian"),
        pytest.param("µm are small", None, id="unit"),
        pytest.param("ßeta", None, id="no-single-capital"),
        pytest.param("", None, id="empty"),
    ],
)
def test_capital(text: str, expected: str | None) -> None:
    found = capital(text, 0, len(text))
    assert (found[1] if found else None) == expected
    if found:
        assert text[found[0]].lower() == found[1].lower().removesuffix("\u0307")


def test_no_capital_beyond_the_limit() -> None:
    assert capital("here it is", 0, 3) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("**a** b", set(), id="closed"),
        pytest.param("**a b", {"**"}, id="open"),
        pytest.param("* item with *one", {"*"}, id="bullet"),
        pytest.param("3 * 4", set(), id="product"),
        pytest.param("snake_case", set(), id="identifier"),
        pytest.param("__a *b* c", {"__"}, id="nested"),
    ],
)
def test_open_runs(line: str, expected: set[str]) -> None:
    assert open_runs(line) == expected


def test_lines_end_at_every_kind_of_break() -> None:
    text = "a\r\nb\rc\nd"
    assert [line_start(text, index) for index in (0, 3, 5, 7)] == [0, 3, 5, 7]
    assert [line_end(text, index) for index in (0, 3, 5, 7)] == [1, 4, 6, 8]
    assert [next_line(text, index) for index in (1, 4, 6, 8)] == [3, 5, 7, 8]
