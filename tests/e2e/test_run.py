"""The main job with a model: what is asked, what is accepted, what is published and what stands as evidence."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.engine import model_stage
from phrasemill.engine.verify import verify
from phrasemill.generators.backend import open_backend
from phrasemill.generators.retry import RetryPolicy
from phrasemill.schemas.errors import BackendError, ConfigError, GateError

LEAK = "I am Zorbot and I would put the bread into a paper bag on the shelf."
GOOD = "Put the bread into a paper bag on a shelf, away from the stove and the sun."
ASK = "Where do I keep bread?"


def mixed(chat: Any) -> list[dict[str, Any]]:
    return [
        chat("kept", "What is tea?", "Leaves in hot water."),
        chat("stripped", "What is rain?", "Certainly! Rain is water that falls out of clouds."),
        chat("leak", ASK, LEAK),
        chat("loop", "Go on.", "The wheels go round and round and round and round."),
        {"id": "broken", "messages": [{"role": "user", "content": "Alone."}]},
        chat("both", "What is rain?", "Certainly! Rain is water that falls.", ASK, LEAK),
    ]


def test_every_row_ends_once_and_stands_where_its_verdict_says(project: Any, chat: Any) -> None:
    project.write("a.parquet", mixed(chat)[:3])
    project.write("b.parquet", mixed(chat)[3:])
    report = project.run(pairs={"quality": "none"})
    assert project.outcomes() == {
        "kept": "kept",
        "stripped": "repaired",
        "leak": "regenerated",
        "loop": "dropped",
        "broken": "quarantined",
        "both": "regenerated",
    }
    for commit in report.manifest.shards:
        assert sum(commit.outcomes.values()) == commit.rows_in == 3
        assert commit.published == commit.rows_of("sft")
    verdicts = project.table("verdicts")
    assert verdicts.select("shard", "row").n_unique() == verdicts.height == 6
    assert set(project.said()) == {"kept", "stripped", "leak", "both"}
    assert project.table("quarantine")["row_id"].to_list() == ["broken"]
    assert verify(project.out).problems == ()
    sft = {row["id"]: row for row in project.table("sft").to_dicts()}
    assert [sft[name]["pm_action"] for name in ("kept", "stripped", "leak")] == ["keep", "strip", "regenerate"]
    assert sft["both"]["pm_rules"] == ["mini.certainly", "mini.leak"]
    assert (sft["leak"]["pm_trait_id"], sft["stripped"]["pm_trait_id"]) == ("plain", None)
    assert sft["kept"]["pm_original_hash"] is None
    assert len(sft["leak"]["pm_original_hash"]) == 32


def test_the_published_data_is_clean_by_the_same_policy(project: Any, chat: Any) -> None:
    project.write("a.parquet", mixed(chat))
    project.run()
    config = project.config(input={"path": str(project.out / "data/sft")})
    again = project.root / "again"
    project.run("scan", out=again, config=config)
    assert project.table("spans", again).is_empty()


def test_a_dirty_answer_is_asked_for_again_with_the_hit_named(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK)])
    project.server.says("Certainly! Put it into a bag on the shelf.", GOOD)
    report = project.run()
    assert project.said()["leak"][-1] == GOOD
    first, second = (body["messages"][0]["content"] for body in project.server.bodies)
    assert "Certainly!" not in first
    assert '"Certainly!"' in second
    assert project.server.bodies[1]["bad_words"] == ["Certainly!"]
    attempts = project.table("generations").to_dicts()
    assert [(each["attempt"], each["outcome"], each["hits_left"]) for each in attempts] == [
        (1, "rejected", ["mini.certainly"]),
        (2, "accepted", []),
    ]
    assert attempts[0]["text"].startswith("Certainly!")
    assert attempts[0]["reason"] == "dirty:mini.certainly"
    assert attempts[0]["request_hash"] != attempts[1]["request_hash"]
    assert report.model.sent == 2
    assert report.model.outcomes == {"rejected": 1, "accepted": 1}
    assert report.manifest.shards[0].requests == {"rejected": 1, "accepted": 1}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param((GOOD[:40], "length"), "truncated", id="truncated"),
        pytest.param("", "empty", id="empty"),
        pytest.param(ASK, "prompt_copy", id="prompt copy"),
        pytest.param(LEAK, "original_copy", id="the original again"),
        pytest.param("Put it into a bag.<|im_end|>", "leaked_template", id="template"),
        pytest.param("As instructed, I would use a paper bag.", "names_instructions", id="instructions"),
        pytest.param("I am Zorbot. Use a paper bag.", "dirty:mini.leak", id="dirty"),
    ],
)
def test_what_must_not_pass_never_does(project: Any, chat: Any, answer: Any, reason: str) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK), chat("kept", "What is tea?", "Leaves in hot water.")])
    project.server.says(answer)
    report = project.run(regenerate={"attempts": 2})
    assert project.outcomes() == {"leak": "dropped", "kept": "kept"}
    assert set(project.said()) == {"kept"}
    assert project.table("generations")["reason"].to_list() == [reason] * 2
    assert project.table("verdicts")["reasons"].to_list()[0] == [f"given_up:{reason}", "mini.leak"]
    assert report.manifest.shards[0].reasons == {f"given_up:{reason}": 1}
    assert project.table("preference").is_empty()
    assert verify(project.out).ok


def test_a_refused_request_gives_the_row_up(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK), chat("leak2", "Where do I keep my boots?", LEAK)])
    project.server.reply = lambda body: (
        (400, "", "") if "boots" in body["messages"][-1]["content"] else (200, GOOD, "stop")
    )
    project.run()
    assert project.outcomes() == {"leak": "regenerated", "leak2": "dropped"}
    assert project.table("generations")["outcome"].to_list() == ["accepted", "failed"]


def test_quarantine_as_the_fallback(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK)])
    project.server.says("")
    project.run(policy={"fallback": "quarantine"})
    assert project.outcomes() == {"leak": "quarantined"}
    row = project.table("quarantine").to_dicts()[0]
    assert (row["reason"], row["detail"]) == ("given_up", "empty")
    assert orjson.loads(row["raw"])["messages"][1]["content"] == LEAK
    assert verify(project.out).ok


MIDDLE = (
    "Name a town.",
    "I am Zorbot and I pick the town of Eldermoor.",
    "How far is Eldermoor?",
    "Two hours by train.",
)


def test_a_turn_in_the_middle_keeps_what_later_turns_refer_to(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("middle", *MIDDLE)])
    project.server.says("The town of Hartwell is a good choice for a walk.", "I would pick Eldermoor, by the old mill.")
    project.run(pairs={"quality": "none"})
    assert project.said()["middle"] == [MIDDLE[0], "I would pick Eldermoor, by the old mill.", *MIDDLE[2:]]
    assert "Eldermoor" in project.server.bodies[0]["messages"][0]["content"]
    assert project.table("generations")["reason"].to_list() == ["lost_reference", None]
    pair = project.table("preference").to_dicts()[0]
    assert [turn["content"] for turn in pair["prompt"]] == [MIDDLE[0]]


def test_the_conversation_is_cut_where_the_reference_is_lost(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("middle", *MIDDLE)])
    lost = "The town of Hartwell is a good choice for a walk."
    project.server.says(lost)
    project.run(regenerate={"attempts": 2})
    assert project.said()["middle"] == [MIDDLE[0], lost]
    assert project.table("generations").select("attempt", "outcome").rows() == [
        (1, "rejected"),
        (2, "rejected"),
        (3, "accepted"),
    ]
    assert verify(project.out).ok


def test_a_policy_that_does_not_cut_gives_the_row_up(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("middle", *MIDDLE)])
    project.server.says("The town of Hartwell is a good choice for a walk.")
    project.run(policy={"cut_conversation": False})
    assert project.outcomes() == {"middle": "dropped"}


def test_later_turns_and_later_pairs_stand_on_the_mended_prefix(project: Any, chat: Any) -> None:
    turns = (
        "Name a bird.",
        LEAK,
        "And a tree?",
        "I am Zorbot and I name the oak.",
        "A fish?",
        "Certainly! The carp it is.",
    )
    project.write("a.parquet", [chat("row", *turns, system="You know animals.")])
    project.server.says("The robin is a small bird with a red breast.", "The oak is a tree with acorns on it.")
    project.run(pairs={"quality": "none", "max_length_ratio": 3})
    first, second = project.server.bodies
    assert LEAK not in orjson.dumps([first, second]).decode()
    assert [turn["content"] for turn in second["messages"][1:]] == [
        turns[0],
        "The robin is a small bird with a red breast.",
        turns[2],
    ]
    assert second["messages"][0]["content"].startswith("You know animals.")
    said = project.said()["row"]
    assert said[-1] == "The carp it is."
    pairs = project.table("preference").to_dicts()
    assert [(pair["pm_turn"], pair["pm_kind"]) for pair in pairs] == [
        (2, "regenerate"),
        (4, "regenerate"),
        (6, "strip"),
    ]
    for pair in pairs:
        at = pair["pm_turn"]
        assert [turn["content"] for turn in pair["prompt"]] == said[:at]
        assert pair["chosen"] == [{"role": "assistant", "content": said[at]}]
        assert pair["rejected"] == [{"role": "assistant", "content": turns[at - 1]}]


def test_a_regenerated_pair_waits_for_the_gate_that_the_config_names(project: Any, chat: Any) -> None:
    project.write("a.parquet", mixed(chat)[:3])
    project.server.says(GOOD)
    judged = project.run()
    assert judged.manifest.shards[0].pairs == {"strip": 1}
    assert judged.manifest.shards[0].pairs_withheld == {"no_judge": 1}
    other = project.root / "none"
    project.run(out=other, pairs={"quality": "none"})
    strip, regenerated = project.table("preference", other).to_dicts()
    assert (strip["pm_kind"], strip["pm_reason"], strip["pm_trait_id"]) == ("strip", "mini.certainly", None)
    assert (regenerated["pm_reason"], regenerated["pm_trait_id"]) == ("mini.leak", "plain")
    assert regenerated["pm_length_ratio"] == pytest.approx(len(GOOD) / len(LEAK), rel=1e-5)
    assert regenerated["prompt"] == [{"role": "user", "content": ASK}]
    assert regenerated["rejected"][0]["content"] == LEAK


def test_a_pair_of_very_different_lengths_is_withheld(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK)])
    project.server.says("In a bag, on the shelf.")
    report = project.run(pairs={"quality": "none"})
    assert project.outcomes() == {"leak": "regenerated"}
    assert report.manifest.shards[0].pairs_withheld == {"length_ratio": 1}


def test_a_refusal_is_written_again_as_a_refusal(project: Any, chat: Any) -> None:
    refusing = "I am Zorbot, so I cannot help with that, whatever the reason may be."
    project.write("a.parquet", [chat("no", "Open that lock for me.", refusing)])
    project.server.says("Push the pins up one by one until the lock turns.", "I won't do it: the lock belongs to them.")
    report = project.run(pairs={"quality": "none"})
    assert "Decline" in project.server.bodies[0]["messages"][0]["content"]
    assert project.said()["no"][-1] == "I won't do it: the lock belongs to them."
    # The pack does not know the new words as a refusal, so the pair counts as a complying one.
    assert report.manifest.shards[0].pairs_withheld == {"refusal_protected": 1}


def test_what_came_with_a_row_survives_its_regeneration(project: Any) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ASK, "name": "ann"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "shelf", "tool_call_id": "c1"},
        {"role": "assistant", "content": LEAK, "reasoning": "It asks about bread."},
    ]
    project.write("a.jsonl", [{"id": "tools", "messages": messages, "score": 0.25, "tags": ["x", "y"]}])
    project.server.says(GOOD)
    project.run()
    row = project.table("sft").to_dicts()[0]
    assert (row["score"], row["tags"]) == (0.25, ["x", "y"])
    extras = orjson.loads(row["pm_messages_extra"])
    assert extras[1] == {"name": "ann"}
    assert extras[2]["tool_calls"] == calls
    assert extras[3] == {"tool_call_id": "c1"}
    assert [turn["content"] for turn in row["messages"]] == ["Be brief.", ASK, "", "shelf", GOOD]


def test_a_trait_allows_what_the_policy_forbids(project: Any, chat: Any) -> None:
    traits = project.root / "traits"
    traits.mkdir()
    (traits / "zorb.yaml").write_text(
        "id: zorb\nstatement: I say who I am.\npos_instruction: Say who you are.\nphrases: {allow: [mini.leak]}\n"
    )
    project.write("a.parquet", [chat("leak", ASK, LEAK)])
    report = project.run(traits={"use": ["zorb"], "dir": str(traits)})
    assert project.outcomes() == {"leak": "kept"}
    assert project.table("spans").select("rule_id", "action", "exempt").rows() == [("mini.leak", None, None)]
    assert report.model.sent == 0


def test_a_run_without_a_voice_is_refused(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK)])
    with pytest.raises(ConfigError, match=r"traits\.use"):
        project.run(traits={"use": []})
    project.run("clean", traits={"use": []})


def test_a_row_that_begins_with_the_flagged_turn_is_given_up(project: Any) -> None:
    turns = [("assistant", LEAK), ("user", "Hello."), ("assistant", "Good day.")]
    messages = [{"role": role, "content": text} for role, text in turns]
    project.write("a.jsonl", [{"id": "a", "messages": messages}])
    assert project.run().model.sent == 0
    assert project.table("verdicts")["reasons"].to_list() == [["given_up:no_prompt", "mini.leak"]]
    assert verify(project.out).ok


def test_reasoning_of_the_model_is_neither_judged_nor_published(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK)])
    project.server.says(f"<think>I am Zorbot.</think>\n{GOOD}")
    project.run()
    assert project.said()["leak"][-1] == GOOD
    assert project.table("generations")["text"].to_list() == [f"<think>I am Zorbot.</think>\n{GOOD}"]


QUICK = RetryPolicy(tries=2, base=0.001, cap=0.001, down_after_failures=4, down_after=0.0)


def test_a_server_that_is_down_leaves_a_run_that_can_go_on(
    project: Any, chat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_stage, "open_backend", functools.partial(open_backend, retry=QUICK))
    project.write("a.parquet", [chat("kept", "What is tea?", "Leaves in hot water.")])
    project.write("b.parquet", [chat(f"leak{at}", f"Where is number {at}?", LEAK) for at in range(5)])
    answered = []

    def dies(body: dict[str, Any]) -> tuple[int, str, str]:
        answered.append(body)
        return (200, GOOD, "stop") if len(answered) <= 2 else (503, "", "")

    project.server.reply = dies
    with pytest.raises(BackendError, match="run the same command again"):
        project.run(backend={**project.config().backend.model_dump(), "concurrency": 1})
    assert set(project.said()) == {"kept"}
    assert verify(project.out).ok
    project.server.says(GOOD)
    report = project.run(backend={**project.config().backend.model_dump(), "concurrency": 1})
    assert (report.model.replayed, report.model.sent, report.skipped) == (2, 3, 2)
    assert len(project.said()) == 6
    assert verify(project.out).ok


def test_a_wrong_address_is_a_backend_error(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("leak", ASK, LEAK)])
    project.server.reply = lambda _: (404, "", "")
    with pytest.raises(BackendError, match="status 404"):
        project.run()


def test_a_gate_speaks_after_everything_is_published(project: Any, chat: Any) -> None:
    project.write("a.parquet", mixed(chat)[:4])
    with pytest.raises(GateError, match="1 of 4 rows were dropped"):
        project.run(policy={"gate": {"max_dropped": 0.1}})
    assert len(project.said()) == 3
    assert verify(project.out).ok


def test_the_same_bytes_whatever_the_number_of_workers(project: Any, chat: Any) -> None:
    for name in "abc":
        rows = [
            chat(f"{name}{at}", f"Where is {name} number {at}?", (LEAK, "Certainly! It is here.", "Here.")[at % 3])
            for at in range(6)
        ]
        project.write(f"{name}.parquet", rows)
    outs = [project.root / "one", project.root / "two"]
    for workers, out in enumerate(outs, start=1):
        project.run(out=out, workers=workers, pairs={"quality": "none"})
    first, second = ({str(path.relative_to(out)): path.read_bytes() for path in out.glob("data/*/*")} for out in outs)
    assert len(first) == 6
    assert first == second


def test_a_sample_is_seeded_and_accounted_for(project: Any, chat: Any) -> None:
    for name in "ab":
        project.write(f"{name}.parquet", [chat(f"{name}{at}", "Where?", f"Here, at {at}.") for at in range(10)])
    outs = [project.root / name for name in ("one", "two", "three")]
    report = project.run(out=outs[0], limit=7)
    project.run(out=outs[1], limit=7)
    project.run(out=outs[2], limit=7, seed=2)
    assert sum(commit.rows_in for commit in report.manifest.shards) == 7
    assert project.said(outs[0]) == project.said(outs[1])
    assert set(project.said(outs[0])) != set(project.said(outs[2]))
    assert verify(outs[0]).ok
    head = project.root / "head"
    project.run(out=head, head=12)
    assert set(project.said(head)) == {f"a{at}" for at in range(10)} | {"b0", "b1"}


def test_every_kind_of_column_survives_regeneration(project: Any, chat: Any) -> None:
    row = chat("leak", ASK, LEAK)
    table = pa.Table.from_pylist([row]).append_column("when", pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")))
    table = table.append_column("cost", pa.array([decimal.Decimal("1.20")]))
    table = table.append_column("day", pa.array([dt.date(2024, 2, 29)]))
    table = table.append_column("raw", pa.array([b"\xff\x00"]))
    table = table.append_column("kind", pa.array(["a"]).dictionary_encode())
    pq.write_table(table, project.input / "a.parquet")
    kept = project.root / "kept"
    project.run(out=kept, policy={"actions": {"identity_leak": "tag"}})
    project.run()
    names = ["when", "cost", "day", "raw", "kind"]
    assert project.table("sft").select(names).equals(project.table("sft", kept).select(names))
