"""Running again: what is done stays done, what changed is done anew, and a run that was killed goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engine.folder import locked
from phrasemill.engine.settings import dump_config
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import ConfigError, InputError, IntegrityError, LockedError

LEAK = "I am Zorbot and I would put the bread into a paper bag on the shelf."
ANSWERS = (LEAK, "Certainly! It is on the shelf by the window.", "On the shelf.")


def rows(chat: Any, name: str, count: int = 6) -> list[dict[str, Any]]:
    return [chat(f"{name}{at}", f"Where is {name} number {at}?", ANSWERS[at % 3]) for at in range(count)]


def files(out: Path) -> dict[str, bytes]:
    found = (path for path in out.rglob("*.parquet") if "_staged" not in path.parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def stamps(out: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in out.rglob("*.parquet")}


def test_a_finished_run_does_nothing_again(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.write("b.parquet", rows(chat, "b"))
    project.run()
    before, sent = stamps(project.out), len(project.server.bodies)
    report = project.run()
    assert (report.done, report.skipped, report.model.sent) == (0, 2, 0)
    assert stamps(project.out) == before
    assert len(project.server.bodies) == sent == 4
    assert verify(project.out).ok


def test_a_new_file_is_taken_in(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    before = files(project.out)
    project.write("b.parquet", rows(chat, "b"))
    report = project.run()
    assert (report.done, report.skipped, report.model.sent) == (1, 1, 2)
    assert before.items() <= files(project.out).items()
    assert len(project.said()) == 12
    assert verify(project.out).ok


def test_a_new_file_with_a_new_column_is_taken_in(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    project.write("b.parquet", [{**row, "score": 0.5} for row in rows(chat, "b")])
    report = project.run()
    assert (report.done, report.skipped) == (1, 1)
    extra = dict(project.table("sft").select("id", "pm_extra").iter_rows())
    assert len(extra) == 12
    assert (extra["a0"], extra["b0"], extra["b1"]) == (None, '{"score":0.5}', '{"score":0.5}')
    assert verify(project.out).ok
    assert project.run().skipped == 2


def test_a_changed_file_is_done_anew(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.write("b.parquet", rows(chat, "b"))
    project.run()
    project.write("b.parquet", [chat("b-new", "Where?", "Here it is.")])
    report = project.run()
    assert (report.done, report.skipped, report.absent) == (1, 1, ())
    assert set(project.said()) == {f"a{at}" for at in range(6)} | {"b-new"}
    assert verify(project.out).ok


def test_a_file_that_is_gone_is_named_and_kept_until_pruned(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    gone = project.write("b.parquet", rows(chat, "b"))
    project.run()
    gone.unlink()
    report = project.run()
    assert len(report.absent) == 1
    assert report.manifest.absent == report.absent
    assert len(project.said()) == 12
    assert verify(project.out).ok
    assert project.run(prune=True).absent == ()
    assert len(project.said()) == 6
    assert verify(project.out).ok


def test_files_of_the_same_content_are_shards_of_their_own(project: Any, chat: Any) -> None:
    for name in "abc":
        project.write(f"{name}.parquet", rows(chat, "a"))
    project.run()
    assert project.table("sft").height == 18
    (project.input / "a.parquet").unlink()
    report = project.run()
    assert (report.done, report.skipped) == (0, 2)
    assert verify(project.out).ok


def test_a_file_may_move(project: Any, chat: Any) -> None:
    path = project.write("a.parquet", rows(chat, "a"))
    project.run()
    path.rename(project.input / "z.parquet")
    report = project.run()
    assert (report.done, report.skipped, report.absent) == (0, 1, ())


@pytest.mark.parametrize(
    ("section", "key"),
    [
        pytest.param({"policy": {"fallback": "quarantine"}}, "policy.fallback: drop -> quarantine", id="policy"),
        pytest.param({"seed": 9}, "seed: 1 -> 9", id="seed"),
        pytest.param({"traits": {"use": ["caring"]}}, "traits.use", id="trait"),
    ],
)
def test_another_configuration_is_refused_by_name(project: Any, chat: Any, section: dict[str, Any], key: str) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    before = stamps(project.out)
    with pytest.raises(ConfigError, match=key.replace(".", r"\.")) as caught:
        project.run(**section)
    assert "--base" in str(caught.value)
    assert stamps(project.out) == before
    assert project.run().skipped == 1


def test_a_changed_pack_and_another_sample_are_refused(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    with pytest.raises(ConfigError, match="sample"):
        project.run(limit=2)
    with pytest.raises(ConfigError, match="stage decide"):
        project.run("clean")
    project.pack.write_text(project.pack.read_text().replace("delve into", "dig into"))
    with pytest.raises(ConfigError, match="stage scan"):
        project.run()


def test_a_base_lends_its_spans_and_its_answers(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.write("b.parquet", rows(chat, "b"))
    project.run()
    sent = len(project.server.bodies)
    new = project.root / "new"
    report = project.run(out=new, base=project.out, policy={"actions": {"opener": "drop"}}, pairs={"quality": "none"})
    assert (report.spans_reused, report.model.sent, report.model.replayed) == (2, 0, 4)
    assert len(project.server.bodies) == sent
    assert sorted(set(project.outcomes(new).values())) == ["dropped", "kept", "regenerated"]
    assert verify(new).ok
    afresh = project.root / "afresh"
    project.run(out=afresh, policy={"actions": {"opener": "drop"}}, pairs={"quality": "none"})
    names = ("data", "evidence/spans", "evidence/originals", "evidence/verdicts")
    first, second = (
        {name: data for name, data in files(out).items() if name.startswith(names)} for out in (new, afresh)
    )
    assert first == second
    # The new folder stands alone: it can be the next one's base when the old one is gone.
    third = project.root / "third"
    report = project.run(out=third, base=new, policy={"actions": {"opener": "tag"}})
    assert (report.model.sent, report.spans_reused) == (0, 2)


def test_a_changed_trait_asks_again_and_a_changed_pack_scans_again(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    report = project.run(out=project.root / "voice", base=project.out, traits={"use": ["caring"]})
    assert (report.spans_reused, report.model.sent) == (1, 2)
    project.pack.write_text(project.pack.read_text().replace("delve into", "dig into"))
    report = project.run(out=project.root / "pack", base=project.out)
    assert (report.spans_reused, report.model.sent) == (0, 0)


def test_a_base_that_dropped_reasoning_lends_no_spans_to_a_run_that_keeps_it(project: Any, chat: Any) -> None:
    thought = f"<think>It is about bread.</think>\n{ANSWERS[1]}"
    project.write("a.parquet", [chat("a", "Where is it?", thought)])
    project.run(policy={"reasoning": "drop"})
    assert project.said()["a"][-1] == "It is on the shelf by the window."
    new = project.root / "new"
    report = project.run(out=new, base=project.out)
    assert report.spans_reused == 0
    assert project.said(new)["a"][-1] == "<think>It is about bread.</think>\nIt is on the shelf by the window."
    same = project.run(
        out=project.root / "same", base=project.out, policy={"reasoning": "drop", "fallback": "quarantine"}
    )
    assert same.spans_reused == 1


def test_a_base_that_is_not_there_changes_nothing(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    with pytest.raises(ConfigError, match="manifest"):
        project.run(base=project.root / "nothing")
    assert not project.out.exists()


def test_a_scan_without_a_policy_is_not_taken_for_one_with(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run("scan", decides=False)
    assert project.table("spans")["action"].null_count() == 4
    with pytest.raises(ConfigError, match="stage decide"):
        project.run("scan")


RUN = (
    "import sys; from pathlib import Path; from phrasemill.engine.run import RunOptions, execute; "
    "from phrasemill.engine.settings import load_config; "
    "execute(load_config(Path(sys.argv[1])), Path(sys.argv[2]), RunOptions(mode='run', show_progress=False))"
)


def begin(project: Any) -> subprocess.Popen[bytes]:
    """A run in a process of its own; the server must be slow enough to be caught at it."""
    path = project.root / "config.yaml"
    path.write_text(dump_config(project.config()))
    return subprocess.Popen([sys.executable, "-c", RUN, str(path), str(project.out)], stderr=subprocess.PIPE)


def wait_for(project: Any, requests: int) -> None:
    deadline = time.monotonic() + 50
    while len(project.server.bodies) < requests and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(project.server.bodies) >= requests


def test_a_run_killed_while_it_writes_loses_and_repeats_nothing(project: Any, chat: Any) -> None:
    for name in "abc":
        project.write(f"{name}.parquet", rows(chat, name, 12))
    project.server.delay = 0.1
    process = begin(project)
    wait_for(project, 7)
    with pytest.raises(LockedError, match=str(process.pid)):
        project.run()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    project.server.delay = 0.0
    report = project.run()
    requests = [str(body["messages"]) for body in project.server.bodies]
    assert len(set(requests)) == 12
    assert len(requests) - len(set(requests)) <= project.config().backend.concurrency
    assert report.model.replayed + report.model.sent >= 12 - 4
    assert len(project.said()) == 36
    verdicts = project.table("verdicts")
    assert verdicts.select("shard", "row").n_unique() == verdicts.height == 36
    assert verify(project.out).problems == ()
    untouched = project.root / "untouched"
    project.run(out=untouched)
    ours, theirs = (
        {name: data for name, data in files(out).items() if name.startswith("data")} for out in (project.out, untouched)
    )
    assert ours == theirs


def test_a_signal_stops_between_commits(project: Any, chat: Any) -> None:
    for name in "ab":
        project.write(f"{name}.parquet", rows(chat, name, 12))
    project.server.delay = 0.2
    process = begin(project)
    wait_for(project, 2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert b"stopped by SIGTERM" in errors
    project.server.delay = 0.0
    project.run()
    assert len(project.said()) == 24
    assert verify(project.out).ok


def test_two_runs_at_once(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    with locked(project.out), pytest.raises(LockedError, match="another run writes here"):
        project.run()
    assert project.run().done == 1


def test_what_a_stopped_run_left_is_swept(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    (project.out / "_tmp/x").mkdir(parents=True)
    (project.out / "_tmp/x/half.parquet").write_bytes(b"PAR1")
    (project.out / "data/sft/part-ffff.parquet").write_bytes(b"PAR1")
    project.run()
    assert not (project.out / "_tmp").exists()
    assert verify(project.out).ok


def test_a_log_that_a_crash_cut_short_is_taken_up(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    log = project.out / "_requests.jsonl"
    log.write_bytes(log.read_bytes() + b'{"shard": "half a li')
    project.write("b.parquet", rows(chat, "b"))
    assert project.run().model.sent == 2
    log.write_bytes(b"no log\n" + log.read_bytes())
    project.write("c.parquet", rows(chat, "c"))
    with pytest.raises(IntegrityError, match=r"_requests\.jsonl:1"):
        project.run()


def test_folders_that_are_not_for_writing(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    with pytest.raises(ConfigError, match="not an output of phrasemill"):
        project.run(out=project.input)
    with pytest.raises(InputError):
        project.run(input={"path": str(project.root / "none")})
    assert not project.out.exists()


def test_a_run_in_a_thread_needs_no_signals(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    thread = threading.Thread(target=project.run)
    thread.start()
    thread.join()
    assert len(project.said()) == 6


@pytest.mark.parametrize("harm", ["flip", "remove", "add", "record"])
def test_verify_finds_what_was_harmed(project: Any, chat: Any, harm: str) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    path = next((project.out / "data/sft").glob("*.parquet"))
    record = next((project.out / "_commits").glob("*.json"))
    if harm == "flip":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif harm == "remove":
        path.unlink()
    elif harm == "add":
        path.with_name("part-more.parquet").write_bytes(path.read_bytes())
    else:
        record.unlink()
    wanted = {"flip": "checksum", "remove": "is missing", "add": "not in the manifest", "record": "commit record"}
    problems = verify(project.out).problems
    assert len(problems) == 1
    assert wanted[harm] in problems[0].message


def test_a_file_that_moved_and_then_changed_leaves_nothing_behind(project: Any, chat: Any) -> None:
    path = project.write("a.parquet", rows(chat, "a"))
    project.run()
    path.rename(project.input / "z.parquet")
    project.run()
    project.write("z.parquet", [chat("new", "Where?", "Here it is.")])
    project.run()
    assert set(project.said()) == {"new"}
    assert verify(project.out).ok


def test_a_base_that_lost_its_evidence_is_scanned_anew(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    for part in (project.out / "evidence" / "spans").glob("*.parquet"):
        part.unlink()
    again = project.out.with_name("again")
    report = project.run(out=again, base=project.out)
    assert report.spans_reused == 0
    assert project.outcomes(again) == project.outcomes()


def test_a_gate_may_change_between_two_runs_in_a_folder(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    project.run()
    report = project.run(policy={"gate": {"max_dropped": 0.9}})
    assert (report.done, report.skipped) == (0, 1)


def test_a_torn_draft_of_a_staged_shard_is_judged_again(project: Any, chat: Any) -> None:
    project.write("a.parquet", rows(chat, "a"))
    torn = project.out / "_staged" / "0123456789abcdef"
    torn.mkdir(parents=True)
    (torn / "stage.json").write_bytes(b"")
    project.run()
    assert len(project.said()) == 6
    assert verify(project.out).ok


def test_a_file_that_holds_no_row_of_json_is_named(project: Any, chat: Any) -> None:
    project.write("a.jsonl", rows(chat, "a"))
    (project.input / "b.jsonl").write_text("version https://example.org/spec\noid 12\n")
    with pytest.raises(InputError, match=r"b\.jsonl: got no row of JSON"):
        project.run()
