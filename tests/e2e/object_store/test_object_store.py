"""Runs that publish into an object store: what is there, who goes on with it, and what is paid for once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest

from phrasemill.engine import object_store_publish
from phrasemill.engine.cli import main
from phrasemill.engine.folder import check_ours, commits_by_key
from phrasemill.engine.object_store_base import base_folder
from phrasemill.engine.object_store_leftovers import leftovers
from phrasemill.engine.object_store_verify import verify_store
from phrasemill.engine.run import GateFailed
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import BackendError, ConfigError


def test_what_is_published_is_what_a_local_run_writes(bench: Any) -> None:
    bench.write("a", "b")
    bench.project.run("clean")
    bench.run()
    assert bench.tables() == bench.local()
    assert len(bench.tables()) == 8
    assert bench.newest().complete
    assert verify_store(bench.url).problems == ()
    assert verify(bench.project.root / "work").problems == ()
    assert leftovers(bench.url).keys() <= {"_manifest/000001.json", "_manifest/000002.json"}
    for name in bench.store.names(""):
        data = bench.store.read(name) or b""
        assert bench.secret.encode() not in data
        assert bench.key_id.encode() not in data
    # Nothing to do: nothing is written but the four files that carry their own names.
    bench.proxy.log.clear()
    before = bench.newest().number
    assert bench.run().skipped == 2
    assert bench.newest().number == before
    assert {path.rpartition("/")[2] for path in bench.proxy.written("")} == {
        "README.md", "catalog.sql", "config.yaml", "manifest.json",
    }  # fmt: skip


def test_the_catalog_names_every_object_with_its_whole_address(bench: Any) -> None:
    from obstore.fsspec import FsspecStore

    bench.write("a", "b")
    bench.run()
    sql = (bench.store.read("catalog.sql") or b"").decode()
    files = [file for shard in bench.newest().shards for file in shard.files]
    assert all(f"'{bench.url}/{file.path}'" in sql for file in files)
    fsspec.register_implementation("s3", FsspecStore, clobber=True)
    with duckdb.connect() as connection:
        connection.register_filesystem(FsspecStore("s3", client_options={"allow_http": True}))
        connection.execute(sql)
        assert connection.sql("SELECT rows_in, holds FROM ledger WHERE shard = 'total'").fetchall() == [(6, True)]
    card = (bench.store.read("README.md") or b"").decode()
    assert all(f"- {file.path}\n" in card for file in files if file.path.startswith("data/sft"))


def test_another_machine_goes_on_where_the_first_one_stopped(bench: Any) -> None:
    bench.write("a", "b")
    bench.run("first")
    bench.write("c")
    bench.proxy.log.clear()
    report = bench.run("second")
    assert (report.done, report.skipped) == (1, 2)
    assert len(bench.proxy.written("/data/sft/")) == 1
    assert set(bench.local("second")) < set(bench.tables())
    assert verify_store(bench.url).ok
    bench.project.run("clean")
    assert bench.tables() == bench.local()
    # The first machine has an older state; the store's is the truth, also of what was taken back.
    (bench.project.input / "a.parquet").unlink()
    assert bench.run("second", prune=True).skipped == 2
    assert bench.run("first").skipped == 2
    assert len(bench.newest().shards) == 2
    assert len(bench.tables()) == 8


def test_another_configuration_is_refused_wherever_it_runs(bench: Any) -> None:
    bench.write("a")
    bench.run("first")
    with pytest.raises(ConfigError, match="another configuration"):
        bench.run("second", policy={"actions": {"opener": "drop"}})
    assert bench.newest().complete


def test_a_failed_gate_leaves_everything_published(bench: Any) -> None:
    bench.write("a")
    with pytest.raises(GateFailed):
        bench.run(policy={"gate": {"max_dropped": 0}, "actions": {"opener": "drop"}})
    assert bench.newest().complete
    assert verify_store(bench.url).ok


def test_answers_are_not_paid_for_twice(bench: Any) -> None:
    bench.write("a", count=9)
    server = bench.project.server
    asked: list[str] = []

    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        asked.append(str(body["messages"]))
        return (200, "It is on the shelf by the window.", "stop") if len(asked) <= 2 else (401, "", "stop")

    server.reply = reply
    with pytest.raises(BackendError):
        bench.run("first", mode="run")
    assert not bench.newest().shards
    assert not bench.newest().complete
    server.says("It is on the shelf by the window.")
    sent = len(server.bodies)
    report = bench.run("second", mode="run")
    assert report.model.replayed == 2
    assert len(server.bodies) - sent == report.model.sent == 1
    assert commits_by_key(bench.project.root / "second").keys() == {shard.key for shard in bench.newest().shards}
    assert verify_store(bench.url).ok
    # A base in a store lends spans and answers; the tables themselves stay where they are.
    earlier = base_folder(bench.url)
    assert not (earlier / "data").exists()
    other = bench.project.run(out=bench.project.root / "other", base=earlier, policy={"actions": {"opener": "tag"}})
    assert (other.spans_reused, other.model.replayed, other.model.sent) == (1, 3, 0)
    # Damage to the log costs requests, never a row.
    bench.store.delete([bench.newest().requests[0].path])
    assert [problem.path for problem in verify_store(bench.url).problems] == [bench.newest().requests[0].path]
    bench.write("b")
    assert bench.run("third", mode="run").skipped == 1
    assert verify_store(bench.url).ok


def test_answers_are_uploaded_while_no_shard_ends(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store_publish, "REQUESTS_SECONDS", 0.1)
    bench.write("a", count=6)
    kept = threading.Event()
    asked: list[bool] = []

    def rule(asked: Any, _answer: Callable[..., None]) -> bool:
        if asked.writes("/_manifest/000001.json") and b'"_requests/' in asked.body:
            kept.set()
        return False

    def reply(_body: dict[str, Any]) -> tuple[int, str, str]:
        asked.append(True)
        if len(asked) > 1:
            kept.wait(60)
        return 200, "It is on the shelf by the window.", "stop"

    bench.proxy.rule, bench.project.server.reply = rule, reply
    bench.run(mode="run")
    assert kept.is_set()
    assert verify_store(bench.url).ok


def test_the_command_line_publishes_and_verifies(
    bench: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a")
    policy = bench.project.root / "policy.yaml"
    policy.write_text("gate: {max_dropped: 1}\n")

    def command(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["phrasemill", *map(str, arguments)])
        return main()

    how = ["--pack", bench.project.pack, "--policy", policy]
    assert command("clean", bench.project.input, *how, "-o", bench.url, "--work", bench.project.root / "work") == 0
    assert f"published to {bench.url}" in capsys.readouterr().out
    assert command("verify", bench.url, "--json") == 0
    bench.store.delete([bench.newest().shards[0].files[0].path])
    assert command("verify", bench.url) == 5
    assert "is missing" in capsys.readouterr().out
    assert command("clean", bench.project.input, *how, "-o", "s3://key:secret@bucket/folder") == 2
    with pytest.raises(ConfigError, match="only run, scan and clean"):
        check_ours(Path(bench.url))
