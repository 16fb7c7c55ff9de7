"""Which parts of a turn are not the assistant's own voice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasemill.filters.masks import exemption, find_masks, is_json, mask_points, reasoning_stop


def masked(text: str) -> list[tuple[str, str]]:
    return [(text[start:stop], kind) for start, stop, kind in sorted(mask_points(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Plain words, it's fine.", [], id="nothing"),
        pytest.param("Run `ls` now.", [("`ls`", "code")], id="inline code"),
        pytest.param("a ``b`c`` d", [("``b`c``", "code")], id="double ticks"),
        pytest.param("a ` b", [], id="lone tick"),
        pytest.param("x\n```py\nSure!\n```\ny", [("```py\nSure!\n```", "code")], id="fence"),
        pytest.param("x\n~~~\nSure!", [("~~~\nSure!", "code")], id="a fence that is never closed"),
        pytest.param("````\n```\n````\nz", [("````\n```\n````", "code")], id="a longer fence holds a shorter one"),
        pytest.param("- ```\n  a\n  ```", [("- ```\n  a\n  ```", "code")], id="fence in a list"),
        pytest.param('He said "Sure!" once.', [('"Sure!"', "quote")], id="straight quotes"),
        pytest.param("ein \u201cSure!\u201d \u00e9", [("\u201cSure!\u201d", "quote")], id="curly quotes"),
        pytest.param("\u300cSure\u300d", [("\u300cSure\u300d", "quote")], id="corner brackets"),
        pytest.param('"one\ntwo"', [], id="a quote ends with its line"),
        pytest.param("a\n> Sure!\nb", [("> Sure!", "quote")], id="block quote"),
        pytest.param("see https://a.b/c?d=e, ok", [("https://a.b/c?d=e,", "url")], id="address"),
        pytest.param("see WWW.a.b", [], id="an upper-case address without a scheme is rare"),
        pytest.param('  {"a": [1]} \n', [('  {"a": [1]} \n', "json")], id="JSON"),
        pytest.param("[1, 2", [], id="broken JSON"),
        pytest.param("<think>a</think>\nb", [("<think>a</think>\n", "reasoning")], id="reasoning"),
        pytest.param("b <think>a</think>", [], id="reasoning elsewhere is no reasoning"),
    ],
)
def test_masks(text: str, expected: list[tuple[str, str]]) -> None:
    assert masked(text) == expected


def test_a_block_in_json_behind_reasoning() -> None:
    assert [kind for _, kind in masked('<think>x</think>{"a": "Sure!"}')] == ["reasoning", "json"]


def test_a_hit_is_exempt_where_the_larger_part_of_it_lies_inside() -> None:
    text = b'Sure! "Sure!" `Sure!`'
    masks = find_masks(text)
    assert exemption(masks, 0, 5) is None
    assert exemption(masks, 7, 12) == "quote"
    assert exemption(masks, 15, 20) == "code"
    assert exemption(masks, 5, 9) == "quote"
    assert exemption(masks, 0, 9) is None


def test_where_the_answer_starts() -> None:
    assert reasoning_stop(b"no") == 0
    assert reasoning_stop(b"<think>never closed") == 0
    assert reasoning_stop(b" \n<THINK>a\nb</THINK>\n\nc") == len(b" \n<THINK>a\nb</THINK>\n\n")
    assert reasoning_stop(b"<thinking>a</thinking> c") == len(b"<thinking>a</thinking> ")


@given(st.text(st.sampled_from('ab`~>"\u201c\u201d\u00e9\n {}[]:/w.<think>'), max_size=60))
def test_masks_lie_inside_the_text_and_between_characters(text: str) -> None:
    raw = text.encode()
    for mask in find_masks(raw):
        assert 0 <= mask.start < mask.stop <= len(raw)
        raw[mask.start : mask.stop].decode()
    assert is_json(raw) or all(mask.kind != "json" or reasoning_stop(raw) for mask in find_masks(raw))
