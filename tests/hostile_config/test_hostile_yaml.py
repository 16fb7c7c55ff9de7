"""Files that are hostile as text: commands end with code 2, file and line; nothing is run, hung or printed raw."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phrasemill.schemas.documents import read_document
from phrasemill.schemas.errors import ConfigError

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))

YAML: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "1: got an empty file"),
    "only a comment": ("# nothing\n", "got an empty file"),
    "a list": ("- a\n- b\n", "1: the file: got"),
    "a word": ("hello\n", "1: the file: got"),
    "laughs": (LAUGHS, "1: got the anchor &a0"),
    "alias": ("input: *nothing\n", "1: got the alias *nothing"),
    "merge key": ("input: {path: a}\n<<: {seed: 1}\n", "2: <<: got an unknown key"),
    "merge of an anchor": ("x: &x {seed: 1}\n<<: *x\n", "1: got the anchor &x"),
    "python object": ("input: !!python/object/apply:os.system ['touch pwned']\n", "1: got the tag"),
    "python name": ("seed: !!python/name:os.system\n", "1: got the tag"),
    "own tag": ("input: !include other.yaml\n", "1: got the tag !include"),
    "binary": ("seed: !!binary aGVsbG8=\n", "1: got the tag"),
    "tag directive": ("%TAG ! tag:evil,2000:\n---\nseed: !x 1\n", "3: got the tag"),
    "twice": ("seed: 1\ninput: {path: a}\nseed: 2\n", "3: seed: got this key again"),
    "twice inside": ("input: {path: a, path: b}\n", "1: input.path: got this key again"),
    "two documents": ("seed: 1\n---\nseed: 2\n", "2: got a second document"),
    "deep lists": ("seed: " + "[" * 5_000 + "]" * 5_000, "1: got more than 50 levels"),
    "deep maps": ("".join(f"{' ' * n}a:\n" for n in range(200)), "got more than 50 levels"),
    "deep open": ("{a: " * 100_000, "1: got more than 50 levels"),
    "tabs": ("input:\n\tpath: a\n", "2: not valid YAML"),
    "nul": ("seed: 1\ninput: a\0b\n", "2: not valid YAML"),
    "control": ("seed: 1\ninput: {path: 'a\x1b[2Jb'}\n", "2: not valid YAML"),
    "utf-16": ("seed: 1\n".encode("utf-16"), "is not UTF-8"),
    "latin-1": (b"input: {path: caf\xe9}\n", "is not UTF-8"),
    "surrogate bytes": (b"input: {path: \xed\xa0\x80}\n", "is not UTF-8"),
    "parquet": (b"PAR1" + bytes(range(256)) * 4, "is not UTF-8"),
    "a number as key": ("1: 2\n", "1: got the key 1"),
    "a list as key": ("? [a, b]\n: 1\n", "1: got a list or mapping as a key"),
    "null key": ("~: 1\n", "1: got the key null"),
    "huge number": ("input: {path: a}\nseed: 1" + "0" * 200 + "\n", "2: got a whole number of more than 63 bits"),
    "longer number": ("input: {path: a}\nseed: 1" + "0" * 5_000 + "\n", "2: seed: got"),
    "1e400": ("input: {path: a}\npolicy: {gate: {max_dropped: 1e400}}\n", "2: policy.gate.max_dropped"),
    "infinity": ("input: {path: a}\npolicy: {density: {slop: .inf}}\n", "2: policy.density.slop"),
    "nan": ("input: {path: a}\npolicy: {gate: {max_dropped: .nan}}\n", "2: policy.gate.max_dropped"),
    "a date": ("input: {path: a}\nseed: 2020-01-01\n", "2: seed: got"),
    "no for a boolean": ("input: {path: a}\noutput: {sft: no}\n", "2: output.sft: got"),
    "a number for text": ("input: {path: 7}\n", "1: input.path"),
    "unclosed": ("input: {path: 'a\n", "not valid YAML"),
    "many items": ("input: {path: [" + "a," * 100_000 + "a]}\nseed: x\n", "2: seed: got"),
    "too large": ("# " + "x" * 4_000_001, "got more than 4,000,000 bytes"),
    "hidden text": ("input: {path: a}\ns\u200beed: 1\n", "did you mean 'seed'?"),
    "turned text": ("input: {path: a}\n'\u202edees': 1\n", "got an unknown key"),
}


@pytest.mark.parametrize("name", YAML)
def test_a_configuration_that_is_hostile_as_text(project: Path, command: Callable[..., Any], name: str) -> None:
    content, expected = YAML[name]
    (project / "config.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(project.rglob("*"))
    for arguments in (("validate", "config.yaml"), ("run", "config.yaml", "-o", "out")):
        ended = command(*arguments)
        assert ended.code == 2
        assert ended.err.startswith("error: ")
        assert "config.yaml:" in ended.err
        assert expected in ended.err
        assert len(ended.err) < 5_000
        assert "\x1b" not in ended.err
        assert "\u202e" not in ended.err
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("name", ["laughs", "python object", "twice", "deep lists", "nul", "latin-1", "too large"])
@pytest.mark.parametrize("kind", ["pack", "trait", "policy", "backend"])
def test_packs_traits_policies_and_backends_are_read_as_strictly(
    project: Path, command: Callable[..., Any], name: str, kind: str
) -> None:
    content = YAML[name][0]
    (project / "bad.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = {
        "pack": ("rules", "lint", "bad.yaml"),
        "trait": ("traits", "validate", "bad.yaml"),
        "policy": ("scan", "in.jsonl", "-o", "out", "--pack", "tiny.yaml", "--policy", "bad.yaml"),
        "backend": ("probe", "--backend", "bad.yaml", "-o", "out"),
    }[kind]
    ended = command(*arguments)
    assert ended.code == 2
    assert "bad.yaml" in ended.err
    assert not (project / "out").exists()


def test_what_is_no_file_is_refused_and_not_waited_for(project: Path, command: Callable[..., Any]) -> None:
    os.mkfifo(project / "pipe.yaml")
    (project / "loop.yaml").symlink_to("loop.yaml")
    for name in ("pipe.yaml", "loop.yaml", "/dev/zero", ".", "none.yaml", "x" * 5_000):
        ended = command("validate", name)
        assert ended.code == 2, name
        assert ended.err.startswith("error: ")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_document(Path("a\0b"))


def test_words_that_other_readers_take_for_booleans_are_text(project: Path, command: Callable[..., Any]) -> None:
    trait = "id: no\nstatement: off\npos_instruction: yes\n"
    (project / "no.yaml").write_text(trait)
    ended = command("traits", "validate", "no.yaml")
    assert (ended.code, ended.out) == (0, "ok: no.yaml: no, version 1\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("polcy: {}", "did you mean 'policy'?"),
        ("policy: {fallback: dropp}", "did you mean 'drop'?"),
        ("policy: {actions: {opener: srtip}}", "did you mean 'strip'?"),
        ("policy: {actions: {openr: strip}}", "did you mean 'opener'?"),
        ("traits: {use: [plian]}", "did you mean 'plain'?"),
        ("backend: {use: opnai}", "did you mean 'openai'?"),
        ("filters: [{use: regexx}]", "no filter named 'regexx'"),
        ("filters: [{use: regex, pcks: [a]}]", "pcks"),
        ("filters: [{use: os.system}]", "no filter named 'os.system'"),
        ("filters: [{use: datatrove.LambdaFilter}]", "cannot be used here"),
        ("filters: [{use: datatrove.os}]", "datatrove has no filter 'os'"),
        ("filters: [{use: datatrove.__init__}]", "datatrove has no filter"),
        ("filters: [{use: datatrove, step: import_module}]", "datatrove has no filter"),
        ("filters: []", "filters"),
        ("packs: ['']", "no pack"),
        ("packs: ['../../../../etc/passwd']", "passwd"),
        ("packs: ['a\\0b']", "no pack"),
        ("packs: [nonsuch]", "no pack"),
        ("traits: {use: ['../tiny']}", "traits.use"),
        ("traits: {use: [plain], weights: {other: 1.0}}", "weights names other"),
        ("backend: {use: openai}", "needs url"),
        ("backend: {use: openai, url: 'file:///etc/passwd', model: m}", "http"),
        ("backend: {use: openai, url: 'javascript:alert(1)', model: m}", "http"),
        ("backend: {use: local, args: [--x]}", "args"),
        ("judge: {use: classifier}", "needs path"),
        ("output: {compression: pickle}", "output.compression"),
    ],
)
def test_wrong_names_and_values_are_named(project: Path, command: Callable[..., Any], line: str, expected: str) -> None:
    text = "input: {path: in.jsonl}\n" + ("" if line.startswith("packs") else "packs: [tiny.yaml]\n") + line + "\n"
    (project / "config.yaml").write_text(text.replace("'a\\0b'", '"a\\0b"'))
    ended = command("run", "config.yaml", "-o", "out", "--workers", "1")
    assert ended.code == 2, ended
    assert expected in ended.err
    assert "\0" not in ended.err
