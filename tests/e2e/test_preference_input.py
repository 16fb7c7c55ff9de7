"""Pairs that come in as pairs: the chosen side is cleaned, the rejected one is tagged, the prompt is only read."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl

from phrasemill.engine.verify import verify

LEAK = "I am Zorbot and I would put the bread into a paper bag on the shelf."
GOOD = "Put the bread into a paper bag on a shelf, away from the stove."
BAD = "Certainly! Somewhere, I hope. I am Zorbot."


def pair(id_: str, prompt: str, chosen: str, rejected: str = BAD) -> dict[str, Any]:
    return {
        "id": id_,
        "prompt": [{"role": "system", "content": "Certainly! be brief."}, {"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


PAIRS = [
    pair("kept", "Where is salt?", "On the table."),
    pair("stripped", "Where is flour?", "Certainly! It is in the jar by the window."),
    pair("leak", "Where is bread?", LEAK),
    pair("loop", "Where is it?", "It goes round and round and round."),
]


def test_the_chosen_side_is_cleaned_and_the_rejected_one_stays(project: Any) -> None:
    project.write("a.parquet", PAIRS)
    project.server.says(GOOD)
    report = project.run(pairs={"quality": "none"})
    assert project.outcomes() == {"kept": "kept", "stripped": "repaired", "leak": "regenerated", "loop": "dropped"}
    pairs = project.table("preference").filter(pl.col("pm_kind") == "input")
    rows = {row["pm_row_id"]: row for row in pairs.to_dicts()}
    assert set(rows) == {"kept", "stripped", "leak"}
    wanted = {"kept": "On the table.", "stripped": "It is in the jar by the window.", "leak": GOOD}
    for row, original in zip(rows.values(), PAIRS, strict=False):
        assert row["prompt"] == original["prompt"]
        assert row["rejected"] == original["rejected"]
        assert row["chosen"] == [{"role": "assistant", "content": wanted[row["pm_row_id"]]}]
        assert abs(row["pm_length_ratio"] - len(wanted[row["pm_row_id"]]) / len(BAD)) < 1e-5
    assert report.manifest.shards[0].pairs["input"] == 3
    said = project.said()
    assert said["leak"] == ["Certainly! be brief.", "Where is bread?", GOOD]
    assert verify(project.out).problems == ()


def test_mended_sides_make_pairs_of_their_own(project: Any) -> None:
    project.write("a.parquet", PAIRS)
    project.server.says(GOOD)
    project.run(pairs={"quality": "none", "max_length_ratio": 2})
    own = project.table("preference").filter(pl.col("pm_kind") != "input").to_dicts()
    assert [(row["pm_row_id"], row["pm_kind"]) for row in own] == [("stripped", "strip"), ("leak", "regenerate")]
    assert own[0]["rejected"][0]["content"] == PAIRS[1]["chosen"][0]["content"]
    assert own[0]["prompt"] == PAIRS[1]["prompt"]


def test_hits_are_evidence_of_their_own_field(project: Any) -> None:
    project.write("a.parquet", PAIRS)
    project.server.says(GOOD)
    project.run()
    spans = project.table("spans").select("row_id", "field", "turn", "category", "action").rows()
    assert ("stripped", "chosen", 0, "opener", "strip") in spans
    assert ("leak", "chosen", 0, "identity_leak", "regenerate") in spans
    assert sorted({span[1:] for span in spans if span[1] == "rejected"}) == [
        ("rejected", 0, "identity_leak", "tag"),
        ("rejected", 0, "opener", "tag"),
    ]
    assert not any(span[1] == "prompt" for span in spans)
    attempts = project.table("generations").select("field", "turn").rows()
    assert attempts == [("chosen", 0)]


def test_pairs_with_whole_conversations_on_both_sides(project: Any) -> None:
    def side(answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "Where is flour?"}, {"role": "assistant", "content": answer}]

    project.write(
        "a.jsonl",
        [{"id": "a", "chosen": side("Certainly! It is in the jar by the window."), "rejected": side(BAD), "score": 2}],
    )
    project.run("clean")
    row = project.table("preference").filter(pl.col("pm_kind") == "input").to_dicts()[0]
    assert row["prompt"] == side("")[:1]
    assert row["chosen"] == [{"role": "assistant", "content": "It is in the jar by the window."}]
    assert row["rejected"] == [{"role": "assistant", "content": BAD}]
    assert project.table("sft")["score"].to_list() == [2]
    assert verify(project.out).problems == ()


def test_extra_keys_of_both_sides_are_joined(project: Any) -> None:
    row = pair("a", "Where is flour?", LEAK)
    row["prompt"][1]["name"] = "ann"
    row["chosen"][0] |= {"reasoning": "They want the leak.", "note": "flour"}  # the reasoning was for the old answer
    project.write("a.jsonl", [row, pair("b", "Where is salt?", "On the table.")])
    project.server.says(GOOD)
    project.run()
    extras = dict(project.table("sft").select("id", "pm_messages_extra").iter_rows())
    assert orjson.loads(extras["a"]) == [None, {"name": "ann"}, {"note": "flour"}]
    assert extras["b"] is None


def test_an_unusable_side_sends_the_row_to_quarantine(project: Any) -> None:
    broken = pair("broken", "Where?", "There.")
    broken["rejected"] = []
    project.write("a.jsonl", [pair("kept", "Where is salt?", "On the table."), broken])
    project.run("clean")
    assert project.outcomes() == {"kept": "kept", "broken": "quarantined"}
    assert verify(project.out).problems == ()


def test_a_pair_whose_sides_say_the_same_now_is_none_any_more(project: Any) -> None:
    project.write(
        "a.jsonl",
        [
            pair("strip", "Where is flour?", "Certainly! It is in the jar.", "It is in the jar."),
            pair("leak", "Where?", LEAK, GOOD),
        ],
    )
    project.server.says(GOOD)
    report = project.run(pairs={"kinds": []})
    assert project.outcomes() == {"strip": "repaired", "leak": "regenerated"}
    assert project.table("preference").is_empty()
    assert report.manifest.shards[0].pairs_withheld["identical"] == 2
    assert verify(project.out).problems == ()


def test_a_pair_that_would_undo_a_refusal_is_withheld(project: Any) -> None:
    refusal = "I am sorry, but I cannot help with that today."
    rows = [
        pair("undone", "How is the lock picked?", "Push the pins up one by one.", refusal),
        pair("undone-leak", "And the safe?", LEAK, refusal),
        pair("both", "And the door?", "Well, I cannot help with that at all.", refusal),
    ]
    project.write("a.jsonl", rows)
    project.server.says(GOOD)
    report = project.run(pairs={"quality": "none", "kinds": []})
    assert project.table("preference")["pm_row_id"].to_list() == ["both"]
    assert report.manifest.shards[0].pairs_withheld["refusal_protected"] == 2
    assert verify(project.out).problems == ()


def test_assistant_turns_of_the_prompt_are_mended_for_both_tables(project: Any) -> None:
    row = pair("deep", "And flour?", "In the jar by the window, with the sugar.", "No idea at all about any flour.")
    row["prompt"] = [
        {"role": "user", "content": "Where is salt?"},
        {"role": "assistant", "content": "Certainly! It stands on the table by the door."},
        row["prompt"][1],
    ]
    project.write("a.jsonl", [row])
    project.run(pairs={"quality": "none"})
    assert project.outcomes() == {"deep": "repaired"}
    said = project.table("sft")["messages"].to_list()[0][1]["content"]
    assert said == "It stands on the table by the door."
    pairs = {pair["pm_kind"]: pair for pair in project.table("preference").to_dicts()}
    assert pairs["input"]["prompt"][1]["content"] == said
    assert pairs["strip"]["chosen"][0]["content"] == said
    assert pairs["strip"]["pm_turn"] == 1
    assert verify(project.out).problems == ()
