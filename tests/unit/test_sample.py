"""How a sample is shown: data that cannot leave its place on the page, marks, what is left out, and cells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from phrasemill.engine.display import shown
from phrasemill.engine.overrides import read_verdicts
from phrasemill.engine.sample import Sample, Stratum
from phrasemill.engine.sample_texts import SampledHit, SampledRow
from phrasemill.engine.sample_view import CELL_CHARACTERS, render_page, render_verdicts, write_sample
from phrasemill.engine.sample_words import Piece, changes, inline, marked, quoted, shortened, word_diff
from phrasemill.schemas.errors import ConfigError

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = st.text(alphabet="ab 1\n\r\t#*_`~<>&[]()!|\\-+=:.;/$@{}\"'\u2028") | st.text()

ROW = SampledRow(
    stratum=("none", "mini.certainly"),
    shard="s",
    row=1,
    field="messages",
    turn=1,
    row_id="r1",
    kind="strip",
    outcome="repaired",
    reasons=("mini.certainly",),
    rule_ids=("mini.certainly",),
    hits=(SampledHit(start=0, stop=10, rule_id="mini.certainly", category="opener"),),
    user="What is bread?",
    before="Certainly! Bread is flour.",
    after="Bread is flour.",
)


def page(*rows: SampledRow) -> Sample:
    strata = (Stratum(name=("none", "mini.certainly"), turns=9, shown=len(rows)),)
    return Sample(
        folder="out",
        against=None,
        command="clean",
        by=("trait", "rule"),
        seed=1,
        turns=9,
        strata=strata,
        rows=rows,
    )


def tokens(text: str) -> list[Token]:
    return [child for token in MARKDOWN.parse(text) for child in (token, *(token.children or ()))]


def words(text: str) -> list[str]:
    return re.split(r"\s+", shown(re.sub("\r\n|[\r\u2028\u2029]", "\n", text)).strip())


@settings(max_examples=50)
@given(NASTY)
def test_text_stays_text(text: str) -> None:
    found = tokens(quoted([Piece(text)]))
    kinds = {token.type for token in found}
    allowed = {"inline", "text", "softbreak", "hardbreak", "blockquote_open", "blockquote_close"}
    assert kinds <= {*allowed, "paragraph_open", "paragraph_close"}
    said = "".join(token.content if token.type == "text" else "\n" for token in found if token.type != "inline")
    assert words(said) == words(text)


@settings(max_examples=50)
@given(st.lists(st.tuples(NASTY, st.sampled_from(["", "**", "~~"]))))
def test_pieces_stay_text_however_they_are_marked(parts: list[tuple[str, str]]) -> None:
    found = tokens(quoted([Piece(text, mark) for text, mark in parts]))  # type: ignore[arg-type]
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in found}
    assert kinds <= {"inline", "text", "softbreak", "hardbreak", "blockquote", "paragraph", "strong", "s"}


@settings(max_examples=50)
@given(NASTY)
def test_a_name_stays_in_its_heading(text: str) -> None:
    found = tokens(f"## {inline(text) or 'no id'}\n")
    assert {token.type for token in found} <= {"heading_open", "inline", "text", "heading_close"}


def test_a_page_holds_no_html_and_no_link_of_the_data() -> None:
    evil = (
        "<script>alert(1)</script> [x](javascript:1) ![i](http://a.b/c) https://a.b www.a.b\n\n# Title\n- item\n```\nx"
    )
    row = ROW.model_copy(
        update={
            "row_id": evil,
            "user": evil,
            "before": evil,
            "after": evil + " more",
            "rule_ids": (evil,),
            "kind": evil,
        }
    )
    text = render_page(page(row))
    kinds = [token.type for token in tokens(text)]
    assert not {"html_block", "html_inline", "link_open", "image", "fence", "code_block", "hr"} & set(kinds)
    assert kinds.count("heading_open") == 3
    assert "<" not in text
    assert "https://" not in text


def test_the_page_shows_hits_and_what_changed() -> None:
    text = render_page(page(ROW))
    assert "**Certainly!** Bread is flour." in text
    assert "~~Certainly!~~ Bread is flour." in text
    assert "- rules: mini.certainly" in text
    assert "| none | mini.certainly | 9 | 1 |" in text


def test_the_page_shows_what_stood_before_the_question() -> None:
    turns = (
        ("system", "Be <b>brief</b>."),
        *(("user", f"Question {at}?") for at in range(8)),
        ("assistant", "a " * 900),
    )
    text = render_page(page(ROW.model_copy(update={"earlier": turns})))
    assert "**Earlier** (the last 6 of 10)" in text
    assert "user: Question 7?" in text
    assert "Question 2?" not in text
    assert len(text) < 3_000
    short = render_page(page(ROW.model_copy(update={"earlier": turns[:2]})))
    assert short.index("**Earlier**\n") < short.index("user: Question 0?") < short.index("**User**")
    assert "<b>" not in short
    assert "**Earlier**" not in render_page(page(ROW))


def test_a_row_that_is_not_published_says_so() -> None:
    text = render_page(page(ROW.model_copy(update={"after": None, "user": None, "outcome": "dropped"})))
    assert "**After**: nothing is published" in text
    assert "**User**: not in the folder" in text
    assert "Difference" not in text


def test_the_sides_of_a_pair_are_named_as_such() -> None:
    text = render_page(page(ROW.model_copy(update={"before_is": "rejected"})))
    assert text.index("**Rejected side**") < text.index("**Chosen side**") < text.index("**Difference**")
    asked = render_page(page(ROW.model_copy(update={"before_is": "prompt"})))
    assert "**Answer**" in asked
    assert "**Before**" not in asked
    assert "**Query**" in render_page(page(ROW.model_copy(update={"before_is": "prompt", "kind": "queries"})))


def test_marks_stand_close_to_the_words_and_inside_a_line() -> None:
    text = quoted(marked("One two\nthree four.", [(3, 13)]))
    assert text == "> One **two**  \n> **three** four.  \n"
    assert quoted(marked("abcdef", [(0, 3), (2, 5)])) == "> **abcde**f  \n"


def test_long_texts_lose_their_middle_and_keep_their_hits() -> None:
    text = "word " * 1000 + "Certainly! " + "word " * 1000
    parts = shortened(marked(text, [(5000, 5010)]), 600)
    assert "".join(piece.text for piece in parts if piece.mark) == "Certainly!"
    assert sum(len(piece.text) for piece in parts) < 900
    assert sum(len(piece.text) + piece.left_out for piece in parts) == len(text)
    assert "characters" in quoted(parts)


def test_a_short_text_is_shown_whole() -> None:
    pieces = marked("Certainly! Bread.", [(0, 10)])
    assert shortened(pieces, 100) == pieces


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["a", "b", "c", "d"])), st.lists(st.sampled_from(["a", "b", "c", "d"])))
def test_a_difference_tells_both_texts(old: list[str], new: list[str]) -> None:
    pieces = word_diff(" ".join(old), " ".join(new))
    if pieces is not None:
        assert " ".join(piece.text for piece in pieces if piece.mark != "**").split() == old
        assert " ".join(piece.text for piece in pieces if piece.mark != "~~").split() == new
        assert sum(len(piece.text) for piece in changes(pieces) if piece.mark) == sum(
            len(piece.text) for piece in pieces if piece.mark
        )


def test_texts_with_nothing_in_common_are_not_compared() -> None:
    assert word_diff("one two three four", "five six seven eight") is None
    assert word_diff("a " * 5000 + "x", "b " * 5000 + "x") is None


@settings(max_examples=50)
@given(st.lists(NASTY, min_size=3, max_size=3))
def test_the_table_of_verdicts_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    row_id, before, after = texts
    row = ROW.model_copy(update={"row_id": row_id, "before": before, "after": after})
    path = tmp_path_factory.getbasetemp() / "v.csv"
    path.write_text(render_verdicts(page(row)), newline="", encoding="utf-8")
    ((line, read),) = read_verdicts(path)
    assert (line, read["row_id"], read["before"], read["after"]) == (2, row_id, before, after)
    assert read["hits"] == "opener 0:10 mini.certainly"
    assert (read["verdict"], read["edit"], read["note"]) == ("", "", "")


def test_a_cell_is_cut_where_a_spreadsheet_would_cut_it(tmp_path: Path) -> None:
    far = SampledHit(start=40_000, stop=40_010, rule_id="x", category="opener")
    row = ROW.model_copy(update={"before": "word " * 10_000, "hits": (*ROW.hits, far)})
    _, path = write_sample(page(row), tmp_path)
    ((_, read),) = read_verdicts(path)
    assert len(read["before"]) == CELL_CHARACTERS
    assert read["hits"] == "opener 0:10 mini.certainly"


def test_verdicts_that_may_be_filled_in_are_not_overwritten(tmp_path: Path) -> None:
    write_sample(page(ROW), tmp_path)
    with pytest.raises(ConfigError, match=r"verdicts\.csv: is there already"):
        write_sample(page(ROW), tmp_path)
