"""Patterns of packs that are made to hurt: refused when the pack is loaded, or bounded on a text of 100 kB."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest
import yaml

from phrasemill.filters.compiled import MAX_WORK, SURE, CompiledRule, compile_pack
from phrasemill.filters.confirm import confirm_within
from phrasemill.filters.finder import Finder
from phrasemill.filters.packs import load_rules, shipped_packs
from phrasemill.filters.regex import text_bytes
from phrasemill.schemas.errors import PackError
from phrasemill.schemas.rule import RulePack

BYTES: Final = 100_000
DEADLINE: Final = 20.0
"""CPU seconds for one pattern; all take under one, those without a bound took minutes."""

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
    (r"[^z]{0,900}[^z]{0,990}zx|A", "A", "anywhere"),
    (r"[^z]{0,900}[^z]{0,990}zx|A", "A", "sentence_start"),
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
        hits_of(rule, text)
    assert time.process_time() - began < DEADLINE


def test_of_a_wide_rule_so_many_matches_are_seen_and_of_a_narrow_one_all() -> None:
    wide = compiled(r"[^z]{0,900}[^z]{0,990}zx|A")
    assert hits_of(wide, "A" * SURE) == SURE
    assert hits_of(wide, "A" * BYTES) == wide.most_matches(BYTES) < 5_000
    assert hits_of(compiled("ab"), "ab" * (BYTES // 2)) == BYTES // 2


def test_what_ships_stays_under_the_bound() -> None:
    rules = load_rules(shipped_packs())
    assert len(rules) > 300
    assert all(rule.most_matches(1_000) >= SURE for rule in rules)
    assert MAX_WORK > 0


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
