"""What of an answer must survive a change of voice, and the check that it did: nothing lost, nothing made up.

Facts are compared as sets: code blocks byte by byte, numbers by value and unit ("3 km" is "three kilometres"), quotes
without regard to the kind of quotation mark, names without regard to case. Where a fact stands is not compared. Every
step takes time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from phrasemill.generators.recipes.language import language_of

KINDS: Final = ("code", "url", "email", "quote", "number", "name")
"""In the order in which they are compared."""

INVENTED: Final = ("code", "url", "email", "quote", "number")
"""Kinds of which an answer may hold no other than the original."""

_FENCE: Final = re.compile(r"^ {0,3}(?:[-*+>] )?(`{3,}|~{3,})", re.MULTILINE)
_INLINE: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w+-][\w.+-]{0,63}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_URL: Final = re.compile(r"""\b(?:https?|ftp)://[^\s<>"')\]]+|\bwww\.[^\s<>"')\]]+""", re.IGNORECASE)
_URL_TAIL: Final = ".,;:!?*_"
_QUOTE: Final = re.compile(
    '"([^"\n]{1,300})"|\u201c([^\u201c\u201d\n]{1,300})\u201d|\u00ab([^\u00ab\u00bb\n]{1,300})\u00bb'
)
_ITEM: Final = re.compile(r"^[ \t>]*(?:\*\*|__)?\(?\d{1,3}[.)](?=[\s*_])", re.MULTILINE)
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")

_HEADING: Final = re.compile(r"^ {0,3}#{1,6} .*$|^[ \t]*(?:[-*+] |\d{1,3}[.)] )?\*\*[^*\n]+\*\*", re.MULTILINE)
"""Headings and what a list item is led by: title case there makes no names."""

_SMALL: Final = dict(
    zip(
        re.findall(
            r"\w+",
            "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
            "eighteen nineteen",
        ),
        map(str, range(2, 20)),
        strict=True,
    )
)
_TENS: Final = dict(
    zip(
        re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety"),
        map(str, range(20, 100, 10)),
        strict=True,
    )
)
_LARGE: Final = {"hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000", "dozen": "12"}
_SPELLED: Final = {**_SMALL, **_TENS, **_LARGE}
"""One, and numbers of order ("third"), are left out: they are mostly no numbers."""

_UNITS: Final = {
    spelling: spellings.split()[0]
    for spellings in (
        "% percent",
        "km kilometre kilometres kilometer kilometers",
        "m metre metres meter meters",
        "cm centimetre centimetres centimeter centimeters",
        "mm millimetre millimetres millimeter millimeters",
        "mi mile miles",
        "ft foot feet",
        "inch inches",
        "yd yard yards",
        "kg kilo kilos kilogram kilograms",
        "g gram grams gramme grammes",
        "mg milligram milligrams",
        "lb lbs pound pounds",
        "oz ounce ounces",
        "l litre litres liter liters",
        "ml millilitre millilitres milliliter milliliters",
        "\u00b0C celsius",
        "\u00b0F fahrenheit",
        "s sec secs second seconds",
        "min mins minute minutes",
        "h hr hrs hour hours",
        "day days",
        "week weeks",
        "month months",
        "year years",
        "$ dollar dollars usd",
        "\u20ac euro euros eur",
        "\u00a3 gbp",
        "hundred",
        "thousand k",
        "million",
        "billion",
        "trillion",
        "kb kilobyte kilobytes",
        "mb megabyte megabytes",
        "gb gigabyte gigabytes",
    )
    for spelling in spellings.lower().split()
}
_NUMBER: Final = re.compile(
    r"(?P<sign>(?<![\w)\]])[-\u2212](?=[$\u20ac\u00a3]?\d))?(?P<coin>[$\u20ac\u00a3])?(?P<value>\d+(?:[.,:/]\d+)*)"
    r"(?:[ \u00a0-]?(?P<unit>%|\u00b0[CF]\b|[A-Za-z]+))?"
    rf"|\b(?P<word>(?:{'|'.join(_TENS)})-(?:{'|'.join(list(_SMALL)[:8])})|{'|'.join(_SPELLED)})s?\b"
    r"(?:[ -](?P<after>%|[A-Za-z]+))?",
    re.IGNORECASE,
)
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")

_NO_NAMES: Final = frozenset(
    re.findall(
        r"[\w']+",
        "i i'm i've i'd i'll the a an this that these those it its he she they we you his her their our your my there "
        "here let what which who when where why how if and or but so then also yes no not as at by for from in of on "
        "to with mr mrs ms dr once while since after before because although most many some each every both all",
    )
)
_COPULA: Final = frozenset({"is", "was", "are", "were", "has", "had", "will", "became", "wrote", "said", "says"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What an answer holds, by kind. ``blocks`` are its fenced code blocks in order; ``code`` is inline code."""

    blocks: tuple[str, ...]
    code: frozenset[str]
    url: frozenset[str]
    email: frozenset[str]
    quote: frozenset[str]
    number: frozenset[str]
    name: frozenset[str]
    words: frozenset[str]


def facts_of(text: str) -> Facts:
    """The facts of an answer. What stands in a code block counts as that block alone."""
    blocks, prose = _without_fences(text)
    code = frozenset(found.strip() for found in _INLINE.findall(prose))
    prose = _INLINE.sub(" ` ", prose)
    urls = frozenset(found.rstrip(_URL_TAIL) for found in _URL.findall(prose))
    prose = _URL.sub(" ` ", prose)
    emails = frozenset(found.casefold() for found in _EMAIL.findall(prose))
    prose = _EMAIL.sub(" ` ", prose)
    quotes = frozenset(_plain("".join(groups)) for groups in _QUOTE.findall(prose))
    numbers = frozenset(map(_number, _NUMBER.finditer(_ITEM.sub("", prose))))
    words = frozenset(_bare(word).casefold() for word in _WORD.findall(prose))
    return Facts(
        tuple(blocks), code, urls, emails, quotes, numbers, frozenset(name.casefold() for name in _names(prose)), words
    )


def as_written(text: str) -> list[str]:
    """Inline code, addresses, numbers and names of an answer as they stand in it, each once, for a model to keep."""
    prose = _without_fences(text)[1]
    found = [match.group() for match in _INLINE.finditer(prose)]
    prose = _INLINE.sub(" ` ", prose)
    for pattern in (_URL, _EMAIL):
        found.extend(match.group().rstrip(_URL_TAIL) for match in pattern.finditer(prose))
        prose = pattern.sub(" ` ", prose)
    found.extend(map(_written, _NUMBER.finditer(_ITEM.sub("", prose))))
    return list(dict.fromkeys((*found, *_names(prose))))


def broken(original: str, rewrite: str) -> tuple[str, tuple[str, ...]]:
    """The reason why a rewrite does not say what the original says, and the facts in question; empty where it does.

    ``lost_fact:KIND`` where one of the original is missing, ``new_fact:KIND`` where the rewrite has one of its own.
    """
    before, after = facts_of(original), facts_of(rewrite)
    if before.blocks != after.blocks:
        lost = [block for block in before.blocks if block not in after.blocks]
        return (
            ("lost_fact:code", tuple(lost)) if lost or len(before.blocks) > len(after.blocks) else ("new_fact:code", ())
        )
    for kind in KINDS:
        own: frozenset[str] = getattr(before, kind)
        # A name of the original is kept where its word is there, in whatever case and place.
        known = after.words if kind == "name" else getattr(after, kind)
        if missing := sorted(own - known):
            return f"lost_fact:{kind}", tuple(missing)
    for kind in INVENTED:
        if invented := sorted(getattr(after, kind) - getattr(before, kind)):
            return f"new_fact:{kind}", tuple(invented)
    return "", ()


def _without_fences(text: str) -> tuple[list[str], str]:
    """Fenced code blocks, fences included, and the text with a line break for each."""
    blocks: list[str] = []
    prose: list[str] = []
    done = 0
    opened: tuple[int, str] | None = None
    for found in _FENCE.finditer(text):
        fence = found[1]
        if opened is None:
            opened = (found.start(), fence)
        elif fence[0] == opened[1][0] and len(fence) >= len(opened[1]):
            line_end = text.find("\n", found.end())
            stop = len(text) if line_end < 0 else line_end
            blocks.append(text[opened[0] : stop])
            prose.append(text[done : opened[0]])
            done, opened = stop, None
    if opened is not None:
        blocks.append(text[opened[0] :])
        prose.append(text[done : opened[0]])
        done = len(text)
    return blocks, "\n".join([*prose, text[done:]])


def _plain(quote: str) -> str:
    """A quote without white space, case and marks at its ends, which follow the sentence around it."""
    return " ".join(quote.split()).strip(" .,;:!?").replace("\u2019", "'").casefold()


def _number(found: re.Match[str]) -> str:
    """The number as digits, with its unit where it has one that we know."""
    if found["word"] is not None:
        first, _, second = found["word"].casefold().partition("-")
        value = _SPELLED[first] if not second else str(int(_TENS[first]) + int(_SMALL[second]))
        return f"{value} {_UNITS.get((found['after'] or '').casefold(), '')}".strip()
    value = found["value"]
    if _THOUSANDS.fullmatch(value):
        value = value.replace(",", "")
    unit = _UNITS.get((found["coin"] or found["unit"] or "").casefold(), "")
    # Letters right behind a number belong to it: 2am, 4K, 3rd.
    joined = "" if unit or not found["unit"] or found.end("value") != found.start("unit") else found["unit"].casefold()
    return f"{'-' if found['sign'] else ''}{value}{joined} {unit}".strip()


def _written(found: re.Match[str]) -> str:
    """The number as it stands, without a word behind it that is no unit of ours."""
    follower = "unit" if found["word"] is None else "after"
    if found[follower] is None or found[follower].casefold() in _UNITS:
        return found.group()
    return found.group()[: found.start(follower) - found.start()].rstrip(" -\u00a0")


def _bare(word: str) -> str:
    return re.sub(r"['\u2019]s?\Z", "", word)


def _names(text: str) -> Iterable[str]:
    """Capitalised words that are names: in the middle of a sentence, or shown by what follows.

    A word that the text also has in small letters is none.
    """
    text = _HEADING.sub("\n", text)
    small = {word for word in _WORD.findall(text) if word.islower()}
    matches = list(_WORD.finditer(text))
    has_large_nouns = language_of(text) == "de"
    for match, following in pairwise([*matches, None]):
        assert match is not None
        word = _bare(match.group())
        folded = word.casefold()
        if not word[0].isupper() or len(word) < 2 or folded in small or folded in _NO_NAMES:
            continue
        follower = following.group() if following is not None else ""
        gap = text[match.end() : following.start()] if following is not None else ""
        is_inside = not has_large_nouns and _is_inside(text, match.start())
        has_name_form = not word[1:].islower() and any(map(str.isupper, word[1:]))
        leads_name = gap == " " and (
            follower in _COPULA or (follower[:1].isupper() and _bare(follower).casefold() not in small)
        )
        if is_inside or has_name_form or leads_name or match.group() != word:
            yield word


def _is_inside(text: str, start: int) -> bool:
    """Whether a word stands behind another one of its sentence."""
    before = text[max(0, start - 6) : start].rstrip("*_([\"'\u2018\u201c")
    word = before.rstrip(" \t")
    return word != before and bool(word) and (word[-1].isalnum() or word[-1] in ",;)")
