"""``diff``: two folders row by row, and one folder as another policy or pack would judge it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from phrasemill.engine.diff import diff
from phrasemill.engine.redecide import redecide
from phrasemill.schemas.errors import ConfigError

BREAD = "Bread is flour, water and salt, baked."


@pytest.fixture
def cleaned(project: Any, chat: Any) -> Any:
    """Five rows: two openers, a slop phrase, two without a hit."""
    answers = (f"Certainly! {BREAD}", f"Certainly, {BREAD}", f"Let us delve into it. {BREAD}", BREAD, f"Well. {BREAD}")
    project.write("a.parquet", [chat(f"r{at}", "Tell me.", answer) for at, answer in enumerate(answers)])
    project.run("clean")
    return project


def test_equal_folders_do_not_differ(cleaned: Any) -> None:
    other = cleaned.root / "other"
    cleaned.run("clean", out=other)
    found = diff(cleaned.out, other)
    assert (found.rows, found.changed, found.only_before, found.only_after) == (5, 0, 0, 0)
    assert (found.actions, found.outcomes, found.rules, found.examples) == ((), (), (), ())


def test_another_policy_is_decided_from_the_stored_spans(cleaned: Any) -> None:
    policy = cleaned.root / "policy.yaml"
    policy.write_text("actions: {opener: drop}\n")
    report = redecide(cleaned.out, policy, cleaned.root / "other", show_progress=False)
    assert (report.done, report.spans_reused) == (1, 1)
    found = diff(cleaned.out, report.out)
    assert [(each.before, each.after, each.rows) for each in found.actions] == [("strip", "drop", 2)]
    assert [(each.before, each.after, each.rows) for each in found.outcomes] == [("repaired", "dropped", 2)]
    rule = found.rules[0]
    assert (rule.rule_id, rule.before, rule.after) == ("mini.certainly", 2, 2)
    assert (rule.lost, rule.gained, rule.redecided) == (0, 0, 2)
    assert found.changed == 2
    assert [row.row_id for row in found.examples] == ["r0", "r1"]
    assert found.examples[0].redecided == ("mini.certainly: Certainly!",)


def test_a_changed_pattern_is_scanned_again(cleaned: Any) -> None:
    other = cleaned.root / "other.yaml"
    other.write_text(cleaned.pack.read_text().replace("certainly[!,]", "certainly[!]").replace("delve into", "well"))
    config = cleaned.root / "config.yaml"
    config.write_text(f"input: {{path: in}}\npacks: [{other.name}]\n")
    report = redecide(cleaned.out, config, cleaned.root / "other", show_progress=False)
    assert (report.done, report.spans_reused) == (1, 0)
    found = diff(cleaned.out, report.out)
    changes = {each.rule_id: (each.before, each.after, each.lost, each.gained) for each in found.rules}
    assert changes == {"mini.certainly": (2, 1, 1, 0), "mini.delve": (1, 1, 1, 1)}
    assert {each.row_id: (each.lost, each.gained) for each in found.examples} == {
        "r1": (("mini.certainly: Certainly,",), ()),
        "r2": (("mini.delve: delve into",), ()),
        "r4": ((), ("mini.delve: Well",)),
    }
    assert [(each.category, each.before, each.after) for each in found.categories] == [
        ("opener", 2, 1),
        ("slop", 1, 1),
    ]


def test_rows_of_one_side_are_counted_apart(cleaned: Any, chat: Any) -> None:
    cleaned.write("b.parquet", [chat("new", "Tell me.", f"Certainly! {BREAD}")])
    other = cleaned.root / "other"
    cleaned.run("clean", out=other)
    found = diff(cleaned.out, other)
    assert (found.rows, found.only_before, found.only_after, found.changed) == (5, 0, 1, 0)
    assert not found.rules


def test_the_command_writes_every_changed_row(cleaned: Any) -> None:
    policy = cleaned.root / "policy.yaml"
    policy.write_text("actions: {opener: tag, slop: drop}\n")
    rows = cleaned.root / "rows.parquet"
    command = [sys.executable, "-m", "phrasemill.engine.cli", "diff", str(cleaned.out), str(policy), "-o", str(rows)]
    done = subprocess.run([*command, "--json", "--rows", "1"], capture_output=True, check=True, cwd=cleaned.root)
    told = orjson.loads(done.stdout)
    assert (told["changed"], len(told["examples"]), told["after"]) == (3, 1, str(policy))
    written = pl.read_parquet(rows)
    assert written["row_id"].to_list() == ["r0", "r1", "r2"]
    assert written.filter(pl.col("row_id") == "r2")["action_b"].to_list() == ["drop"]
    shown = subprocess.run(command[:-2], capture_output=True, check=True, text=True).stdout
    assert "strip -> keep" in shown
    assert "3 of 5 rows differ (60.00%)" in shown
    assert "1 shards judged from their stored spans, 0 scanned again" in shown


def test_a_folder_that_is_none_is_refused(cleaned: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="manifest"):
        diff(cleaned.out, tmp_path)


def test_a_hit_that_two_filters_share_counts_as_often_as_it_stands_there(cleaned: Any) -> None:
    twice, once = cleaned.root / "twice", cleaned.root / "once"
    length = {"use": "length", "max_chars": 5}
    cleaned.run("scan", filters=[length, {**length, "max_chars": 6}], out=twice)
    cleaned.run("scan", filters=[length], out=once)
    (rule,) = diff(twice, once).rules
    assert (rule.before, rule.after, rule.lost, rule.gained) == (10, 5, 5, 0)
    assert diff(twice, twice).rules == ()
