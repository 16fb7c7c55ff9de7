"""Files of verdicts: read strictly, safe to open in a spreadsheet, the same after a round trip."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasemill.engine.classifier_data import read_examples
from phrasemill.engine.overrides import COLUMNS, Overrides, guarded, load_overrides, unguarded
from phrasemill.schemas.errors import ConfigError, InputError

KEY = {"shard": "s1", "row": "3", "field": "messages", "turn": "1", "row_id": "r3"}


def write(path: Path, *rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, columns, restval="")
        lines.writeheader()
        lines.writerows(rows)
    return path


def test_verdicts_are_read_and_rows_without_one_passed_over(tmp_path: Path) -> None:
    path = write(
        tmp_path / "v.csv",
        {**KEY, "verdict": "edit", "edit": "New\ntext."},
        {**KEY, "row": "4", "row_id": "r4"},
        {**KEY, "row": "5", "verdict": " False Positive ", "rule_ids": "a.b, c.d"},
        {**KEY, "row": "5", "turn": "3", "verdict": "drop", "note": "odd"},
    )
    found = load_overrides(path)
    assert [(each.row, each.turn, each.verdict) for each in found.entries] == [
        (3, 1, "edit"),
        (5, 1, "false positive"),
        (5, 3, "drop"),
    ]
    assert found.entries[0].edit == "New\ntext."
    assert found.entries[1].rule_ids == ("a.b", "c.d")
    assert [each.turn for each in found.of("s1", 5)] == [1, 3]
    assert found.of("other", 5) == ()
    assert found.of_row("r3") == found.entries[0]
    assert found.of_row("r9") is None
    assert len(found.in_shard("s1")) == 3
    assert not found.in_shard("s2")


def test_a_place_is_found_among_many(tmp_path: Path) -> None:
    path = write(tmp_path / "v.csv", {**KEY, "verdict": "keep"}, {**KEY, "row": "7", "turn": "5", "verdict": "drop"})
    row, turn = np.repeat(np.arange(10), 2), np.tile([1, 5], 10).astype(np.int32)
    found = load_overrides(path).places("messages", row, turn)
    assert {at: each.verdict for at, each in found.items()} == {6: "keep", 15: "drop"}
    assert load_overrides(path).places("chosen", row, turn) == {}


def test_the_fingerprint_is_of_what_was_decided(tmp_path: Path) -> None:
    rows = [{**KEY, "verdict": "keep"}, {**KEY, "row": "4", "verdict": "drop"}]
    one = load_overrides(write(tmp_path / "a.csv", *rows)).fingerprint
    noted = [{**rows[1], "note": "why", "before": "x"}, rows[0], {**KEY, "row": "9"}]
    assert load_overrides(write(tmp_path / "b.csv", *noted)).fingerprint == one
    assert load_overrides(write(tmp_path / "c.csv", rows[0])).fingerprint != one
    assert load_overrides(None).fingerprint == Overrides().fingerprint == ""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param({"verdict": "delete"}, r"v\.csv:2: verdict: got 'delete', expected keep, drop", id="verdict"),
        pytest.param({"verdict": "edit", "edit": " \n"}, r"v\.csv:2: edit: got no text", id="empty edit"),
        pytest.param(
            {"verdict": "keep", "edit": "New."}, r"v\.csv:2: edit: got a text for the verdict", id="not an edit"
        ),
        pytest.param({"edit": "New."}, r"v\.csv:2: edit: got a text without a verdict", id="forgotten verdict"),
        pytest.param({"verdict": "keep", "row": "x"}, r"v\.csv:2: row: got 'x', expected a whole number", id="row"),
        pytest.param({"verdict": "keep", "turn": "-1"}, r"v\.csv:2: turn: got '-1'", id="turn"),
        pytest.param({"verdict": "keep", "field": "answer"}, r"v\.csv:2: field: got 'answer'", id="field"),
        pytest.param({"verdict": "edit", "edit": "a", "field": "rejected"}, r"v\.csv:2: field:", id="rejected"),
        pytest.param({"verdict": "keep", "shard": ""}, r"v\.csv:2: shard: is empty", id="shard"),
    ],
)
def test_a_wrong_row_names_its_line(tmp_path: Path, row: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_overrides(write(tmp_path / "v.csv", {**KEY, **row}))


def test_two_verdicts_on_one_turn_name_both_lines(tmp_path: Path) -> None:
    rows = ({**KEY, "verdict": "edit", "edit": "Two\nlines."}, {**KEY, "verdict": "drop"})
    with pytest.raises(ConfigError, match=r"v\.csv:4: row 'r3', messages turn 1, has a verdict in line 2 too"):
        load_overrides(write(tmp_path / "v.csv", *rows))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("shard,row,colour\n", r"v\.csv:1: got the unknown column 'colour'", id="unknown"),
        pytest.param("shard,row,field,turn,row_id,verdict\n", r"v\.csv:1: got no column 'rule_ids'", id="missing"),
        pytest.param("shard;row;field\n", "save the file with commas", id="semicolons"),
        pytest.param("", r"v\.csv:1: got no column 'shard'", id="empty"),
        pytest.param(",".join(COLUMNS) + "\na,b\n", r"v\.csv:2: got 2 cells, expected 15", id="cells"),
        pytest.param(",".join(COLUMNS) + '\n"open', "not a table of comma-separated values", id="open quote"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "v.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_overrides(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.csv: cannot be read"):
        load_overrides(tmp_path / "gone.csv")


@pytest.mark.parametrize("text", ["1234567890123456", "12e4567890123456", "1E5", "'1e5"])
def test_no_number_that_a_spreadsheet_would_write_otherwise_stays_bare(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", " =1", "\r", "'=1", "\uff1dA1", "''-x", "\n-"])
def test_nothing_that_a_spreadsheet_would_run_stays_bare(text: str) -> None:
    assert guarded(text)[0] == "'"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "Bread.", "'Tis late.", "''", "a=b", "2-1", "''so''", "497", "5fc4b7ac9cf2a1af"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text
    assert unguarded(text) == text


@given(st.text(alphabet="'=+-@ \t\n\rabe12\uff1d") | st.text())
def test_every_cell_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text


def test_verdicts_label_sentences(tmp_path: Path) -> None:
    hits = "refusal 0:13 r.cannot; ai_self_reference 22:30 a.model; opener 46:50 o.sure"
    row = {**KEY, "hits": hits, "before": "I cannot help with it. As an AI I have no form. Sure. Bread is flour."}
    path = write(
        tmp_path / "v.csv",
        {**row, "verdict": "false positive", "rule_ids": "r.cannot"},
        {**row, "row": "4", "verdict": "edit", "edit": "I cannot help with it. Bread is flour."},
        {**row, "row": "5", "verdict": "keep"},
        {**row, "row": "6", "verdict": "drop"},
        {**row, "row": "7"},
    )
    assert [(each.text, each.labels) for each in read_examples([path])] == [
        ("I cannot help with it.", ()),
        ("As an AI I have no form.", ("ai_self_reference",)),
    ]


def test_a_sentence_of_which_only_one_hit_is_excused_labels_nothing(tmp_path: Path) -> None:
    hits = "refusal 0:8 r.cannot; ai_self_reference 11:19 a.model"
    row = {**KEY, "hits": hits, "before": "I cannot, as an AI, do it.", "verdict": "false positive"}
    path = write(tmp_path / "v.csv", {**row, "rule_ids": "r.cannot"})
    assert read_examples([path]) == []
    path = write(tmp_path / "w.csv", row)
    assert [each.text for each in read_examples([path])] == ["I cannot, as an AI, do it."]


def test_hits_that_are_none_name_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "v.csv", {**KEY, "verdict": "false positive", "hits": "refusal one r"})
    with pytest.raises(InputError, match=r"v\.csv:2: hits: got 'refusal one r'"):
        read_examples([path])
