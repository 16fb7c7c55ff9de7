"""Tics in disguise: each base of ``suites/evasions.yaml`` in every kind of disguise that it can wear."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import yaml

from tests.golden.suite_scores import SUITES, Labelled

_WORD: Final = re.compile(r"[A-Za-z]+")
_CYRILLIC: Final = str.maketrans(
    "aceopxyAEOCHTM", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0410\u0415\u041e\u0421\u041d\u0422\u041c"
)
_MATH_BOLD: Final = {ord(c): 0x1D400 + i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")}
_FULLWIDTH: Final = {ord(c): ord(c) + 0xFEE0 for c in map(chr, _MATH_BOLD)}
HAND_WRITTEN: Final = ("hyphen", "inserted", "frame", "synonym")


class Evasion(NamedTuple):
    """A disguised tic in an answer, with the base and the kind of disguise that made it."""

    base: str
    kind: str
    case: Labelled


def _change_longest(tic: str, change: Callable[[str], str]) -> str | None:
    """The tic with its longest word changed, where that word has four letters or more."""
    longest = max(_WORD.finditer(tic), key=lambda found: len(found.group()))
    word = longest.group()
    if len(word) < 4:
        return None
    return tic[: longest.start()] + change(word) + tic[longest.end() :]


def _change_middle_space(tic: str, replacement: str) -> str | None:
    spaces = [index for index, character in enumerate(tic) if character == " "]
    if not spaces:
        return None
    middle = spaces[len(spaces) // 2]
    return tic[:middle] + replacement + tic[middle + 1 :]


def _within(word: str, inserted: str) -> str:
    return word[: len(word) // 2] + inserted + word[len(word) // 2 :]


def _without_middle_letter(word: str) -> str:
    return word[: len(word) // 2] + word[len(word) // 2 + 1 :]


def _with_middle_letters_swapped(word: str) -> str:
    """Two neighbours that differ, near the middle, change places."""
    for at in range(len(word) // 2, 0, -1):
        if word[at] != word[at - 1]:
            return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    return word


def _with_look_alikes(word: str) -> str:
    """Up to two letters become Cyrillic; the first one stays, so that the word is of two scripts."""
    changed, left = word[0], 2
    for character in word[1:]:
        other = character.translate(_CYRILLIC)
        if other != character and left:
            changed, left = changed + other, left - 1
        else:
            changed += character
    return changed


def _with_entity(tic: str) -> str | None:
    if "'" in tic:
        return tic.replace("'", "&#39;")
    if "<" in tic:
        return tic.replace("<", "&lt;").replace(">", "&gt;")
    return _change_middle_space(tic, "&nbsp;")


def _with_dots(tic: str) -> str:
    """``A.I.`` for ``AI``; a tic without it is set in bold instead."""
    dotted = re.sub(r"\bAI\b", "A.I.", tic)
    return dotted if dotted != tic else f"__{tic}__"


MECHANICAL: Final[dict[str, Callable[[str], str | None]]] = {
    "plain": lambda tic: tic,
    "bold_inside": lambda tic: _change_longest(tic, lambda word: f"**{word}**"),
    "italic_whole": lambda tic: f"*{tic}*",
    "dotted_or_bold": _with_dots,
    "newline": lambda tic: _change_middle_space(tic, "\n"),
    "double_space": lambda tic: _change_middle_space(tic, "  "),
    "no_break_space": lambda tic: _change_middle_space(tic, "\u00a0"),
    "zero_width": lambda tic: _change_longest(tic, lambda word: _within(word, "\u200b")),
    "soft_hyphen": lambda tic: _change_longest(tic, lambda word: _within(word, "\u00ad")),
    "cyrillic": lambda tic: _change_longest(tic, _with_look_alikes),
    "fullwidth": lambda tic: tic.translate(_FULLWIDTH),
    "math_bold": lambda tic: tic.translate(_MATH_BOLD),
    "dropped_letter": lambda tic: _change_longest(tic, _without_middle_letter),
    "swapped_letters": lambda tic: _change_longest(tic, _with_middle_letters_swapped),
    "entity": _with_entity,
    "curly": lambda tic: tic.replace("'", "\u2019") if "'" in tic else None,
    "upper": str.upper,
    "lower": str.lower,
}


def evasions() -> list[Evasion]:
    """All cases, base by base, always the same. ``case.tic`` is what a hit must overlap."""
    bases = yaml.safe_load((SUITES / "evasions.yaml").read_text(encoding="utf-8"))
    return [evasion for base in bases for evasion in _of_base(base)]


def _of_base(base: dict[str, Any]) -> Iterator[Evasion]:
    carriers, skip = base["carriers"], base.get("skip", ())
    seen: set[str] = set()
    for number, kind in enumerate((*MECHANICAL, *HAND_WRITTEN)):
        tic = MECHANICAL[kind](base["tic"]) if kind in MECHANICAL else base[kind]
        # A disguise that changes nothing (a tic in lower case, lowered) would count one case twice.
        if tic is None or kind in skip or tic in seen:
            continue
        seen.add(tic)
        carrier = carriers[number % len(carriers)]
        text = carrier["text"].replace("{tic}", tic)
        yield Evasion(base["id"], kind, Labelled(carrier["prompt"], text, base["category"], True, tic))
