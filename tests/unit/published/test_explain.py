"""What people see of a folder: explanations with marked hits, tables, and text that cannot move a cursor."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from phrasemill.engine.display import (
    PlanSource,
    category_table,
    explanation_view,
    facts_table,
    outcome_table,
    plan_table,
    result_table,
    rule_table,
    verify_view,
)
from phrasemill.engine.explain import explain
from phrasemill.engine.manifest import read_manifest, totals
from phrasemill.engine.progress import progress, rate
from phrasemill.engine.query import run_sql
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.policy import Policy


def printed(view: RenderableType, *, colour: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200, force_terminal=colour, color_system="standard" if colour else None).print(view)
    return stream.getvalue()


def test_a_repaired_row_is_explained_from_original_to_result(out: Path) -> None:
    (row,) = explain(out, "id-aa-1").rows
    assert (row.action, row.outcome, row.reasons, row.pairs) == ("strip", "repaired", ("opener-1",), 1)
    (original,) = row.originals
    (span,) = original.spans
    assert original.text[span.start : span.stop] == span.text == "**Sure,**"
    assert [message.content for message in row.result] == ["How?", "Boil water."]


def test_a_regenerated_row_shows_every_attempt(out: Path) -> None:
    (row,) = explain(out, "id-bb-0").rows
    tried = [(attempt.attempt, attempt.outcome, attempt.hits_left) for attempt in row.attempts]
    assert tried == [(1, "rejected", ("identity_leak-1",)), (2, "accepted", ())]
    view = printed(explanation_view(explain(out, "id-bb-0")))
    assert "attempt 1, messages 1, rejected (still hit: identity_leak-1)" in view
    assert "I keep that to myself." in view


def test_a_quarantined_row_shows_why(out: Path) -> None:
    (row,) = explain(out, "id-bb-2").rows
    assert row.result == ()
    assert row.quarantined is not None
    assert "quarantined: empty: nothing said" in printed(explanation_view(explain(out, "id-bb-2")))


def test_all_rows_of_a_repeated_id_are_explained(out: Path, rewrite: Callable[..., None]) -> None:
    def same_id(rows: dict[str, list[dict[str, Any]]]) -> None:
        for table in ("verdicts", "spans", "originals"):
            rows[table] = [{**row, "row_id": "id-bb-0"} for row in rows[table]]

    rewrite(same_id)
    assert [(row.shard, row.row) for row in explain(out, "id-bb-0").rows] == [*(("aa", n) for n in range(5)), ("bb", 0)]


def test_an_unknown_id_names_some_that_there_are(out: Path) -> None:
    with pytest.raises(ConfigError, match=r"no row has the id 'nothing'; ids there are for example: id-"):
        explain(out, "nothing")


def test_hits_are_marked_where_they_are_even_behind_control_characters(out: Path, rewrite: Callable[..., None]) -> None:
    def with_controls(rows: dict[str, list[dict[str, Any]]]) -> None:
        text = "\r\x1b[2J[bold]\u202eSure! Yes."
        rows["originals"][0]["text"] = text
        rows["spans"][0].update(start=12, stop=17, text="Sure!", cut_start=12, cut_stop=17)

    rewrite(with_controls)
    assert verify(out).ok
    view = printed(explanation_view(explain(out, "id-aa-0")), colour=True)
    marked = view[view.index("\u240d") : view.index("Yes.")]
    assert marked.startswith("\u240d\u241b[2J[bold]\N{REPLACEMENT CHARACTER}\x1b[")
    assert "mSure!\x1b[0m" in marked


def test_closing_tables_count_what_was_found_and_what_remains(out: Path) -> None:
    sums = totals(read_manifest(out))
    lines = printed(category_table(sums, Policy())).splitlines()
    assert lines[0].split() == ["category", "rows", "of", "rows", "hits", "excused", "action", "acted", "on", "remain"]
    assert lines[1].split() == ["opener", "4", "50.00%", "4", "1", "strip,", "else", "regenerate", "4", "0"]
    assert len(printed(category_table(sums, None)).splitlines()[1].split()) == 5
    assert "regenerated" in printed(outcome_table(sums))
    assert printed(rule_table(sums)).splitlines()[1].split() == ["opener-1", "4"]


def test_a_verdict_on_a_folder_is_one_line_or_a_table(out: Path) -> None:
    assert printed(verify_view(verify(out))).startswith("ok: 2 shards, ")
    (out / "data/sft/part-aa.parquet").unlink()
    view = printed(verify_view(verify(out)))
    assert view.startswith("1 problems in 2 shards")
    assert "data/sft/part-aa.parquet" in view


def test_answers_are_cut_in_rows_and_in_length(out: Path) -> None:
    view = printed(result_table(run_sql(out, "SELECT repeat('x', 500) AS long, range AS n FROM range(5)"), max_rows=2))
    assert (view.count("x"), view.count("\N{HORIZONTAL ELLIPSIS}")) == (2 * 199, 2)
    assert view.splitlines()[-1] == "3 more rows"


def test_a_plan_adds_up_its_sources() -> None:
    sources = [
        PlanSource("a.parquet", "parquet", 3, 1200, 5_000_000, done=1),
        PlanSource("b.jsonl", "jsonl", 1, None, 9),
    ]
    lines = printed(plan_table(sources)).splitlines()
    assert lines[1].split() == ["a.parquet", "parquet", "3", "1", "1,200", "5.0"]
    assert lines[2].split() == ["b.jsonl", "jsonl", "1", "0", "not", "counted", "0.0"]
    assert lines[-1].split() == ["all", "4", "1", "1,200", "or", "more", "5.0"]
    assert "tokens" in printed(facts_table({"tokens": "12,000"}))


def test_progress_is_silent_without_a_terminal_and_tells_the_rate_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("clean", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")
    with progress("[clean]", 10, enabled=True) as advance:
        advance(4)
        advance(6)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "[clean]" in shown.err
    assert [rate(51173.4, "rows"), rate(2.41, "requests"), rate(83.1e6, "bytes")] == [
        "51,173 rows/s",
        "2.4 requests/s",
        "83.1 MB/s",
    ]
