"""The views of catalog.sql answer the common questions, from inside the folder and through the sql command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from phrasemill.engine.catalog import SCHEMAS, VIEWS
from phrasemill.engine.query import open_catalog, run_sql
from phrasemill.schemas.errors import ConfigError, IntegrityError


def ask(out: Path, sql: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = run_sql(out, sql).to_pylist()
    return answer


def test_catalog_sql_works_inside_the_folder_and_after_it_moved(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = shutil.move(out, tmp_path / "moved")
    monkeypatch.chdir(moved)
    with duckdb.connect() as connection:
        connection.execute(Path("catalog.sql").read_text())
        for view in VIEWS:
            connection.execute(f"SELECT * FROM {view}").fetchall()
        assert connection.execute("SELECT count(*) FROM sft").fetchall() == [(6,)]


def test_views_read_the_listed_files_only(out: Path) -> None:
    listed = out / "data" / "sft" / "part-aa.parquet"
    shutil.copy(listed, listed.with_name("part-stray.parquet"))
    assert ask(out, "SELECT count(*) AS n FROM sft") == [{"n": 6}]


def test_openers_are_counted_by_what_they_say(out: Path) -> None:
    assert ask(out, "FROM openers") == [
        {"opener": "certainly", "rows": 2, "spans": 2, "share": 2 / 8},
        {"opener": "of course", "rows": 1, "spans": 1, "share": 1 / 8},
        {"opener": "sure", "rows": 1, "spans": 1, "share": 1 / 8},
    ]


def test_hits_tell_what_counts_from_what_is_excused(out: Path) -> None:
    assert ask(out, "FROM hits_by_rule") == [
        {"rule_id": "opener-1", "category": "opener", "rows": 4, "spans": 4, "exempt": 1, "acted": 4},
        {"rule_id": "identity_leak-1", "category": "identity_leak", "rows": 2, "spans": 2, "exempt": 0, "acted": 2},
    ]
    assert ask(out, "SELECT category, spans FROM hits_by_category LIMIT 1") == [{"category": "opener", "spans": 4}]


def test_before_after_shows_every_changed_turn(out: Path) -> None:
    changed = ask(out, "FROM before_after")
    assert [(row["shard"], row["row"]) for row in changed] == [("aa", 0), ("aa", 1), ("aa", 2), ("aa", 3), ("bb", 0)]
    assert changed[0]["original"] == "Certainly! Boil water."
    assert changed[0]["mended"] == "Boil water."
    assert changed[0]["rule_ids"] == ["opener-1"]
    assert (changed[4]["outcome"], changed[4]["trait_id"]) == ("regenerated", "plain")


def test_before_after_knows_the_mended_side_of_a_preference_row(out: Path, rewrite: Callable[..., None]) -> None:
    def as_preference_input(rows: dict[str, list[dict[str, Any]]]) -> None:
        for table in ("spans", "originals"):
            rows[table] = [{**row, "field": "chosen", "turn": 0} for row in rows[table]]
        rows["preference"] = [{**pair, "pm_kind": "input", "pm_turn": None} for pair in rows["preference"]]

    rewrite(as_preference_input)
    first = ask(out, "FROM before_after")[0]
    assert (first["field"], first["turn"], first["mended"]) == ("chosen", 0, "Boil water.")


def test_regenerated_rows_come_with_their_originals(out: Path) -> None:
    (row,) = ask(out, "SELECT * FROM regenerated WHERE pm_trait_id = 'plain'")
    assert (row["original"], row["regenerated"]) == ("I was trained by Acme Labs.", "I keep that to myself.")
    assert (row["row_id"], row["attempt"], row["model"]) == ("id-bb-0", 2, "tiny")


def test_pairs_are_counted_under_each_of_their_rules(out: Path) -> None:
    pairs = ask(out, "SELECT rule_id, pm_kind, pairs FROM pairs_by_rule")
    assert pairs == [
        {"rule_id": "opener-1", "pm_kind": "strip", "pairs": 4},
        {"rule_id": "frame-2", "pm_kind": "strip", "pairs": 1},
        {"rule_id": "identity_leak-1", "pm_kind": "regenerate", "pairs": 1},
    ]


def test_the_ledger_adds_up_per_shard_and_in_total(out: Path) -> None:
    ledger = ask(out, "FROM ledger")
    assert [(line["shard"], line["rows_in"], line["holds"]) for line in ledger] == [
        ("aa", 5, True),
        ("bb", 3, True),
        ("total", 8, True),
    ]
    assert ledger[0]["source"] == "in/aa's.parquet"
    assert {name: ledger[2][name] for name in ("kept", "repaired", "regenerated", "dropped", "quarantined")} == {
        "kept": 1,
        "repaired": 4,
        "regenerated": 1,
        "dropped": 1,
        "quarantined": 1,
    }


def test_reasons_and_requests_are_counted(out: Path) -> None:
    assert ask(out, "FROM reasons")[0] == {"outcome": "repaired", "reason": "opener-1", "rows": 4}
    tokens = {"requests": 1, "prompt_tokens": 20, "completion_tokens": 6, "seconds": 0.5}
    assert ask(out, "FROM requests") == [{"outcome": "accepted", **tokens}, {"outcome": "rejected", **tokens}]


def test_every_span_is_the_cut_of_its_original_in_sql(out: Path) -> None:
    sql = 'substring(o.text, "start" + 1, "stop" - "start") = s.text'
    found = ask(out, f"SELECT bool_and({sql}) AS fits FROM spans s JOIN originals o USING (shard, row, field, turn)")
    assert found == [{"fits": True}]


def test_an_empty_folder_has_every_view_with_the_same_types(out: Path, empty_out: Path) -> None:
    with open_catalog(out) as full, open_catalog(empty_out) as empty:
        for view in VIEWS:
            had, has = (catalog.execute(f"DESCRIBE {view}").fetchall() for catalog in (full, empty))
            assert [column[0] for column in has] == [column[0] for column in had], view
            if view in SCHEMAS:
                assert has == had, view
    assert ask(empty_out, "SELECT shard, rows_in, holds FROM ledger") == [
        {"shard": "total", "rows_in": 0, "holds": True}
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO 'here.csv'",
        "SELECT 1; SELECT 2",
        "CREATE TABLE mine AS SELECT 1",
        "SET threads = 1",
        "",
        "SELECT nothing FROM sft",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELEC 1",
    ],
)
def test_only_questions_to_the_folder_are_answered(out: Path, sql: str) -> None:
    with pytest.raises(ConfigError):
        run_sql(out, sql)


def test_settings_are_locked(out: Path) -> None:
    with open_catalog(out, memory_limit="200MB") as connection, pytest.raises(duckdb.Error, match="locked"):
        connection.execute("SET enable_external_access = true")


def test_a_lost_file_is_an_integrity_error(out: Path) -> None:
    (out / "data" / "sft" / "part-aa.parquet").unlink()
    with pytest.raises(IntegrityError, match="phrasemill verify"):
        run_sql(out, "FROM sft")
