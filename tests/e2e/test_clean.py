"""``clean``: what the default policy strips, what needs a model, and what is left alone."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.engine.catalog import CATALOG_NAME
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import GateError

Q = "Tell me about bread."
SLOP = "It is a testament to care. It is a testament to time. It is a testament to salt. "
FILL = "The dough rests in a bowl by the window while the oven warms up slowly for an hour or so. "

CASES = {
    "kept": (Q, "Bread is flour, water and salt, baked.", "kept", "Bread is flour, water and salt, baked."),
    "opener": (Q, "Certainly! Bread is flour, water and salt.", "repaired", "Bread is flour, water and salt."),
    "closer": (
        Q,
        "Bread is flour, water and salt. I hope this helps!",
        "repaired",
        "Bread is flour, water and salt.",
    ),
    "hedge": (
        Q,
        "It's important to note that bread goes stale within days.",
        "repaired",
        "Bread goes stale within days.",
    ),
    "frame": (
        Q,
        "As an AI language model, I don't have opinions, but most people like a dark crust.",
        "repaired",
        "Most people like a dark crust.",
    ),
    "no frame": (Q, "As an AI language model, I have never eaten bread or anything else.", "dropped", None),
    "identity": (Q, "I am ChatGPT, and I was made by OpenAI. Bread is baked dough.", "dropped", None),
    "refusal": (
        Q,
        "I'm sorry, but I can't help with that request.",
        "kept",
        "I'm sorry, but I can't help with that request.",
    ),
    "slop few": (Q, SLOP + FILL * 40, "kept", SLOP + FILL * 40),
    "slop many": (Q, SLOP + FILL, "dropped", None),
    "in code": (Q, "Type this:\n\n```\nI am ChatGPT, and I was made by OpenAI.\n```", "kept", None),
    "asked": ("Are you an AI?", "Yes. I'm an AI language model, so I run on a computer.", "kept", None),
}


@pytest.fixture
def core(project: Any, chat: Any) -> Any:
    """The cases above, cleaned with the shipped pack."""
    project.write("a.parquet", [chat(name, case[0], case[1]) for name, case in CASES.items()])
    project.run("clean", packs=["core-en"], pairs={"max_length_ratio": 3})
    return project


def test_the_default_policy(core: Any) -> None:
    assert core.outcomes() == {name: case[2] for name, case in CASES.items()}
    said = core.said()
    for name, (_, original, outcome, text) in CASES.items():
        if outcome == "kept":
            assert said[name][-1] == original
        elif text is not None:
            assert said[name][-1] == text
    verdicts = {row["row_id"]: row for row in core.table("verdicts").to_dicts()}
    dropped = [name for name, case in CASES.items() if case[2] == "dropped"]
    assert all(verdicts[name]["reasons"][0] == "needs_model" for name in dropped)
    assert {verdicts[name]["action"] for name in dropped} == {"regenerate"}
    assert verdicts["opener"]["reasons"] == core.table("sft").filter(pl.col("id") == "opener")["pm_rules"].to_list()[0]
    actions = core.table("spans").join(core.table("verdicts").select("row", "outcome"), on="row")
    by_row = {row["row_id"]: (row["action"], row["exempt"]) for row in actions.to_dicts()}
    assert by_row["refusal"] == ("tag", None)
    assert by_row["slop few"] == ("tag", None)
    assert by_row["slop many"] == ("regenerate", None)
    assert by_row["in code"] == (None, "code")
    assert by_row["asked"] == (None, "asked")
    assert verify(core.out).problems == ()


def test_spans_cut_their_text_out_of_the_original(core: Any) -> None:
    spans = core.table("spans").join(core.table("originals").rename({"text": "whole"}), on=["row", "field", "turn"])
    assert spans.height == core.table("spans").height
    for span in spans.to_dicts():
        assert span["whole"][span["start"] : span["stop"]] == span["text"]


def test_published_text_gives_the_policy_nothing_to_do(core: Any) -> None:
    again = core.root / "again"
    report = core.run("scan", out=again, packs=["core-en"], input={"path": str(core.out / "data/sft")})
    actions = core.table("spans", again)["action"]
    assert set(actions.drop_nulls()) <= {"tag"}
    twice = core.root / "twice"
    core.run("clean", out=twice, packs=["core-en"], input={"path": str(core.out / "data/sft")})
    assert core.said(twice) == core.said()
    assert report.manifest.command == "scan"
    assert core.table("sft", again).is_empty()


def test_strip_pairs_reject_the_original(core: Any) -> None:
    pairs = {row["pm_row_id"]: row for row in core.table("preference").to_dicts()}
    assert set(pairs) == {"opener", "closer", "hedge", "frame"}
    assert pairs["opener"]["prompt"] == [{"role": "user", "content": Q}]
    assert pairs["opener"]["rejected"][0]["content"] == CASES["opener"][1]
    assert pairs["opener"]["chosen"][0]["content"] == CASES["opener"][3]
    assert pairs["opener"]["pm_reason"].startswith("opener.")


def test_scan_publishes_no_data_and_says_what_it_would_do(project: Any, chat: Any) -> None:
    project.write(
        "a.parquet", [chat("a", Q, "Certainly! Bread is baked dough."), chat("b", Q, "Bread is baked dough.")]
    )
    project.run("scan")
    assert project.outcomes() == {"a": "kept", "b": "kept"}
    assert project.table("verdicts")["action"].to_list() == ["strip", "keep"]
    assert project.table("spans")["action"].to_list() == ["strip"]
    assert not (project.out / "data").exists()
    assert (project.out / CATALOG_NAME).exists()


def test_clean_rows_stay_as_they_are_and_keep_their_columns(project: Any) -> None:
    texts = [
        "  leading and trailing \n\n",
        "Zeile\r\nmit CRLF",
        "e\u0301 \u200b \U0001f469\u200d\U0001f680",
        "a\tb\u00a0c",
    ]
    messages = [[{"role": "user", "content": " q "}, {"role": "assistant", "content": text}] for text in texts]
    table = pa.table(
        {
            "id": ["0", "0", "2", None],
            "messages": messages,
            "score": pa.array([0.1, None, float("inf"), -0.0], pa.float32()),
            "nested": [{"a": [1, 2], "b": None}, None, {"a": [], "b": "x"}, {"a": None, "b": None}],
            "label": [1, 2, 3, 4],
        }
    )
    pq.write_table(table, project.input / "a.parquet")
    project.run("clean")
    sft = project.table("sft")
    assert [row[-1]["content"] for row in sft["messages"].to_list()] == texts
    before = pl.read_parquet(project.input / "a.parquet")
    assert sft.select("score", "nested").equals(before.select("score", "nested"))
    assert sft["pm_src_label"].to_list() == [1, 2, 3, 4]
    assert sft["id"].to_list()[:3] == ["0", "0", "2"]
    assert len(sft["id"].to_list()[3]) == 32
    assert project.table("verdicts").select("shard", "row").n_unique() == 4


def test_system_prompts_tools_and_reasoning_travel_with_their_turns(project: Any) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Certainly! is what you say."},
        {"role": "user", "content": Q, "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "thinking", "arguments": "{}"}}]},
        {"role": "tool", "content": "Certainly! flour", "tool_call_id": "t"},
        {"role": "assistant", "content": "Certainly! It is flour and water.", "reasoning": "Certainly! flour."},
    ]
    tool_only = [*messages[1:4], {"role": "assistant", "content": "It is flour."}]
    project.write("a.jsonl", [{"id": "a", "messages": messages}, {"id": "b", "messages": tool_only}])
    project.run("clean")
    row = project.table("sft").to_dicts()[0]
    extras = orjson.loads(row["pm_messages_extra"])
    assert [turn["content"] for turn in row["messages"]] == [
        messages[0]["content"],
        Q,
        "",
        "Certainly! flour",
        "It is flour and water.",
    ]
    assert extras[4] == {"reasoning": "Certainly! flour."}
    assert extras[2]["tool_calls"][0]["function"]["name"] == "thinking"
    dropped = project.root / "dropped"
    project.run("clean", out=dropped, policy={"reasoning": "drop"})
    extras = orjson.loads(project.table("sft", dropped).to_dicts()[0]["pm_messages_extra"])
    assert extras[4] is None
    assert extras[2]["tool_calls"][0]["function"]["name"] == "thinking"
    assert project.outcomes(dropped) == {"a": "repaired", "b": "kept"}


def test_a_think_block_is_kept_or_dropped_and_never_searched(project: Any, chat: Any) -> None:
    thought = "<think>\nCertainly! I am Zorbot.\n</think>\n\n"
    project.write(
        "a.parquet",
        [chat("a", Q, thought + "It is flour."), chat("b", Q, thought + "Certainly! It is flour and water.")],
    )
    project.run("clean")
    assert project.said() == {"a": [Q, thought + "It is flour."], "b": [Q, thought + "It is flour and water."]}
    assert project.outcomes() == {"a": "kept", "b": "repaired"}
    dropped = project.root / "dropped"
    project.run("clean", out=dropped, policy={"reasoning": "drop"})
    assert project.said(dropped) == {"a": [Q, "It is flour."], "b": [Q, "It is flour and water."]}
    reasons = project.table("verdicts", dropped)["reasons"].to_list()
    assert reasons == [["reasoning_dropped"], ["reasoning_dropped", "mini.certainly"]]
    assert verify(dropped).ok


def test_an_answer_that_is_nothing_but_reasoning_is_not_published_empty(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("a", Q, "<think>Hm.</think>\n"), chat("b", Q, "It is flour.")])
    project.run("clean", policy={"reasoning": "drop"})
    assert project.outcomes() == {"a": "dropped", "b": "kept"}
    assert project.table("verdicts")["reasons"].to_list() == [["reasoning_only"], []]
    assert verify(project.out).problems == ()


def test_rows_that_only_lack_a_model_do_not_fail_the_gate(project: Any, chat: Any) -> None:
    rows = [chat(str(at), Q, "I am Zorbot, the baker of this town.") for at in range(4)]
    project.write("a.parquet", rows)
    gate = {"gate": {"max_dropped": 0.1}}
    report = project.run("clean", policy=gate)
    assert report.manifest.shards[0].reasons == {"needs_model": 4}
    with pytest.raises(GateError, match="max_dropped"):
        project.run("clean", out=project.root / "x", policy={**gate, "actions": {"identity_leak": "drop"}})
    project.write("b.jsonl", [{"id": "q", "messages": [{"role": "user", "content": "Alone."}]}])
    with pytest.raises(GateError, match="quarantined"):
        project.run("clean", out=project.root / "y", policy={"gate": {"max_quarantined": 0.1}})
    assert verify(project.root / "y").ok


def test_what_is_not_wanted_is_not_written(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("a", Q, "Certainly! It is flour and water, baked.")])
    project.run("clean", output={"sft": False, "preference": True, "compression": "snappy"})
    assert project.table("sft").is_empty()
    assert project.table("preference").height == 1
    assert verify(project.out).problems == ()
    other = project.root / "other"
    project.run("clean", out=other, output={"preference": False}, pairs={"kinds": ["regenerate"]})
    assert not (other / "data/preference").exists()
    assert verify(other).problems == ()
