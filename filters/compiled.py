"""A rule made ready to run: its confirming pattern, what the finder looks for, and its exceptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

import re2

from phrasemill.filters.factor import Need, needed
from phrasemill.filters.linear import MAX_WIDTH, Alternation, group_names, literal, max_width, parse, relaxed, to_re2
from phrasemill.schemas.errors import PackError
from phrasemill.schemas.rule import Rule, RulePack

CUT: Final = "cut"
SPAN: Final = "span"
_MACRO_DEPTH: Final = 5
_SHOWN: Final = 200

MAX_PATTERN: Final = 100_000
"""Characters of a pattern, macros put in. The longest that ships has an eighth of it."""

MAX_PHRASES: Final = 1_000_000
"""Characters of a pattern with its phrases put in as well: they are literals, and cost no more than their length."""

MAX_WORK: Final = 1_000_000_000
"""What one match may cost, in bytes that it may read times instructions of what reads them.

Only a text made to hurt takes that time; others take a thousandth of it. The dearest rule that ships comes to 0.65.
"""

START_REACH: Final = 8_000
"""Bytes that one match of a ``start`` pattern without bound is reckoned to read when its pack is loaded."""

UNLESS_BYTES: Final = 120
"""How far around a hit its exceptions are looked for."""

Spans = list[tuple[int, int]]
"""A match: its bounds in bytes, then those of each group; -1 where there is none."""

Search = Callable[[re2._Anchor, bytes, int, int], Spans]
"""The first match from one offset on and to another: ``ANYWHERE`` behind the first, or ``THERE`` at it."""

ANYWHERE: Final = re2._Anchor.UNANCHORED
THERE: Final = re2._Anchor.ANCHOR_START


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """``pattern`` and ``unless`` are RE2's; ``span_group`` and ``cut_group`` are group numbers, 0 for the whole match.

    ``language``: the code of the turns that it holds in, ``any`` for all. ``cut_group`` is None where a strip removes
    nothing. ``probe`` matches wherever ``pattern`` does. ``needs``: what a text must hold before the rule can match.
    """

    rule: Rule
    pack: str
    language: str
    pattern: str
    probe: str
    needs: Need
    span_group: int
    cut_group: int | None
    unless: tuple[str, ...]

    @property
    def matcher(self) -> re2._Regexp:
        """The pattern, ready to run on UTF-8 bytes; compiled when first used."""
        return _compiled(self.pattern)

    @property
    def search(self) -> Search:
        """The first match in a part of a text; what is before and behind the part is seen but not matched."""
        return _search(self.pattern)

    @property
    def hint(self) -> Search:
        """The first place where the rule may match, by a pattern that is quicker to run and matches more."""
        return _search(self.probe)

    @property
    def exceptions(self) -> tuple[Search, ...]:
        """Searches for what withdraws a hit that it overlaps."""
        return tuple(map(_search, self.unless))


def compile_pack(pack: RulePack, where: str) -> tuple[CompiledRule, ...]:
    """Every rule of a pack, compiled. ``where`` (the file) starts the message of a PackError."""
    return tuple(compile_rule(rule, pack, f"{where}: rule {rule.id!r}") for rule in pack.rules)


def compile_rule(rule: Rule, pack: RulePack, where: str) -> CompiledRule:
    """One rule, compiled for both engines; PackError names what is wrong and where."""
    tree = parse(pattern_text(rule, pack.macros, where), where)
    _check_width(rule, tree, where)
    needs = needed(tree)
    if needs.is_nothing:
        raise PackError(f"{where}: the pattern can match without any fixed word or character; add one to find it by")
    pattern = to_re2(tree)
    unless = tuple(to_re2(parse(expand(text, pack.macros, where), where)) for text in rule.unless)
    for each in (pattern, *unless):
        _check(each, where)
    _check_work(rule, needs.width, pattern, unless, where)
    numbers = {name: number for number, name in enumerate(group_names(tree), start=1)}
    if unknown := numbers.keys() - {CUT, SPAN}:
        raise PackError(
            f"{where}: unknown group {sorted(unknown)[0]!r}; the groups with a meaning are 'cut' and 'span'"
        )
    if rule.frame == "group" and CUT not in numbers:
        raise PackError(f"{where}: frame is 'group', but the pattern has no group (?P<cut>...)")
    if CUT in numbers and rule.frame != "group":
        raise PackError(f"{where}: the pattern has a group 'cut', but frame is {rule.frame!r}; expected 'group'")
    span = numbers.get(SPAN, 0)
    cut_group = {"none": None, "match": span, "tail": 0, "group": numbers.get(CUT)}[rule.frame]
    return CompiledRule(rule, pack.id, pack.language, pattern, relaxed(tree), needs, span, cut_group, unless)


def pattern_text(rule: Rule, macros: dict[str, str], where: str) -> str:
    """The rule's pattern with its phrases and the pack's macros put in."""
    phrases = "|".join(literal(phrase) for phrase in sorted(rule.phrases, key=lambda p: (-len(p), p)))
    if rule.pattern is None:
        _check_length(len(phrases), where, MAX_PHRASES)
        return rf"\b(?:{phrases})\b"
    pattern = expand(rule.pattern, {name: value for name, value in macros.items() if name != "phrases"}, where)
    _check_length(len(pattern) + pattern.count("{phrases}") * len(phrases), where, MAX_PHRASES)
    return pattern.replace("{phrases}", f"(?:{phrases})")


def expand(pattern: str, macros: dict[str, str], where: str) -> str:
    """The pattern with every ``{name}`` replaced by its macro as a group; macros may use macros."""
    _check_length(len(pattern), where)
    for _ in range(_MACRO_DEPTH):
        changed = pattern
        for name, value in macros.items():
            key, group = "{" + name + "}", f"(?:{value})"
            _check_length(len(changed) + changed.count(key) * (len(group) - len(key)), where)
            changed = changed.replace(key, group)
        if changed == pattern:
            return pattern
        pattern = changed
    raise PackError(f"{where}: macros refer to each other more than {_MACRO_DEPTH} levels deep")


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    return re2.compile(f"(?im:{pattern})".encode(), options)


@lru_cache(maxsize=4096)
def _size(pattern: str) -> int:
    return int(_compiled(pattern)._regexp.ProgramSize())


@lru_cache(maxsize=4096)
def _search(pattern: str) -> Search:
    """The engine's own match function: what Python wraps around it costs as much again."""
    return cast(Search, _compiled(pattern)._regexp.Match)


def forget_states() -> None:
    """Let go of every compiled pattern: engines keep the states that texts led them to. Each comes back when used."""
    _search.cache_clear()
    _compiled.cache_clear()


def _check(pattern: str, where: str) -> None:
    try:
        _compiled(pattern)
    except re2.error as error:
        detail = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise PackError(f"{where}: {detail} in {_shown(pattern)}") from error


def _check_work(rule: Rule, width: int | None, pattern: str, unless: tuple[str, ...], where: str) -> None:
    work = _work(rule, width, pattern, unless)
    if work > MAX_WORK:
        raise PackError(
            f"{where}: a match could cost {work / MAX_WORK:.1f} times what it may: it is wide and has many "
            f"alternatives or repeats within repeats ({_size(pattern):,} instructions); repeat less, or make several "
            "rules of it"
        )


def _work(rule: Rule, width: int | None, pattern: str, unless: tuple[str, ...]) -> int:
    """Bytes that one match and its exceptions may read, each times the instructions of what reads them."""
    reach = START_REACH if rule.at == "start" else MAX_WIDTH
    width = 1 + (reach if width is None else min(width, reach))
    return width * _size(pattern) + (width + 2 * UNLESS_BYTES) * sum(map(_size, unless))


def _check_length(characters: int, where: str, most: int = MAX_PATTERN) -> None:
    if characters > most:
        raise PackError(
            f"{where}: the pattern has {characters:,} characters with its macros and phrases put in, expected at most "
            f"{most:,}: make several rules of it"
        )


def _shown(pattern: str) -> str:
    return repr(pattern) if len(pattern) <= _SHOWN else f"{pattern[:_SHOWN]!r}..."


def _check_width(rule: Rule, tree: Alternation, where: str) -> None:
    """Find-all stays linear in the text only if a match is bounded, or if the region it is tried in is."""
    if rule.at in ("start", "end"):
        return
    width = max_width(tree)
    if width is None or width > MAX_WIDTH:
        raise PackError(
            f"{where}: a match could be {'endless' if width is None else f'{width} characters long'}; a rule that may "
            f"match anywhere must stay under {MAX_WIDTH}: bound its repeats, for example {{0,120}} instead of *"
        )
