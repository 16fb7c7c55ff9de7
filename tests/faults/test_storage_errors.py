"""A disk that is full, broken or forbidden, at every kind of step: said in one line, nothing lost, and resumed."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from phrasemill.engine.cli import main
from phrasemill.generators.attempts import Attempt, AttemptLog
from phrasemill.schemas.errors import OutputError
from tests.e2e.conftest import Project
from tests.faults.scene import Scene, left_over, look, tables
from tests.faults.steps import How, Steps, kind_of, watch

Command = Callable[..., int]
ERRORS: tuple[tuple[int, How], ...] = ((errno.ENOSPC, "lasting"), (errno.EIO, "once"), (errno.EACCES, "lasting"))
HARMLESS = ("mkdir", "link", "rmdir", "remove")
"""Steps that may fail without a word: the folder is there already, a link becomes a copy, the rest is swept later."""

FIRST_BYTES = (1, 60, 1_500, 4_000)
"""Limits on the size of files: the first stops every write, the last only the largest part files."""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(line: list[str]) -> int:
        monkeypatch.setattr(sys, "argv", ["phrasemill", *line])
        return main()

    return run


def kinds(scene: Scene, command: Command, mode: str, out: Path) -> list[tuple[str, str]]:
    """Every kind of step of an undisturbed run, in order."""
    with watch(Steps(str(out))) as steps:
        assert command(scene.command(mode, out)) == 0
    return list(dict.fromkeys(kind_of(*step) for step in steps.seen))


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file grow past ``size`` bytes: the kernel then refuses the write with EFBIG, Arrow's own too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def an_attempt(request: str, text: str) -> Attempt:
    where = {"shard": "s", "row": 0, "row_id": "r", "field": "messages", "turn": 1, "attempt": 0}
    how = {"recipe": "regenerate", "trait_id": "plain", "trait_hash": "h", "backend": "b", "model": "m"}
    answer = {"text": text, "finish_reason": "stop", "prompt_tokens": 5, "completion_tokens": 6, "seconds": 0.1}
    return Attempt(**where, **how, **answer, seed=1, params="{}", request_hash=request, outcome="accepted")  # type: ignore[arg-type]


@pytest.fixture
def small(project: Project) -> Scene:
    made = Scene(project, files=1)
    made.write()
    return made


@pytest.mark.parametrize("mode", ["clean", "run"])
def test_every_kind_of_step_may_fail(
    small: Scene, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    """Every kind of step meets one of the errors, by turns; of a run with a model those that ``clean`` has not."""
    reference = small.reference(mode)
    tried = kinds(small, command, mode, tmp_path / "counted")
    if mode == "run":  # what a model adds
        others = kinds(small, command, "clean", tmp_path / "clean")
        tried = [kind for kind in tried if kind not in others]
    assert len(tried) > 10
    for number, (name, path) in enumerate(tried):
        error, how = ERRORS[number % len(ERRORS)]
        out = tmp_path / f"failed-{number}"
        line = small.command(mode, out)
        with watch(Steps(str(out), how, 1, (name, path), error)) as steps:
            code = command(line)
        said = capsys.readouterr().err
        assert steps.failed
        if code or name not in HARMLESS:
            assert code == 2, (name, path, said)
            assert os.strerror(error) in said
            assert str(out) in said
            assert "run the same command again" in said
        assert look(out, published=False).wrong == []
        assert command(line) == 0, (name, path)
        assert tables(out) == reference["tables"]
        assert left_over(out) == []
        shutil.rmtree(out)


@pytest.mark.parametrize("mode", ["clean", "run"])
def test_files_that_cannot_grow(
    small: Scene, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    reference = small.reference(mode)
    told = 0
    for size in FIRST_BYTES:
        out = tmp_path / f"small-{size}"
        line = small.command(mode, out)
        with small_files(size):
            code = command(line)
        said = capsys.readouterr().err
        assert code in (0, 2)
        if code:
            told += 1
            assert os.strerror(errno.EFBIG) in said
            assert str(out) in said
            assert "run the same command again" in said
        assert look(out).wrong == []
        assert command(line) == 0
        assert small.losses(out, reference) == {}
    assert told >= len(FIRST_BYTES) - 1


def test_a_file_lies_where_a_folder_must_be(
    scene: Scene, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = scene.command("clean", out)
    assert command(line) == 0
    shutil.rmtree(out / "evidence")
    shutil.rmtree(out / "_commits")
    (out / "evidence").write_text("in the way")
    assert command(line) == 2
    said = capsys.readouterr().err
    assert str(out / "evidence") in said
    (out / "evidence").unlink()
    assert command(line) == 0
    assert scene.losses(out, scene.reference("clean")) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_permission_that_is_lost(
    scene: Scene, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = scene.command("clean", out)
    assert command(line) == 0
    scene.project.write("new.jsonl", [{"id": "new", "messages": [{"role": "assistant", "content": "Here."}]}])
    (out / "_commits").chmod(0o500)
    assert command(line) == 2
    assert "run the same command again" in capsys.readouterr().err
    (out / "_commits").chmod(0o700)
    assert command(line) == 0
    assert look(out).wrong == []


def test_the_log_ends_with_a_whole_line_when_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    with AttemptLog(path) as log:
        log.record(an_attempt("first", "kept"))
        length = path.stat().st_size
        with small_files(length + 10), pytest.raises(OutputError, match=r"requests\.jsonl: an answer cannot be kept"):
            log.record(an_attempt("second", "lost"))
        assert path.stat().st_size == length
        log.record(an_attempt("third", "kept too"))
    with AttemptLog(path) as log:
        known = [log.get(request) for request in ("first", "second", "third")]
    assert [each and each.text for each in known] == ["kept", None, "kept too"]
