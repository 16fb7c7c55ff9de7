"""A person's verdicts taken back by ``clean`` and ``run``: what they change, what stays, and that all verifies."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from phrasemill.engine.overrides import COLUMNS
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import ConfigError

BREAD = "Bread is flour, water and salt, baked in a hot oven until the crust is brown."
ANSWERS = {
    "keep": f"Certainly! {BREAD}",
    "drop": f"Certainly, {BREAD}",
    "edit": f"Certainly! {BREAD} I hope this helps!",
    "wrong": f"Certainly! {BREAD} I hope this helps!",
    "leak": f"I am Zorbot. {BREAD}",
    "clean": BREAD,
    "plain": f"Certainly! {BREAD}",
}


@pytest.fixture
def kitchen(project: Any, chat: Any) -> Any:
    project.write("a.parquet", [chat(name, "Tell me.", answer) for name, answer in ANSWERS.items()])
    return project


def verdicts(project: Any, name: str, **decided: dict[str, str]) -> str:
    """A file of verdicts on the second turn of rows, by id."""
    places = project.table("verdicts").select("row_id", "shard", "row").rows_by_key("row_id", unique=True)
    path: Path = project.root / name
    with path.open("w", newline="") as file:
        lines = csv.DictWriter(file, COLUMNS, restval="")
        lines.writeheader()
        for row_id, said in decided.items():
            shard, row = places.get(row_id, ("gone", 0))
            lines.writerow({"shard": shard, "row": row, "field": "messages", "turn": 1, "row_id": row_id, **said})
    return str(path)


def reasons(project: Any, out: Path) -> dict[str, list[str]]:
    return dict(project.table("verdicts", out).select("row_id", "reasons").iter_rows())


DECIDED = {
    "keep": {"verdict": "keep"},
    "drop": {"verdict": "drop"},
    "edit": {"verdict": "edit", "edit": "Bread: flour, water, salt, and a hot oven for half an hour."},
    "wrong": {"verdict": "false positive", "rule_ids": "mini.certainly"},
    "clean": {"verdict": "edit", "edit": "Bread is baked dough."},
    "nobody": {"verdict": "drop"},
}


def test_every_verdict_does_what_it_says(kitchen: Any) -> None:
    kitchen.run("clean")
    out = kitchen.root / "second"
    report = kitchen.run("clean", out=out, base=kitchen.out, overrides=verdicts(kitchen, "v.csv", **DECIDED))
    assert verify(out).problems == ()
    assert (report.overrides, report.overrides_missed, report.spans_reused) == (6, 1, 1)
    assert {name: turns[1] for name, turns in kitchen.said(out).items()} == {
        "keep": ANSWERS["keep"],
        "edit": DECIDED["edit"]["edit"],
        "wrong": f"Certainly! {BREAD}",
        "clean": "Bread is baked dough.",
        "plain": BREAD,
    }
    assert kitchen.outcomes(out) == {
        "keep": "kept",
        "drop": "dropped",
        "edit": "repaired",
        "wrong": "repaired",
        "leak": "dropped",
        "clean": "repaired",
        "plain": "repaired",
    }
    why = reasons(kitchen, out)
    assert why["keep"] == ["override:keep"]
    assert why["drop"] == ["override:drop", "mini.certainly"]
    assert why["edit"] == ["override:edit", "mini.certainly", "mini.hope"]
    assert why["wrong"] == ["override:false_positive", "mini.hope"]
    assert why["clean"] == ["override:edit"]
    assert why["plain"] == ["mini.certainly"]
    counted = report.manifest.shards[0].reasons
    assert counted["override:edit"] == 2
    assert "override:dirty" not in counted
    assert counted["needs_model"] == 1


def test_the_evidence_says_who_excused_a_hit_and_another_run_forgets_it(kitchen: Any) -> None:
    kitchen.run("clean")
    out, third = kitchen.root / "second", kitchen.root / "third"
    kitchen.run("clean", out=out, overrides=verdicts(kitchen, "v.csv", **DECIDED))
    spans = kitchen.table("spans", out).filter(pl.col("row_id") == "wrong").sort("start")
    assert spans.select("rule_id", "exempt", "action").rows() == [
        ("mini.certainly", "override", None),
        ("mini.hope", None, "strip"),
    ]
    kept = kitchen.table("spans", out).filter(pl.col("row_id") == "keep")
    assert kept.select("exempt", "action").rows() == [(None, None)]
    report = kitchen.run("clean", out=third, base=out)
    assert report.spans_reused == 1
    assert kitchen.said(third) == kitchen.said()
    assert kitchen.table("spans", third).equals(kitchen.table("spans"))


def test_a_dirty_edit_is_published_and_counted(kitchen: Any) -> None:
    kitchen.run("clean")
    out = kitchen.root / "second"
    edit = {"verdict": "edit", "edit": f"Certainly! {BREAD}"}
    report = kitchen.run("clean", out=out, overrides=verdicts(kitchen, "v.csv", leak=edit))
    assert kitchen.said(out)["leak"][1] == edit["edit"]
    assert reasons(kitchen, out)["leak"] == ["override:edit", "override:dirty", "mini.leak"]
    assert report.manifest.shards[0].reasons["override:dirty"] == 1
    assert verify(out).problems == ()
    pair = kitchen.table("preference", out).filter(pl.col("pm_row_id") == "leak")
    assert pair["chosen"][0][0]["content"] == edit["edit"]
    assert pair["rejected"][0][0]["content"] == ANSWERS["leak"]


def test_a_row_for_a_model_asks_for_what_nobody_decided(kitchen: Any, chat: Any) -> None:
    rows = [
        chat("half", "Who?", ANSWERS["leak"], "And?", ANSWERS["leak"], "So?", ANSWERS["keep"]),
        chat("whole", "Who?", ANSWERS["leak"]),
    ]
    kitchen.write("a.parquet", rows)
    kitchen.server.says(f"It is simple. {BREAD}")
    kitchen.run("run")
    decided = {"half": {"verdict": "edit", "edit": f"Hello. {BREAD}"}, "whole": {"verdict": "keep"}}
    out = kitchen.root / "second"
    kitchen.server.bodies.clear()
    report = kitchen.run("run", out=out, overrides=verdicts(kitchen, "v.csv", **decided))
    assert len(kitchen.server.bodies) == 1
    assert kitchen.said(out) == {
        "half": ["Who?", f"Hello. {BREAD}", "And?", f"It is simple. {BREAD}", "So?", BREAD],
        "whole": ["Who?", ANSWERS["leak"]],
    }
    assert kitchen.outcomes(out) == {"half": "regenerated", "whole": "kept"}
    assert reasons(kitchen, out)["half"] == ["override:edit", "mini.leak", "mini.certainly"]
    assert (report.overrides, report.overrides_missed) == (2, 0)
    assert verify(out).problems == ()


def test_changed_verdicts_want_another_folder(kitchen: Any) -> None:
    kitchen.run("clean")
    out = kitchen.root / "second"
    name = verdicts(kitchen, "v.csv", keep={"verdict": "keep"})
    kitchen.run("clean", out=out, overrides=name)
    assert kitchen.run("clean", out=out, overrides=name).skipped == 1
    verdicts(kitchen, "v.csv", keep={"verdict": "drop"})
    with pytest.raises(ConfigError, match="stage decide: the content of its packs, traits, overrides"):
        kitchen.run("clean", out=out, overrides=name)


def test_a_preference_row_is_overridden_on_its_chosen_side(project: Any) -> None:
    def said(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    prompt = [{"role": "user", "content": "Tell me."}]
    row = {"id": "p", "prompt": prompt, "chosen": said(ANSWERS["keep"]), "rejected": said("No.")}
    project.write("a.parquet", [row])
    project.run("clean")
    name = verdicts(project, "v.csv", p={"field": "chosen", "turn": "0", "verdict": "keep"})
    out = project.root / "second"
    assert project.run("clean", out=out, overrides=name).overrides_missed == 0
    assert project.table("preference", out)["chosen"][0][0]["content"] == ANSWERS["keep"]
    assert project.outcomes(out) == {"p": "kept"}
    assert verify(out).problems == ()
