"""Patterns of packs that are made to hurt: refused, when loaded or on a text of 20 kB; ordinary ones lose no hit."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest
import yaml

from phrasemill.filters import confirm as confirming
from phrasemill.filters.compiled import CompiledRule, compile_pack
from phrasemill.filters.confirm import confirm, confirm_within
from phrasemill.filters.finder import Finder
from phrasemill.filters.packs import load_rules
from phrasemill.filters.regex import text_bytes
from phrasemill.schemas.errors import PackError
from phrasemill.schemas.rule import RulePack

BYTES: Final = 20_000
DEADLINE: Final = 20.0
"""CPU seconds for one pattern; each takes under five."""

DEAR: Final = r"[^z]{0,900}[^z]{0,990}zx|A"

WIDE: Final = r"(?:(?:\pL{0,30}A\pL{30}){0,%d}\pL{0,%d}z)"

EVIL: Final = [
    (r"^(a+)+$", "a", "anywhere"),
    (r"(a+)+b", "a", "anywhere"),
    (r"(a|aa)+b", "a", "anywhere"),
    (r".*[^A-Z]|[A-Z]", "A", "anywhere"),
    (r"x(a{0,30}){0,30}y", "xa", "anywhere"),
    (r"a.{0,1990}b", "a", "anywhere"),
    (r"a.{0,990}.{0,990}b", "a" * 1999 + "\nb", "anywhere"),
    (r"a[^b]{990}[^b]{990}b", "a" * 1200 + "b", "anywhere"),
    (r"(?:.{0,990}.{0,990}[^A-Za-z]x)|Ax", "Ax", "anywhere"),
    (DEAR, "A", "anywhere"),
    (DEAR, "A", "sentence_start"),
    (r"(?:A[A]{0,900}[A]{0,990}z)|A", "A" * 1999 + "\nz", "anywhere"),
    (r"A(?:[AB]{900}[AB]{990}z)?", "AB" * 1000 + "\nz", "anywhere"),
    (r"A(?:[AB]{0,900}A[AB]{900}z)?", "ABBABAAABABB", "anywhere"),
    (r"A(?:(?:.{0,30}A.{30}){0,15}.{0,500}z)?", "AB" * 1000 + "\nz", "anywhere"),
    (r"A" + WIDE % (15, 500) + "?", "AÉ" * 1000 + "\nz", "anywhere"),
    (r"A" + WIDE % (8, 100) + "?", "AÉÉAAÉAÉÉÉA", "anywhere"),
    (r"A" + WIDE % (2, 100) + "?", "AÉÉAAÉAÉÉÉA", "anywhere"),
    (WIDE % (15, 500) + "*z|A", "AÉ", "end"),
    (WIDE % (2, 100) + "*z|A", "AÉ" * 1000 + "\nz", "end"),
    (r"A" + WIDE % (15, 500) + "*(?:z\n)?", "AÉ", "start"),
    (r"A(?:[AB]*A[AB]{900}x)?", "ABBABAAABABB", "start"),
    (r"A(?:.*x)?", "A", "start"),
    (r"a.*b|a", "a", "end"),
    (r"(x+x+)+y", "x", "end"),
    (r"a(?:\w{100}){100}", "a", "anywhere"),
    (r"((((a{1,100}){1,100}){1,100}){1,100}){1,100}", "a", "anywhere"),
    (r"(?:a?){50}" * 18 + "b", "a", "anywhere"),
    (r"(?=a)b", "a", "anywhere"),
    (r"(a)\1", "a", "anywhere"),
    (r"a++b", "a", "anywhere"),
    ("(" * 60 + "a" + ")" * 60, "a", "anywhere"),
    ("(" * 100_000, "a", "anywhere"),
    ("|".join(f"word{number}" for number in range(100_000)), "word1 ", "anywhere"),
    ("|".join(f"a{number}" for number in range(3_000)), "a1 ", "anywhere"),
    ("a" * 10_000_000, "a", "anywhere"),
    ("[ab]" * 20_000, "ab", "anywhere"),
    (r"\pL{0,900}\d{0,900}q", "é1" * 600 + " q", "anywhere"),
    (r"a(?:b.{4,300}c){0,4}d", "abc", "anywhere"),
    (r"a", "a", "anywhere"),
]


def compiled(pattern: str, at: str = "anywhere", **keys: Any) -> CompiledRule:
    rule = {"id": "r", "category": "c", "pattern": pattern, "at": at, **keys}
    return compile_pack(RulePack.model_validate({"id": "x", "rules": (rule,)}), "x.yaml")[0]


def compiled_or_message(pattern: str, at: str) -> CompiledRule | str:
    try:
        return compiled(pattern, at)
    except PackError as error:
        return str(error)


def hits_of(rule: CompiledRule, text: str) -> int:
    data, starts, stops = text_bytes(pa.array([text], pa.large_string()))
    turns = list(Finder((rule,)).candidates(data, starts, stops))
    return sum(len(confirm_within(text.encode(), [(rule, windows) for _, windows in found])) for _, found in turns)


def hits_or_message(rule: CompiledRule, text: str) -> int | str:
    try:
        return hits_of(rule, text)
    except PackError as error:
        return str(error)


@pytest.mark.parametrize("number", range(len(EVIL)))
def test_a_pattern_made_to_hurt_is_refused_or_bounded(number: int) -> None:
    pattern, piece, at = EVIL[number]
    text = (piece * (BYTES // len(piece.encode()) + 1))[:BYTES]
    began = time.process_time()
    rule = compiled_or_message(pattern, at)
    if isinstance(rule, str):
        assert rule.startswith("x.yaml: rule 'r': ")
        assert len(rule) < 1_000
    else:
        ended = hits_or_message(rule, text)
        assert isinstance(ended, int) or ended.startswith("pack 'x': rule 'r': it took more than ")
    assert time.process_time() - began < DEADLINE


def test_a_rule_that_takes_too_long_is_named_and_never_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = compiled(DEAR)
    assert hits_of(rule, "A" * 400) == 400
    monkeypatch.setattr(confirming, "TURN_SECONDS", 0.001)
    monkeypatch.setattr(confirming, "BYTE_SECONDS", 0.0)
    with pytest.raises(PackError, match=r"^pack 'x': rule 'r': .* on one turn of 20,000 bytes.*repeat less"):
        hits_of(rule, "A" * 20_000)


def test_a_start_rule_that_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = compiled(r"A(?:.*x)?", "start")
    assert len(confirm(b"A" * 9_000 + b"x", [rule])) == 1
    monkeypatch.setattr(confirming, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(confirming, "BYTE_SECONDS", 0.0)
    with pytest.raises(PackError, match=r"^pack 'x': rule 'r': "):
        confirm(b"A" * 9_000, [rule])


def test_a_start_hit_may_be_longer_than_any_other() -> None:
    text = b"A" + b"b" * 50_000 + b"x"
    assert [hit[:2] for hit in confirm(text, [compiled(r"A(?:.*x)?", "start")])] == [(0, len(text))]


def test_a_refusal_behind_many_excused_quotations_is_found() -> None:
    rules = {rule.rule.id: rule for rule in load_rules(["core-ru"])}
    rule = rules["refusal.ru_cannot"]
    quoted = "Я не могу написать отчёт, сказал сторож.\n\n"
    calm = "Над рекой стоял туман, и паром не торопился. " * 8 + "\n\n"
    genuine = "Я не могу предоставить полный отчёт."
    assert hits_of(rule, quoted + calm) == 0
    assert hits_of(rule, (quoted + calm) * 23 + genuine) == 1


@pytest.mark.parametrize(
    ("pack", "number", "sentence"),
    [
        ("core-ru", "refusal.ru_cannot", "Я не могу предоставить полный отчёт."),
        ("core-ru", "refusal.ru_sorry", "Извините, но я не могу вам помочь."),
    ],
)
def test_thousands_of_hits_in_one_long_turn_are_all_found(pack: str, number: str, sentence: str) -> None:
    rule = next(rule for rule in load_rules([pack]) if rule.rule.id == number)
    calm = "Над рекой стоял туман, и паром не торопился. " * 2
    assert hits_of(rule, f"{sentence}\n\n") == 1
    assert hits_of(rule, f"{sentence}\n\n" * 3_000) == 3_000
    assert hits_of(rule, f"{sentence} {calm}\n\n" * 3_000) == 3_000


@pytest.mark.parametrize("pattern", [None, r"so,? {phrases}"])
def test_thousands_of_phrases_load(pattern: str | None) -> None:
    phrases = tuple(f"the lantern of the harbour {number}" for number in range(5_000))
    rule: dict[str, Any] = {"id": "r", "category": "c", "phrases": phrases}
    if pattern is not None:
        rule["pattern"] = pattern
    (ready,) = compile_pack(RulePack.model_validate({"id": "x", "rules": (rule,)}), "x.yaml")
    assert hits_of(ready, "so the lantern of the harbour 4321, and so the lantern of the harbour 17.") == 2


@pytest.mark.parametrize(
    "keys",
    [
        {"macros": {f"m{n}": f"{{m{n + 1}}}" * 50 for n in range(12)}, "pattern": "{m0}"},
        {"macros": {"m": "{m}{m}"}, "pattern": "{m}"},
        {"macros": {"m": "x" * 90_000}, "pattern": "{m}" * 20_000},
        {"phrases": ["a phrase of some length"] * 100_000},
        {"pattern": "a", "unless": ["(?:" * 60 + "a" + ")" * 60]},
        {"pattern": "a.{0,900}b", "unless": [r"(?:\pL{0,30}A\pL{30}){0,15}A"]},
        {"pattern": "a", "unless": ["b" * 200_000]},
    ],
    ids=["bomb", "itself", "long", "phrases", "deep unless", "dear unless", "long unless"],
)
def test_a_rule_that_grows_is_refused(keys: dict[str, Any]) -> None:
    macros = keys.pop("macros", {})
    rule = {"id": "r", "category": "c", **{k: tuple(v) if isinstance(v, list) else v for k, v in keys.items()}}
    pack = RulePack.model_validate({"id": "x", "macros": macros, "rules": (rule,)})
    with pytest.raises(PackError, match=r"x\.yaml: rule 'r': "):
        compile_pack(pack, "x.yaml")


def test_the_command_names_file_and_rule(project: Path, command: Callable[..., Any]) -> None:
    rule = {"id": "r", "category": "c", "pattern": EVIL[15][0]}
    (project / "evil.yaml").write_text(yaml.safe_dump({"id": "x", "rules": [rule]}))
    ended = command("scan", "in.jsonl", "--pack", "evil.yaml", "-o", "out")
    assert ended.code == 2
    assert "evil.yaml: rule 'r': a match could cost" in ended.err
    assert not (project / "out").exists()
