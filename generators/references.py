"""Which names, numbers, quotes and identifiers of an answer the rest of a conversation leans on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_NUMBER: Final = re.compile(r"\d+(?:[.,:/]\d+)*")
_WORD: Final = re.compile(r"[^\W\d_][\w'\u2019-]*")
_QUOTED: Final = re.compile('"([^"\n]{2,60})"|\u201c([^\u201c\u201d\n]{2,60})\u201d|`([^`\n]{1,60})`')
_IDENTIFIER: Final = re.compile(r"\b(?:[A-Za-z]\w*_\w+|[a-z]+\d*[A-Z]\w*|[A-Za-z]\w*(?=\(\)))")
_LIST_NUMBER: Final = re.compile(r"^[ \t]*\d{1,3}[.)](?=\s)", re.MULTILINE)
_INSIDE: Final = re.compile(r"[\w,;)\u2019'-][ \t]+$")
"""What stands before a capital inside a sentence; a capital elsewhere may be any word's."""


def references(original: str, earlier: Sequence[str], later: Sequence[str]) -> tuple[str, ...]:
    """What ``later`` turns take up from ``original`` and could not have from ``earlier`` turns; in order of mention.

    The number of a list item in a later turn is no reference; "option 2" to the second item of a list is one.
    """
    if not later:
        return ()
    rest = "\n".join(_LIST_NUMBER.sub("", text) for text in later)
    before = "\n".join(earlier)
    found = (item for item in _candidates(original, rest) if _mentions(rest, item) and not _mentions(before, item))
    return tuple(dict.fromkeys(found))


def lacking(answer: str, wanted: Iterable[str]) -> tuple[str, ...]:
    """Those of ``wanted`` that ``answer`` does not mention, in any case of letters."""
    folded = answer.casefold()
    return tuple(item for item in wanted if not _mentions(folded, item.casefold()))


def _candidates(original: str, rest: str) -> list[str]:
    quoted = [next(filter(None, match.groups())).strip(" .,;:!?") for match in _QUOTED.finditer(original)]
    identifiers = _IDENTIFIER.findall(original)
    names = [word for word in _capitalised(original) if _is_name(word, original, rest)]
    return [item for item in (*names, *_NUMBER.findall(original), *quoted, *identifiers) if item]


def _capitalised(text: str) -> list[str]:
    words = (re.sub(r"['\u2019]s?$", "", word) for word in _WORD.findall(text))
    return [word for word in words if word[:1].isupper() and len(word) > 1 and not re.match(r"I['\u2019]", word)]


def _is_name(word: str, *texts: str) -> bool:
    """Whether a capitalised word is one because it is a name: inside a sentence somewhere, and never in lower case."""
    if any(_mentions(text, word.lower()) for text in texts):
        return False
    return any(_INSIDE.search(text, 0, match.start()) for text in texts for match in _bounded(word).finditer(text))


def _mentions(text: str, item: str) -> bool:
    return _bounded(item).search(text) is not None


def _bounded(item: str) -> re.Pattern[str]:
    if item[0].isdigit():
        return re.compile(rf"(?<![\w.,:/]){re.escape(item)}(?![\w]|[.,:/]\d)|(?<=[$\u20ac\u00a3#]){re.escape(item)}\b")
    return re.compile(rf"(?<!\w){re.escape(item)}(?!\w)")
