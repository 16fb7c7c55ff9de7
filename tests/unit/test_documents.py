"""YAML with lines, and the messages that bad files get."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError, PackError
from phrasemill.schemas.rule import RulePack

NAME = Path("some/file.yaml")


class Switch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    on: bool
    ratio: float = 1.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("'true'", "true"),
        ("~", None),
        ("", None),
        ("012", 12),
        ("0x1f", 31),
        ("0o17", 15),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("1:30", "1:30"),
        ("9223372036854775807", 2**63 - 1),
        ("|\n  7\n", "7\n"),
        ("[1, a, {b: 2}]", [1, "a", {"b": 2}]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    data = read_document(NAME, f"key: {text}\n").data
    assert data == {"key": value}
    assert isinstance(data, dict)
    assert type(data["key"]) is type(value)


def test_every_key_and_item_knows_its_line() -> None:
    document = read_document(NAME, "# comment\na: 1\nb:\n  c:\n    - x\n    - d: |\n        two\n        lines\ne: 5\n")
    assert document.line_of(("a",)) == 2
    assert document.line_of(("b", "c")) == 4
    assert document.line_of(("b", "c", 1)) == 6
    assert document.line_of(("b", "c", 1, "d")) == 6
    assert document.line_of(("e",)) == 9
    assert document.line_of(("b", "nothing", "here")) == 3
    assert document.line_of(("nothing",)) == 2


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: caf\xc3\xa9\n")
    assert read_document(path).data == {"name": "café"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", "some/file.yaml:3: a: got this key again", id="duplicate"),
        pytest.param("x:\n  - a: 1\n    a: 1\n", "some/file.yaml:3: x.0.a: got this key again", id="duplicate inside"),
        pytest.param("a: &name 1\n", "some/file.yaml:1: got the anchor &name", id="anchor"),
        pytest.param("b: 1\na: *name\n", "some/file.yaml:2: got the alias *name", id="alias"),
        pytest.param("a: !!python/name:os.system x\n", "some/file.yaml:1: got the tag", id="tag"),
        pytest.param("a: 1\n---\nb: 1\n", "some/file.yaml:2: got a second document", id="documents"),
        pytest.param("a: 1\n2: b\n", "some/file.yaml:2: got the key 2, expected text", id="number as a key"),
        pytest.param("? [a]\n: b\n", "some/file.yaml:1: got a list or mapping as a key", id="list as a key"),
        pytest.param("a: 1\nb: [1\n", "some/file.yaml:3: not valid YAML", id="open bracket"),
        pytest.param("a: 1\nb:\n\t- 1\n", "some/file.yaml:3: not valid YAML", id="tab"),
        pytest.param("a: 1\nb: \x01\n", "some/file.yaml:2: not valid YAML", id="control character"),
        pytest.param("a: '\ud800'\n", "some/file.yaml: is not UTF-8", id="lone surrogate"),
        pytest.param("[" * 5000, "some/file.yaml:1: got more than 50 levels", id="deep"),
    ],
)
def test_what_is_outside_our_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_document(NAME, text)
    assert str(caught.value).startswith(message)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_document(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml: is not UTF-8"):
        read_document(path)


def complaint(model: type[BaseModel], text: str) -> list[str]:
    with pytest.raises(PackError) as caught:
        parse_model(model, read_document(NAME, text), PackError)
    return str(caught.value).replace("some/file.yaml", "F").split("\n")


def test_a_good_file_becomes_its_model() -> None:
    text = (
        "input: {path: [a.parquet, b.parquet]}\npolicy:\n  actions: {slop: {do: strip, otherwise: tag}, hedge: tag}\n"
    )
    config = parse_model(RunConfig, read_document(NAME, text), ConfigError)
    assert config.input.path == ("a.parquet", "b.parquet")
    assert config.policy.actions["slop"].otherwise == "tag"
    assert config.policy.actions["hedge"].do == "tag"


def test_every_problem_is_one_line_in_the_order_of_the_file() -> None:
    text = "input: {path: a}\nseed: '3'\npolicy:\n  fallback: dorp\n  gate:\n    max_dropped: 2\n"
    assert complaint(RunConfig, text) == [
        'F:2: seed: got "3", expected a whole number',
        "F:4: policy.fallback: got \"dorp\", expected 'drop' or 'quarantine'; did you mean 'drop'?",
        "F:6: policy.gate.max_dropped: got 2, expected less than or equal to 1",
    ]


def test_unknown_keys_name_the_nearest_known_one() -> None:
    lines = complaint(RunConfig, "input: {path: a}\npolicy:\n  gates: {}\n  actions:\n    slop: {doo: tag, do: tag}\n")
    assert lines[0].startswith("F:3: policy.gates: got an unknown key, expected one of actions, ")
    assert lines[0].endswith("; did you mean 'gate'?")
    expected = "got an unknown key, expected one of do, otherwise; did you mean 'do'?"
    assert lines[1:] == [f"F:5: policy.actions.slop.doo: {expected}"]


def test_a_value_with_several_shapes_complains_as_the_nearest_one() -> None:
    rule = "- id: a\n  category: opener\n  phrases: [Sure]\n  examples:\n    hit:\n"
    lines = complaint(RulePack, f"id: p\nrules:\n{rule}    - 5\n    - {{text: a, promt: b}}\n    - fine\n")
    assert lines[0] == "F:8: rules.0.examples.hit.0: got 5, expected text or a mapping of keys to values"
    assert lines[1].startswith("F:9: rules.0.examples.hit.1.promt: got an unknown key")
    assert len(lines) == 2


def test_missing_keys_and_checks_of_whole_sections_are_told() -> None:
    assert complaint(RunConfig, "seed: 1\n") == ["F:1: input: got nothing, expected this key to be set"]
    assert complaint(RunConfig, "input: {path: []}\n") == [
        "F:1: input.path: got [], expected it to have at least 1 item"
    ]
    lines = complaint(RunConfig, "input: {path: a}\nbackend:\n  use: openai\n")
    assert lines == ["F:2: backend: backend 'openai' needs url (for example http://localhost:8000/v1) and model"]


@pytest.mark.parametrize("word", ["yes", "on", "'true'", "1", "null"])
def test_only_true_and_false_are_booleans(word: str) -> None:
    assert complaint(Switch, f"on: {word}\n")[0].endswith("expected true or false")
    assert parse_model(Switch, read_document(NAME, "on: false\nratio: 2\n"), PackError) == Switch(on=False, ratio=2.0)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- 1\n", "word\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    assert "expected" in complaint(Switch, text)[0]
