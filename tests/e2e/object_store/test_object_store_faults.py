"""Runs into an object store that go wrong: killed, two at once, a store that fails, objects that are harmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engine.folder import commits_by_key
from phrasemill.engine.object_store_leftovers import delete_leftovers, leftovers
from phrasemill.engine.object_store_run import output_place
from phrasemill.engine.object_store_url import checked_url, refuse_own_output
from phrasemill.engine.object_store_verify import verify_store
from phrasemill.engine.settings import dump_config
from phrasemill.schemas.errors import BackendError, ConfigError, IntegrityError, LockedError

RUN = (
    "import sys; from pathlib import Path; from phrasemill.engine.run import RunOptions, execute; "
    "from phrasemill.engine.object_store_run import output_place; "
    "from phrasemill.engine.settings import load_config\n"
    "with output_place(sys.argv[2], Path(sys.argv[3])) as (out, done): "
    "execute(load_config(Path(sys.argv[1])), out, RunOptions(mode='clean', show_progress=False, on_commit=done))"
)


@pytest.mark.parametrize(
    ("where", "machine"), [("/data/sft/part-", "second"), ("/_manifest/000002", "killed"), ("/README.md", "second")]
)
def test_a_run_killed_while_it_uploads_is_taken_up_here_and_elsewhere(bench: Any, where: str, machine: str) -> None:
    bench.write("a", "b", "c")
    reached, released = threading.Event(), threading.Event()
    seen: list[str] = []

    def rule(asked: Any, _answer: Callable[..., None]) -> bool:
        if asked.writes(where):
            seen.append(asked.path)
            # Of the data objects the second one is held: one shard is published by then.
            if len(seen) == (2 if "part" in where else 1):
                reached.set()
                released.wait(60)
                return True
        return False

    bench.proxy.rule = rule
    config = bench.project.root / "config.yaml"
    config.write_text(dump_config(bench.project.config()))
    arguments = [str(config), bench.url, str(bench.project.root / "killed")]
    process = subprocess.Popen([sys.executable, "-c", RUN, *arguments], stderr=subprocess.PIPE)
    try:
        assert reached.wait(120), process.stderr
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        released.set()
    bench.proxy.rule = lambda _asked, _answer: False
    held = bench.newest()
    assert held.shards
    assert all((bench.store.digest(file.path) or (0, ""))[1] == file.blake3 for s in held.shards for file in s.files)
    known = len(held.shards) if machine == "second" else len(commits_by_key(bench.project.root / "killed"))
    report = bench.run(machine)
    assert (report.done, report.skipped) == (3 - known, known)
    assert verify_store(bench.url).problems == ()
    bench.project.run("clean")
    assert bench.tables() == bench.local()
    delete_leftovers(bench.url)
    assert leftovers(bench.url) == {}
    assert verify_store(bench.url).ok


def test_of_two_runs_at_once_exactly_one_wins(bench: Any) -> None:
    bench.write("a", "b")
    both, turn = threading.Barrier(2, timeout=120), threading.Lock()

    def rule(asked: Any, answer: Callable[..., None]) -> bool:
        if not asked.writes("/_manifest/000001.json") or both.broken:
            return False
        if both.n_waiting < 2:
            with suppress(threading.BrokenBarrierError):
                both.wait()
        # The real store decides such a pair in one step; this server looks and writes in two.
        with turn:
            both.abort()
            answer(*bench.proxy.forward(asked))
        return True

    bench.proxy.rule = rule
    with ThreadPoolExecutor(2) as pool:
        ended = [pool.submit(bench.run, work) for work in ("first", "second")]
        errors = [run.exception() for run in ended]
    lost = [error for error in errors if error is not None]
    assert len(lost) == 1
    assert isinstance(lost[0], LockedError)
    assert f"(process {os.getpid()} on " in str(lost[0])
    assert "_manifest/000001.json" in str(lost[0])
    assert verify_store(bench.url).ok
    assert bench.newest().complete
    loser = ("first", "second")[errors.index(lost[0])]
    assert bench.run(loser).skipped == 2


def test_errors_that_pass_are_tried_again(bench: Any) -> None:
    bench.write("a", "b")
    failed: dict[str, int] = {}

    def rule(asked: Any, answer: Callable[..., None]) -> bool:
        count = failed[asked.path] = failed.get(asked.path, 0) + 1
        if asked.method == "PUT" and count == 1:
            answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")
            return True
        if asked.method == "PUT" and count == 2:
            bench.proxy.forward(asked)  # it landed, but the answer is lost
            answer(0)
            return True
        if asked.method == "GET" and count == 1:
            answer(500)
            return True
        return False

    bench.proxy.rule = rule
    bench.run()
    assert verify_store(bench.url).problems == ()
    bench.project.run("clean")
    assert bench.tables() == bench.local()


def test_a_conflict_that_leaves_nothing_is_tried_again(bench: Any) -> None:
    answers = [409, 409]

    def rule(asked: Any, answer: Callable[..., None]) -> bool:
        if asked.method == "PUT" and answers:
            answer(answers.pop(), {}, b"<Error><Code>ConditionalRequestConflict</Code></Error>")
            return True
        return False

    bench.proxy.rule = rule
    assert bench.store.create("one", b"ours")
    assert answers == []
    assert bench.store.create("one", b"ours")
    assert not bench.store.create("one", b"theirs")
    assert bench.store.read("one") == b"ours"


@pytest.mark.parametrize(
    ("status", "code", "error"), [(403, "AccessDenied", ConfigError), (404, "NoSuchBucket", ConfigError)]
)
def test_a_refusal_is_told_at_once_and_without_secrets(
    bench: Any, status: int, code: str, error: type[Exception]
) -> None:
    bench.write("a")
    said = f"<Error><Code>{code}</Code><AWSAccessKeyId>{bench.key_id}</AWSAccessKeyId></Error>".encode()

    def rule(asked: Any, answer: Callable[..., None]) -> bool:
        if asked.method == "PUT":
            answer(status, {}, said)
            return True
        return False

    bench.proxy.rule = rule
    with pytest.raises(error) as caught:
        bench.run()
    assert "bucket" in str(caught.value)
    assert code == "NoSuchBucket" or "403 AccessDenied" in str(caught.value)
    assert bench.key_id not in str(caught.value)
    # The shard is done; once the store takes it, nothing is done again.
    bench.proxy.rule = lambda _asked, _answer: False
    assert bench.run().done == 0
    assert verify_store(bench.url).ok


def test_a_store_that_stays_down_is_told_and_resumable(bench: Any) -> None:
    bench.proxy.rule = lambda _asked, answer: answer(503) is None
    from phrasemill.engine.object_store import ObjectStore

    store = ObjectStore(bench.url, patience=0.3)
    for operation in (lambda: store.read("a"), lambda: store.put("a", b""), lambda: store.create("a", b"")):
        with pytest.raises(BackendError, match=r"status 503.*run the same command again"):
            operation()
    gone = ObjectStore(bench.url)
    gone.give_up()
    with pytest.raises(BackendError):
        gone.read("a")


def test_a_store_that_writes_over_what_is_there_is_refused(bench: Any) -> None:
    bench.write("a")

    def rule(asked: Any, answer: Callable[..., None]) -> bool:
        asked.headers = {name: value for name, value in asked.headers.items() if name.lower() != "if-none-match"}
        answer(*bench.proxy.forward(asked))
        return True

    bench.proxy.rule = rule
    with pytest.raises(ConfigError, match="If-None-Match"):
        bench.run()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_harmed_object_is_found_and_only_its_shard_done_again(bench: Any, harm: str) -> None:
    bench.write("a", "b")
    bench.run("first")
    whole = bench.tables()
    file = next(file for file in bench.newest().shards[0].files if file.table == "sft")
    data = bytearray(bench.store.read(file.path) or b"")
    data[len(data) // 2] ^= 1
    if harm == "remove":
        bench.store.delete([file.path])
    else:
        bench.store.put(file.path, bytes(data if harm == "flip" else data[:-1]))
    problems = verify_store(bench.url).problems
    assert [(each.shard, each.path) for each in problems] == [(bench.newest().shards[0].key, file.path)]
    if harm == "flip":
        bench.store.delete([file.path])  # as the message says
    # Elsewhere the shard is done again; where its files are, they are uploaded again.
    assert bench.run("first" if harm == "cut" else "second").done == (0 if harm == "cut" else 1)
    assert verify_store(bench.url).problems == ()
    assert bench.tables() == whole


def test_a_damaged_manifest_is_never_passed_over(bench: Any) -> None:
    bench.write("a")
    bench.run()
    name = f"_manifest/{bench.newest().number:06}.json"
    data = bench.store.read(name) or b""
    bench.store.put(name, data.replace(b'"rows_in": 3', b'"rows_in": 4'))
    for command in (lambda: verify_store(bench.url), bench.run):
        with pytest.raises(IntegrityError, match=name):
            command()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://host/folder", "expected s3://"),
        ("s3://", "got the bucket"),
        ("s3://key:canary@bucket/folder", "use the environment"),
        ("s3://bucket/a/../b", "got '..'"),
        ("s3://bucket/a//b", "got ''"),
        ("s3://bucket/a b", "got 'a b'"),
        ("s3://bucket/a?x=1", "expected letters"),
    ],
)
def test_addresses_that_are_not_taken(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match="://") as caught:
        checked_url(url)
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "refused"),
    [
        ("s3://bucket/in/*.jsonl", False),
        ("s3://bucket/folder-of-others/a.jsonl", False),
        ("s3://bucket/*.jsonl", False),
        ("in/*.jsonl", False),
        ("s3://bucket/folder", True),
        ("s3://bucket/folder/data/sft/*.parquet", True),
        ("s3://bucket/", True),
        ("s3://bucket/**/*.parquet", True),
    ],
)
def test_no_run_reads_what_it_writes(inputs: str, refused: bool) -> None:
    if refused:
        with pytest.raises(ConfigError, match="hold one another"):
            refuse_own_output("s3://bucket/folder", [inputs])
    else:
        refuse_own_output("s3://bucket/folder", [inputs])


def test_a_work_folder_belongs_to_one_address(bench: Any, tmp_path: Path) -> None:
    bench.write("a")
    bench.run()
    with (
        pytest.raises(ConfigError, match="is the work folder of"),
        output_place(f"{bench.url}/other", tmp_path / "work"),
    ):
        pass
    bench.project.run("clean")
    with pytest.raises(ConfigError, match="output of another run"), output_place(bench.url, bench.project.out):
        pass
    with pytest.raises(ConfigError, match="--work"), output_place(str(tmp_path / "out"), tmp_path / "work"):
        pass
    with output_place(f"{bench.url}/", None) as (place, _):
        assert place.is_relative_to(tmp_path / "cache")


def test_what_belongs_to_no_shard_is_uploaded_again_where_it_was_lost(bench: Any) -> None:
    bench.write("a")
    bench.run("first")
    lost = [file.path for file in bench.newest().beside if file.path.startswith(("config.", "_schema."))]
    kept = {name for name in lost if name.count(".") == 2}
    bench.store.delete(sorted(kept))
    assert {each.path for each in verify_store(bench.url).problems} == kept
    assert len(kept) == 2
    assert bench.run("first").done == 0
    assert verify_store(bench.url).problems == ()
    assert bench.run("second").done == 0
