"""Commands run in this process, with what they printed and what they ended with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from phrasemill.engine.cli.app import main

PACK = """\
id: tiny
rules:
  - {id: tiny.certainly, category: opener, at: start, frame: match, pattern: "certainly[!,]"}
"""
CONFIG = """\
input: {path: in.jsonl}
packs: [tiny.yaml]
"""
ROWS = '{"id": "a", "messages": [{"role": "assistant", "content": "Certainly! Put it in a box."}]}\n'


@dataclass(frozen=True)
class Ended:
    """``code``: what the command ended with."""

    code: int
    out: str
    err: str


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small input, pack and configuration, which is the working folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, text in (("tiny.yaml", PACK), ("config.yaml", CONFIG), ("in.jsonl", ROWS)):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs ``phrasemill`` with these arguments."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["phrasemill", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err, captured.err
        return Ended(code, captured.out, captured.err)

    return run
